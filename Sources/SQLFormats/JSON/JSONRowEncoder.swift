import JSONFormat
package import SQLTypes

/// JSON and JSON_SR, a record at a time.
final class JSONRowEncoder: RowEncoder {
    private let isUnwrapped: Bool
    private let columns: [SQLField]
    /// `"NAME":` of each column, with the comma or brace before it.
    private let names: [[UInt8]]
    private let frame: [UInt8]
    private let tail: [UInt8]

    /// - Parameters:
    ///   - frame: what stands before the text.
    ///   - others: names of members that are null.
    init(columns: [SQLField], isUnwrapped: Bool, frame: [UInt8] = [], others: [String] = []) {
        tail = Self.tail(others, isFirst: columns.isEmpty)
        self.columns = columns
        self.isUnwrapped = isUnwrapped
        self.frame = frame
        names = columns.enumerated().map { index, column in
            var name = [UInt8(ascii: index == 0 ? "{" : ",")]
            JSONText.quote(column.name, to: &name)
            name.append(UInt8(ascii: ":"))
            return name
        }
    }

    func append(_ row: [SQLValue], to output: inout [UInt8]) throws(FormatError) -> Bool {
        if isUnwrapped, let column = columns.first, let value = row.first {
            if value.isNull { return false }
            output += frame
            JSONRowWriter.append(value, column.type, to: &output)
            return true
        }
        output += frame
        if columns.isEmpty { output.append(UInt8(ascii: "{")) }
        for index in columns.indices {
            output += names[index]
            JSONRowWriter.append(row[index], columns[index].type, to: &output)
        }
        output += tail
        return true
    }

    /// Members that are null, and the brace.
    static func tail(_ names: [String], isFirst: Bool) -> [UInt8] {
        var tail: [UInt8] = []
        for (index, name) in names.enumerated() {
            if index > 0 || !isFirst { tail.append(UInt8(ascii: ",")) }
            JSONText.quote(name, to: &tail)
            tail += ":null".utf8
        }
        return tail + [UInt8(ascii: "}")]
    }
}

/// Writes values as ksqlDB's JSON: no spaces, nulls written, numbers as Java prints them.
package enum JSONRowWriter {
    package static func append(_ value: SQLValue, _ type: SQLType, to output: inout [UInt8]) {
        switch value {
        case .null: output += "null".utf8
        case .boolean(let value): output += (value ? "true" : "false").utf8
        case .int(let value), .time(let value), .date(let value): JSONText.append(Int64(value), to: &output)
        case .bigint(let value), .timestamp(let value): JSONText.append(value, to: &output)
        case .double(let value): append(double: value, to: &output)
        case .decimal(let value): output += value.description.utf8
        case .string(let value): JSONText.quote(value, to: &output)
        case .bytes(let value): JSONText.quote(Base64.encode(value), to: &output)
        case .array(let values):
            var element = SQLType.string
            if case .array(let type) = type { element = type }
            output.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                append(value, element, to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .map(let map):
            var valueType = SQLType.string
            if case .map(_, let type) = type { valueType = type }
            output.append(UInt8(ascii: "{"))
            for (index, entry) in map.entries.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                JSONText.quote(keyText(entry.0), to: &output)
                output.append(UInt8(ascii: ":"))
                append(entry.1, valueType, to: &output)
            }
            output.append(UInt8(ascii: "}"))
        case .structure(let values):
            let fields = type.fields ?? []
            output.append(UInt8(ascii: "{"))
            for (index, value) in values.enumerated() where index < fields.count {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                JSONText.quote(fields[index].name, to: &output)
                output.append(UInt8(ascii: ":"))
                append(value, fields[index].type, to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    /// What JSON has no number for is a string, as in Jackson.
    static func append(double value: Double, to output: inout [UInt8]) {
        if value.isFinite {
            DoubleText.append(value, to: &output)
        } else {
            output.append(UInt8(ascii: "\""))
            DoubleText.append(value, to: &output)
            output.append(UInt8(ascii: "\""))
        }
    }

    private static func keyText(_ key: SQLValue) -> String {
        switch key {
        case .string(let text): text
        case .int(let value): String(value)
        case .bigint(let value): String(value)
        case .boolean(let value): value ? "true" : "false"
        case .double(let value): DoubleText.text(value)
        case .decimal(let value): value.description
        default: "null"
        }
    }
}
