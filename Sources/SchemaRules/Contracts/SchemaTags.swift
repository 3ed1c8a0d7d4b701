package import JSONFormat

/// Tags on parts of a schema, written inside its text as the property `confluent:tags` of a record or field, in Protobuf as
/// options (`ProtobufTags`).
///
/// Parts are named by paths: an Avro record by its full name, an Avro field by that of its record and its own; those of JSON
/// Schemas see `JSONSchemaTags`; a Protobuf message is `.Outer.Inner`, without its package, a field `.Outer.name`, and one of
/// a oneof `.Outer.choice.name`.
///
/// - SeeAlso: upstream `SchemaEntity`, `SchemaTags`.
package struct SchemaTags: Hashable, Sendable {
    package static let property = "confluent:tags"
    static let depthMax = 200

    package enum Entity: String, Sendable { case record = "sr_record", field = "sr_field" }

    package var entity: Entity
    package var path: String
    package var tags: [String]

    package init(_ entity: Entity, _ path: String, _ tags: [String]) {
        self.entity = entity
        self.path = path
        self.tags = tags
    }

    /// As `{"schemaEntity":{"entityPath":"r.f","entityType":"sr_field"},"tags":["PII"]}`.
    package init(_ json: JSONValue) throws(SchemaFailure) {
        guard let path = json["schemaEntity"]?["entityPath"]?.scalarText,
            let entity = json["schemaEntity"]?["entityType"]?.text.flatMap({ Entity(rawValue: $0.lowercased()) }),
            let tags = json["tags"], tags != .null
        else { throw SchemaFailure("tags have a schemaEntity with entityPath and entityType, and a list of tags") }
        self.init(entity, path, try tags.lenientTexts("tags"))
    }

    /// The elements of a list; none for null.
    package static func list(_ json: JSONValue?, _ name: String) throws(SchemaFailure) -> [SchemaTags] {
        var list: [SchemaTags] = []
        for element in try json?.lenientElements(name) ?? [] { list.append(try SchemaTags(element)) }
        return list
    }

    package var json: JSONValue {
        .object([
            ("schemaEntity", .object([("entityPath", .string(path)), ("entityType", .string(entity.rawValue))])),
            ("tags", .array(tags.map { .string($0) })),
        ])
    }

    /// All tags in a schema text, in the order of the text.
    package static func found(in text: String, _ type: SchemaType) -> [SchemaTags] {
        if type == .protobuf { return ProtobufTags.found(in: text) }
        var found: [SchemaTags] = []
        _ = walk(text, type) { entity, path, tags, isListed in
            if !tags.isEmpty, isListed { found.append(SchemaTags(entity, path, tags)) }
        }
        return found
    }

    /// The text with tags added and others removed.
    ///
    /// - Throws: `SchemaFailure` for a path that the schema does not have.
    package static func changing(
        _ text: String, _ type: SchemaType, add: [SchemaTags], remove: [SchemaTags]
    ) throws(SchemaFailure) -> String {
        if type == .protobuf { return try ProtobufTags.changing(text, add: add, remove: remove) }
        var missing = Set((add + remove).map { "\($0.entity.rawValue) \($0.path)" })
        let changed = walk(text, type) { entity, path, tags, _ in
            missing.remove("\(entity.rawValue) \(path)")
            for change in remove where change.entity == entity && change.path == path {
                tags.removeAll { change.tags.contains($0) }
            }
            for change in add where change.entity == entity && change.path == path {
                tags += change.tags.filter { !tags.contains($0) }
            }
        }
        guard let changed else { throw SchemaFailure("the schema is not JSON, so it has no tags") }
        if let path = missing.min() { throw SchemaFailure("the schema has no part \(path)") }
        return String(decoding: changed.bytes, as: UTF8.self)
    }

    /// The text with tags added to the parts that it has; the text itself where nothing is to be added.
    package static func adding(_ tags: [SchemaTags], to text: String, _ type: SchemaType) -> String {
        let own = found(in: text, type)
        var changed = text
        for tag in tags {
            let present = own.first { $0.entity == tag.entity && $0.path == tag.path }?.tags ?? []
            guard tag.tags.contains(where: { !present.contains($0) }) else { continue }
            // A part that the text does not have has nothing to be tagged.
            if let next = try? changing(changed, type, add: [tag], remove: []) { changed = next }
        }
        return changed
    }

    /// Called for each part. One that is not listed has the tags of another part as well, which is listed.
    typealias Visit = (_ entity: Entity, _ path: String, _ tags: inout [String], _ isListed: Bool) -> Void

    private static func walk(_ text: String, _ type: SchemaType, _ visit: Visit) -> JSONValue? {
        guard let json = JSONValue.parse(Array(text.utf8)) else { return nil }
        return type == .avro ? avro(json, "", 0, visit) : JSONSchemaTags.walk(json, visit)
    }

    private static func set(_ tags: [String], _ members: inout [(String, JSONValue)]) {
        let list = JSONValue.array(tags.map { .string($0) })
        if let index = members.lastIndex(where: { $0.0 == property }) {
            if tags.isEmpty { members.remove(at: index) } else { members[index].1 = list }
        } else if !tags.isEmpty {
            members.append((property, list))
        }
    }

    static func visited(
        _ value: JSONValue, _ entity: Entity, _ path: String, isListed: Bool = true, _ visit: Visit
    ) -> JSONValue {
        guard var members = value.members else { return value }
        let before = (value[property]?.elements ?? []).compactMap(\.text)
        var tags = before
        visit(entity, path, &tags, isListed)
        if tags != before { set(tags, &members) }
        return .object(members)
    }

    private static func avro(_ value: JSONValue, _ namespace: String, _ depth: Int, _ visit: Visit) -> JSONValue {
        guard depth < depthMax else { return value }
        if let branches = value.elements { return .array(branches.map { avro($0, namespace, depth + 1, visit) }) }
        guard var members = value.members else { return value }
        let kind = value["type"]?.text
        guard kind == "record" || kind == "error" else {
            for index in members.indices where ["type", "items", "values"].contains(members[index].0) {
                members[index].1 = avro(members[index].1, namespace, depth + 1, visit)
            }
            return .object(members)
        }
        let name = value["name"]?.text ?? ""
        let space = value["namespace"]?.text ?? namespace
        let fullName = name.contains(".") || space.isEmpty ? name : "\(space).\(name)"
        let inner = fullName.lastIndex(of: ".").map { String(fullName[..<$0]) } ?? ""
        for index in members.indices where members[index].0 == "fields" {
            let fields = (members[index].1.elements ?? []).map { field -> JSONValue in
                guard var parts = field.members else { return field }
                for part in parts.indices where parts[part].0 == "type" {
                    parts[part].1 = avro(parts[part].1, inner, depth + 1, visit)
                }
                return visited(.object(parts), .field, "\(fullName).\(field["name"]?.text ?? "")", visit)
            }
            members[index].1 = .array(fields)
        }
        return visited(.object(members), .record, fullName, visit)
    }
}
