import Crypto

/// Reads Java's own key stores (JKS), which Java wrote up to release 8 and still reads. All numbers are big-endian.
///
/// | part | bytes |
/// |---|---|
/// | magic `FEEDFEED`, version 1 or 2, number of entries | 4 each |
/// | an entry: 1 for a key or 2 for a certificate; alias; milliseconds since 1970 | 4; 2 and the text; 8 |
/// | a key: EncryptedPrivateKeyInfo; how many certificates, and these | 4 and the bytes; 4 |
/// | a certificate: its type, from version 2 on; X.509 | 2 and the text; 4 and the bytes |
/// | at the end: SHA-1 of the password in UTF-16, "Mighty Aphrodite", and all before | 20 |
///
/// - SeeAlso: upstream OpenJDK's `JavaKeyStore`, `KeyProtector`.
enum JavaKeyStore {
    /// Whether it is one.
    static func isOne(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0xFE, 0xED, 0xFE, 0xED]) }

    private static let protector = "1.3.6.1.4.1.42.2.17.1.1"
    private static let digestByteCount = 20

    /// - Parameters:
    ///   - password: of the file; nil reads certificates unchecked, as in Java.
    ///   - keyPassword: of the keys, where it is another.
    ///   - readsKeys: whether keys are wanted: their certificates are read in any case.
    static func read(
        _ bytes: [UInt8], password: String?, keyPassword: String? = nil, readsKeys: Bool = true
    ) throws(StoreFailure) -> StoreContents {
        guard isOne(bytes), bytes.count >= 12 + digestByteCount else { throw .malformed }
        let content = bytes.dropLast(digestByteCount)
        if let password {
            let digest = Insecure.SHA1.hash(data: wide(password) + Array("Mighty Aphrodite".utf8) + content)
            guard isSame(Array(digest), Array(bytes.suffix(digestByteCount))) else { throw .wrongPassword }
        }
        var reader = Reader(rest: content.dropFirst(4))
        let version = try reader.number()
        guard 1...2 ~= version else { throw .unsupported("version \(version) of Java's key stores") }
        let count = try reader.number()
        guard count <= StoreContents.countMax else { throw .unsupported("more than \(StoreContents.countMax) entries") }
        var contents = StoreContents()
        for _ in 0..<count {
            let kind = try reader.number()
            _ = try reader.text()
            _ = try reader.bytes(8)
            switch kind {
            case 1:
                let encrypted = try reader.counted()
                let certificateCount = try reader.number()
                guard certificateCount <= StoreContents.countMax else { throw .malformed }
                var chain: [[UInt8]] = []
                for _ in 0..<certificateCount { chain.append(try reader.certificate(version)) }
                guard readsKeys else {
                    contents.keys.append(.init(bytes: [], chain: chain))
                    continue
                }
                guard let own = keyPassword ?? password else { throw .needsPassword }
                let key: [UInt8]
                do throws(StoreFailure) { key = try self.key(encrypted, own) } catch {
                    // Most programs have one password for both, whatever is set.
                    guard keyPassword != nil, let password, error == .wrongKeyPassword else { throw error }
                    key = try self.key(encrypted, password)
                }
                contents.keys.append(.init(bytes: key, chain: chain))
            case 2:
                contents.certificates.append(.init(bytes: try reader.certificate(version), isTrusted: true))
            default: throw .malformed
            }
        }
        guard reader.rest.isEmpty else { throw .malformed }
        return contents
    }

    /// Characters as Java has them, as bytes.
    private static func wide(_ text: String) -> [UInt8] { text.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] } }

    /// A salt, the key under a stream of digests, and a digest of the key: `KeyProtector.recover`.
    private static func key(_ bytes: [UInt8], _ password: String) throws(StoreFailure) -> [UInt8] {
        var outer = DER(bytes[...])
        guard var info = outer.next(tag: DER.sequence), var algorithm = info.next(tag: DER.sequence),
            let name = algorithm.objectIdentifier(), let encrypted = info.octets()
        else { throw .malformed }
        guard name == protector else { throw .unsupported("the encryption \(name) of keys") }
        guard encrypted.count > 2 * digestByteCount else { throw .malformed }
        let password = wide(password)
        var digest = Array(encrypted.prefix(digestByteCount))
        var plain: [UInt8] = []
        let hidden = encrypted.dropFirst(digestByteCount).dropLast(digestByteCount)
        for (index, byte) in hidden.enumerated() {
            let place = index % digestByteCount
            if place == 0 { digest = Array(Insecure.SHA1.hash(data: password + digest)) }
            plain.append(byte ^ digest[place])
        }
        let check = Array(Insecure.SHA1.hash(data: password + plain))
        guard isSame(check, Array(encrypted.suffix(digestByteCount))) else { throw .wrongKeyPassword }
        return plain
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func bytes(_ count: Int) throws(StoreFailure) -> [UInt8] {
            guard count <= rest.count else { throw .malformed }
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }

        /// Of four bytes, not negative.
        mutating func number() throws(StoreFailure) -> Int {
            let value = try bytes(4).reduce(0) { $0 << 8 | Int($1) }
            guard value <= Int(Int32.max) else { throw .malformed }
            return value
        }

        mutating func counted() throws(StoreFailure) -> [UInt8] { try bytes(try number()) }

        mutating func text() throws(StoreFailure) -> String {
            let count = try bytes(2).reduce(0) { $0 << 8 | Int($1) }
            return String(decoding: try bytes(count), as: UTF8.self)
        }

        mutating func certificate(_ version: Int) throws(StoreFailure) -> [UInt8] {
            if version == 2 {
                let type = try text()
                guard type == "X.509" || type == "X509" else {
                    throw .unsupported("certificates of the type '\(type)'")
                }
            }
            return try counted()
        }
    }
}
