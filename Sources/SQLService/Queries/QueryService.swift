import HTTPKit
import JSONFormat
import Logging
import NIOCore
import SQLFormats
import SQLPlan
import SQLRuntime
import SQLTypes

/// Runs the queries of clients and writes their rows.
struct QueryService: Sendable {
    /// Time between two signs of life to a client that waits for rows.
    static let keepAlive = Duration.seconds(10)
    /// Rows of a result are written in pieces of about this size.
    static let pieceByteCount = 64 << 10

    let engine: SQLEngine
    let limits: PullLimits
    let preparation: QueryPreparation
    let reader: PullReader

    init(_ engine: SQLEngine) {
        self.engine = engine
        limits = PullLimits(engine.settings.properties)
        preparation = QueryPreparation(engine: engine)
        reader = PullReader(engine: engine)
    }

    // MARK: Answers

    func answer(
        _ text: String, _ context: RequestContext, _ form: ResultWriter.Form, on path: String
    ) async throws(KsqlFailure) -> HTTPAnswer {
        let query = try await preparation.prepare(text, context)
        switch query.kind {
        case .pull(let pull):
            if case .table(let table) = pull.source { return try await tableAnswer(pull, table, query, form) }
            return try await streamAnswer(try await start(query), form)
        case .push: return try await streamAnswer(try await start(query), form)
        case .print(let print):
            guard path == "/query" || form == .lines else { throw .notAcceptable }
            return try await printAnswer(print, query)
        }
    }

    /// The answer to a pull query by key whose plan and whose rows are at hand.
    ///
    /// - Parameters:
    ///   - body: of the request.
    ///   - members: names of its members for the statement and for the properties of the session.
    ///   - patterns: of the path.
    ///   - output: gets the answer.
    /// - Returns: false for everything else, mistakes included: `answer` deals with it.
    func answerAtHand(
        _ body: ByteBuffer, members: (statement: String, properties: String), _ patterns: BodyPatterns,
        _ form: ResultWriter.Form, _ output: inout [UInt8]
    ) -> Bool {
        guard
            let (prepared, keys) = body.withUnsafeReadableBytes({ preparation.prepared($0, patterns) })
                ?? prepared(body, members, patterns),
            let head = prepared.heads[form], let rows = reader.rowsAtHand(prepared, keys)
        else { return false }
        output.reserveCapacity(head.byteCount + 128 + 64 * rows.count)
        do {
            var writer = try ResultWriter(
                form, queryID: QueryID.ofPull(), columns: prepared.pull.columns, isStreamed: false, head: head)
            writer.begin(&output)
            for row in rows { try writer.row(row, &output) }
            writer.end(nil, &output)
            try limits.begin()
        } catch { return false }  // it happens again, and is told then
        limits.end(byteCount: output.count)
        return true
    }

    /// What was planned for such a statement, if it was; then bodies like this one are known from now on.
    private func prepared(
        _ body: ByteBuffer, _ members: (statement: String, properties: String), _ patterns: BodyPatterns
    ) -> (PreparedPull, keys: PullTable.Keys)? {
        guard let json = try? JSONValue.read(body.readableBytesSpan), json.members != nil,
            let text = json[members.statement]?.text,
            let context = try? RequestContext(json, propertiesName: members.properties),
            (context.sequenceNumber ?? -1) < 0, let (prepared, keys) = preparation.prepared(text, context)
        else { return nil }
        if let pattern = BodyPattern(Array(body.readableBytesView), text, prepared) { patterns.keep(pattern) }
        return (prepared, keys)
    }

    private func tableAnswer(
        _ pull: PullQuery, _ table: PullTable, _ query: ClientQuery, _ form: ResultWriter.Form
    ) async throws(KsqlFailure) -> HTTPAnswer {
        try limits.begin()
        var byteCount = 0
        defer { limits.end(byteCount: byteCount) }
        var writer = try ResultWriter(
            form, queryID: QueryID.ofPull(), columns: pull.columns, isStreamed: false)
        let rows = try await reader.rows(pull, table, query)
        var output: [UInt8] = []
        writer.begin(&output)
        do throws(FormatError) { for row in rows { try writer.row(row, &output) } } catch {
            throw .server("a row of the result cannot be written: \(error.message)")
        }
        writer.end(nil, &output)
        byteCount = output.count
        return .bytes(output, contentType: MediaType(form).rawValue)
    }

    private func streamAnswer(
        _ started: StartedQuery, _ form: ResultWriter.Form
    ) async throws(KsqlFailure) -> HTTPAnswer {
        // The form is checked before the answer begins.
        _ = try ResultWriter(form, queryID: started.id, columns: started.columns, isStreamed: form != .array)
        let contentType = MediaType(form).rawValue
        return .stream(contentType: contentType) { body in
            var writer = try ResultWriter(
                form, queryID: started.id, columns: started.columns, isStreamed: form != .array)
            var head: [UInt8] = []
            writer.begin(&head)
            try await body.write(ByteBuffer(bytes: head))
            let lines = body
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    var lines = lines
                    while true {
                        try await Task.sleep(for: Self.keepAlive)
                        try await lines.write("\n")
                    }
                }
                let pace = watch(started, in: &group)
                defer { group.cancelAll() }
                try await write(started, &writer, pace) { piece in try await body.write(ByteBuffer(bytes: piece)) }
            }
        }
    }

    // MARK: Rows that come by and by

    /// A query that runs, and what is left to do with its rows.
    struct StartedQuery: Sendable {
        var id: String
        var columns: [SQLColumn]
        /// nil when no rows are wanted at all.
        var running: RunningQuery?
        /// What the columns are in the rows that come.
        var layout = RowLayout()
        /// Rows that are enough.
        var limit: Int?
        /// To sort by, and rows to leave out; pull queries only.
        var pull: PullQuery?
        /// Of queries whose rows replace each other: columns of the key that tells which.
        var groupKeyCount: Int?
        /// The original tells clients of such queries of their limit only.
        var isScalable = false
    }

    /// Starts a push query, or a pull query over a stream.
    func start(_ query: ClientQuery) async throws(KsqlFailure) -> StartedQuery {
        var options = SubscriptionOptions()
        options.properties = query.configuration.properties
        var plan: PhysicalPlan
        var started: StartedQuery
        var max: Int?
        var groupKeyCount: Int?
        switch query.kind {
        case .push(let push):
            plan = push.plan
            started = StartedQuery(
                id: plan.id, columns: push.columns, limit: plan.limit, isScalable: push.isScalable)
            started.layout = RowLayout(plan)
            if push.isScalable { plan.limit = nil }
            options.start = query.configuration["auto.offset.reset"]?.lowercased() == "earliest" ? .earliest : .latest
            if let range = push.timeRange {
                options.start = range.lowerBound > 0 ? .timestamp(range.lowerBound) : .earliest
                // A last time ends the result, once what is there now has been read.
                options.isBounded = range.upperBound < .max
                if options.isBounded { options.endTimestamp = range.upperBound + 1 }
            }
            max = query.configuration["ksql.max.push.queries"].flatMap { Int($0) } ?? 100
        case .pull(let pull):
            let streamPlan: PhysicalPlan
            switch pull.source {
            case .table: throw .server("a table is read at once")
            case .stream(let plan): streamPlan = plan
            case .groups(let plan):
                streamPlan = plan
                groupKeyCount = plan.root.schema.keyCount
            }
            try limits.begin()
            defer { limits.end(byteCount: 0) }
            plan = streamPlan
            started = StartedQuery(id: plan.id, columns: pull.columns, limit: pull.limit, pull: pull)
            started.groupKeyCount = groupKeyCount
            started.layout = RowLayout(plan)
            options.isBounded = true
            options.start = .earliest
            if let range = pull.timeRange {
                if range.lowerBound > 0 { options.start = .timestamp(range.lowerBound) }
                if range.upperBound < .max { options.endTimestamp = range.upperBound + 1 }
            }
        case .print: throw .server("PRINT has no plan")
        }
        if started.limit == 0 { return started }
        if let max, engine.transients.count >= max {
            throw .tooManyPushQueries(
                "Maximum number of push queries exceeded: \(max) are running, as many as ksql.max.push.queries allows. End one"
                    + " of them, or raise the limit.")
        }
        do throws(RunError) {
            let subscription = try await engine.runner.subscribe(plan, options)
            started.running = RunningQuery(plan.id, query.text, subscription, engine.transients)
            return started
        } catch { throw Self.failure(error, query.text) }
    }

    static func failure(_ error: RunError, _ text: String) -> KsqlFailure {
        switch error.code {
        case .stopping: .shuttingDown
        case .memory: .tooManyRequests(error.message)
        case .invalidPlan, .cluster: .badStatement(error.message, text)
        default: .server(error.message)
        }
    }

    /// Ends a query whose client takes none of its rows, from a task of `group`.
    func watch(_ started: StartedQuery, in group: inout ThrowingTaskGroup<Void, any Error>) -> ClientPace {
        let pace = ClientPace(timeout: .milliseconds(engine.settings.stallMilliseconds))
        group.addTask { [engine] in
            try await pace.watch {
                engine.logger.warning("\(started.id): \(pace.reason)")
                started.running?.finish()
            }
        }
        return pace
    }

    /// Writes all rows and the end of a result.
    ///
    /// - Parameters:
    ///   - pace: of the client that gets them.
    ///   - send: takes the bytes; returns when the client takes more.
    func write(
        _ started: StartedQuery, _ writer: inout ResultWriter, _ pace: ClientPace,
        _ send: ([UInt8]) async throws -> Void
    ) async throws {
        defer { started.running?.finish() }
        var output: [UInt8] = []
        func flush() async throws {
            try await pace.send { try await send(output) }
            output.removeAll(keepingCapacity: true)
        }
        var left = started.limit ?? .max
        var end = SubscriptionEnd.limitReached
        var skipped = 0
        var kept = KeptRows(started.groupKeyCount)
        // Rows that may be replaced are sorted when the last has come; others as they come.
        var sorted = started.groupKeyCount == nil ? started.pull.map { BoundedResult($0) } : nil
        let isKept = started.groupKeyCount != nil || started.pull?.order.isEmpty == false
        let offset = started.pull?.offset ?? 0
        if left > 0, let subscription = started.running?.subscription {
            end = .completed
            reading: while let event = await subscription.next() {
                switch event {
                case .rows(let rows):
                    for row in rows {
                        // As the original's, such queries do not see records without a key.
                        if started.isScalable, started.layout.hasNoKey(row) { continue }
                        if isKept {
                            let hasRoom: Bool
                            if sorted != nil {
                                if !row.isTombstone { sorted?.append(started.layout.values(row)) }
                                hasRoom = (sorted?.count ?? 0) < KeptRows.countMax
                            } else {
                                hasRoom = kept.take(row, started.layout)
                            }
                            guard hasRoom else {
                                end = .failed(
                                    RunError(
                                        .memory,
                                        "ORDER BY and GROUP BY keep no more than \(KeptRows.countMax) rows: narrow the query"
                                            + " with WHERE."))
                                break reading
                            }
                            continue
                        }
                        guard skipped >= offset else {
                            skipped += 1
                            continue
                        }
                        if try writer.row(started.layout.values(row), isTombstone: row.isTombstone, &output) {
                            left -= 1
                        }
                        if left == 0 {
                            end = .limitReached
                            break reading
                        }
                        if output.count >= Self.pieceByteCount {
                            try await flush()
                            if pace.isStalled { break reading }
                        }
                    }
                    if !output.isEmpty {
                        try await flush()
                        if pace.isStalled { break reading }
                    }
                case .end(let reason):
                    end = reason
                    break reading
                }
            }
            try Task.checkCancellation()
        }
        if isKept, case .completed = end {
            if sorted == nil, let pull = started.pull {
                var result = BoundedResult(pull)
                for row in kept.rows { result.append(row) }
                sorted = result
            }
            let rows = sorted?.finish() ?? kept.rows
            for row in rows {
                try writer.row(row, &output)
                if output.count >= Self.pieceByteCount { try await flush() }
                if pace.isStalled { break }
            }
            if let limit = started.limit, rows.count >= limit { end = .limitReached }
        }
        if pace.isStalled { end = .failed(RunError(.memory, pace.reason)) }
        switch end {
        case .limitReached: writer.end("Limit Reached", &output)
        case .completed: writer.end(started.isScalable ? nil : "Query Completed", &output)
        case .failed(let error): writer.failure(.server(error.message), &output)
        }
        try await send(output)
    }
}

/// Rows that are kept until the last has come, because they are sorted, or because later ones replace them.
struct KeptRows {
    static let countMax = 1_000_000

    private let keyCount: Int?
    private var all: [[SQLValue]?] = []
    private var places: [[SQLValue]: Int] = [:]

    /// - Parameter keyCount: columns of the key by which rows replace each other; nil: all are kept.
    init(_ keyCount: Int?) { self.keyCount = keyCount }

    var rows: [[SQLValue]] { all.compactMap { $0 } }

    /// - Returns: false when there is no room for the row.
    mutating func take(_ row: SubscribedRow, _ layout: RowLayout) -> Bool {
        let values = row.isTombstone ? nil : layout.values(row)
        if let keyCount {
            let key = Array(row.values.prefix(keyCount))
            if let place = places[key] {
                all[place] = values
                return true
            }
            places[key] = all.count
        }
        guard all.count < Self.countMax else { return false }
        all.append(values)
        return true
    }
}

extension MediaType {
    init(_ form: ResultWriter.Form) {
        self =
            switch form {
            case .rows: .json
            case .protobuf: .protobuf
            case .lines: .delimited
            case .array, .messages: .plainJSON
            }
    }
}
