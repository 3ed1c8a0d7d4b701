import SQLSyntax
import SQLTypes

extension StatementExecutor {
    // MARK: ALTER and DROP

    func alterSource(_ alter: AlterSource, _ text: String, _ catalog: inout Catalog) throws(PlanError)
        -> StatementOutcome
    {
        guard var source = catalog[alter.name.text] else {
            throw PlanError(
                .unknownSource,
                "Source \(alter.name.text) does not exist."
                    + ExpressionBinder.hint(alter.name.text, catalog.sourceNames),
                at: alter.name.position)
        }
        guard source.kind == alter.kind else {
            throw PlanError(
                "Incompatible data source type is \(source.kind.rawValue), but statement was ALTER \(alter.kind.rawValue)"
            )
        }
        if source.isReadOnly {
            throw PlanError(
                "Cannot alter \(source.kind.lowercased) '\(source.name)': ALTER operations are not supported on source"
                    + " \(source.kind.lowercased)s.")
        }
        if source.isResultOfQuery { throw PlanError("ALTER command is not supported for CREATE ... AS statements.") }
        let types = TypeResolver(types: catalog.types)
        var parts = TypeResolver.PartCount.ofSource
        for column in source.columns { try parts.add(column.type, at: alter.name.position) }
        for column in alter.columns {
            let type = try types.resolve(column.type, counting: &parts)
            guard source.column(column.name.text) == nil else {
                throw PlanError(
                    "Cannot add column \(Identifier.quote(column.name.text)) to schema. A column with the same name already"
                        + " exists.", at: column.name.position)
            }
            if PseudoColumn(rawValue: column.name.text) != nil {
                throw PlanError(
                    "'\(column.name.text)' is a reserved column name. You cannot use it as a name for a column.",
                    at: column.name.position)
            }
            source.columns.append(SQLColumn(column.name.text, type))
        }
        let values = source.valueColumns
        if values.count > 1 { source.valueFormat.features = [] }
        try FormatRules.check(values, source.valueFormat, isKey: false)
        source.statement = text
        catalog.put(source)
        return StatementOutcome("\(source.kind.capitalized) \(source.name) altered.")
    }

    func dropSource(_ drop: DropSource, _ catalog: inout Catalog) throws(PlanError) -> StatementOutcome {
        let name = drop.name.text
        guard let source = catalog[name] else {
            if drop.ifExists { return .warning("Source \(Identifier.quote(name)) does not exist.") }
            throw PlanError(
                .unknownSource,
                "\(drop.kind.capitalized) \(name) does not exist." + ExpressionBinder.hint(name, catalog.sourceNames),
                at: drop.name.position)
        }
        guard source.kind == drop.kind else {
            throw PlanError(
                "Incompatible data source type is \(source.kind.lowercased), but statement was DROP \(drop.kind.lowercased)"
            )
        }
        if drop.deleteTopic, source.isReadOnly {
            throw PlanError("Cannot delete topic for read-only source: \(name)")
        }
        if drop.deleteTopic, !environment.topics.isReplayed {
            let sharing = catalog.sourceNames.filter { $0 != name && catalog[$0]?.topic == source.topic }.sorted()
            guard sharing.isEmpty else {
                throw PlanError(
                    .inUse,
                    "Refusing to delete topic. Found other data sources (\(sharing.joined(separator: ", "))) using topic"
                        + " \(source.topic)", at: drop.name.position)
            }
        }
        let others = catalog.allQueries.filter { $0.plan.kind == .insertInto }
        let readers = others.filter { $0.plan.sourceNames.contains(name) }.map(\.id).sorted()
        let writers = others.filter { $0.plan.sinkName == name }.map(\.id).sorted()
        guard readers.isEmpty, writers.isEmpty else {
            throw PlanError(
                .inUse,
                "Cannot drop \(name).\nThe following queries read from this source: [\(readers.joined(separator: ", "))].\n"
                    + "The following queries write into this source: [\(writers.joined(separator: ", "))].\n"
                    + "You need to terminate them before dropping \(name).")
        }
        let dependents = catalog.dependents(of: name)
        guard dependents.isEmpty else {
            throw PlanError(
                .inUse,
                "Cannot drop \(name).\nThe following streams and/or tables read from this source: "
                    + "[\(dependents.joined(separator: ", "))].\nYou need to drop them before dropping \(name).")
        }
        var effects: [StatementEffect] = []
        for query in catalog.allQueries {
            let isOwn =
                query.plan.kind == .createAs && query.plan.sinkName == name
                || query.plan.kind == .sourceTable && query.plan.sourceNames == [name]
            guard isOwn else { continue }
            catalog.removeQuery(query.id)
            effects.append(.stop(queryID: query.id))
        }
        catalog.remove(name)
        if drop.deleteTopic {
            try environment.topics.delete(source.topic)
            if let registry = environment.registry {
                if source.keyFormat.info.format.usesRegistry { try registry.delete(source.topic + "-key") }
                if source.valueFormat.info.format.usesRegistry { try registry.delete(source.topic + "-value") }
            }
        }
        return StatementOutcome("Source \(Identifier.quote(name)) (topic: \(source.topic)) was dropped.", effects)
    }

    // MARK: Types

    func createType(_ create: CreateType, _ catalog: inout Catalog) throws(PlanError) -> StatementOutcome {
        let name = create.name.text.uppercased()
        let type = try TypeResolver(types: catalog.types).resolve(create.type)
        if let known = catalog.types[name] {
            if create.ifNotExists { return .warning("\(name) is already registered with type \(known)") }
            throw PlanError(
                .inUse, "Cannot register custom type '\(name)' since it is already registered with type: \(known)",
                at: create.name.position)
        }
        var parts = TypeResolver.PartCount.ofTypes
        for known in catalog.types.values { try parts.add(known, at: create.name.position) }
        try parts.add(type, at: create.name.position)
        catalog.types[name] = type
        return StatementOutcome("Registered custom type with name '\(name)' and SQL type \(type)")
    }

    func dropType(_ name: Identifier, _ ifExists: Bool, _ catalog: inout Catalog) throws(PlanError) -> StatementOutcome
    {
        guard catalog.types.removeValue(forKey: name.text.uppercased()) != nil else {
            if ifExists { return .warning("Type '\(name.text)' does not exist") }
            throw PlanError(
                "Type \(name.text) does not exist." + ExpressionBinder.hint(name.text, catalog.types.keys.sorted()),
                at: name.position)
        }
        return StatementOutcome("Dropped type '\(name.text)'")
    }

    // MARK: ASSERT

    /// Whether it holds now; waiting for it is the caller's.
    func assertTopic(_ assertion: AssertTopic) throws(PlanError) -> StatementOutcome {
        let name = assertion.topic
        let count = environment.topics.partitionCount(of: name)
        guard assertion.exists else {
            if count != nil { throw PlanError("Topic \(name) exists") }
            return StatementOutcome("Topic \(name) does not exist.")
        }
        guard let count else { throw PlanError("Topic \(name) does not exist") }
        var failures: [String] = []
        for entry in assertion.properties.entries {
            let actual: Int?
            switch entry.name.text.uppercased() {
            case "PARTITIONS": actual = count
            case "REPLICAS": actual = environment.topics.replicaCount(of: name)
            default:
                failures.append("Cannot assert unknown topic property: \(entry.name.text)")
                continue
            }
            // A number in quotes is none here, as in the original.
            if case .integer(let expected) = entry.value, actual == Int(expected) { continue }
            let expected: String = if case .string(let text) = entry.value { text } else { entry.value.sql }
            failures.append(
                "Mismatched configuration for topic \(name): For config \(entry.name.text.lowercased()), expected "
                    + "\(expected) got \(actual.map(String.init) ?? "null")")
        }
        guard failures.isEmpty else { throw PlanError(failures.joined(separator: "\n")) }
        return StatementOutcome("Topic \(name) exists.")
    }

    func assertSchema(_ assertion: AssertSchema) throws(PlanError) -> StatementOutcome {
        guard let registry = environment.registry else {
            throw PlanError(.unavailable, "'ksql.schema.registry.url' is not configured")
        }
        var id: Int32?
        if let literal = assertion.id {
            guard case .integer(let number) = literal else { throw PlanError("Invalid schema id: \(literal.sql)") }
            id = number
        }
        guard id != nil || assertion.subject != nil else {
            throw PlanError("Must assert either a subject or an id.")
        }
        var latest: (id: Int32, schema: RegistrySchema)?
        if let subject = assertion.subject { latest = try registry.latest(of: subject) }
        let known = try id.map { id throws(PlanError) in try registry.schema(id: id) != nil } ?? true
        var exists = known && (assertion.subject == nil || latest != nil)
        if exists, let subject = assertion.subject, let id { exists = try registry.has(id: id, under: subject) }
        let parts = [assertion.subject.map { " subject name \($0)" }, id.map { " id \($0)" }].compactMap { $0 }
        let what = "Schema with" + parts.joined()
        guard exists == assertion.exists else {
            throw PlanError(.schema, exists ? "\(what) exists" : "\(what) does not exist")
        }
        return StatementOutcome(exists ? "\(what) exists." : "\(what) does not exist.")
    }
}
