/// The part of JSONPath that EXTRACTJSONFIELD knows: names and places, `$.a.b[0]["c d"]`. Names of anything else than
/// letters, digits, underscores and, behind a point, colons and @ are written in quotes.
struct JSONPath {
    let steps: [String]

    /// - Throws: "Invalid JSON path".
    init(_ text: String) throws(EvaluationError) {
        var steps: [String] = []
        var rest = text.unicodeScalars[...]
        let invalid = EvaluationError(
            "Invalid JSON path: '\(text)'. "
                + "Names with other characters than letters, digits and _ are quoted: $[\"a-b\"]")
        guard rest.popFirst() == "$" else { throw invalid }
        while let mark = rest.popFirst() {
            let name: String
            switch mark {
            case ".": name = Self.plainName(&rest) { $0 == ":" || $0 == "@" || Self.isPlain($0) }
            case "[":
                if rest.first == "\"" {
                    rest.removeFirst()
                    guard let quoted = Self.quotedName(&rest), rest.popFirst() == "]" else { throw invalid }
                    steps.append(quoted)
                    continue
                }
                name = Self.plainName(&rest, Self.isPlain)
                guard rest.popFirst() == "]" else { throw invalid }
            default: throw invalid
            }
            guard !name.isEmpty else { throw invalid }
            steps.append(name)
        }
        self.steps = steps
    }

    /// Java's `isLetterOrDigit`, and underscores.
    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        guard scalar != "_" else { return true }
        return switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber:
            scalar.value <= 0xFFFF  // it looks at UTF-16 units
        default: false
        }
    }

    private static func plainName(
        _ rest: inout Substring.UnicodeScalarView, _ isPart: (Unicode.Scalar) -> Bool
    ) -> String {
        let name = rest.prefix(while: isPart)
        rest.removeFirst(name.count)
        return String(name)
    }

    /// To the closing quote, which is passed; a backslash stands before quotes and backslashes only.
    private static func quotedName(_ rest: inout Substring.UnicodeScalarView) -> String? {
        var name = String.UnicodeScalarView()
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\"": return String(name)
            case "\\":
                guard let escaped = rest.popFirst(), escaped == "\"" || escaped == "\\" else { return nil }
                name.append(escaped)
            default: name.append(scalar)
            }
        }
        return nil
    }
}
