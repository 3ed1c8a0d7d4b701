import Bytes

/// User and password of a request (RFC 7617).
package struct BasicCredentials: Sendable, Equatable {
    package let user: String
    package let password: String

    /// Longer headers are none of ours.
    private static let byteCountMax = 4096

    /// Reads the value of `Authorization`.
    ///
    /// - Returns: nil for another scheme, and for what is not well formed.
    package init?(_ header: String) {
        guard header.utf8.count <= Self.byteCountMax, let space = header.firstIndex(of: " "),
            header[..<space].lowercased() == "basic"
        else { return nil }
        let token = String(header[space...].drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        guard let bytes = Base64.decode(token), let text = String(validating: bytes, as: UTF8.self),
            let colon = text.firstIndex(of: ":"), !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F })
        else { return nil }
        user = String(text[..<colon])
        password = String(text[text.index(after: colon)...])
    }

    package init(user: String, password: String) {
        self.user = user
        self.password = password
    }
}

/// What the parts of one process show each other when they call each other over HTTP: a user that nobody else can be, as
/// the password is made at the start, and never written anywhere.
package struct ProcessCredentials: Sendable {
    package static let user = "swiftwater-process"
    package let password: String

    package init() {
        var random = SystemRandomNumberGenerator()
        password = (0..<4).map { _ in
            let digits = String(random.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// In constant time.
    func matches(_ credentials: BasicCredentials) -> Bool {
        credentials.user == Self.user && ConstantTime.isEqual(Array(credentials.password.utf8), Array(password.utf8))
    }
}

/// Comparisons whose time tells nothing of where two values differ.
enum ConstantTime {
    static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        return zip(a, b).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
