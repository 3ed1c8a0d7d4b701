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
    /// What is shown to other nodes for a part of this process; nil where there is no secret of theirs.
    package let nodes: NodeCredentials?

    package init(nodes: NodeCredentials? = nil) {
        self.nodes = nodes
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

/// What the nodes of one cluster show each other over HTTP: a secret that all of them are given. It opens everything that the parts
/// of a process may do, from any address, and goes to nodes alone, as the services' own groups name them.
package struct NodeCredentials: Sendable {
    package static let user = "swiftwater-node"
    /// Characters of a secret: fewer could be guessed, more are none.
    package static let countRange = 24...512
    private let secret: String

    /// - Returns: nil for what is too short, too long, or has other characters than the visible ones of ASCII.
    package init?(secret: String) {
        guard Self.countRange ~= secret.utf8.count, secret.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else { return nil }
        self.secret = secret
    }

    /// The value of `Authorization` for another node.
    package var header: String { "Basic " + Base64.encode("\(Self.user):\(secret)".utf8) }

    /// In constant time.
    func matches(_ credentials: BasicCredentials) -> Bool {
        credentials.user == Self.user && ConstantTime.isEqual(Array(credentials.password.utf8), Array(secret.utf8))
    }
}

/// Comparisons whose time tells nothing of where two values differ.
enum ConstantTime {
    static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        return zip(a, b).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
