/// Reads PKCS#12 (RFC 7292): keys and certificates under a password. What is signed or encrypted for a key (public-key modes) is
/// not read, which no program writes.
///
/// Done here, as the library that TLS comes from ends the program for a file whose key has no certificate, and reads no
/// file without a key, as trust stores are.
enum PKCS12 {
    /// How deep bags may be in each other.
    private static let depthMax = 8

    /// Whether it may be one.
    static func isOne(_ bytes: [UInt8]) -> Bool { bytes.first == 0x30 }

    /// - Parameters:
    ///   - password: of the file; nil reads what is not encrypted, unchecked.
    ///   - keyPassword: of the keys, where it is another.
    ///   - readsKeys: whether keys are wanted: that they are there is seen in any case.
    static func read(
        _ bytes: [UInt8], password: String?, keyPassword: String? = nil, readsKeys: Bool = true
    ) throws(StoreFailure) -> StoreContents {
        guard let whole = BER.definite(bytes[...]) else { throw .malformed }
        var outer = DER(whole[...])
        guard var file = outer.next(tag: DER.sequence), file.number() == 3,
            var safe = file.next(tag: DER.sequence), safe.objectIdentifier() == "1.2.840.113549.1.7.1",
            var explicit = safe.next(tag: 0xA0), let content = explicit.octets()
        else { throw .malformed }
        if let password, let mac = file.next(tag: DER.sequence) {
            guard try PasswordEncryption(password: Array(password.utf8)).accepts(content, mac) else {
                throw .wrongPassword
            }
        }
        var reader = Reader(
            password: password.map { PasswordEncryption(password: Array($0.utf8)) },
            keyPassword: keyPassword.map { PasswordEncryption(password: Array($0.utf8)) }, readsKeys: readsKeys)
        try reader.safe(content)
        return reader.contents
    }

    private struct Reader {
        let password: PasswordEncryption?
        let keyPassword: PasswordEncryption?
        let readsKeys: Bool
        var contents = StoreContents()
        var count = 0

        /// AuthenticatedSafe: parts, some of which are encrypted.
        mutating func safe(_ bytes: [UInt8]) throws(StoreFailure) {
            guard let whole = BER.definite(bytes[...]) else { throw .malformed }
            var outer = DER(whole[...])
            guard var parts = outer.next(tag: DER.sequence) else { throw .malformed }
            while !parts.isEmpty {
                guard var part = parts.next(tag: DER.sequence), let type = part.objectIdentifier(),
                    var explicit = part.next(tag: 0xA0)
                else { throw .malformed }
                switch type {
                case "1.2.840.113549.1.7.1":
                    guard let content = explicit.octets() else { throw .malformed }
                    try bags(content, depth: 0)
                case "1.2.840.113549.1.7.6": try bags(try decrypted(&explicit), depth: 0)
                default: throw .unsupported("parts of the type \(type)")
                }
            }
        }

        /// EncryptedData (RFC 2315, 13).
        private func decrypted(_ explicit: inout DER) throws(StoreFailure) -> [UInt8] {
            guard var data = explicit.next(tag: DER.sequence), data.number() != nil,
                var info = data.next(tag: DER.sequence), info.objectIdentifier() == "1.2.840.113549.1.7.1",
                let algorithm = info.next(tag: DER.sequence), let content = info.element()
            else { throw .malformed }
            var bytes: [UInt8] = []
            switch content.tag {
            case 0x80: bytes = Array(content.content)
            case 0xA0:
                var parts = DER(content.content)
                while !parts.isEmpty {
                    guard let part = parts.octets() else { throw .malformed }
                    bytes += part
                }
            default: throw .malformed
            }
            guard let password else { throw .needsPassword }
            return try password.decrypted(bytes, algorithm)
        }

        /// SafeContents.
        private mutating func bags(_ bytes: [UInt8], depth: Int) throws(StoreFailure) {
            guard depth < depthMax, let whole = BER.definite(bytes[...]) else { throw .malformed }
            var outer = DER(whole[...])
            guard var bags = outer.next(tag: DER.sequence) else { throw .malformed }
            while !bags.isEmpty {
                count += 1
                guard count <= StoreContents.countMax else {
                    throw .unsupported("more than \(StoreContents.countMax) parts")
                }
                guard var bag = bags.next(tag: DER.sequence), let type = bag.objectIdentifier(),
                    var value = bag.next(tag: 0xA0)
                else { throw .malformed }
                let attributes = try attributes(&bag)
                switch type {
                case "1.2.840.113549.1.12.10.1.1":
                    guard let key = value.element() else { throw .malformed }
                    contents.keys.append(.init(bytes: Array(key.whole), identifier: attributes.identifier))
                case "1.2.840.113549.1.12.10.1.2":
                    let bytes = readsKeys ? try key(&value) : []
                    contents.keys.append(.init(bytes: bytes, identifier: attributes.identifier))
                case "1.2.840.113549.1.12.10.1.3":
                    guard let certificate = try certificate(&value) else { continue }
                    contents.certificates.append(
                        .init(
                            bytes: certificate, identifier: attributes.identifier, isTrusted: attributes.isTrusted))
                case "1.2.840.113549.1.12.10.1.6":
                    guard let inner = value.element() else { throw .malformed }
                    try self.bags(Array(inner.whole), depth: depth + 1)
                default: continue  // lists of revoked certificates, secrets: nothing for TLS
                }
            }
        }

        /// EncryptedPrivateKeyInfo.
        private func key(_ value: inout DER) throws(StoreFailure) -> [UInt8] {
            guard var info = value.next(tag: DER.sequence), let algorithm = info.next(tag: DER.sequence),
                let bytes = info.octets()
            else { throw .malformed }
            guard let first = keyPassword ?? password else { throw .needsPassword }
            if let key = try Self.key(bytes, algorithm, first) { return key }
            // Most programs have one password for both, whatever is set.
            guard keyPassword != nil, let password, let key = try Self.key(bytes, algorithm, password) else {
                throw .wrongKeyPassword
            }
            return key
        }

        /// nil when the password is another one.
        private static func key(
            _ bytes: [UInt8], _ algorithm: DER, _ password: PasswordEncryption
        ) throws(StoreFailure) -> [UInt8]? {
            let plain: [UInt8]
            do throws(StoreFailure) { plain = try password.decrypted(bytes, algorithm) } catch {
                guard error == .wrongPassword else { throw error }
                return nil
            }
            // By chance a wrong password may leave a right padding.
            var outer = DER(plain[...])
            guard var info = outer.next(tag: DER.sequence), info.number() != nil else { return nil }
            return plain
        }

        /// nil for certificates that are none of X.509.
        private func certificate(_ value: inout DER) throws(StoreFailure) -> [UInt8]? {
            guard var bag = value.next(tag: DER.sequence), let type = bag.objectIdentifier(),
                var explicit = bag.next(tag: 0xA0)
            else { throw .malformed }
            guard type == "1.2.840.113549.1.9.22.1" else { return nil }
            guard let bytes = explicit.octets() else { throw .malformed }
            return bytes
        }

        private func attributes(
            _ bag: inout DER
        ) throws(StoreFailure) -> (identifier: [UInt8]?, isTrusted: Bool) {
            var found: (identifier: [UInt8]?, isTrusted: Bool) = (nil, false)
            guard !bag.isEmpty else { return found }
            guard var set = bag.next(tag: DER.set) else { throw .malformed }
            while !set.isEmpty {
                guard var attribute = set.next(tag: DER.sequence), let name = attribute.objectIdentifier(),
                    var values = attribute.next(tag: DER.set)
                else { throw .malformed }
                switch name {
                case "1.2.840.113549.1.9.21": found.identifier = values.octets()
                // Java's mark of an authority, whatever for.
                case "2.16.840.1.113894.746875.1.1": found.isTrusted = true
                default: continue
                }
            }
            return found
        }
    }
}
