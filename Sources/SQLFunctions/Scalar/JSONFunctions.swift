import JSONFormat
import SQLTypes

/// Functions of JSON texts. What stands behind the first value of a text is ignored, as the original does.
enum JSONFunctions {
    static let all: [ScalarFunction] = [
        ScalarFunction(
            "EXTRACTJSONFIELD", .json, "The value at a path of a JSON text; null when there is none.",
            [
                .plain(["input": .string, "path": .string], .string) { values, context throws(EvaluationError) in
                    let path = try context.cache.path(values[1].textArgument)
                    return try extract(values[0].textArgument, path)
                }
            ]),
        ScalarFunction(
            "IS_JSON_STRING", .json, "Whether a text is JSON.",
            [
                .nullable(["input": .string], .boolean) { values, _ throws(EvaluationError) in
                    .boolean(values[0].string.flatMap { JSONDocument.first($0) } != nil)
                }
            ]),
        ScalarFunction(
            "JSON_ARRAY_CONTAINS", .json, "Whether a JSON array has the value, of the same type.",
            [
                .nullable(["jsonArray": .string, "val": .generic("T")], .boolean) { values, _ throws(EvaluationError) in
                    guard let text = values[0].string else { throw EvaluationError("the array is null") }
                    return .boolean(contains(text, values[1]))
                }
            ]),
        ScalarFunction(
            "JSON_ARRAY_LENGTH", .json, "How many elements a JSON array has; null for anything else.",
            [
                .plain(["jsonArray": .string], .int) { values, _ throws(EvaluationError) in
                    JSONDocument.elements(values[0].textArgument).map { .int(Int32(clamping: $0.count)) } ?? .null
                }
            ]),
        ScalarFunction(
            "JSON_CONCAT", .json,
            "The members of several JSON objects in one, or the elements of arrays and all other values in one array.",
            [
                .plain(["jsonStrings...": .string], .string) { values, context throws(EvaluationError) in
                    try context.limits.check(values.lazy.map { $0.string?.utf8.count ?? 0 }, "JSON_CONCAT")
                    return concat(values)
                }
            ]),
        ScalarFunction(
            "JSON_ITEMS", .json, "The elements of a JSON array as JSON texts; null for anything else.",
            [
                .plain(["jsonItems": .string], .array(.string)) { values, _ throws(EvaluationError) in
                    guard let elements = JSONDocument.elements(values[0].textArgument) else { return .null }
                    return .array(elements.map { .string(JSONDocument.text($0)) })
                }
            ]),
        ScalarFunction(
            "JSON_KEYS", .json, "The names of a JSON object's members; null for anything else.",
            [
                .plain(["jsonObj": .string], .array(.string)) { values, _ throws(EvaluationError) in
                    guard let members = JSONDocument.members(values[0].textArgument) else { return .null }
                    return .array(members.map { .string($0.0) })
                }
            ]),
        ScalarFunction(
            "JSON_RECORDS", .json, "The members of a JSON object as JSON texts by name; null for anything else.",
            [
                .plain(["jsonObj": .string], .map(key: .string, value: .string)) { values, _ throws(EvaluationError) in
                    guard let members = JSONDocument.members(values[0].textArgument) else { return .null }
                    return .map(SQLMap(members.map { (.string($0.0), .string(JSONDocument.text($0.1))) }))
                }
            ]),
        ScalarFunction(
            "TO_JSON_STRING", .json, "A value of any type as JSON text.",
            [
                FunctionOverload(
                    ["val": .generic("T")], .rule { _ throws(FunctionError) in .string }, seesNulls: true,
                    .made { types, _ in
                        let type = types.first.flatMap { $0 } ?? .string
                        return { values, context throws(EvaluationError) in
                            var output: [UInt8] = []
                            try JSONDocument.write(values[0], type, context.limits, to: &output)
                            return .string(String(decoding: output, as: UTF8.self))
                        }
                    })
            ]),
    ]

    private static func extract(_ text: String, _ path: JSONPath) throws(EvaluationError) -> SQLValue {
        guard let result = JSONSkimmer.find(path.steps, in: text) else {
            // An empty document has no field.
            guard !NumberText.trim(text).isEmpty else { return .null }
            throw EvaluationError("Invalid JSON format:\(text)")
        }
        guard let place = result else { return .null }
        guard let value = JSONValue.parse(place) else { return .null }
        if case .string(let text) = value { return .string(text) }
        return .string(JSONDocument.text(value))
    }

    /// Reads no further than the element, so what stands behind it need not be JSON.
    private static func contains(_ text: String, _ wanted: SQLValue) -> Bool {
        var scanner = JSONScanner(Array(text.utf8))
        scanner.skipSpace()
        guard scanner.skip("[") else { return false }
        repeat {
            guard let bytes = scanner.value(), let element = JSONValue.parse(bytes) else { return false }
            if isEqual(element, wanted) { return true }
            scanner.skipSpace()
        } while scanner.skip(",")
        return false
    }

    private static func isEqual(_ json: JSONValue, _ value: SQLValue) -> Bool {
        switch (json, value) {
        case (.null, .null): true
        case (.bool(let a), .boolean(let b)): a == b
        case (.number(let a), .int(let b)): a == Int64(b)
        case (.number(let a), .bigint(let b)): a == b
        case (.string(let a), .string(let b)): a.isSame(as: b)
        case (.raw(let text), .double(let b)):
            text.contains { ".eE".utf8.contains($0) } && Double(String(decoding: text, as: UTF8.self)) == b
        default: false
        }
    }

    private static func concat(_ values: [SQLValue]) -> SQLValue {
        var documents: [JSONValue] = []
        for value in values {
            guard let text = value.string, let bytes = JSONDocument.first(text), let json = JSONValue.parse(bytes)
            else {
                return .null
            }
            documents.append(json)
        }
        guard let first = documents.first else { return .null }
        if documents.count == 1 { return .string(JSONDocument.text(first, isPlain: true)) }
        if documents.allSatisfy({ $0.members != nil }) {
            let members = documents.flatMap { $0.members ?? [] }
            return .string(JSONDocument.text(.object(members), isPlain: true))
        }
        let elements = documents.flatMap { $0.elements ?? [$0] }
        return .string(JSONDocument.text(.array(elements), isPlain: true))
    }
}

/// JSON texts read and written the way Jackson does.
enum JSONDocument {
    /// The first value of a text; nil when there is none.
    static func first(_ text: String) -> [UInt8]? {
        var scanner = JSONScanner(Array(text.utf8))
        scanner.skipSpace()
        return scanner.value()
    }

    /// The elements when the first value is an array.
    static func elements(_ text: String) -> [JSONValue]? { first(text).flatMap { JSONValue.parse($0)?.elements } }

    /// The members when the first value is an object; of those with the same name the last, in the first's place.
    static func members(_ text: String) -> [(String, JSONValue)]? {
        first(text).flatMap { JSONValue.parse($0)?.members }.map(distinct)
    }

    private static func distinct(_ members: [(String, JSONValue)]) -> [(String, JSONValue)] {
        var places: [SQLValue: Int] = [:]
        var result: [(String, JSONValue)] = []
        for member in members {
            if let place = places[.string(member.0)] {
                result[place].1 = member.1
            } else {
                places[.string(member.0)] = result.count
                result.append(member)
            }
        }
        return result
    }

    /// - Parameter isPlain: whether numbers with an exponent are written without.
    static func text(_ value: JSONValue, isPlain: Bool = false) -> String {
        var output: [UInt8] = []
        write(value, isPlain, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    private static func write(_ value: JSONValue, _ isPlain: Bool, to output: inout [UInt8]) {
        switch value {
        case .null: output += "null".utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .number(let value): output += String(value).utf8
        case .raw(let text):
            // Numbers with a point or an exponent are read as exact decimals, and written as Java writes those.
            if text.contains(where: { ".eE".utf8.contains($0) }), let number = SQLDecimal(utf8: Array(text)) {
                output += (isPlain ? plainText(number) : number.description).utf8
            } else {
                output += text == Array("-0".utf8) ? [UInt8(ascii: "0")] : text
            }
        case .string(let text): quote(text, to: &output)
        case .array(let elements):
            output.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                write(element, isPlain, to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members):
            output.append(UInt8(ascii: "{"))
            for (index, member) in distinct(members).enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                quote(member.0, to: &output)
                output.append(UInt8(ascii: ":"))
                write(member.1, isPlain, to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    /// Jackson's WRITE_BIGDECIMAL_AS_PLAIN. Numbers that would take more than its 9999 zeros keep their exponent.
    private static func plainText(_ number: SQLDecimal) -> String {
        abs(number.scale) <= 9999 ? number.plainText : number.description
    }

    private static func quote(_ text: String, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
            case 0x08: output += "\\b".utf8
            case 0x09: output += "\\t".utf8
            case 0x0A: output += "\\n".utf8
            case 0x0C: output += "\\f".utf8
            case 0x0D: output += "\\r".utf8
            case 0..<0x20: output += "\\u00\(Hexadecimal.encode([byte], isUpperCase: true))".utf8
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    /// What TO_JSON_STRING writes; members in the order of their names.
    static func write(
        _ value: SQLValue, _ type: SQLType, _ limits: FunctionLimits, to output: inout [UInt8]
    ) throws(EvaluationError) {
        switch value {
        case .null: output += "null".utf8
        case .double(let value):
            // JSON has no such numbers.
            if value.isFinite {
                DoubleText.append(value, to: &output)
            } else {
                quote(DoubleText.text(value), to: &output)
            }
        case .decimal(let value): output += plainText(value).utf8
        case .boolean, .int, .bigint: output += SQLText.text(of: value, type: type).utf8
        case .string(let text): quote(text, to: &output)
        case .bytes(let bytes): quote(Base64.encode(bytes), to: &output)
        case .time, .date, .timestamp: quote(SQLText.text(of: value, type: type), to: &output)
        case .array(let elements):
            let elementType: SQLType = if case .array(let type) = type { type } else { .string }
            output.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                try write(element, elementType, limits, to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .map(let map):
            let (keyType, valueType): (SQLType, SQLType) =
                if case .map(let key, let value) = type { (key, value) } else { (.string, .string) }
            try writeMembers(
                map.entries.map { (SQLText.text(of: $0.0, type: keyType), $0.1, valueType) }, limits, to: &output)
        case .structure(let values):
            try writeMembers(
                zip(type.fields ?? [], values).map { ($0.0.name, $0.1, $0.0.type) }, limits, to: &output)
        }
        guard output.count <= limits.byteCountMax else {
            throw EvaluationError("the result of TO_JSON_STRING is too long")
        }
    }

    private static func writeMembers(
        _ members: [(String, SQLValue, SQLType)], _ limits: FunctionLimits, to output: inout [UInt8]
    ) throws(EvaluationError) {
        output.append(UInt8(ascii: "{"))
        for (index, member) in members.sorted(by: { $0.0.compareUTF16(to: $1.0) < 0 }).enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            quote(member.0, to: &output)
            output.append(UInt8(ascii: ":"))
            try write(member.1, member.2, limits, to: &output)
        }
        output.append(UInt8(ascii: "}"))
    }
}
