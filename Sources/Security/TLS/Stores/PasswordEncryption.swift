import Crypto
import CryptoExtras

/// What passwords do in PKCS#12: keys are derived from them, by which parts are decrypted and the whole is checked.
///
/// | scheme | keys | ciphers |
/// |---|---|---|
/// | PBES2 (RFC 8018) | PBKDF2 with HMAC of SHA-1 and SHA-2 | AES-128, -192, -256 and triple DES, all CBC |
/// | PBE of PKCS#12 (RFC 7292, B and C) | its own, with SHA-1 | triple DES and RC2, both CBC |
struct PasswordEncryption {
    /// As Java has it; more would only take time.
    static let iterationCountMax = 5_000_000

    /// The password as UTF-8.
    let password: [UInt8]

    /// The password as the derivation of PKCS#12 takes it: UTF-16, big-endian, with a zero at the end.
    private var wide: [UInt8] {
        Array(String(decoding: password, as: UTF8.self).utf16).flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] } + [0, 0]
    }

    /// Decrypts what an AlgorithmIdentifier says how.
    ///
    /// - Parameter algorithm: the content of that sequence.
    func decrypted(_ bytes: [UInt8], _ algorithm: DER) throws(StoreFailure) -> [UInt8] {
        var algorithm = algorithm
        guard let scheme = algorithm.objectIdentifier(), let parameters = algorithm.next(tag: DER.sequence) else {
            throw .malformed
        }
        let own = "1.2.840.113549.1.12.1."
        switch scheme {
        case "1.2.840.113549.1.5.13": return try decryptedByPBES2(bytes, parameters)
        case own + "3": return try decryptedByOwn(bytes, parameters, keyByteCount: 24) { TripleDES($0) }
        case own + "4":
            return try decryptedByOwn(bytes, parameters, keyByteCount: 16) { TripleDES($0 + $0.prefix(8)) }
        case own + "5": return try decryptedByOwn(bytes, parameters, keyByteCount: 16) { RC2($0) }
        case own + "6": return try decryptedByOwn(bytes, parameters, keyByteCount: 5) { RC2($0) }
        default: throw .unsupported("the encryption \(scheme)")
        }
    }

    private func decryptedByOwn(
        _ bytes: [UInt8], _ parameters: DER, keyByteCount: Int, _ cipher: ([UInt8]) -> (some BlockCipher)?
    ) throws(StoreFailure) -> [UInt8] {
        var parameters = parameters
        guard let salt = parameters.octets(), let count = parameters.number(), 1...Self.iterationCountMax ~= count
        else {
            throw .malformed
        }
        let key = derived(Insecure.SHA1.self, .key, salt, count, keyByteCount)
        let start = derived(Insecure.SHA1.self, .start, salt, count, 8)
        guard let plain = cipher(key)?.decrypted(bytes, from: start) else { throw .wrongPassword }
        return plain
    }

    private func decryptedByPBES2(_ bytes: [UInt8], _ parameters: DER) throws(StoreFailure) -> [UInt8] {
        var parameters = parameters
        guard let derivation = parameters.next(tag: DER.sequence), var scheme = parameters.next(tag: DER.sequence),
            let cipher = scheme.objectIdentifier(), let start = scheme.octets()
        else { throw .malformed }
        let aes = ["2": 16, "22": 24, "42": 32]
        let prefix = "2.16.840.1.101.3.4.1."
        if cipher.hasPrefix(prefix), let count = aes[String(cipher.dropFirst(prefix.count))] {
            let key = try derivedByPBKDF2(derivation, byteCount: count)
            guard start.count == 16, !bytes.isEmpty, bytes.count.isMultiple(of: 16) else { throw .malformed }
            do {
                let start = try AES._CBC.IV(ivBytes: start)
                return Array(try AES._CBC.decrypt(bytes, using: SymmetricKey(data: key), iv: start))
            } catch { throw .wrongPassword }
        }
        guard cipher == "1.2.840.113549.3.7" else { throw .unsupported("the cipher \(cipher)") }
        guard let plain = TripleDES(try derivedByPBKDF2(derivation, byteCount: 24))?.decrypted(bytes, from: start)
        else {
            throw .wrongPassword
        }
        return plain
    }

    /// - Parameter derivation: the content of an AlgorithmIdentifier.
    private func derivedByPBKDF2(_ derivation: DER, byteCount: Int?) throws(StoreFailure) -> [UInt8] {
        var derivation = derivation
        guard let name = derivation.objectIdentifier() else { throw .malformed }
        guard name == "1.2.840.113549.1.5.12" else { throw .unsupported("the derivation of keys \(name)") }
        guard var parameters = derivation.next(tag: DER.sequence), let salt = parameters.octets(),
            let count = parameters.number(), 1...Self.iterationCountMax ~= count
        else { throw .malformed }
        var length = byteCount
        if parameters.tag == DER.integer {
            guard let said = parameters.number(), 1...256 ~= said else { throw .malformed }
            guard byteCount == nil || byteCount == said else { throw .malformed }
            length = said
        }
        guard let length else { throw .malformed }
        var function = KDF.Insecure.PBKDF2.HashFunction.insecureSHA1
        if var algorithm = parameters.next(tag: DER.sequence) {
            switch algorithm.objectIdentifier() {
            case "1.2.840.113549.2.7": break
            case "1.2.840.113549.2.9": function = .sha256
            case "1.2.840.113549.2.10": function = .sha384
            case "1.2.840.113549.2.11": function = .sha512
            case let other: throw .unsupported("PBKDF2 with \(other ?? "that function")")
            }
        }
        do {
            return try KDF.Insecure.PBKDF2.deriveKey(
                from: password, salt: salt, using: function, outputByteCount: length, unsafeUncheckedRounds: count
            ).withUnsafeBytes { Array($0) }
        } catch { throw .malformed }
    }

    // MARK: Checking

    /// Whether the authentication code of a file is right.
    ///
    /// - Parameter mac: the content of MacData (RFC 7292, 4; RFC 9579).
    func accepts(_ content: [UInt8], _ mac: DER) throws(StoreFailure) -> Bool {
        var mac = mac
        guard var info = mac.next(tag: DER.sequence), var algorithm = info.next(tag: DER.sequence),
            let function = algorithm.objectIdentifier(), let expected = info.octets()
        else { throw .malformed }
        if function == "1.2.840.113549.1.5.14" {
            guard var parameters = algorithm.next(tag: DER.sequence),
                let derivation = parameters.next(tag: DER.sequence), var scheme = parameters.next(tag: DER.sequence),
                let code = scheme.objectIdentifier()
            else { throw .malformed }
            let key = try derivedByPBKDF2(derivation, byteCount: nil)
            return isSame(try Self.code(content, key: key, code), expected)
        }
        guard let salt = mac.octets() else { throw .malformed }
        let count = mac.isEmpty ? 1 : mac.number() ?? 0
        guard 1...Self.iterationCountMax ~= count else { throw .malformed }
        return isSame(try ownCode(content, function, salt, count), expected)
    }

    private func ownCode(
        _ content: [UInt8], _ function: String, _ salt: [UInt8], _ count: Int
    ) throws(StoreFailure) -> [UInt8] {
        func code<Function: HashFunction>(_: Function.Type) -> [UInt8] {
            let key = derived(Function.self, .code, salt, count, Function.Digest.byteCount)
            return Array(HMAC<Function>.authenticationCode(for: content, using: SymmetricKey(data: key)))
        }
        switch function {
        case "1.3.14.3.2.26": return code(Insecure.SHA1.self)
        case "2.16.840.1.101.3.4.2.1": return code(SHA256.self)
        case "2.16.840.1.101.3.4.2.2": return code(SHA384.self)
        case "2.16.840.1.101.3.4.2.3": return code(SHA512.self)
        default: throw .unsupported("the check by \(function)")
        }
    }

    private static func code(_ content: [UInt8], key: [UInt8], _ function: String) throws(StoreFailure) -> [UInt8] {
        let key = SymmetricKey(data: key)
        switch function {
        case "1.2.840.113549.2.9": return Array(HMAC<SHA256>.authenticationCode(for: content, using: key))
        case "1.2.840.113549.2.10": return Array(HMAC<SHA384>.authenticationCode(for: content, using: key))
        case "1.2.840.113549.2.11": return Array(HMAC<SHA512>.authenticationCode(for: content, using: key))
        default: throw .unsupported("the check by \(function)")
        }
    }

    // MARK: The derivation of PKCS#12

    private enum Purpose: UInt8 { case key = 1, start, code }

    /// RFC 7292, B.2.
    private func derived<Function: HashFunction>(
        _: Function.Type, _ purpose: Purpose, _ salt: [UInt8], _ count: Int, _ byteCount: Int
    ) -> [UInt8] {
        let blockByteCount = Function.blockByteCount
        func stretched(_ bytes: [UInt8]) -> [UInt8] {
            guard !bytes.isEmpty else { return [] }
            let length = (bytes.count + blockByteCount - 1) / blockByteCount * blockByteCount
            return (0..<length).map { bytes[$0 % bytes.count] }
        }
        let diversifier = [UInt8](repeating: purpose.rawValue, count: blockByteCount)
        var input = stretched(salt) + stretched(wide)
        var result: [UInt8] = []
        while result.count < byteCount {
            var made = Array(Function.hash(data: diversifier + input))
            for _ in 1..<count { made = Array(Function.hash(data: made)) }
            result += made
            for block in stride(from: 0, to: input.count, by: blockByteCount) {
                var carry = 1
                for index in (0..<blockByteCount).reversed() {
                    let sum = Int(input[block + index]) + Int(made[index % made.count]) + carry
                    input[block + index] = UInt8(truncatingIfNeeded: sum)
                    carry = sum >> 8
                }
            }
        }
        return Array(result.prefix(byteCount))
    }
}
