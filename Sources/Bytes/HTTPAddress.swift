/// Where an HTTP service listens: `http://user:password@host:8081/prefix`, or only `host:8081`.
package struct HTTPAddress: Sendable, Hashable, CustomStringConvertible {
    /// Scheme, host, port and path prefix, without a slash at its end and without the user.
    package var base: String
    /// For Basic authentication; nil without a user.
    package var user: String?
    package var password: String

    /// - Returns: nil when the text is no address of that form.
    package init?(_ text: String) {
        var rest = text[...]
        var scheme = "http"
        if let end = rest.firstRange(of: "://") {
            scheme = rest[..<end.lowerBound].lowercased()
            rest = rest[end.upperBound...]
        }
        guard scheme == "http" || scheme == "https" else { return nil }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        var authority = rest[..<slash]
        var path = rest[slash...]
        while path.hasSuffix("/") { path.removeLast() }
        user = nil
        password = ""
        if let at = authority.lastIndex(of: "@") {
            let parts = authority[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            user = PercentEncoding.decoded(parts[0])
            password = parts.count > 1 ? PercentEncoding.decoded(parts[1]) : ""
            authority = authority[authority.index(after: at)...]
        }
        guard Self.isHostAndPort(authority), path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        base = "\(scheme)://\(authority)\(path)"
    }

    /// Without user and password: fit for messages.
    package var description: String { base }

    /// A text with the passwords of the addresses in it hidden, of any scheme: `http://USER:[hidden]@HOST`.
    package static func hidingPasswords(_ text: String) -> String {
        var shown = ""
        var rest = text[...]
        while let scheme = rest.firstRange(of: "://") {
            shown += rest[..<scheme.upperBound]
            rest = rest[scheme.upperBound...]
            // A password may have a slash, an at sign or a comma that somebody did not encode: better too much is hidden.
            let authority = rest[..<(rest.firstRange(of: "://")?.lowerBound ?? rest.endIndex)]
            let end = authority.firstIndex(of: "/") ?? authority.endIndex
            guard let at = authority[..<end].lastIndex(of: "@") ?? authority.lastIndex(of: "@") else { continue }
            let user = authority[..<at].prefix { $0 != ":" }
            shown += user.endIndex == at ? user : user + ":[hidden]"
            rest = rest[at...]
        }
        return shown + rest
    }

    private static func isHostAndPort(_ text: Substring) -> Bool {
        guard !text.isEmpty else { return false }
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return false }
            let behind = text[text.index(after: end)...]
            guard behind.isEmpty || behind.hasPrefix(":") else { return false }
            port = behind.isEmpty ? nil : behind.dropFirst()
        } else {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2, !parts[0].isEmpty else { return false }
            guard parts[0].utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"/?#\\\"<>^`{|}".utf8.contains($0) }) else {
                return false
            }
            port = parts.count == 2 ? parts[1] : nil
        }
        guard let port else { return true }
        return UInt16(port).map { $0 > 0 } ?? false
    }
}
