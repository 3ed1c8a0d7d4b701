/// How signed tokens are checked, by the names of Kafka's settings.
///
/// - SeeAlso: upstream `SaslConfigs`, `ConfigurationUtils`; KIP-768, KIP-1139.
package struct TokenSettings: Hashable, Sendable {
    package struct Malformed: Error, Equatable, CustomStringConvertible {
        package var description: String
    }

    package var rules: TokenRules
    package var source: TokenKeySource

    /// - Parameters:
    ///   - prefix: what stands before the names: `sasl.oauthbearer.`.
    ///   - value: of a name without the prefix; nil or empty where nothing is set.
    /// - Throws: `Malformed` that names the setting.
    package init(_ prefix: String, _ value: (String) -> String?) throws(Malformed) {
        func text(_ name: String) -> String? {
            guard let given = value(name) else { return nil }
            let text = Self.trimmed(given[...])
            return text.isEmpty ? nil : text
        }
        func number(
            _ name: String, _ usual: Int64, _ range: ClosedRange<Int64>
        ) throws(Malformed) -> Int64 {
            guard let text = text(name) else { return usual }
            guard let number = Int64(text), range ~= number else {
                throw Malformed(
                    description: "\(prefix)\(name) is '\(text)': it is a number from \(range.lowerBound) to "
                        + "\(range.upperBound)")
            }
            return number
        }
        guard let url = text("jwks.endpoint.url") else {
            throw Malformed(
                description:
                    "\(prefix)jwks.endpoint.url is not set: it says where the keys are that tokens are signed with")
        }
        if let problem = Self.problem(withURL: url) {
            throw Malformed(description: "\(prefix)jwks.endpoint.url is '\(url)': \(problem)")
        }
        let day: Int64 = 86_400_000
        source = TokenKeySource(
            url: url, refreshMs: try number("jwks.endpoint.refresh.ms", 3_600_000, 1000...(365 * day)),
            retryBackoffMs: try number("jwks.endpoint.retry.backoff.ms", 100, 1...day),
            retryBackoffMaxMs: try number("jwks.endpoint.retry.backoff.max.ms", 10_000, 1...day))
        rules = TokenRules()
        rules.audiences = (text("expected.audience") ?? "").split(separator: ",").map { Self.trimmed($0) }
            .filter { !$0.isEmpty }
        rules.issuer = text("expected.issuer")
        rules.clockSkewMs = try number("clock.skew.seconds", 30, 0...86_400) * 1000
        rules.scopeClaim = text("scope.claim.name") ?? "scope"
        rules.subjectClaim = text("sub.claim.name") ?? "sub"
        rules.groupsClaim = text("groups.claim.name")
    }

    /// Why secrets or keys must not go over such an address; nil when they may.
    ///
    /// - SeeAlso: upstream `ConfigurationUtils.validateUrl`, which also takes http to other machines.
    package static func problem(withURL url: String) -> String? {
        guard let scheme = url.firstRange(of: ":").map({ url[..<$0.lowerBound].lowercased() }) else {
            return "it is https://HOST/PATH or file:///PATH"
        }
        switch scheme {
        case "file": return filePath(url) == nil ? "a file is named like file:///PATH" : nil
        case "https", "http":
            guard let host = host(url) else { return "it has no host" }
            guard scheme == "https" || isLoopback(host) else {
                return
                    "over http anybody on the way could put in others: use https:// (http:// is for this machine alone)"
            }
            return nil
        default: return "it is https://HOST/PATH or file:///PATH"
        }
    }

    /// The path of `file:/PATH` and `file:///PATH`; nil for other texts.
    package static func filePath(_ url: String) -> String? {
        guard url.prefix(5).lowercased() == "file:" else { return nil }
        var path = url.dropFirst(5)
        if path.hasPrefix("//") {
            path = path.dropFirst(2)
            if path.lowercased().hasPrefix("localhost/") { path = path.dropFirst("localhost".count) }
        }
        return path.hasPrefix("/") && path.count > 1 ? String(path) : nil
    }

    private static func host(_ url: String) -> String? {
        guard let start = url.firstRange(of: "://") else { return nil }
        let authority = url[start.upperBound...].prefix { !"/?#".contains($0) }
        // A user in the address would stand in logs.
        guard !authority.contains("@") else { return nil }
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            return String(authority[authority.index(after: authority.startIndex)..<end])
        }
        let host = authority.prefix { $0 != ":" }
        return host.isEmpty ? nil : String(host)
    }

    private static func isLoopback(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return host.lowercased() == "localhost" || host == "::1"
            || parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
