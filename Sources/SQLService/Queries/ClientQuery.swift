import SQLFunctions
import SQLPlan
import SQLSyntax
import SQLTypes

/// A query of a client, planned.
struct ClientQuery: Sendable {
    enum Kind: Sendable {
        case pull(PullQuery)
        case push(PushQuery)
        case print(PrintTopic)
    }

    struct PushQuery: Sendable {
        var plan: PhysicalPlan
        var columns: [SQLColumn]
        /// Only new rows of what one persistent query puts out, seen without anything but a look at each row.
        var isScalable: Bool
        /// Which records count, by their timestamps; nil: all from the start of the query on.
        var timeRange: ClosedRange<Int64>?
    }

    var kind: Kind
    /// The statement's text.
    var text: String
    var configuration: SQLConfiguration
    /// `request.ksql.query.pull.skip.forwarding`: no other node is asked for rows.
    var staysHere = false
}

/// Reads and plans the queries of clients.
struct QueryPreparation: Sendable {
    /// A longer statement is read off the event loop, however short the way to its rows.
    private static let shortByteCountMax = 4096

    let engine: SQLEngine
    let pulls = PreparedPulls()

    /// A pull query by key that was planned before, and the keys of this one; nil for all others.
    func prepared(_ text: String, _ context: RequestContext) -> (PreparedPull, keys: PullTable.Keys)? {
        guard let version = engine.readyVersion, let (shape, values) = StatementShape.of(text),
            let found = pulls.find(
                text, shape, hasValues: !values.isEmpty, context.properties, version: version),
            let keys = found.keys(values)
        else { return nil }
        return (found, keys)
    }

    /// The same for the body of a request, whose pattern is kept.
    func prepared(
        _ body: UnsafeRawBufferPointer, _ patterns: BodyPatterns
    ) -> (PreparedPull, keys: PullTable.Keys)? {
        guard let version = engine.readyVersion, let (found, values) = patterns.find(body, version: version),
            let keys = found.keys(values)
        else { return nil }
        return (found, keys)
    }

    /// - Throws: 40001 for what is no query or cannot be planned.
    func prepare(_ text: String, _ context: RequestContext) async throws(KsqlFailure) -> ClientQuery {
        try engine.checkReady()
        try PropertyCatalog.check(context.properties, engine.settings)
        if context.sequenceNumber != nil { try await StatementRequest(engine).wait(for: context.sequenceNumber) }
        guard text.utf8.count <= Self.shortByteCountMax else {
            return try await engine.work { () throws(KsqlFailure) in try plan(try parse(text, context), context) }
        }
        if let (found, keys) = prepared(text, context) {
            return ClientQuery(
                kind: .pull(found.query(keys)), text: Self.trimmed(text), configuration: found.configuration,
                staysHere: Self.staysHere(context))
        }
        // Asked before the catalog is, so that what is planned is never taken for newer than it is.
        let version = engine.readyVersion
        let parsed = try parse(text, context)
        if case .query(let query) = parsed.statement, query.emit != nil {
            // Plans of joins look at topics, which blocks.
            return try await engine.work { () throws(KsqlFailure) in try plan(parsed, context) }
        }
        let planned = try plan(parsed, context)
        if let version { keep(planned, parsed, text, context, version) }
        return planned
    }

    private func keep(
        _ planned: ClientQuery, _ parsed: ParsedStatement, _ text: String, _ context: RequestContext, _ version: UInt64
    ) {
        guard case .pull(let pull) = planned.kind, case .table(let table) = pull.source, case .keys = table.keys,
            case .query(let query) = parsed.statement, let (shape, values) = StatementShape.of(text)
        else { return }
        let keyColumns = engine.current[query.from.first.name.text]?.keyColumns ?? []
        let prepared = PreparedPull(
            version: version, pull, table, planned.configuration,
            KeyPattern(query, table, keyColumns: keyColumns, values))
        pulls.keep(prepared, text, shape, context.properties)
    }

    /// Without the spaces around it, as the parser gives the text of a statement.
    private static func trimmed(_ text: String) -> String {
        let spaces: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        let start = text.utf8.drop { spaces.contains($0) }
        let end = start.lastIndex { !spaces.contains($0) }.map { text.utf8.index(after: $0) } ?? start.startIndex
        return String(text[start.startIndex..<end])
    }

    private func parse(_ text: String, _ context: RequestContext) throws(KsqlFailure) -> ParsedStatement {
        do throws(SQLSyntaxError) {
            let parsed = try SQLParser.statement(text)
            let isSubstituted =
                engine.configuration(context)["ksql.variable.substitution.enable"]?.lowercased() != "false"
            return isSubstituted ? try parsed.substituting(context.variables) : parsed
        } catch { throw KsqlFailure(error) }
    }

    private func plan(_ parsed: ParsedStatement, _ context: RequestContext) throws(KsqlFailure) -> ClientQuery {
        let configuration = engine.configuration(context)
        switch parsed.statement {
        case .query(let query) where query.emit == nil:
            let executor = StatementExecutor(engine.environment(context))
            let pull: PullQuery
            do throws(PlanError) {
                pull = try executor.planPullQuery(query, id: QueryID.new("query"), in: engine.current)
            } catch { throw KsqlFailure(error, parsed.text) }
            return ClientQuery(
                kind: .pull(pull), text: parsed.text, configuration: configuration,
                staysHere: Self.staysHere(context))
        case .query(let query):
            return ClientQuery(
                kind: .push(try push(query, parsed.text, context, configuration)), text: parsed.text,
                configuration: configuration)
        case .printTopic(let print):
            return ClientQuery(kind: .print(print), text: parsed.text, configuration: configuration)
        default:
            throw .badRequest(
                "Statement type not supported for this resource: only SELECT and PRINT are. Send it to /ksql.")
        }
    }

    private static func staysHere(_ context: RequestContext) -> Bool {
        context.requestProperties["request.ksql.query.pull.skip.forwarding"]?.lowercased() == "true"
    }

    // MARK: Push queries

    private func push(
        _ query: Query, _ text: String, _ context: RequestContext, _ configuration: SQLConfiguration
    ) throws(KsqlFailure) -> ClientQuery.PushQuery {
        let catalog = engine.current
        let isScalable = isScalable(query, catalog, configuration)
        let name = query.from.first.name.text
        let id =
            isScalable
            ? QueryID.new("SCALABLE_PUSH_QUERY_\(name)") : QueryID.new("transient_\(name)")
        do throws(PlanError) {
            let executor = StatementExecutor(engine.environment(context))
            if !query.orderBy.isEmpty || query.offset != nil {
                throw PlanError(.invalid, "ORDER BY and OFFSET are only supported for queries whose result ends.")
            }
            let (plan, columns) = try executor.planPushQuery(query, id: id, in: catalog)
            return .init(
                plan: plan, columns: columns.map { SQLColumn($0.name, $0.type) }, isScalable: isScalable,
                timeRange: try executor.timeRange(of: query))
        } catch {
            switch error.code {
            case .unknownSource, .unavailable: throw KsqlFailure(error, text)
            // The original plans these queries beyond what reports errors of statements.
            default: throw .badRequest(error.message)
            }
        }
    }

    /// `ksql.query.push.v2.enabled`, and a query of projections and conditions over what exactly one query puts out, which has
    /// no places of records.
    private func isScalable(_ query: Query, _ catalog: Catalog, _ configuration: SQLConfiguration) -> Bool {
        guard configuration["ksql.query.push.v2.enabled"]?.lowercased() == "true",
            configuration["auto.offset.reset"]?.lowercased() ?? "latest" == "latest",
            query.emit == .changes, query.from.joins.isEmpty, query.window == nil, query.groupBy == nil,
            query.partitionBy == nil, query.having == nil, query.orderBy.isEmpty, query.times == nil,
            catalog.queries(into: query.from.first.name.text).count == 1
        else { return false }
        var isPlain = true
        func look(_ expression: Expression) {
            expression.forEach { part in
                switch part.kind {
                case .call(let function, _):
                    switch engine.functions.kind(of: function.text) {
                    case .aggregate, .table: isPlain = false
                    case .scalar, nil: break
                    }
                case .column(let column), .qualifiedColumn(_, let column):
                    if [PseudoColumn.rowPartition, .rowOffset].contains(where: { $0.rawValue == column.text }) {
                        isPlain = false
                    }
                default: break
                }
            }
        }
        if let condition = query.where { look(condition) }
        for case .single(let expression, _) in query.select { look(expression) }
        return isPlain
    }
}
