import ConnectCore
import JSONFormat

/// A column, or a field of a column that is a RECORD: `TableFieldSchema` of the API.
struct BigQueryField: Sendable, Equatable {
    enum Mode: String, Sendable { case nullable = "NULLABLE", required = "REQUIRED", repeated = "REPEATED" }

    var name: String
    /// In the API's own words: INTEGER, FLOAT, BOOLEAN, RECORD ...
    var type: String
    var mode = Mode.nullable
    var fields: [BigQueryField] = []
    var description: String?
    /// Digits of a NUMERIC or BIGNUMERIC.
    var precision: Int?
    var scale: Int?
    /// What else a column has that was read, such as policy tags: written back as it was.
    var others: [Member] = []

    struct Member: Sendable, Equatable {
        var name: String
        var value: JSONValue
    }

    /// A name by which fields are the same: case does not count.
    var identity: String { Self.identity(name) }

    static func identity(_ name: String) -> String { name.lowercased() }

    init(_ name: String, _ type: String, _ mode: Mode = .nullable, fields: [BigQueryField] = []) {
        self.name = name
        self.type = type
        self.mode = mode
        self.fields = fields
    }

    /// nil for what is no field, or is nested deeper than BigQuery has it.
    init?(_ json: JSONValue, depth: Int = 0) {
        guard depth < Self.depthMax, let name = json["name"]?.text, let type = json["type"]?.text else { return nil }
        self.name = name
        self.type = Self.standardNames[type.uppercased()] ?? type.uppercased()
        mode = json["mode"]?.text.flatMap { Mode(rawValue: $0.uppercased()) } ?? .nullable
        for field in json["fields"]?.elements ?? [] {
            guard let field = BigQueryField(field, depth: depth + 1) else { return nil }
            fields.append(field)
        }
        description = json["description"]?.text
        for (name, value) in json.members ?? [] where !Self.known.contains(name) {
            others.append(Member(name: name, value: value))
        }
    }

    /// BigQuery has 15 levels.
    private static let depthMax = 32
    private static let known: Set<String> = ["name", "type", "mode", "fields", "description"]
    /// What the API writes where SQL says the name on the left.
    private static let standardNames = [
        "INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD", "DECIMAL": "NUMERIC",
        "BIGDECIMAL": "BIGNUMERIC",
    ]

    /// Without what belongs to the column rather than to its values: descriptions, policy tags, defaults.
    var plain: BigQueryField {
        var field = self
        field.description = nil
        field.others = others.filter { Self.ofValues.contains($0.name) }
        field.fields = fields.map(\.plain)
        return field
    }

    private static let ofValues: Set<String> = ["precision", "scale", "maxLength", "rangeElementType"]

    var json: JSONValue {
        var members: [(String, JSONValue)] = [
            ("name", .string(name)), ("type", .string(type)), ("mode", .string(mode.rawValue)),
        ]
        if !fields.isEmpty { members.append(("fields", .array(fields.map(\.json)))) }
        if let description { members.append(("description", .string(description))) }
        if let precision { members.append(("precision", .string(String(precision)))) }
        if let scale { members.append(("scale", .string(String(scale)))) }
        for member in others { members.append((member.name, member.value)) }
        return .object(members)
    }
}
