package import JSONFormat

/// A key, value or header as the console shows it.
package struct Field: Sendable, Equatable {
    package enum Format: String, Sendable {
        case null, string, json, avro, protobuf, jsonSchema = "json-schema", long, int, bytes
    }

    package var format: Format
    /// What to show; nil for null.
    package var text: String?
    /// The value, when it is one of JSON or of a schema.
    package var json: JSONValue?
    /// Of the registry.
    package var schemaID: Int32?
    /// Whether `text` is only the beginning.
    package var isCut = false
    /// Why the bytes are not shown by their schema.
    package var problem: String?

    /// Of text that is shown when it is shortened.
    static let byteCountMax = 64 << 10

    package init(_ format: Format, _ text: String? = nil, json: JSONValue? = nil, schemaID: Int32? = nil) {
        self.format = format
        self.text = text
        self.json = json
        self.schemaID = schemaID
    }

    /// Only the beginning where it is long: enough to look at. Filters look at all of it before.
    package var shortened: Field {
        guard let text, text.utf8.count > Self.byteCountMax else { return self }
        var field = self
        // A cut in the midst of a character makes that character the replacement character.
        field.text = String(decoding: text.utf8.prefix(Self.byteCountMax), as: UTF8.self)
        field.json = nil
        field.isCut = true
        return field
    }

    package var value: JSONValue {
        var members: [(String, JSONValue)] = [("format", .string(format.rawValue)), ("text", .string(text))]
        if let schemaID { members.append(("schema_id", .number(Int64(schemaID)))) }
        if let json { members.append(("json", json)) }
        if isCut { members.append(("cut", .bool(true))) }
        if let problem { members.append(("problem", .string(problem))) }
        return .object(members)
    }
}
