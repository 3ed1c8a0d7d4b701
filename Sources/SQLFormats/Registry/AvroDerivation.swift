import JSONFormat
import SQLTypes

/// The Avro schema that columns are written with, as ksqlDB derives it by way of Connect's types: every field can be
/// null, a MAP is an array of entries, and records are named after the path to them.
struct AvroDerivation {
    static let defaultName = "io.confluent.ksql.avro_schemas.KsqlDataSourceSchema"

    /// - Throws: `.schema` for names that Avro does not allow.
    static func text(_ columns: [SQLField], fullName: String?, isUnwrapped: Bool) throws(FormatError) -> String {
        let name = fullName ?? defaultName
        let json: JSONValue
        if isUnwrapped, let column = columns.first {
            json = try type(column.type, path: name)
        } else {
            json = try record(columns, path: name)
        }
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// What a column is called in Avro.
    static func fieldName(_ name: String) -> String {
        var text = ""
        for scalar in name.unicodeScalars { text.unicodeScalars.append(scalar == "." ? "_" : scalar) }
        return text
    }

    private static func nullable(_ type: SQLType, path: String) throws(FormatError) -> JSONValue {
        .array([.string("null"), try self.type(type, path: path)])
    }

    private static func field(_ name: String, _ type: SQLType, path: String) throws(FormatError) -> JSONValue {
        .object([("name", .string(name)), ("type", try nullable(type, path: path)), ("default", .null)])
    }

    private static func type(_ type: SQLType, path: String) throws(FormatError) -> JSONValue {
        func logical(_ word: String, _ connect: String, _ name: String) -> JSONValue {
            .object([
                ("type", .string(word)), ("connect.version", .number(1)),
                ("connect.name", .string("org.apache.kafka.connect.data." + connect)), ("logicalType", .string(name)),
            ])
        }
        switch type {
        case .boolean: return .string("boolean")
        case .int: return .string("int")
        case .bigint: return .string("long")
        case .double: return .string("double")
        case .string: return .string("string")
        case .bytes: return .string("bytes")
        case .time: return logical("int", "Time", "time-millis")
        case .date: return logical("int", "Date", "date")
        case .timestamp: return logical("long", "Timestamp", "timestamp-millis")
        case .decimal(let precision, let scale):
            return .object([
                ("type", .string("bytes")), ("scale", .number(Int64(scale))), ("precision", .number(Int64(precision))),
                ("connect.version", .number(1)),
                (
                    "connect.parameters",
                    .object([("scale", .string("\(scale)")), ("connect.decimal.precision", .string("\(precision)"))])
                ),
                ("connect.name", .string("org.apache.kafka.connect.data.Decimal")), ("logicalType", .string("decimal")),
            ])
        case .array(let element):
            return .object([("type", .string("array")), ("items", try nullable(element, path: path))])
        case .map(let key, let value):
            var entry = named("record", path)
            entry.append(
                (
                    "fields",
                    .array([
                        try field("key", key, path: path + "_MapKey"),
                        try field("value", value, path: path + "_MapValue"),
                    ])
                ))
            entry.append(("connect.internal.type", .string("MapEntry")))
            return .object([
                ("type", .string("array")), ("items", .object(entry)), ("connect.name", .string(path)),
            ])
        case .structure(let fields): return try record(fields, path: path)
        }
    }

    private static func record(_ columns: [SQLField], path: String) throws(FormatError) -> JSONValue {
        var fields: [JSONValue] = []
        for column in columns {
            let name = fieldName(column.name)
            try check(name)
            fields.append(try field(name, column.type, path: path + "_" + column.name))
        }
        var members = named("record", path)
        members.append(("fields", .array(fields)))
        members.append(("connect.name", .string(path)))
        return .object(members)
    }

    /// Every name is written with its namespace; the registry's text leaves out what is said already.
    private static func named(_ word: String, _ fullName: String) -> [(String, JSONValue)] {
        var members: [(String, JSONValue)] = [("type", .string(word))]
        if let dot = fullName.lastIndex(of: ".") {
            members.append(("name", .string(String(fullName[fullName.index(after: dot)...]))))
            members.append(("namespace", .string(String(fullName[..<dot]))))
        } else {
            members.append(("name", .string(fullName)))
        }
        return members
    }

    private static func check(_ name: String) throws(FormatError) {
        func isLetter(_ scalar: Unicode.Scalar) -> Bool {
            "a"..."z" ~= scalar || "A"..."Z" ~= scalar || scalar == "_"
        }
        guard let first = name.unicodeScalars.first else {
            throw FormatError(.schema, "Schema is not compatible with Avro: Empty name")
        }
        guard isLetter(first) else {
            throw FormatError(.schema, "Schema is not compatible with Avro: Illegal initial character: \(name)")
        }
        guard name.unicodeScalars.allSatisfy({ isLetter($0) || "0"..."9" ~= $0 }) else {
            throw FormatError(.schema, "Schema is not compatible with Avro: Illegal character in: \(name)")
        }
    }
}
