import Crypto

/// A mechanism of SCRAM with its functions (RFC 5802, section 2.2; RFC 7677), numbered as in Kafka's protocol (KIP-554).
package enum ScramMechanism: Int8, CaseIterable, Hashable, Sendable {
    case sha256 = 1
    case sha512 = 2

    package var name: String {
        switch self {
        case .sha256: "SCRAM-SHA-256"
        case .sha512: "SCRAM-SHA-512"
        }
    }

    package init?(name: String) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }

    /// Iterations that a credential may have: fewer are too easy to guess, more would let one client keep a processor busy.
    package static let iterationCounts: ClosedRange<Int32> = 4096...16384

    /// `Hi(password, salt, count)`: PBKDF2 with one block. Takes some microseconds for each iteration.
    package func salted(_ password: [UInt8], _ salt: [UInt8], _ count: Int) -> [UInt8] {
        switch self {
        case .sha256: Self.salted(password, salt, count, by: SHA256.self)
        case .sha512: Self.salted(password, salt, count, by: SHA512.self)
        }
    }

    private static func salted<Function: HashFunction>(
        _ password: [UInt8], _ salt: [UInt8], _ count: Int, by function: Function.Type
    ) -> [UInt8] {
        let keyed = HMAC<Function>(key: SymmetricKey(data: password))
        func code(_ bytes: [UInt8]) -> [UInt8] {
            var keyed = keyed
            keyed.update(data: bytes)
            return Array(keyed.finalize())
        }
        var step = code(salt + [0, 0, 0, 1])
        var result = step
        for _ in 1..<max(1, count) {
            step = code(step)
            for index in result.indices { result[index] ^= step[index] }
        }
        return result
    }

    /// `HMAC(key, bytes)`.
    package func code(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        let key = SymmetricKey(data: key)
        return switch self {
        case .sha256: Array(HMAC<SHA256>.authenticationCode(for: bytes, using: key))
        case .sha512: Array(HMAC<SHA512>.authenticationCode(for: bytes, using: key))
        }
    }

    /// `H(bytes)`.
    package func digest(_ bytes: [UInt8]) -> [UInt8] {
        switch self {
        case .sha256: Array(SHA256.hash(data: bytes))
        case .sha512: Array(SHA512.hash(data: bytes))
        }
    }
}

/// Whether two byte strings are the same, in a time that does not tell where they differ.
func isSame(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    guard a.count == b.count else { return false }
    return zip(a, b).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) } == 0
}

/// Random bytes that nobody can guess.
func randomBytes(_ count: Int) -> [UInt8] {
    var random = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
}
