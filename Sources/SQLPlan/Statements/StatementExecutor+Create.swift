package import SQLSyntax
import SQLTypes

extension StatementExecutor {
    func createSource(
        _ create: CreateSource, _ text: String, _ catalog: inout Catalog
    ) throws(PlanError) -> StatementOutcome {
        try checkFlags(create)
        var properties = try WithProperties(create.properties, for: .create)
        let kind = create.kind.lowercased
        let existing = catalog[create.name.text]
        let declared = try SourceDeclaration(create, TypeResolver(types: catalog.types))
        try setDefaultFormats(&properties)
        let registered = try SourceSchemas(self, properties, name: create.name.text, topic: properties.topic ?? "")
        let columns = try registered.complete(declared, kind: create.kind)
        let (keyInfo, valueInfo) = try registered.formats()
        try createTopic(properties, create)
        let keyFormat = SerdeFormat(
            keyInfo,
            features: FormatRules.keyFeatures(keyInfo.format, columnCount: columns.count { $0.role == .key }))
        let valueFormat = SerdeFormat(
            valueInfo,
            features: try FormatRules.valueFeatures(
                valueInfo.format, columnCount: columns.count { $0.role == .value },
                wrapping: properties.wrapsSingleValue,
                configuration: environment.configuration))
        try Self.check(columns)
        try registered.register(columns, keyFormat, valueFormat, overwrites: false)
        if let existing, !create.orReplace {
            if create.ifNotExists { return Self.existsAlready(kind, create.name) }
            throw PlanError(
                .inUse,
                "Cannot add \(kind) '\(create.name.text)': A \(existing.kind.lowercased) with the same name already exists",
                at: create.name.position)
        }
        let window = properties.windowKind.map { WindowInfo($0, size: properties.windowSize) }
        let keys = columns.filter { $0.role == .key }
        if window != nil, keys.isEmpty { throw PlanError("Windowed sources require a key column.") }
        if create.kind == .table, keys.isEmpty {
            throw PlanError(
                "Tables require a PRIMARY KEY. Please define the PRIMARY KEY."
                    + (properties.valueSchemaID == nil
                        ? ""
                        : "\nUse a partial schema to define the primary key and still load the value columns from the Schema"
                            + " Registry, for example:\n\tCREATE TABLE \(create.name.text) (ID INT PRIMARY KEY) WITH (...);")
            )
        }
        if create.orReplace, create.isSource || existing?.isReadOnly == true {
            throw PlanError(
                "Cannot add \(kind) '\(create.name.text)': CREATE OR REPLACE is not supported on source \(kind)s.")
        }
        if let timestamp = properties.timestamp { try TimestampRules.check(timestamp, columns) }
        try FormatRules.checkKey(keys)
        try FormatRules.check(keys, keyFormat, isKey: true)
        try FormatRules.check(columns.filter { $0.role == .value }, valueFormat, isKey: false)
        let source = SourceDescription(
            name: create.name.text, kind: create.kind, columns: columns, topic: properties.topic ?? "",
            keyFormat: keyFormat, window: window, valueFormat: valueFormat, timestamp: properties.timestamp,
            isReadOnly: create.isSource, statement: text)
        if let existing { try UpgradeRules.check(existing, source) }
        catalog.put(source)
        var outcome = StatementOutcome("\(create.kind.capitalized) created")
        if create.isSource, create.kind == .table, environment.configuration.isEnabled(SQLConfiguration.sourceTables) {
            let plan = try materialization(of: source, &catalog)
            catalog.put(PersistentQuery(plan: plan, statement: text))
            outcome.effects = [.start(plan)]
            outcome.queryID = plan.id
        }
        return outcome
    }

    /// Features that the server may be told not to offer.
    private func checkFlags(_ create: CreateSource) throws(PlanError) {
        let hasHeaders = create.elements.contains { element in
            switch element.constraint {
            case .headers?, .header?: true
            case .key?, .primaryKey?, nil: false
            }
        }
        if hasHeaders, !environment.permits("ksql.headers.columns.enabled") {
            throw PlanError("Cannot create \(create.kind.rawValue) because schema with headers columns is disabled.")
        }
        if create.isSource, !environment.permits(SQLConfiguration.sourceTables) {
            throw PlanError("Cannot execute command because source table materialization is disabled.")
        }
    }

    /// As the original, which takes what is there for what the statement would make.
    private static func existsAlready(_ kind: String, _ name: Identifier) -> StatementOutcome {
        .warning("Cannot add \(kind) \(Identifier.quote(name.text)): A \(kind) with the same name already exists.")
    }

    /// Makes the topic that a statement expects, with as many partitions as it says, and registers the schemas of its columns where the topic has
    /// none. For tools whose topics are only there for the statements' sake; the statement itself is executed later.
    package func prepare(
        _ create: CreateSource, in catalog: Catalog, defaultPartitionCount: Int
    ) throws(PlanError) {
        var properties = try WithProperties(create.properties, for: .create)
        guard let topic = properties.topic else { return }
        let existing = environment.topics.partitionCount(of: topic)
        if existing == nil || properties.partitions.map({ $0 != existing }) == true {
            try environment.topics.create(
                TopicSpecification(
                    name: topic, partitionCount: properties.partitions ?? defaultPartitionCount,
                    replicaCount: properties.replicas, cleanup: create.kind == .table ? .compact : .delete))
        }
        let declared = try SourceDeclaration(create, TypeResolver(types: catalog.types))
        try setDefaultFormats(&properties)
        let schemas = try SourceSchemas(self, properties, name: create.name.text, topic: topic)
        let (keyInfo, valueInfo) = try schemas.formats()
        let (keys, values) = declared.columns.reduce(into: (0, 0)) { counts, column in
            if column.role == .key { counts.0 += 1 } else if column.role == .value { counts.1 += 1 }
        }
        let keyFeatures = FormatRules.keyFeatures(keyInfo.format, columnCount: keys)
        let valueFeatures = try FormatRules.valueFeatures(
            valueInfo.format, columnCount: values, wrapping: properties.wrapsSingleValue,
            configuration: environment.configuration)
        try schemas.register(
            declared.columns, SerdeFormat(keyInfo, features: keyFeatures),
            SerdeFormat(valueInfo, features: valueFeatures), overwrites: false)
    }

    /// The query that keeps a SOURCE TABLE, so that it can be asked for its rows.
    private func materialization(
        of source: SourceDescription, _ catalog: inout Catalog
    ) throws(PlanError) -> PhysicalPlan {
        let columns = source.columns.filter { $0.role != .key }.map { column in
            let name = Identifier(column.name, isQuoted: true)
            return SelectItem.single(Expression(.column(name)), alias: name)
        }
        let query = Query(
            select: columns, from: Relation(SourceReference(Identifier(source.name, isQuoted: true))), emit: .changes)
        var plan = try planner(query, .none, catalog).plan().plan
        plan.kind = .sourceTable
        plan.id = "CST_\(source.name.uppercased())_\(catalog.takeQueryNumber())"
        return plan
    }

    func createSourceAs(
        _ create: CreateSourceAs, _ text: String, _ catalog: inout Catalog
    ) throws(PlanError) -> StatementOutcome {
        var properties = try WithProperties(create.properties, for: .createAs)
        let name = create.name.text
        let kind = create.kind.lowercased
        guard create.query.limit == nil else {
            throw PlanError("CREATE \(kind.uppercased()) AS SELECT statements don't support LIMIT clause.")
        }
        let existing = catalog[name]
        if existing != nil, create.ifNotExists { return Self.existsAlready(kind, create.name) }
        if properties.hasCleanupPolicy { throw Self.cleanupPolicy }
        var planned = try planner(create.query, .new(name: name, properties), catalog).plan()
        if create.orReplace, planned.plan.sourceNames.contains(name), !environment.topics.isReplayed {
            throw PlanError("Source name '\(name)' should not be referenced itself.", at: create.name.position)
        }
        if planned.isTable != (create.kind == .table) {
            let result = planned.isTable ? "TABLE" : "STREAM"
            throw PlanError(
                "Invalid result type. Your SELECT query produces a \(result). Please use CREATE \(result) AS SELECT statement"
                    + " instead.")
        }
        let keys = planned.columns.filter { $0.role == .key }
        let values = planned.columns.filter { $0.role == .value }
        try FormatRules.check(keys, planned.keyFormat, isKey: true)
        try FormatRules.check(values, planned.valueFormat, isKey: false)
        let registered = try SourceSchemas(self, properties, name: name, topic: planned.topic)
        if let names = try registered.names(compatibleWith: planned) {
            if let key = names.key, properties.keySchemaName == nil { properties.keySchemaName = key }
            if let value = names.value, properties.valueSchemaName == nil { properties.valueSchemaName = value }
            planned = try planner(create.query, .new(name: name, properties), catalog).plan()
        }
        try createTopic(properties, create, planned, catalog)
        try registered.register(planned.columns, planned.keyFormat, planned.valueFormat, overwrites: true)
        if let existing, !create.orReplace {
            throw PlanError(
                .inUse,
                "Cannot add \(kind) '\(name)': A \(existing.kind.lowercased) with the same name already exists",
                at: create.name.position)
        }
        let source = SourceDescription(
            name: name, kind: create.kind, columns: planned.columns, topic: planned.topic, keyFormat: planned.keyFormat,
            window: planned.window, valueFormat: planned.valueFormat, timestamp: planned.timestamp,
            isResultOfQuery: true,
            statement: text)
        var plan = planned.plan
        var replaced: PersistentQuery?
        if existing != nil {
            let writers = catalog.queries(into: name)
            if writers.count > 1 {
                throw PlanError(
                    "REPLACE for sink \(Identifier.quote(name)) is not supported because there are multiple queries writing"
                        + " into it: [\(writers.map(\.id).joined(separator: ", "))]")
            }
            replaced = writers.first
            if replaced != nil, !environment.permits("ksql.create.or.replace.enabled") {
                throw PlanError(.inUse, "Cannot add \(kind) '\(name)': A \(kind) with the same name already exists")
            }
        }
        plan.id = replaced?.id ?? Self.queryID(create, &catalog)
        if let existing { try UpgradeRules.check(existing, source) }
        if let replaced { try UpgradeRules.check(replaced.plan, plan, isReplayed: environment.topics.isReplayed) }
        catalog.put(source, builtFrom: plan.sourceNames)
        catalog.put(PersistentQuery(plan: plan, statement: text))
        var outcome = StatementOutcome(
            "Created query with ID \(plan.id)", [replaced == nil ? .start(plan) : .replace(plan)])
        outcome.queryID = plan.id
        return outcome
    }

    func insertInto(_ insert: InsertInto, _ text: String, _ catalog: inout Catalog) throws(PlanError)
        -> StatementOutcome
    {
        let properties = try WithProperties(insert.properties, for: .insertInto)
        guard insert.query.limit == nil else {
            throw PlanError("INSERT INTO statements don't support LIMIT clause.")
        }
        guard let target = catalog[insert.target.text] else {
            throw PlanError(
                .unknownSource,
                "\(insert.target.position.prefix)\(insert.target.text) does not exist."
                    + ExpressionBinder.hint(insert.target.text, catalog.sourceNames), at: insert.target.position)
        }
        guard target.kind == .stream else {
            throw PlanError("INSERT INTO can only be used to insert into a stream. \(target.name) is a table.")
        }
        guard target.headerColumns.isEmpty else {
            throw PlanError("Cannot insert into \(target.name) because it has header columns")
        }
        guard !target.isReadOnly else { throw PlanError("Cannot insert into read-only stream: \(target.name)") }
        let planned = try planner(insert.query, .existing(target), catalog).plan()
        guard !planned.plan.sourceNames.contains(target.name) else {
            throw PlanError("Cannot insert into \(target.name) from itself: the query would never end.")
        }
        if let queries = Self.queriesOfCycle(planned.plan, into: target, catalog) {
            let sources = planned.plan.sourceNames.joined(separator: ", ")
            let way =
                queries.isEmpty ? "it has the same topic" : "it is made from it by \(queries.joined(separator: ", "))"
            throw PlanError(
                "Cannot insert into \(target.name) from \(sources): \(way), so records would go round for ever.")
        }
        var plan = planned.plan
        if let id = properties.queryID {
            plan.id = try Self.checkedQueryID(id)
            guard catalog.queries[plan.id] == nil else {
                throw PlanError(.inUse, "Query ID '\(plan.id)' already exists.")
            }
        } else {
            plan.id = "INSERTQUERY_\(catalog.takeQueryNumber())"
        }
        catalog.put(PersistentQuery(plan: plan, statement: text))
        var outcome = StatementOutcome("Created query with ID \(plan.id)", [.start(plan)])
        outcome.queryID = plan.id
        return outcome
    }

    /// The queries by which what a new one writes into `target` would come back to it; nil when it would not.
    private static func queriesOfCycle(
        _ plan: PhysicalPlan, into target: SourceDescription, _ catalog: Catalog
    ) -> [String]? {
        var writers: [String: [PersistentQuery]] = [:]
        for query in catalog.allQueries {
            if case .sink(let sink) = query.plan.root.operation { writers[sink.topic, default: []].append(query) }
        }
        var open: [(topic: String, queries: [String])] = plan.sourceTopics.map { ($0, []) }
        var seen: Set<String> = []
        while let next = open.popLast() {
            if next.topic == target.topic { return next.queries }
            guard seen.insert(next.topic).inserted else { continue }
            for query in writers[next.topic] ?? [] {
                open += query.plan.sourceTopics.map { ($0, [query.id] + next.queries) }
            }
        }
        return nil
    }

    private static func checkedQueryID(_ text: String) throws(PlanError) -> String {
        let id = text.uppercased()
        let reserved = ["INSERTQUERY_", "CTAS_", "CSAS_", "CST_"]
        if reserved.contains(where: id.hasPrefix) {
            throw PlanError(
                "Query IDs must not start with a reserved query ID prefix (\(reserved.joined(separator: ", "))). Got '\(id)'."
            )
        }
        let isPlain = id.utf8.allSatisfy {
            0x41...0x5A ~= $0 || 0x30...0x39 ~= $0 || $0 == UInt8(ascii: "_")
        }
        guard isPlain, !id.isEmpty else {
            throw PlanError("Query IDs may contain only alphanumeric characters and '_'. Got: '\(id)'")
        }
        return id
    }

    // MARK: Formats and columns

    private func setDefaultFormats(_ properties: inout WithProperties) throws(PlanError) {
        properties.keyFormat = properties.keyFormat ?? environment.configuration.defaultKeyFormat
        guard let value = properties.valueFormat ?? environment.configuration.defaultValueFormat else {
            throw PlanError(
                "Statement is missing the 'VALUE_FORMAT' property from the WITH clause. Either provide one or set a default"
                    + " via the 'ksql.persistence.default.format.value' config.")
        }
        properties.valueFormat = value
    }

    private static func check(_ columns: [SQLColumn]) throws(PlanError) {
        if columns.isEmpty { throw PlanError("The statement does not define any columns.") }
        for column in columns where PseudoColumn(rawValue: column.name) != nil {
            throw PlanError("'\(column.name)' is a reserved column name. You cannot use it as a name for a column.")
        }
        var seen: Set<String> = []
        let repeated = columns.map(\.name).filter { !seen.insert($0).inserted }
        guard repeated.isEmpty else {
            throw PlanError("Duplicate column names: \(repeated.map(Identifier.quote).joined(separator: ", "))")
        }
    }
}

/// The columns that a statement lists.
struct SourceDeclaration {
    var columns: [SQLColumn] = []

    init(_ create: CreateSource, _ types: TypeResolver) throws(PlanError) {
        var parts = TypeResolver.PartCount.ofSource
        for element in create.elements {
            let type = try types.resolve(element.type, counting: &parts)
            let role: SQLColumn.Role =
                switch element.constraint {
                case nil: .value
                case .key?, .primaryKey?: .key
                case .headers?: .headers
                case .header(let name)?: .header(name)
                }
            switch role {
            case .headers:
                let expected = SQLType.array(.structure([SQLField("KEY", .string), SQLField("VALUE", .bytes)]))
                guard type == expected else {
                    throw PlanError(
                        .type,
                        "Invalid type for HEADERS column: expected ARRAY<STRUCT<`KEY` STRING, `VALUE` BYTES>>, got \(type)",
                        at: element.position)
                }
                if columns.contains(where: \.isHeader) {
                    throw PlanError("Schema already contains a HEADERS column.", at: element.position)
                }
            case .header(let name):
                guard type == .bytes else {
                    throw PlanError(
                        .type, "Invalid type for HEADER('\(name)') column: expected BYTES, got \(type)",
                        at: element.position)
                }
                if columns.contains(where: { $0.role == .headers }) {
                    throw PlanError("Schema already contains a HEADERS column.", at: element.position)
                }
                if columns.contains(where: { $0.role == .header(name) }) {
                    throw PlanError("Schema already contains a HEADER('\(name)') column.", at: element.position)
                }
            case .key, .value: break
            }
            columns.append(SQLColumn(element.name.text, type, role: role))
        }
    }

    var hasKey: Bool { columns.contains { $0.role == .key } }
    var hasValue: Bool { columns.contains { $0.role == .value } }
}
