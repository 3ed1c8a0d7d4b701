package import JSONFormat

/// A path into a JSON value: `$.a.b`, `$['a b'][0]`, `$.list[*].name`; the `$` may be left out.
package struct JSONPath: Sendable, Equatable {
    enum Step: Sendable, Equatable {
        case member(String)
        case element(Int)
        case all
    }

    let steps: [Step]

    /// - Returns: nil for what is no such path.
    package init?(_ text: String) {
        var rest = Substring(text.trimmed)
        if rest.hasPrefix("$") {
            rest.removeFirst()
        } else if let first = rest.first, first != "[", first != "." {
            rest = "." + rest
        }
        var steps: [Step] = []
        while let first = rest.first {
            rest.removeFirst()
            switch first {
            case ".":
                let name = rest.prefix { $0 != "." && $0 != "[" }
                guard !name.isEmpty else { return nil }
                steps.append(name == "*" ? .all : .member(String(name)))
                rest = rest[name.endIndex...]
            case "[":
                guard let (step, end) = Self.bracket(rest) else { return nil }
                steps.append(step)
                rest = end
            default: return nil
            }
            guard steps.count <= 64 else { return nil }
        }
        self.steps = steps
    }

    private static func bracket(_ text: Substring) -> (Step, rest: Substring)? {
        if let quote = text.first, quote == "'" || quote == "\"" {
            let behind = text.dropFirst()
            guard let end = behind.firstIndex(of: quote) else { return nil }
            let rest = behind[behind.index(after: end)...]
            guard rest.first == "]" else { return nil }
            return (.member(String(behind[..<end])), rest.dropFirst())
        }
        guard let end = text.firstIndex(of: "]") else { return nil }
        let inner = text[..<end]
        let rest = text[text.index(after: end)...]
        if inner == "*" { return (.all, rest) }
        return Int(inner).map { (.element($0), rest) }
    }

    /// The values at the path; several where it has a star.
    package func values(in value: JSONValue) -> [JSONValue] {
        var found = [value]
        for step in steps {
            found = found.flatMap { value -> [JSONValue] in
                switch (step, value) {
                case (.member(let name), .object): return value[name].map { [$0] } ?? []
                case (.element(let index), .array(let elements)):
                    let place = index < 0 ? elements.count + index : index
                    return elements.indices.contains(place) ? [elements[place]] : []
                case (.all, .array(let elements)): return elements
                case (.all, .object(let members)): return members.map(\.1)
                default: return []
                }
            }
        }
        return found
    }
}
