import Bytes
import Crypto

/// A password as a file of users has it.
///
/// | written | |
/// |---|---|
/// | `PBKDF2:ITERATIONS:SALT:HASH` | ours: PBKDF2 with HMAC-SHA-256 (RFC 8018), salt and hash of 32 bytes in Base 64 |
/// | `MD5:HEX` | Jetty's: the MD5 of the password, without a salt |
/// | `OBF:TEXT` | Jetty's: the password, made hard to read at a glance |
/// | anything else | the password itself |
///
/// - SeeAlso: Jetty's `Credential` and `Password`.
package enum StoredPassword: Sendable, Equatable {
    case derived(iterations: Int, salt: [UInt8], hash: [UInt8])
    case md5([UInt8])
    case plain([UInt8])

    package struct Malformed: Error, CustomStringConvertible {
        package var description: String
    }

    /// About a tenth of a second of a processor for each try.
    package static let iterations = 100_000
    /// More would let a file make each try take minutes.
    private static let iterationsRange = 1000...10_000_000
    private static let hashByteCount = 32

    /// - Throws: for a form that is known and not well formed, or not supported. Tells nothing of the value.
    package init(_ text: String) throws(Malformed) {
        if let rest = Self.behind("PBKDF2:", text) {
            let parts = rest.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 3, let iterations = Int(parts[0]), Self.iterationsRange ~= iterations,
                let salt = Base64.decode(parts[1]), 8...64 ~= salt.count, let hash = Base64.decode(parts[2]),
                hash.count == Self.hashByteCount
            else { throw Malformed(description: "a hash of PBKDF2 is PBKDF2:ITERATIONS:SALT:HASH") }
            self = .derived(iterations: iterations, salt: salt, hash: hash)
        } else if let rest = Self.behind("MD5:", text) {
            let digits = rest.utf8.compactMap(Hexadecimal.value)
            guard digits.count == 32, rest.utf8.count == 32 else {
                throw Malformed(description: "MD5: is followed by 32 hexadecimal digits")
            }
            self = .md5(stride(from: 0, to: 32, by: 2).map { digits[$0] << 4 | digits[$0 + 1] })
        } else if let rest = Self.behind("OBF:", text) {
            guard let password = Self.clear(rest) else {
                throw Malformed(description: "the text behind OBF: is none that Jetty makes")
            }
            self = .plain(password)
        } else if Self.behind("CRYPT:", text) != nil {
            throw Malformed(
                description: "CRYPT: passwords (DES, 8 characters) are not taken: make a hash with "
                    + "'swiftwater config password'")
        } else {
            self = .plain(Array(text.utf8))
        }
    }

    private static func behind(_ prefix: String, _ text: String) -> String? {
        text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : nil
    }

    /// What a try costs; 0 for what is no slow hash.
    var iterations: Int {
        if case .derived(let iterations, _, _) = self { iterations } else { 0 }
    }

    /// Takes as long for a wrong password as for the right one.
    package func matches(_ password: String) -> Bool {
        let bytes = Array(password.utf8)
        switch self {
        case .derived(let iterations, let salt, let hash):
            return ConstantTime.isEqual(Self.derive(bytes, salt: salt, iterations: iterations), hash)
        case .md5(let hash): return ConstantTime.isEqual(Array(Insecure.MD5.hash(data: bytes)), hash)
        case .plain(let stored):
            // Hashes have one length, so that the time does not tell the password's.
            return ConstantTime.isEqual(Array(SHA256.hash(data: bytes)), Array(SHA256.hash(data: stored)))
        }
    }

    /// As it is written into a file: `PBKDF2:...`.
    package static func derived(from password: String, iterations: Int = Self.iterations) -> String {
        let salt = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
        let hash = derive(Array(password.utf8), salt: salt, iterations: iterations)
        return "PBKDF2:\(iterations):\(Base64.encode(salt)):\(Base64.encode(hash))"
    }

    /// The first block of PBKDF2, which is as long as the hash (RFC 8018, 5.2).
    static func derive(_ password: [UInt8], salt: [UInt8], iterations: Int) -> [UInt8] {
        // The key's part of each HMAC is the same: it is computed once.
        let keyed = HMAC<SHA256>(key: SymmetricKey(data: password))
        func code(_ bytes: some Sequence<UInt8>) -> [UInt8] {
            var mac = keyed
            mac.update(data: Array(bytes))
            return Array(mac.finalize())
        }
        var block = code(salt + [0, 0, 0, 1])
        var sum = block
        for _ in 1..<max(1, iterations) {
            block = code(block)
            for index in sum.indices { sum[index] ^= block[index] }
        }
        return sum
    }

    /// What Jetty's `Password.obfuscate` has made unreadable: groups of four digits to base 36, of two bytes each.
    private static func clear(_ text: String) -> [UInt8]? {
        var password: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let isUnsigned = rest.first == UInt8(ascii: "U")
            if isUnsigned { rest.removeFirst() }
            let group = rest.prefix(4)
            guard group.count == 4, let number = Int(String(decoding: group, as: UTF8.self), radix: 36) else {
                return nil
            }
            rest = rest.dropFirst(4)
            let byte = isUnsigned ? number >> 8 : (number / 256 + number % 256 - 254) / 2
            guard 0...255 ~= byte else { return nil }
            password.append(UInt8(byte))
        }
        return password
    }
}
