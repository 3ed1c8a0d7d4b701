/// Who a client is, as permissions name it: a type, which is `User` for all clients, and a name (KIP-11).
package struct Principal: Hashable, Sendable, CustomStringConvertible {
    /// `User` unless permissions were written for another product's types.
    package var type: String
    package var name: String

    package init(type: String = Self.userType, name: String) {
        self.type = type
        self.name = name
    }

    package static let userType = "User"
    /// Who has not said who they are.
    package static let anonymous = Principal(name: "ANONYMOUS")

    /// Reads `TYPE:NAME`; the name may hold further colons.
    ///
    /// - Returns: nil without a colon or with an empty type, as upstream `SecurityUtils.parseKafkaPrincipal` refuses it.
    package init?(_ text: some StringProtocol) {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), colon > text.startIndex else { return nil }
        self.init(type: String(text[..<colon]), name: String(text[text.index(after: colon)...]))
    }

    /// By its bytes: names of another spelling, which Unicode takes for equal, are others.
    package static func == (a: Self, b: Self) -> Bool {
        a.type.utf8.elementsEqual(b.type.utf8) && a.name.utf8.elementsEqual(b.name.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for byte in type.utf8 { hasher.combine(byte) }
        hasher.combine(UInt8(ascii: ":"))
        for byte in name.utf8 { hasher.combine(byte) }
    }

    /// Bytes of `TYPE:NAME`.
    package var byteCount: Int { type.utf8.count + 1 + name.utf8.count }

    /// `TYPE:NAME`.
    package var description: String { "\(type):\(name)" }
}
