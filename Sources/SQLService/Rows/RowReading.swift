import JSONFormat
import SQLTypes

/// Values of rows from JSON, as `/inserts-stream` takes them: numbers and texts stand for each other where they can, times
/// are ISO texts or numbers, bytes base 64.
enum RowReading {
    /// Why a value is not of its column's type.
    struct Failure: Error {
        var message: String
    }

    static func value(_ json: JSONValue, _ type: SQLType) throws(Failure) -> SQLValue {
        if case .null = json { return .null }
        switch type {
        case .boolean:
            if case .bool(let value) = json { return .boolean(value) }
            if let text = json.text, let value = NumberText.exactBoolean(text) { return .boolean(value) }
        case .int:
            if let number = integer(json), let value = Int32(exactly: number) { return .int(value) }
        case .bigint:
            if let number = integer(json) { return .bigint(number) }
        case .double:
            if let text = numberText(json), let value = try? NumberText.double(text) { return .double(value) }
        case .decimal(let precision, let scale):
            // More places behind the point than the column has are rounded half up, unlike by INSERT VALUES: a row's numbers
            // are those of the client's JSON, which tends to make doubles of them.
            if let text = numberText(json), let value = try? SQLDecimal(text).cast(precision: precision, scale: scale) {
                return .decimal(value)
            }
        case .string:
            if let text = json.text { return .string(text) }
            switch json {
            case .array, .object: break
            default: return .string(String(decoding: json.bytes, as: UTF8.self))
            }
        case .bytes:
            if let text = json.text, let value = Base64.decode(text) { return .bytes(value) }
        case .time:
            if let number = json.integer, let value = Int32(exactly: number), 0..<86_400_000 ~= value {
                return .time(value)
            }
            if let text = json.text, let value = try? TimeText.time(text) { return .time(value) }
        case .date:
            if let number = json.integer, let value = Int32(exactly: number) { return .date(value) }
            if let text = json.text, let value = try? TimeText.date(text) { return .date(value) }
        case .timestamp:
            if let number = json.integer { return .timestamp(number) }
            if let text = json.text, let value = try? TimeText.timestamp(text) { return .timestamp(value) }
        case .array(let element):
            if case .array(let values) = json {
                var result: [SQLValue] = []
                for item in values { result.append(try value(item, element)) }
                return .array(result)
            }
        case .map(let keyType, let valueType):
            if let members = json.members {
                var keys: [SQLValue] = []
                var values: [SQLValue] = []
                for (name, item) in members {
                    keys.append(try value(.string(name), keyType))
                    values.append(try value(item, valueType))
                }
                return .map(SQLMap(keys: keys, values: values))
            }
        case .structure(let fields):
            if json.members != nil {
                var values: [SQLValue] = []
                for field in fields { values.append(try value(member(json, field.name) ?? .null, field.type)) }
                return .structure(values)
            }
        }
        throw Failure(
            message: "Can't coerce \(String(decoding: json.bytes.prefix(200), as: UTF8.self)) into type \(type)")
    }

    /// The member of a row for a name of the catalog: its own name in back quotes, or the name in any case.
    static func member(_ row: JSONValue, _ name: String) -> JSONValue? {
        guard let members = row.members else { return nil }
        var found: JSONValue?
        for (key, value) in members where matches(key, name) { found = value }
        return found
    }

    /// Whether the name of a member means the column.
    static func matches(_ key: String, _ name: String) -> Bool {
        if key.utf8.count >= 2, key.hasPrefix("`"), key.hasSuffix("`") { return key.dropFirst().dropLast() == name }
        return key.uppercased() == name
    }

    private static func integer(_ json: JSONValue) -> Int64? {
        if let number = json.integer { return number }
        guard let text = json.text else { return nil }
        return try? NumberText.bigint(text)
    }

    private static func numberText(_ json: JSONValue) -> String? {
        switch json {
        case .number, .raw: String(decoding: json.bytes, as: UTF8.self)
        case .string(let text): text
        default: nil
        }
    }
}
