import ProtobufFormat
import SQLTypes

/// The `.proto` file that columns are written with, as Connect's converter makes it of ksqlDB's types: messages without
/// names of their own are counted as they are met, from the outside in.
struct ProtobufDerivation {
    /// How a field tells null from zero.
    enum Nullability { case none, optional, wrapper }

    private let nullability: Nullability
    private var count = 0
    private var imports: [String] = []

    /// - Throws: `.schema` for what the format cannot have.
    static func file(
        _ columns: [SQLField], fullName: String?, nullability: Nullability
    ) throws(FormatError) -> ProtoFile {
        var derivation = ProtobufDerivation(nullability: nullability)
        var name = fullName ?? derivation.nextName()
        var head = "syntax = \"proto3\";\n"
        if let dot = name.lastIndex(of: ".") {
            head += "package \(name[..<dot]);\n"
            name = String(name[name.index(after: dot)...])
        }
        let message = try derivation.message(name, columns)
        for path in derivation.imports { head += "import \"\(path)\";\n" }
        do throws(ProtobufError) { return try ProtoFile(parsing: head + message) } catch {
            throw FormatError(.schema, "Schema is not compatible with Protobuf: \(error)")
        }
    }

    private init(nullability: Nullability) { self.nullability = nullability }

    private mutating func nextName() -> String {
        count += 1
        return "ConnectDefault\(count)"
    }

    private mutating func message(_ name: String, _ fields: [SQLField]) throws(FormatError) -> String {
        var lines: [String] = []
        var inner: [String] = []
        for (index, field) in fields.enumerated() {
            lines.append(try declaration(field.name, field.type, index + 1, &inner))
        }
        return "message \(name) {\n" + (lines + inner).joined(separator: "\n") + "\n}\n"
    }

    /// One field; messages that it needs are added to `inner`.
    private mutating func declaration(
        _ name: String, _ type: SQLType, _ number: Int, _ inner: inout [String]
    ) throws(FormatError) -> String {
        var label = nullability == .optional ? "optional " : ""
        var element = type
        if case .array(let items) = type {
            label = "repeated "
            element = items
        }
        var options = ""
        let word: String
        switch element {
        case .boolean: word = scalar("bool", "BoolValue")
        case .int: word = scalar("int32", "Int32Value")
        case .bigint: word = scalar("int64", "Int64Value")
        case .double: word = scalar("double", "DoubleValue")
        case .string: word = scalar("string", "StringValue")
        case .bytes: word = scalar("bytes", "BytesValue")
        case .time: word = imported("google.type.TimeOfDay", "google/type/timeofday.proto")
        case .date: word = imported("google.type.Date", "google/type/date.proto")
        case .timestamp: word = imported("google.protobuf.Timestamp", "google/protobuf/timestamp.proto")
        case .decimal(let precision, let scale):
            word = imported("confluent.type.Decimal", "confluent/type/decimal.proto")
            options =
                " [(confluent.field_meta) = { params: [{ value: \"\(precision)\", key: \"precision\" },"
                + " { value: \"\(scale)\", key: \"scale\" }] }]"
        case .array: throw FormatError(.schema, "Array cannot be nested")
        case .map(let key, let value):
            // The key's and the value's declarations come first, as they may need messages inside of the entry's.
            label = "repeated "
            word = nextName() + "Entry"
            var nested: [String] = []
            let lines = [
                try declaration("key", key, 1, &nested), try declaration("value", value, 2, &nested),
            ]
            inner.append("message \(word) {\n" + (lines + nested).joined(separator: "\n") + "\n}\n")
        case .structure(let fields):
            word = nextName()
            inner.append(try message(word, fields))
        }
        return "\(label)\(word) \(name) = \(number)\(options);"
    }

    private mutating func scalar(_ type: String, _ wrapper: String) -> String {
        nullability == .wrapper ? imported("google.protobuf." + wrapper, "google/protobuf/wrappers.proto") : type
    }

    private mutating func imported(_ name: String, _ path: String) -> String {
        if !imports.contains(path) { imports.append(path) }
        return name
    }
}
