/// A requirement on a plugin's version: Maven's ranges, as Connect takes them (KIP-891). `1.2` alone means `[1.2]` here.
///
/// - SeeAlso: Apache Maven, "Version Range Specification".
package struct VersionRange: Sendable, CustomStringConvertible {
    private struct Bounds: Sendable {
        var lower: String?
        var includesLower: Bool
        var upper: String?
        var includesUpper: Bool
    }

    private let parts: [Bounds]

    /// - Throws: `.config` in Maven's words for what is no range.
    package init(_ text: String) throws(ConnectError) {
        let given = text.trimmed
        let spec = given.hasPrefix("[") || given.hasPrefix("(") ? given : "[\(given)]"
        var parts: [Bounds] = []
        var rest = Substring(spec)
        while let open = rest.first, open == "[" || open == "(" {
            guard let end = rest.firstIndex(where: { $0 == ")" || $0 == "]" }) else {
                throw .config("Unbounded range: \(given)")
            }
            let next = try Self.bounds(rest[...end])
            if let last = parts.last, !Self.isBehind(next, last) { throw .config("Ranges overlap: \(given)") }
            parts.append(next)
            rest = rest[rest.index(after: end)...].drop { $0.isWhitespace }
            if rest.first == "," { rest = rest.dropFirst().drop { $0.isWhitespace } }
        }
        guard rest.isEmpty else {
            throw .config("Only fully-qualified sets allowed in multiple set scenario: \(given)")
        }
        self.parts = parts
    }

    private static func isBehind(_ next: Bounds, _ last: Bounds) -> Bool {
        guard let lower = next.lower, let upper = last.upper else { return false }
        return order(lower, upper) >= 0
    }

    private static func bounds(_ text: Substring) throws(ConnectError) -> Bounds {
        let (opens, closes) = (text.first == "[", text.last == "]")
        let body = String(text.dropFirst().dropLast()).trimmed
        guard let comma = body.firstIndex(of: ",") else {
            guard opens, closes else { throw .config("Single version must be surrounded by []: \(text)") }
            return Bounds(lower: body, includesLower: true, upper: body, includesUpper: true)
        }
        let lower = String(body[..<comma]).trimmed
        let upper = String(body[body.index(after: comma)...]).trimmed
        if !lower.isEmpty, !upper.isEmpty, order(upper, lower) < 0 {
            throw .config("Range defies version ordering: \(text)")
        }
        return Bounds(
            lower: lower.isEmpty ? nil : lower, includesLower: opens, upper: upper.isEmpty ? nil : upper,
            includesUpper: closes)
    }

    package func contains(_ version: String) -> Bool {
        parts.contains { part in
            if let lower = part.lower {
                let order = Self.order(version, lower)
                guard order > 0 || (order == 0 && part.includesLower) else { return false }
            }
            if let upper = part.upper {
                let order = Self.order(version, upper)
                guard order < 0 || (order == 0 && part.includesUpper) else { return false }
            }
            return true
        }
    }

    package var description: String {
        parts.map { part in
            (part.includesLower ? "[" : "(") + "\(part.lower ?? ""),\(part.upper ?? "")"
                + (part.includesUpper ? "]" : ")")
        }.joined(separator: ",")
    }

    // MARK: Order

    /// A number of a version, or a word in it.
    private enum Item: Equatable {
        case number(Int)
        case word(String)

        /// `1-alpha` < `1-rc` < `1-SNAPSHOT` < `1` < `1-sp` < `1-other` < `1.1`.
        var rank: (Int, String, Int) {
            switch self {
            case .number(let number): (number == 0 ? 5 : 8, "", number)
            case .word(let word):
                switch word {
                case "alpha", "a": (0, "", 0)
                case "beta", "b": (1, "", 0)
                case "milestone", "m": (2, "", 0)
                case "rc", "cr": (3, "", 0)
                case "snapshot": (4, "", 0)
                case "", "ga", "final", "release": (5, "", 0)
                case "sp": (6, "", 0)
                default: (7, word, 0)
                }
            }
        }
    }

    private static func items(_ version: String) -> [Item] {
        var items: [Item] = []
        var word = ""
        func end() {
            if !word.isEmpty { items.append(Int(word).map { .number($0) } ?? .word(word)) }
            word = ""
        }
        for character in version.lowercased() {
            if character == "." || character == "-" {
                end()
            } else {
                if let last = word.last, last.isNumber != character.isNumber { end() }
                word.append(character)
            }
        }
        end()
        return items
    }

    /// Below zero when `a` comes before `b`; what is missing counts as zero.
    private static func order(_ a: String, _ b: String) -> Int {
        let (first, second) = (items(a), items(b))
        for index in 0..<max(first.count, second.count) {
            let x = (index < first.count ? first[index] : .number(0)).rank
            let y = (index < second.count ? second[index] : .number(0)).rank
            if x != y { return x < y ? -1 : 1 }
        }
        return 0
    }
}

/// Versions of plugins that a configuration asks for.
package enum PluginVersion {
    /// - Parameter wanted: nil and `latest` take whatever there is.
    /// - Throws: `.config` in Connect's words when the plugin's version is another one.
    package static func check(_ wanted: String?, of name: String, available: String) throws(ConnectError) {
        guard let wanted = wanted?.trimmed, wanted != "latest", wanted != available else { return }
        let range = try VersionRange(wanted)
        guard range.contains(available) else {
            throw .config(
                "Plugin \(name) not found that matches the version range \(range), available versions: [\(available)]")
        }
    }

    /// - Parameter name: the plugin's; nil where it is not known, which another option tells.
    static func validator(_ name: String?, available: String) -> ConfigValidator {
        ConfigValidator { (_, value) throws(ConnectError) in
            guard let name else { return }
            try check(value.text, of: name, available: available)
        }
    }
}
