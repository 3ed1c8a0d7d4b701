import Avro
import JSONFormat
import ProtobufFormat

/// Registered schemas read from their texts.
enum LoadedSchema {
    typealias References = (RegistrySchema.Reference) throws(FormatError) -> RegistrySchema?

    /// A store's references; nil without a store.
    static func references(of store: (any SchemaStore)?) -> References {
        { (reference) throws(FormatError) in
            try store?.schema(of: reference.subject, version: reference.version)
        }
    }

    /// References of a schema and theirs, each before what refers to it.
    private static func closure(
        _ schema: RegistrySchema, _ look: References
    ) throws(FormatError) -> [(name: String, schema: RegistrySchema)] {
        var found: [(name: String, schema: RegistrySchema)] = []
        var names: Set<String> = []
        try collect(schema, look, &found, &names, depth: 0)
        return found
    }

    private static func collect(
        _ schema: RegistrySchema, _ look: References, _ found: inout [(name: String, schema: RegistrySchema)],
        _ names: inout Set<String>, depth: Int
    ) throws(FormatError) {
        guard depth < 64 else { throw FormatError(.schema, "schema references are nested too deeply") }
        for reference in schema.references where !names.contains(reference.name) {
            names.insert(reference.name)
            guard let referred = try look(reference) else {
                throw FormatError(
                    .registry,
                    "No schema reference found for subject \"\(reference.subject)\" and version \(reference.version)")
            }
            try collect(referred, look, &found, &names, depth: depth + 1)
            found.append((reference.name, referred))
        }
    }

    static func avro(_ schema: RegistrySchema, _ look: References) throws(FormatError) -> AvroSchema {
        let references = try closure(schema, look).map(\.schema.text)
        do throws(AvroError) { return try AvroSchema(schema.text, references: references) } catch {
            throw FormatError(.schema, "\(error)")
        }
    }

    static func protobuf(_ schema: RegistrySchema, _ look: References) throws(FormatError) -> ProtobufSchema {
        let references = try closure(schema, look)
        do throws(ProtobufError) {
            var imports: [String: ProtoFile] = [:]
            for (name, referred) in references { imports[name] = try ProtoFile(parsing: referred.text) }
            return try ProtobufSchema(file: try ProtoFile(parsing: schema.text), imports: imports)
        } catch {
            throw FormatError(.schema, "\(error)")
        }
    }

    static func json(_ schema: RegistrySchema, _ look: References) throws(FormatError) -> JSONSchemaNode {
        var others: [String: JSONValue] = [:]
        for (name, referred) in try closure(schema, look) { others[name] = try json(referred.text) }
        return JSONSchemaNode(try json(schema.text), others: others)
    }

    private static func json(_ text: String) throws(FormatError) -> JSONValue {
        do throws(JSONError) { return try JSONValue.read(text, duplicates: .last) } catch {
            throw FormatError(.schema, "\(error)")
        }
    }
}
