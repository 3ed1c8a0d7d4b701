import SQLSyntax
import SQLTypes

/// Schemas in the registry of a stream or table: columns are read from them where the statement lists none, and what is
/// written is registered. Section 15 of the language reference.
struct SourceSchemas {
    private struct Found {
        var id: Int32
        var schema: RegistrySchema
        var columns: [RowSchema.Column]
    }

    private let executor: StatementExecutor
    private let properties: WithProperties
    private let name: String
    private let topic: String

    init(
        _ executor: StatementExecutor, _ properties: WithProperties, name: String, topic: String
    ) throws(PlanError) {
        self.executor = executor
        self.properties = properties
        self.name = name
        self.topic = topic
    }

    private func subject(isKey: Bool) -> String { topic + (isKey ? "-key" : "-value") }
    private func schemaID(isKey: Bool) -> Int32? { isKey ? properties.keySchemaID : properties.valueSchemaID }

    private func names(in schema: RegistrySchema) -> [String] {
        let registry = executor.environment.registry
        return executor.environment.translation.names(in: schema) { reference throws(PlanError) in
            try registry?.schema(of: reference.subject, version: reference.version)
        }
    }

    // MARK: CREATE with or without columns

    /// The columns of the statement, and those that it leaves to the registry.
    func complete(_ declared: SourceDeclaration, kind: SourceKind) throws(PlanError) -> [SQLColumn] {
        let key = try found(isKey: true, hasColumns: declared.hasKey)
        let value = try found(isKey: false, hasColumns: declared.hasValue)
        guard key != nil || value != nil else { return declared.columns }
        var columns: [SQLColumn] = []
        columns +=
            key?.columns.map { SQLColumn($0.name, $0.type, role: .key) } ?? declared.columns.filter { $0.role == .key }
        columns += value?.columns.map { SQLColumn($0.name, $0.type) } ?? declared.columns.filter { $0.role == .value }
        return declared.columns.filter(\.isHeader) + columns
    }

    /// The formats of key and value, which take the names of schemas that ids stand for.
    func formats() throws(PlanError) -> (FormatInfo, FormatInfo) { (try format(isKey: true), try format(isKey: false)) }

    private func format(isKey: Bool) throws(PlanError) -> FormatInfo {
        let name = (isKey ? properties.keyFormat : properties.valueFormat) ?? ""
        guard SQLFormat(name: name) != nil else { throw PlanError("Unknown format: \(name.uppercased())") }
        var settings = try isKey ? properties.keySettings(name, source: self.name) : properties.valueSettings(name)
        let given = isKey ? properties.keySchemaName : properties.valueSchemaName
        if given == nil, let id = schemaID(isKey: isKey),
            let schema = try executor.environment.registry?.schema(id: id),
            let full = names(in: schema).first
        {
            settings[FormatInfo.fullSchemaNameProperty] = full
        }
        return try FormatRules.info(name, settings)
    }

    private func found(isKey: Bool, hasColumns: Bool) throws(PlanError) -> Found? {
        let formatName = (isKey ? properties.keyFormat : properties.valueFormat) ?? ""
        guard let format = SQLFormat(name: formatName) else {
            throw PlanError("Unknown format: \(formatName.uppercased())")
        }
        let property = isKey ? "KEY_SCHEMA_ID" : "VALUE_SCHEMA_ID"
        if schemaID(isKey: isKey) != nil {
            guard format.usesRegistry else {
                throw PlanError(
                    "\(isKey ? "KEY_FORMAT" : "VALUE_FORMAT") should support schema inference when \(property) is provided."
                        + " Current format is \(format.rawValue).")
            }
            if hasColumns {
                throw PlanError("Table elements and \(property) cannot both exist for create statement.")
            }
        } else if hasColumns || !format.usesRegistry {
            return nil
        }
        let info = try self.format(isKey: isKey)
        let features: Set<SerdeFeature>
        if isKey {
            features = FormatRules.keyFeatures(format, columnCount: 1)
        } else {
            features = properties.wrapsSingleValue.map { [$0 ? .wrapSingles : .unwrapSingles] } ?? []
        }
        let found = try fetch(SerdeFormat(info, features: features), isKey: isKey)
        let names = names(in: found.schema)
        if names.count > 1, (isKey ? properties.keySchemaName : properties.valueSchemaName) == nil {
            throw PlanError(
                .schema,
                "\(isKey ? "Key" : "Value") schema has multiple schema definitions. \n\n"
                    + names.map { "- \($0)" }.joined(separator: "\n")
                    + "\n\nPlease specify a schema full name in the WITH clause using "
                    + (isKey ? "KEY_SCHEMA_FULL_NAME" : "VALUE_SCHEMA_FULL_NAME"))
        }
        return found
    }

    // MARK: Reading

    private func fetch(_ format: SerdeFormat, isKey: Bool) throws(PlanError) -> Found {
        guard let registry = executor.environment.registry else { throw notConfigured(format.info.format) }
        let wantedID = schemaID(isKey: isKey)
        let id: Int32
        let schema: RegistrySchema
        if let wantedID {
            guard let known = try registry.schema(id: wantedID) else { throw missing(isKey) }
            (id, schema) = (wantedID, known)
        } else {
            guard let latest = try registry.latest(of: subject(isKey: isKey)) else { throw missing(isKey) }
            (id, schema) = (latest.id, latest.schema)
        }
        let expected = Self.schemaType(of: format.info.format)
        guard schema.type == expected else {
            throw PlanError(
                .schema,
                "\(isKey ? "Key" : "Value") schema is not in the expected format. You may want to set "
                    + "\(isKey ? "KEY_FORMAT" : "VALUE_FORMAT") to '\(schema.type)'.\n\(place(isKey))\n"
                    + "expected format: \(expected)\nactual format from Schema Registry: \(schema.type)")
        }
        let columns: [RowSchema.Column]
        do {
            try checkMessage(in: schema, registry, isKey: isKey)
            columns = try executor.environment.translation.columns(
                of: schema,
                references: { reference throws(PlanError) in
                    try registry.schema(of: reference.subject, version: reference.version)
                },
                format: format, isKey: isKey, keepsNames: wantedID != nil)
        } catch {
            throw PlanError(
                .schema,
                "Unable to verify if the \(isKey ? "key" : "value") schema for \(place(isKey)) is compatible with ksqlDB.\n"
                    + "Reason: \(error.message)\n\nSchema:\(schema.text)")
        }
        if isKey, columns.count > 1 {
            throw PlanError(
                .schema,
                "The key schema for \(place(isKey)) contains multiple columns, which is not supported by ksqlDB at this"
                    + " time.\nSchema:\(schema.text)")
        }
        return Found(id: id, schema: schema, columns: columns)
    }

    /// The statement may say which message its columns are; another one's would be wrong.
    private func checkMessage(
        in schema: RegistrySchema, _ registry: any SchemaRegistryAccess, isKey: Bool
    ) throws(PlanError) {
        guard !registry.isReplayed, let name = isKey ? properties.keySchemaName : properties.valueSchemaName else {
            return
        }
        let isThere = executor.environment.translation.hasMessage(named: name, in: schema) {
            reference throws(PlanError) in
            try registry.schema(of: reference.subject, version: reference.version)
        }
        if isThere { return }
        let names = names(in: schema).map { "'\($0)'" }.joined(separator: ", ")
        throw PlanError(
            .schema,
            "the schema has no message '\(name)'. Set \(isKey ? "KEY" : "VALUE")_SCHEMA_FULL_NAME to one that it has: "
                + names)
    }

    private static func schemaType(of format: SQLFormat) -> String {
        switch format {
        case .avro: "AVRO"
        case .protobuf, .protobufNoSR: "PROTOBUF"
        default: "JSON"
        }
    }

    private func place(_ isKey: Bool) -> String {
        let parts = [topic.isEmpty ? nil : "topic: \(topic)", schemaID(isKey: isKey).map { "schema id: \($0)" }]
        return parts.compactMap { $0 }.joined(separator: ", ")
    }

    private func missing(_ isKey: Bool) -> PlanError {
        let id = schemaID(isKey: isKey).map { "Schema Id: \($0)\n" } ?? ""
        return PlanError(
            .schema,
            "Schema for message \(isKey ? "keys" : "values") on topic '\(topic)' does not exist in the Schema Registry.\n"
                + "Subject: \(subject(isKey: isKey))\n\(id)Possible causes include:\n"
                + "- The topic itself does not exist\n\t-> Use SHOW TOPICS; to check\n"
                + "- Messages on the topic are not serialized using a format Schema Registry supports\n"
                + "\t-> Use PRINT '\(topic)' FROM BEGINNING; to verify\n"
                + "- Messages on the topic have not been serialized using a Confluent Schema Registry supported serializer\n"
                + "- The schema is registered on a different instance of the Schema Registry\n"
                + "\t-> Use the REST API to list available subjects\n"
                + "- You do not have permissions to access the Schema Registry.")
    }

    private func notConfigured(_ format: SQLFormat) -> PlanError {
        PlanError(
            .unavailable,
            "Cannot create topic '\(topic)' with format \(format.rawValue) without configuring 'ksql.schema.registry.url'"
        )
    }

    // MARK: CREATE ... AS with ids

    /// The names of the schemas that the statement's ids stand for; nil without ids.
    ///
    /// - Throws: `.schema` when the result's columns are not those of the schemas.
    func names(compatibleWith planned: PlannedQuery) throws(PlanError) -> (key: String?, value: String?)? {
        guard properties.keySchemaID != nil || properties.valueSchemaID != nil else { return nil }
        return (
            try checkedName(planned, planned.keyFormat, isKey: true),
            try checkedName(planned, planned.valueFormat, isKey: false)
        )
    }

    private func checkedName(
        _ planned: PlannedQuery, _ format: SerdeFormat, isKey: Bool
    ) throws(PlanError) -> String? {
        guard schemaID(isKey: isKey) != nil else { return nil }
        var format = format
        if isKey { format.features = FormatRules.keyFeatures(format.info.format, columnCount: 1) }
        let found = try fetch(format, isKey: isKey)
        let role: SQLColumn.Role = isKey ? .key : .value
        let own = planned.columns.filter { $0.role == role }
        let theirs = found.columns.map { SQLColumn($0.name, $0.type, role: role) }
        let changed = own.enumerated().filter { index, column in
            !theirs.indices.contains(index) || theirs[index] != column
        }
        guard changed.isEmpty else {
            throw PlanError(
                .schema,
                "The following \(isKey ? "key" : "value") columns are changed, missing or reordered: "
                    + "[\(SQLColumn.list(changed.map(\.element)))]. Schema from schema registry is "
                    + "[\(SQLColumn.list(theirs))]")
        }
        return names(in: found.schema).first
    }

    // MARK: Registering

    /// - Parameter overwrites: whether a schema is registered also where the subject has one.
    func register(
        _ columns: [SQLColumn], _ keyFormat: SerdeFormat, _ valueFormat: SerdeFormat, overwrites: Bool
    ) throws(PlanError) {
        try register(columns.filter { $0.role == .key }, keyFormat, isKey: true, overwrites)
        try register(columns.filter { $0.role == .value }, valueFormat, isKey: false, overwrites)
    }

    private func register(
        _ columns: [SQLColumn], _ format: SerdeFormat, isKey: Bool, _ overwrites: Bool
    ) throws(PlanError) {
        guard format.info.format.usesRegistry, !columns.isEmpty else { return }
        guard let registry = executor.environment.registry else { throw notConfigured(format.info.format) }
        let subject = subject(isKey: isKey)
        if let id = schemaID(isKey: isKey), let schema = try registry.schema(id: id) {
            let registered = try registry.register(schema, under: subject)
            guard registered == id else {
                throw PlanError(
                    .schema,
                    "Schema id registered is \(registered) which is different from provided "
                        + "\(isKey ? "KEY_SCHEMA_ID" : "VALUE_SCHEMA_ID") \(id).\nTopic: \(topic)\nSubject: \(subject)\n"
                        + "Schema: \(schema.text)")
            }
            return
        }
        if !overwrites, try registry.latest(of: subject) != nil { return }
        let schema = try executor.environment.translation.schema(
            of: columns.map { RowSchema.Column($0.name, $0.type) }, format: format, isKey: isKey)
        do { _ = try registry.register(schema, under: subject) } catch {
            throw error.prefixed("Could not register schema for topic: ")
        }
    }
}
