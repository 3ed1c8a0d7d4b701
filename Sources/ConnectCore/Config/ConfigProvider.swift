/// A source of secrets and other values that configurations name as `${provider:path:key}` or `${provider:key}`.
package protocol ConfigProvider: Sendable {
    /// - Parameter path: "" where the placeholder has none.
    /// - Returns: the keys that were found.
    func values(path: String, keys: Set<String>) async throws(ConnectError) -> [String: String]
}

/// Puts values in the place of placeholders when a connector starts; what is stored and shown keeps the placeholders.
package enum ConfigPlaceholders {
    private struct Place {
        var range: Range<String.Index>
        var provider: String
        var path: String
        var key: String
    }

    /// - Returns: the configuration with the values of all providers that are known. Placeholders of others, and of keys
    ///   that were not found, stay as they are, as in Kafka's `ConfigTransformer`.
    package static func resolved(
        _ properties: [String: String], providers: [String: any ConfigProvider]
    ) async throws(ConnectError) -> [String: String] {
        var wanted: [String: [String: Set<String>]] = [:]
        for text in properties.values {
            for place in places(in: text) {
                wanted[place.provider, default: [:]][place.path, default: []].insert(place.key)
            }
        }
        var found: [String: [String: [String: String]]] = [:]
        for (name, paths) in wanted {
            guard let provider = providers[name] else { continue }
            for (path, keys) in paths {
                found[name, default: [:]][path] = try await provider.values(path: path, keys: keys)
            }
        }
        return properties.mapValues { text in
            var output = ""
            var at = text.startIndex
            for place in places(in: text) {
                output += text[at..<place.range.lowerBound]
                output += found[place.provider]?[place.path]?[place.key] ?? String(text[place.range])
                at = place.range.upperBound
            }
            return output + text[at...]
        }
    }

    /// `${provider:key}` and `${provider:path:key}`; a path has no colon, as Kafka's pattern wants it.
    private static func places(in text: String) -> [Place] {
        var places: [Place] = []
        var at = text.startIndex
        while let open = text[at...].firstRange(of: "${") {
            guard let close = text[open.upperBound...].firstIndex(of: "}") else { break }
            let body = text[open.upperBound..<close]
            guard let first = body.firstIndex(of: ":") else {
                at = open.upperBound
                continue
            }
            let rest = body[body.index(after: first)...]
            let second = rest.firstIndex(of: ":")
            places.append(
                Place(
                    range: open.lowerBound..<text.index(after: close), provider: String(body[..<first]),
                    path: second.map { String(rest[..<$0]) } ?? "",
                    key: second.map { String(rest[rest.index(after: $0)...]) } ?? String(rest)))
            at = text.index(after: close)
        }
        return places
    }
}

/// The text of a Java properties file: what `FileConfigProvider` and worker configurations are.
package enum PropertiesText {
    /// Later lines win. Escapes and continued lines as in `java.util.Properties.load`.
    package static func parse(_ text: String) -> [String: String] {
        var properties: [String: String] = [:]
        var pending = ""
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            let stripped = line.drop { $0 == " " || $0 == "\t" || $0 == "\u{c}" }
            if pending.isEmpty, stripped.isEmpty || stripped.first == "#" || stripped.first == "!" { continue }
            pending += stripped
            if pending.reversed().prefix(while: { $0 == "\\" }).count % 2 == 1 {
                pending.removeLast()
                continue
            }
            let (key, value) = pair(pending)
            properties[key] = value
            pending = ""
        }
        if !pending.isEmpty {
            let (key, value) = pair(pending)
            properties[key] = value
        }
        return properties
    }

    private static func pair(_ line: String) -> (String, String) {
        var end = line.startIndex
        var isEscaped = false
        while end < line.endIndex {
            let character = line[end]
            if !isEscaped, "=: \t\u{c}".contains(character) { break }
            isEscaped = character == "\\" && !isEscaped
            end = line.index(after: end)
        }
        var rest = line[end...].drop { " \t\u{c}".contains($0) }
        if let first = rest.first, first == "=" || first == ":" {
            rest = rest.dropFirst().drop { " \t\u{c}".contains($0) }
        }
        return (unescaped(line[..<end]), unescaped(rest))
    }

    private static func unescaped(_ text: Substring) -> String {
        var units: [UInt16] = []
        var iterator = Array(text.utf16)[...]
        while let unit = iterator.popFirst() {
            guard unit == 0x5C, let next = iterator.popFirst() else {
                if unit != 0x5C { units.append(unit) }
                continue
            }
            switch next {
            case 0x6E: units.append(0x0A)
            case 0x72: units.append(0x0D)
            case 0x74: units.append(0x09)
            case 0x66: units.append(0x0C)
            case 0x75:
                let digits = String(decoding: iterator.prefix(4), as: UTF16.self)
                if digits.utf8.count == 4, let value = UInt16(digits, radix: 16) {
                    units.append(value)
                    iterator = iterator.dropFirst(4)
                } else {
                    units.append(next)
                }
            default: units.append(next)
            }
        }
        return String(decoding: units, as: UTF16.self)
    }
}
