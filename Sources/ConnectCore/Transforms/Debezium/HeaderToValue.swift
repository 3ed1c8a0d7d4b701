/// `io.debezium.transforms.HeaderToValue`: headers become fields of the value, as those that `ExtractChangedRecordState`
/// makes.
struct HeaderToValue: Transformation {
    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "headers", .list, .required, .notEmptyList, .high, "The headers' names.",
            displayName: "Header names list")
        definition.define(
            "fields", .list, .required, .notEmptyList, .high,
            "The fields' names, in the same order; source.changed is a field of the struct source.",
            displayName: "Field names list")
        definition.define(
            "operation", .string, .required, .oneOf(["move", "copy"], ignoresCase: true), .high,
            "copy, or move to take the headers away.", displayName: "Operation: move or copy")
        return definition
    }()

    private let headers: [String]
    private let paths: [[String]]
    private let moves: Bool
    private let schemas = ConnectCache<Question, ConnectSchema>(countMax: 64)

    /// Events of one topic may have more or fewer of the headers.
    private struct Question: Hashable, Sendable {
        var value: ConnectSchema
        var headers: [ConnectSchema?]
    }

    init(_ values: ConfigValues) throws(ConnectError) {
        headers = values.list("headers")
        let fields = values.list("fields")
        guard headers.count == fields.count else {
            throw .config("'fields' config must have the same number of elements as 'headers' config.")
        }
        for (option, names) in [("headers", headers), ("fields", fields)] {
            guard names.allSatisfy({ !$0.isEmpty && !$0.contains(" ") }) else {
                throw .config(
                    option, names.joined(separator: ","),
                    "The '\(option)' value is invalid: Element(s) containing space not permitted")
            }
        }
        paths = fields.map { $0.split(separator: ".", omittingEmptySubsequences: false).map(String.init) }
        moves = values.string("operation")?.lowercased() == "move"
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        if record.value.value.isNull { return record }
        let value = try Requirements.structure(record.value.value, "Header field insertion")
        // Of headers with one name the last counts.
        let found = headers.map { name in record.headers.last { $0.name == name } }
        let added = zip(paths, found).compactMap { path, header in header.map { (path: path, header: $0) } }
        guard !added.isEmpty else { return record }
        for (_, header) in added where header.schema == nil {
            throw ConnectError(.schemaBuilder, "fieldSchema for field \(header.name) cannot be null.")
        }
        let question = Question(value: value.schema, headers: found.map { $0?.schema })
        let schema: ConnectSchema
        if let known = schemas[question] {
            schema = known
        } else {
            schema = try Self.schema(value.schema, added.map { ($0.path[...], $0.header) }, isRoot: true)
            schemas[question] = schema
        }
        var record = record
        record.value = SchemaAndValue(
            schema, .structure(try Self.filled(value, schema, added.map { ($0.path[...], $0.header) })))
        if moves { record.headers.removeAll { headers.contains($0.name) } }
        return record
    }

    private typealias Additions = [(path: ArraySlice<String>, header: ConnectHeader)]

    /// What goes below the field.
    private static func below(_ field: String, _ added: Additions) -> Additions {
        added.filter { $0.path.count > 1 && $0.path.first == field }.map { ($0.path.dropFirst(), $0.header) }
    }

    /// A struct that is not there is made. One that is keeps whether it may be missing, which upstream forgets: its
    /// deletes with a field for `after` cannot be written.
    private static func schema(
        _ old: ConnectSchema?, _ added: Additions, isRoot: Bool = false
    ) throws(ConnectError) -> ConnectSchema {
        var fields = old?.fields ?? []
        func set(_ name: String, _ schema: ConnectSchema) {
            if let place = fields.firstIndex(where: { $0.name == name }) {
                // A field that is there already keeps its schema, and takes what fits it.
                if schema.kind == .structure { fields[place].schema = schema }
            } else {
                fields.append(.init(name, schema))
            }
        }
        for (path, header) in added {
            guard let name = path.first else { continue }
            if path.count == 1, let schema = header.schema {
                if !fields.contains(where: { $0.name == name }) { fields.append(.init(name, schema)) }
            } else {
                let known = old?.field(name)?.schema
                guard known == nil || known?.kind == .structure else {
                    throw .data("HeaderToValue: the field \(name) is no struct, so that nothing goes below it")
                }
                set(name, try schema(known, below(name, added)))
            }
        }
        return old?.with(isOptional: isRoot ? false : nil, defaultValue: .some(nil), fields: fields)
            ?? .structure(fields, isOptional: true)
    }

    private static func filled(
        _ old: ConnectStruct?, _ schema: ConnectSchema, _ added: Additions
    ) throws(ConnectError) -> ConnectStruct {
        var output = ConnectStruct(schema)
        for (place, field) in schema.fields.enumerated() {
            let below = below(field.name, added)
            if let header = added.last(where: { $0.path.count == 1 && $0.path.first == field.name })?.header {
                try output.put(place, header.value, of: field)
            } else if !below.isEmpty {
                let inner = old?[field.name]
                // What a delete does not have gets no field either.
                guard old?.schema.index(of: field.name) == nil || inner?.structure != nil else { continue }
                try output.put(place, .structure(try filled(inner?.structure, field.schema, below)), of: field)
            } else {
                try output.put(place, old?[field.name] ?? .null, of: field)
            }
        }
        return output
    }
}
