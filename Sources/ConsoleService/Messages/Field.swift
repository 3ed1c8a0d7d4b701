package import JSONFormat

/// A key, value or header as the console shows it.
package struct Field: Sendable, Equatable {
    package enum Format: String, Sendable {
        case null, string, json, avro, protobuf, jsonSchema = "json-schema", long, int, bytes
    }

    package var format: Format
    /// What to show; nil for null. Cut when it is long.
    package var text: String?
    /// The value, when it is one of JSON or of a schema.
    package var json: JSONValue?
    /// Of the registry.
    package var schemaID: Int32?
    /// Whether `text` is only the beginning.
    package var isCut = false
    /// Why the bytes are not shown by their schema.
    package var problem: String?

    /// Of text that is shown.
    static let byteCountMax = 64 << 10

    package init(_ format: Format, _ text: String? = nil, json: JSONValue? = nil, schemaID: Int32? = nil) {
        self.format = format
        self.text = text
        self.json = json
        self.schemaID = schemaID
        if let text, text.utf8.count > Self.byteCountMax {
            // A cut in the midst of a character makes that character the replacement character.
            self.text = String(decoding: text.utf8.prefix(Self.byteCountMax), as: UTF8.self)
            self.json = nil
            isCut = true
        }
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
