import JSONFormat
import SQLTypes

/// Values of rows as JSON, the way ksqlDB's REST API writes them: times as ISO texts, decimals with all their digits, bytes
/// in base 64, what JSON has no number for as a text.
enum RowText {
    static func append(_ value: SQLValue, _ type: SQLType, to output: inout [UInt8]) {
        switch value {
        case .null: output += "null".utf8
        case .boolean(let value): output += (value ? "true" : "false").utf8
        case .int(let value): JSONText.append(Int64(value), to: &output)
        case .bigint(let value): JSONText.append(value, to: &output)
        case .double(let value): append(value, to: &output)
        case .decimal(let value): output += value.plainText.utf8
        case .string(let value): JSONText.quote(value, to: &output)
        case .bytes(let value): quoted(Base64.encode(value), to: &output)
        case .time(let value): quoted(TimeText.time(value), to: &output)
        case .date(let value): quoted(TimeText.date(value), to: &output)
        case .timestamp(let value): quoted(TimeText.timestamp(value), to: &output)
        case .array(let elements):
            let elementType: SQLType = if case .array(let type) = type { type } else { .string }
            output.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                append(element, elementType, to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .map(let map):
            let (keyType, valueType): (SQLType, SQLType) =
                if case .map(let key, let value) = type { (key, value) } else { (.string, .string) }
            output.append(UInt8(ascii: "{"))
            for (index, entry) in map.entries.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                JSONText.quote(SQLText.text(of: entry.0, type: keyType), to: &output)
                output.append(UInt8(ascii: ":"))
                append(entry.1, valueType, to: &output)
            }
            output.append(UInt8(ascii: "}"))
        case .structure(let values):
            output.append(UInt8(ascii: "{"))
            for (index, (value, field)) in zip(values, type.fields ?? []).enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                JSONText.quote(field.name, to: &output)
                output.append(UInt8(ascii: ":"))
                append(value, field.type, to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    /// An array of the values of a row.
    static func append(_ values: [SQLValue], _ types: [SQLType], to output: inout [UInt8]) {
        output.append(UInt8(ascii: "["))
        for index in types.indices {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            append(values.indices.contains(index) ? values[index] : .null, types[index], to: &output)
        }
        output.append(UInt8(ascii: "]"))
    }

    private static func append(_ value: Double, to output: inout [UInt8]) {
        guard value.isFinite else { return quoted(DoubleText.text(value), to: &output) }
        DoubleText.append(value, to: &output)
    }

    /// A text without letters that JSON escapes.
    private static func quoted(_ text: String, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        output += text.utf8
        output.append(UInt8(ascii: "\""))
    }
}
