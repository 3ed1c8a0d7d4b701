import JSONFormat
import SchemaRules

/// Fields of a schema by name, as far as the text tells without its format's own rules.
enum SchemaFields {
    /// Names of the fields of the main record or object; none for Protobuf, whose fields have numbers to reserve.
    static func topLevel(of document: any SchemaDocument) -> Set<String> {
        guard document.type != .protobuf, let json = JSONValue.parse(Array(document.canonicalText.utf8)) else {
            return []
        }
        switch document.type {
        case .avro: return Set((json["fields"]?.elements ?? []).compactMap { $0["name"]?.text })
        case .json: return Set((json["properties"]?.members ?? []).map(\.0))
        case .protobuf: return []
        }
    }
}
