import Bytes
import ConnectCore
import JSONFormat

/// Types of columns: those that fields get, upstream's `SnowflakeColumnTypeMapper`, and how values of a JSON array become
/// values of them.
enum ColumnType {
    /// The type of a new column for a field of a schema.
    static func text(_ schema: ConnectSchema) -> String {
        switch schema.kind {
        case .int8: "BYTEINT"
        case .int16: "SMALLINT"
        case .int32:
            switch schema.logicalType {
            case .date: "DATE"
            case .time: "TIME(6)"
            default: "INT"
            }
        case .int64: schema.logicalType == .timestamp ? "TIMESTAMP(6)" : "BIGINT"
        case .float32: "FLOAT"
        case .float64: "DOUBLE"
        case .boolean: "BOOLEAN"
        case .string: "VARCHAR"
        case .bytes: schema.logicalType == .decimal ? "VARCHAR" : "BINARY"
        case .array: "ARRAY"
        case .map, .structure: "VARIANT"
        }
    }

    /// The type of a new column for a value without a schema.
    static func text(_ value: ConnectValue) -> String {
        switch value {
        case .int8, .int16, .int32, .int64: "BIGINT"
        case .float32, .float64: "DOUBLE"
        case .boolean: "BOOLEAN"
        case .array: "ARRAY"
        case .map, .structure: "VARIANT"
        case .bytes: "BINARY"
        case .instant: "TIMESTAMP(6)"
        case .null, .string, .decimal: "VARCHAR"
        }
    }

    /// Reads a type as DESCRIBE TABLE shows it: its name, and what stands in parentheses behind it.
    static func parts(_ type: String) -> (name: String, arguments: String?) {
        let text = type.uppercased()
        guard let open = text.firstIndex(of: "("), text.hasSuffix(")") else { return (text, nil) }
        return (String(text[..<open]), String(text[text.index(after: open)...].dropLast()))
    }

    /// The expression that makes a column's value of an element of the row's JSON array.
    ///
    /// - Returns: nil for types that cannot be written.
    static func expression(_ type: String, element index: Int) -> String? {
        let element = "F.VALUE[\(index)]"
        let (name, arguments) = parts(type)
        // The arguments come from the server; they are numbers or nothing.
        let isPlain = arguments?.utf8.allSatisfy { 0x30...0x39 ~= $0 || $0 == 0x2C || $0 == 0x20 } ?? true
        guard isPlain else { return nil }
        let suffix = arguments.map { "(\($0))" } ?? ""
        switch name {
        case "VARIANT": return "IFF(IS_NULL_VALUE(\(element)), NULL, \(element))"
        case "ARRAY", "OBJECT": return arguments == nil ? "\(element)::\(name)" : nil
        // Without their lengths: with them a cast cuts what is too long, and nobody would know.
        case "VARCHAR", "TEXT", "STRING", "CHAR": return "\(element)::VARCHAR"
        case "BINARY", "VARBINARY": return "TO_BINARY(\(element)::VARCHAR, 'HEX')"
        case "NUMBER", "DECIMAL", "NUMERIC": return "\(element)::NUMBER\(suffix)"
        case "FLOAT", "DOUBLE", "REAL", "BOOLEAN": return "\(element)::\(name)"
        // By way of texts: numbers as such would be seconds, texts of numbers are what their size says.
        case "DATE", "TIME", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ":
            return "\(element)::VARCHAR::\(name)\(suffix)"
        default: return nil
        }
    }

    /// A value as an element of a row's JSON array.
    static func append(_ value: Row.FieldValue, type: String, to output: inout [UInt8]) {
        switch value {
        case .null: output += "null".utf8
        case .json(let bytes): output += bytes
        case .bytes(let bytes):
            let name = parts(type).name
            output.append(UInt8(ascii: "\""))
            if name == "BINARY" || name == "VARBINARY" {
                output += Hexadecimal.encode(bytes)
            } else {
                output += Base64.encode(bytes).utf8
            }
            output.append(UInt8(ascii: "\""))
        }
    }
}
