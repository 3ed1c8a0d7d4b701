/// A way into a value as JSONPath writes it, `$.a['b c'].d`: names only, no wildcards.
struct RecordPath: Sendable {
    let steps: [String]

    init(steps: [String]) { self.steps = steps }

    /// - Throws: `.config` for what is no such path.
    init(_ text: String) throws(ConnectError) {
        var rest = Substring(text.trimmed)
        func failure() -> ConnectError {
            .config("Invalid JSON Path '\(text)': expected names as in $.a.b or $['a']['b']")
        }
        guard rest.popFirst() == "$" else { throw failure() }
        var steps: [String] = []
        while let sign = rest.popFirst() {
            if sign == "." {
                let name = rest.prefix { $0 != "." && $0 != "[" }
                guard !name.isEmpty, name != "*" else { throw failure() }
                steps.append(String(name))
                rest = rest[name.endIndex...]
            } else {
                guard sign == "[", let quote = rest.popFirst(), quote == "'" || quote == "\"",
                    let end = rest.firstIndex(of: quote)
                else { throw failure() }
                steps.append(String(rest[..<end]))
                rest = rest[end...].dropFirst()
                guard rest.popFirst() == "]" else { throw failure() }
            }
        }
        self.steps = steps
    }

    func value(_ value: ConnectValue) -> ConnectValue { steps.reduce(value) { $0.member($1) } }
}

/// `io.confluent.connect.transforms.Filter`: keeps or drops the records that a JSONPath matches, `$.order[?(@.amount < 42)]`.
///
/// The predicate is a `RecordExpression`, with `@` for the element. As in JSONPath a comparison with what is not there is
/// false, and a field alone asks whether it is there.
struct ConditionFilter: Transformation {
    private enum Missing: String, Sendable, CaseIterable { case fail, include, exclude }

    private let part: RecordPart
    private let condition: String
    private let path: RecordPath
    /// nil where the path alone decides.
    private let expression: RecordExpression?
    private let keepsMatches: Bool
    private let missing: Missing

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "filter.condition", .string, .required, .notEmpty, .high,
            "A JSON Path that matches records, as in $[?(@.amount < 42)].")
        definition.define(
            "filter.type", .string, .required, .oneOf(["include", "exclude"]), .high,
            "Whether records that match are kept, include, or dropped, exclude.")
        definition.define(
            "missing.or.null.behavior", .string, .value(.string("fail")), .oneOf(Missing.allCases.map(\.rawValue)),
            .medium, "What becomes of records without the field in front of the predicate: fail, include or exclude.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        let text = values.string("filter.condition") ?? ""
        condition = text
        keepsMatches = values.string("filter.type") == "include"
        missing = Missing(rawValue: values.string("missing.or.null.behavior") ?? "") ?? .fail
        do throws(ConnectError) {
            guard let start = text.firstRange(of: "[?(") else {
                path = try RecordPath(text)
                expression = nil
                return
            }
            let predicate = text[start.upperBound...].trimmed
            guard predicate.hasSuffix(")]") else { throw .config("the predicate [?( does not end with )]") }
            path = try RecordPath(String(text[..<start.lowerBound]))
            expression = try RecordExpression(Self.translated(String(predicate.dropLast(2))), asksForPresence: true)
        } catch {
            throw .config("filter.condition", text, error.message)
        }
    }

    /// JSONPath's predicate in the words of `RecordExpression`: `@` is the value, `=~ /a.*/i` a match of the whole.
    private static func translated(_ predicate: String) throws(ConnectError) -> String {
        var output = ""
        var rest = Substring(predicate)
        var quote: Character?
        while let character = rest.popFirst() {
            if let open = quote {
                output.append(character)
                if character == "\\", let escaped = rest.popFirst() {
                    output.append(escaped)
                } else if character == open {
                    quote = nil
                }
            } else if character == "'" || character == "\"" {
                quote = character
                output.append(character)
            } else if character == "@" {
                output += "value"
            } else if character == "=", rest.first == "~" {
                rest = rest.dropFirst().drop { $0.isWhitespace }
                guard rest.first == "/" else {
                    // A text as an expression is one of `RecordExpression` too.
                    output += "==~ "
                    continue
                }
                rest.removeFirst()
                var pattern = ""
                while let next = rest.popFirst(), next != "/" {
                    if next == "\\", rest.first == "/" { continue }
                    pattern.append(next)
                    if next == "\\", let escaped = rest.popFirst() { pattern.append(escaped) }
                }
                guard predicate[..<rest.startIndex].last == "/" else {
                    throw .config("the expression behind =~ does not end with /")
                }
                let flags = rest.prefix { "imsux".contains($0) }
                rest = rest[flags.endIndex...]
                if !flags.isEmpty { pattern = "(?\(flags))" + pattern }
                output +=
                    "==~ '" + pattern.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
            } else {
                output.append(character)
            }
        }
        return output
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let element = path.value(record[part].value)
        if element.isNull {
            switch missing {
            case .include: return record
            case .exclude: return nil
            case .fail:
                throw .data("The field that the filter's condition \(condition) names is missing or null in the record")
            }
        }
        return try matches(element, record) == keepsMatches ? record : nil
    }

    /// A predicate behind an array is asked about its elements.
    private func matches(_ element: ConnectValue, _ record: ConnectRecord) throws(ConnectError) -> Bool {
        guard let expression else { return true }
        var asked = record
        guard case .array(let elements) = element else {
            asked.value.value = element
            return try expression.isTrue(asked)
        }
        for item in elements {
            asked.value.value = item
            if try expression.isTrue(asked) { return true }
        }
        return false
    }
}

/// `io.confluent.connect.transforms.Drop`: null in the place of a key or value.
struct DropPart: Transformation {
    private enum Schema: String, Sendable, CaseIterable {
        case nullify, retain
        case forceOptional = "force_optional"
    }

    private let part: RecordPart
    private let schema: Schema

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "schema.behavior", .string, .value(.string("nullify")), .oneOf(Schema.allCases.map(\.rawValue)), .medium,
            "What becomes of the schema: nullify takes it away, retain keeps it and fails when it is not optional, "
                + "force_optional makes it optional.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        schema = Schema(rawValue: values.string("schema.behavior") ?? "") ?? .nullify
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let known = record[part].schema
        switch schema {
        case .nullify: return record.with(part, nil, .null)
        case .forceOptional: return record.with(part, known?.with(isOptional: true), .null)
        case .retain:
            if let known, !known.isOptional {
                throw .data("Cannot drop the \(part == .key ? "key" : "value"): its schema \(known) is not optional")
            }
            return record.with(part, known, .null)
        }
    }
}
