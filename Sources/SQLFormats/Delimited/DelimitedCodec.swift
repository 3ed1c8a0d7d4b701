import SQLTypes

/// DELIMITED: the columns as one line of separated values. An empty field is null.
final class DelimitedCodec: RowDecoder, RowEncoder {
    let line: DelimitedLine
    private let columns: [SQLField]
    private let topic: String

    /// - Throws: `.schema`.
    init(_ info: FormatInfo, columns: [SQLField], topic: String) throws(FormatError) {
        for column in columns where !column.type.isPrimitive {
            throw FormatError(
                .schema,
                "The 'DELIMITED' format does not support type '\(column.type.base.rawValue)', column: "
                    + SQLIdentifier.quoted(column.name))
        }
        line = try DelimitedLine(setting: info.properties[FormatInfo.delimiterProperty])
        self.columns = columns
        self.topic = topic
    }

    func row(_ bytes: UnsafeRawBufferPointer) throws(FormatError) -> [SQLValue]? {
        do throws(FormatError) {
            guard let fields = try line.fields(String(decoding: bytes, as: UTF8.self)) else {
                throw FormatError(.deserialization, "No fields in record")
            }
            guard fields.count == columns.count else {
                throw FormatError(
                    .deserialization,
                    "Column count mismatch on deserialization. topic: \(topic), expected: \(columns.count), got: "
                        + "\(fields.count)")
            }
            var row: [SQLValue] = []
            row.reserveCapacity(fields.count)
            for (field, column) in zip(fields, columns) { row.append(try Self.value(field, column.type)) }
            return row
        } catch {
            throw FormatError(.deserialization, "Error deserializing delimited", causes: [error.message])
        }
    }

    static func value(_ text: String, _ type: SQLType) throws(FormatError) -> SQLValue {
        if text.isEmpty { return .null }
        do throws(SQLTypesError) {
            switch type {
            case .boolean: return .boolean(text.lowercased() == "true")
            case .int: return .int(try NumberText.int(text))
            case .bigint: return .bigint(try NumberText.bigint(text))
            case .double: return .double(try NumberText.anyDouble(text))
            case .decimal(let precision, let scale):
                return .decimal(try SQLDecimal(text).fitted(precision: precision, scale: scale))
            case .string: return .string(text)
            case .bytes:
                guard let bytes = Base64.decode(text) else {
                    throw SQLTypesError(.invalidText, "Value is not a valid Base64 encoded string: \(text)")
                }
                return .bytes(bytes)
            case .time: return .time(try TimeRange.time(try NumberText.bigint(text)))
            case .date: return .date(try TimeRange.date(try NumberText.bigint(text)))
            case .timestamp: return .timestamp(try NumberText.bigint(text))
            case .array, .map, .structure:
                throw SQLTypesError(
                    .unsupported, "The 'DELIMITED' format does not support type '\(type.base.rawValue)'")
            }
        } catch {
            throw FormatError(.deserialization, error.message)
        }
    }

    func append(_ row: [SQLValue], to output: inout [UInt8]) throws(FormatError) -> Bool {
        for (index, value) in row.enumerated() {
            if index > 0 { line.appendSeparator(to: &output) }
            guard let text = Self.text(value) else { continue }
            line.append(text, isFirst: index == 0, to: &output)
        }
        return true
    }

    static func text(_ value: SQLValue) -> String? {
        switch value {
        case .null, .array, .map, .structure: nil
        case .boolean(let value): value ? "true" : "false"
        case .int(let value), .time(let value), .date(let value): String(value)
        case .bigint(let value), .timestamp(let value): String(value)
        case .double(let value): DoubleText.text(value)
        case .decimal(let value): value.plainText
        case .string(let value): value
        case .bytes(let value): Base64.encode(value)
        }
    }
}

/// Numbers that stand for times, and those that do not.
enum TimeRange {
    static func time(_ milliseconds: Int64) throws(SQLTypesError) -> Int32 {
        guard 0..<86_400_000 ~= milliseconds else {
            throw SQLTypesError(
                .overflow,
                "Time values must use number of milliseconds greater than 0 and less than 86400000.")
        }
        return Int32(milliseconds)
    }

    static func date(_ days: Int64) throws(SQLTypesError) -> Int32 {
        guard let days = Int32(exactly: days) else {
            throw SQLTypesError(.overflow, "Date values must use number of days that an INTEGER can hold. Got \(days)")
        }
        return days
    }
}
