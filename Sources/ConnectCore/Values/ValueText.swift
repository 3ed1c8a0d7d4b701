import SQLTypes

/// Texts of values, as the simple header converter writes them and finds out what they are: Java's
/// `org.apache.kafka.connect.data.Values`.
package enum ValueText {
    /// The text of a value: a string as it is, everything inside arrays and maps in quotes where it is a string.
    package static func text(_ value: ConnectValue) -> String {
        var output = ""
        append(value, isEmbedded: false, to: &output, depth: 0)
        return output
    }

    private static func append(_ value: ConnectValue, isEmbedded: Bool, to output: inout String, depth: Int) {
        guard depth < ConnectSchema.depthMax else { return }
        switch value {
        case .null: output += "null"
        case .string(let text):
            guard isEmbedded else { return output += text }
            output += "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        case .bytes(let bytes):
            let text = Base64.encode(bytes)
            output += isEmbedded ? "\"" + text + "\"" : text
        case .array(let elements):
            output += "["
            for (index, element) in elements.enumerated() {
                if index > 0 { output += "," }
                append(element, isEmbedded: true, to: &output, depth: depth + 1)
            }
            output += "]"
        case .map(let map):
            output += "{"
            for (index, entry) in map.entries.enumerated() {
                if index > 0 { output += "," }
                append(entry.key, isEmbedded: true, to: &output, depth: depth + 1)
                output += ":"
                append(entry.value, isEmbedded: true, to: &output, depth: depth + 1)
            }
            output += "}"
        case .structure(let structure):
            output += "{"
            for (index, field) in structure.schema.fields.enumerated() {
                if index > 0 { output += "," }
                append(.string(field.name), isEmbedded: true, to: &output, depth: depth + 1)
                output += ":"
                append(structure[index], isEmbedded: true, to: &output, depth: depth + 1)
            }
            output += "}"
        case .instant(let millis): output += JavaText.instant(millis)
        case .int8, .int16, .int32, .int64, .float32, .float64, .boolean, .decimal: output += JavaText.string(value)
        }
    }

    /// What a text is: null, a boolean, the narrowest number, a date, time or timestamp, an array, a map, else a string.
    package static func parse(_ text: String) -> SchemaAndValue {
        if text.isEmpty { return SchemaAndValue(.string, .string("")) }
        if let integer = integer(text.utf8) { return integer }
        var parser = ValueParser(text)
        return parser.value(isEmbedded: false, depth: 0) ?? .null
    }
}

extension ValueText {
    /// The narrowest integer that a text of digits is; nil for other texts, and those of many digits.
    static func integer(_ text: some Collection<UInt8>) -> SchemaAndValue? {
        guard 1...18 ~= text.count else { return nil }
        var value: Int64 = 0
        var isNegative = false
        var digitCount = 0
        for byte in text {
            if byte == UInt8(ascii: "-"), digitCount == 0, !isNegative {
                isNegative = true
                continue
            }
            guard 0x30...0x39 ~= byte else { return nil }
            value = value &* 10 &+ Int64(byte &- 0x30)
            digitCount += 1
        }
        return digitCount > 0 ? narrowest(isNegative ? -value : value) : nil
    }

    static func narrowest(_ value: Int64) -> SchemaAndValue {
        if let value = Int8(exactly: value) { return SchemaAndValue(.int8, .int8(value)) }
        if let value = Int16(exactly: value) { return SchemaAndValue(.int16, .int16(value)) }
        if let value = Int32(exactly: value) { return SchemaAndValue(.int32, .int32(value)) }
        return SchemaAndValue(.int64, .int64(value))
    }
}

/// Takes a text apart at its delimiters; a backslash takes a delimiter's meaning.
struct ValueParser {
    private struct Failure: Error {}

    private static let delimiters = Set<Character>(["\"", ",", ":", "[", "]", "{", "}"])
    private let original: String
    private var tokens: [String] = []
    private var at = 0

    init(_ text: String) {
        original = text
        var token = ""
        var isEscaped = false
        for character in text {
            if Self.delimiters.contains(character), !isEscaped {
                if !token.isEmpty { tokens.append(token) }
                token = ""
                tokens.append(String(character))
            } else if isEscaped, Self.delimiters.contains(character) {
                token.removeLast()
                token.append(character)
            } else {
                token.append(character)
            }
            isEscaped = character == "\\" && !isEscaped
        }
        if !token.isEmpty { tokens.append(token) }
    }

    private var hasNext: Bool { at < tokens.count }

    private mutating func next() -> String {
        defer { at += 1 }
        return at < tokens.count ? tokens[at] : ""
    }

    private mutating func take(_ expected: String) -> Bool {
        let start = at
        while hasNext {
            let token = tokens[at].trimmed
            if token == expected {
                at += 1
                return true
            }
            // Spaces stand between delimiters; anything else is something else.
            guard token.isEmpty else { break }
            at += 1
        }
        at = start
        return false
    }

    private mutating func literal(_ text: String, _ isEmbedded: Bool) -> Bool {
        let start = at
        if take(text), isEmbedded || !hasNext { return true }
        at = start
        return false
    }

    /// nil is null.
    mutating func value(isEmbedded: Bool, depth: Int) -> SchemaAndValue? {
        do throws(Failure) {
            return try parse(isEmbedded: isEmbedded, depth: depth)
        } catch {
            // Only embedded values fail, and those that hold them are read as a string then.
            return SchemaAndValue(.string, .string(original))
        }
    }

    private mutating func parse(isEmbedded: Bool, depth: Int) throws(Failure) -> SchemaAndValue? {
        guard hasNext, depth < ConnectSchema.depthMax else {
            if hasNext { throw Failure() }
            return nil
        }
        if isEmbedded, take("\"") {
            var content = ""
            while hasNext, !take("\"") { content += next() }
            if let moment = Self.temporal(content.trimmed) { return moment }
            return SchemaAndValue(.string, .string(content))
        }
        if literal("null", isEmbedded) { return nil }
        if literal("true", isEmbedded) { return SchemaAndValue(.boolean, .boolean(true)) }
        if literal("false", isEmbedded) { return SchemaAndValue(.boolean, .boolean(false)) }
        let start = at
        do throws(Failure) {
            if take("[") {
                let list = try array(depth)
                if isEmbedded || !hasNext { return list }
            } else if take("{") {
                let map = try map(depth)
                if isEmbedded || !hasNext { return map }
            }
        } catch {
            // No array or map after all: what follows reads it as something simpler.
        }
        at = start
        let token = next()
        guard !token.trimmed.isEmpty else { return SchemaAndValue(.string, .string(isEmbedded ? token : original)) }
        let trimmed = token.trimmed
        let first = trimmed.first ?? " "
        if first.isNumber {
            // Times have colons, which are delimiters.
            if at + 4 <= tokens.count, let moment = Self.temporal((trimmed + tokens[at..<at + 4].joined()).trimmed) {
                if isEmbedded || at + 4 == tokens.count {
                    at += 4
                    return moment
                }
            }
            if isEmbedded || !hasNext, let moment = Self.temporal(trimmed) { return moment }
        }
        if first.isNumber || first == "+" || first == "-", isEmbedded || !hasNext, let number = Self.number(trimmed) {
            return number
        }
        if isEmbedded { throw Failure() }
        return SchemaAndValue(.string, .string(original))
    }

    private mutating func array(_ depth: Int) throws(Failure) -> SchemaAndValue {
        var elements: [ConnectValue] = []
        var schema: ConnectSchema?
        while hasNext {
            if take("]") {
                let element = schema ?? .optionalString
                return SchemaAndValue(.array(element), .array(Self.aligned(elements, element)))
            }
            if take(",") { throw Failure() }
            // An array with null in it stays a text, as it does in the original.
            guard let element = try parse(isEmbedded: true, depth: depth + 1) else { throw Failure() }
            schema = try Self.common(schema, element)
            elements.append(element.value)
            let mark = at
            if take("]") {
                at = mark
            } else if !take(",") {
                throw Failure()
            }
        }
        throw Failure()
    }

    private mutating func map(_ depth: Int) throws(Failure) -> SchemaAndValue {
        var keys: [ConnectValue] = []
        var values: [ConnectValue] = []
        var keySchema: ConnectSchema?
        var valueSchema: ConnectSchema?
        while hasNext {
            if take("}") {
                let key = keySchema ?? .optionalString
                let value = valueSchema ?? .optionalString
                let entries = zip(Self.aligned(keys, key), Self.aligned(values, value))
                return SchemaAndValue(.map(key, value), .map(ConnectMap(entries.map { ($0, $1) })))
            }
            if take(",") { throw Failure() }
            guard let key = try parse(isEmbedded: true, depth: depth + 1), take(":") else { throw Failure() }
            let value = try parse(isEmbedded: true, depth: depth + 1)
            keys.append(key.value)
            values.append(value?.value ?? .null)
            _ = take(",")
            keySchema = try Self.common(keySchema, key)
            valueSchema = try Self.common(valueSchema, value)
        }
        throw Failure()
    }

    private static let numbers: [ConnectSchema.Kind] = [.int8, .int16, .int32, .int64, .float32, .float64]

    /// The schema that two elements have in common: the wider of two numbers.
    private static func common(_ a: ConnectSchema?, _ b: SchemaAndValue?) throws(Failure) -> ConnectSchema? {
        guard let b = b?.schema else { return a }
        guard let a else { return b }
        if a == b { return a }
        if a.kind == b.kind { return a.isOptional ? a : b }
        guard let first = numbers.firstIndex(of: a.kind), let second = numbers.firstIndex(of: b.kind), a.name == nil,
            b.name == nil
        else { throw Failure() }
        return first > second ? a : b
    }

    private static func aligned(_ values: [ConnectValue], _ schema: ConnectSchema) -> [ConnectValue] {
        values.map { value in
            guard let integer = value.integer else {
                if case .float32(let number) = value, schema.kind == .float64 { return .float64(Double(number)) }
                return value
            }
            switch schema.kind {
            case .int16: return .int16(Int16(truncatingIfNeeded: integer))
            case .int32: return .int32(Int32(truncatingIfNeeded: integer))
            case .int64: return .int64(integer)
            case .float32: return .float32(Float(integer))
            case .float64: return .float64(Double(integer))
            default: return value
            }
        }
    }

    private static func number(_ text: String) -> SchemaAndValue? {
        guard let decimal = SQLDecimal(utf8: Array(text.utf8)) else { return nil }
        if abs(decimal.scale) < 10_000, let whole = decimal.rescaledExactly(to: 0), let value = whole.unscaledInt64 {
            return ValueText.narrowest(value)
        }
        if let value = Float(text), value.isFinite, decimal.scale != 0 {
            return SchemaAndValue(.float32, .float32(value))
        }
        if let value = Double(text), value.isFinite, decimal.scale != 0 {
            return SchemaAndValue(.float64, .float64(value))
        }
        return SchemaAndValue(.decimal(scale: decimal.scale), .decimal(decimal))
    }

    private static let patterns: [(length: Int, pattern: SimpleDateText?, schema: ConnectSchema)] = [
        (13, try? SimpleDateText("HH:mm:ss.SSS'Z'"), .time),
        (24, try? SimpleDateText("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"), .timestamp),
        (10, try? SimpleDateText("yyyy-MM-dd"), .date),
    ]

    private static func temporal(_ text: String) -> SchemaAndValue? {
        guard let entry = patterns.first(where: { $0.length == text.utf8.count }),
            let millis = try? entry.pattern?.millis(text)
        else { return nil }
        return SchemaAndValue(entry.schema, .instant(millis))
    }
}

extension StringProtocol {
    /// Java's `trim`.
    var trimmed: String { NumberText.trim(String(self)) }
}
