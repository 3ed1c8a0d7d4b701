import Environment
import NIOCore
import SQLFunctions
import SQLPlan
import SQLRuntime
import SQLTypes
import StreamEngine
import Synchronization

/// Reads the rows of pull queries over tables.
struct PullReader: Sendable {
    /// State that is being read back is waited for this long.
    private static let patience = Duration.seconds(10)
    private static let pause = Duration.milliseconds(50)
    /// Rows, and keys, that are worked on by the thread that asks: more would keep other clients waiting.
    private static let rowCountAtHandMax = 256

    let engine: SQLEngine

    /// The rows of the result, in its order and within its bounds.
    ///
    /// - Throws: 40001 when no query keeps the table, 50000 when its state cannot be had.
    func rows(_ query: PullQuery, _ table: PullTable, _ client: ClientQuery) async throws(KsqlFailure) -> [[SQLValue]] {
        let found = try await read(query, table, client)
        // What is looked up is few; what is scanned may be many.
        let properties = client.configuration.properties
        if case .keys = table.keys { return evaluate(query, table, properties, found) }
        return await withTaskExecutorPreference(globalConcurrentExecutor) {
            await onExecutor { evaluate(query, table, properties, found) }
        }
    }

    private func onExecutor<Value: Sendable>(_ body: @Sendable () -> Value) async -> Value { body() }

    /// The rows of the result of a query by key, where they can be had without waiting; nil when `rows` has to be asked.
    func rowsAtHand(_ prepared: PreparedPull, _ keys: PullTable.Keys) -> [[SQLValue]]? {
        guard case .keys = keys,
            let found = engine.runner.readAtHand(
                Self.tableRead(prepared.pull, prepared.table, keys), of: prepared.table.queryID,
                rowCountMax: Self.rowCountAtHandMax)
        else { return nil }
        return evaluate(prepared.pull, prepared.table, prepared.configuration.properties, found)
    }

    private func evaluate(
        _ query: PullQuery, _ table: PullTable, _ properties: [String: String], _ found: [TableRow]
    ) -> [[SQLValue]] {
        if table.rows.isPlain, query.takesAll {
            return found.map {
                table.rows.columns(key: $0.key, window: $0.window, values: $0.values, timestamp: $0.timestamp)
            }
        }
        var result = BoundedResult(query)
        if table.rows.isPlain {
            for row in found {
                if result.isComplete { break }
                result.append(
                    table.rows.columns(key: row.key, window: row.window, values: row.values, timestamp: row.timestamp))
            }
        } else {
            var context = EvaluationContext(
                now: { SystemWallClock().now() }, random: { UInt64.random(in: .min ... .max) },
                zones: engine.settings.zones,
                limits: FunctionLimits(properties: properties))
            for row in found {
                if result.isComplete { break }
                if let values = table.rows.result(
                    key: row.key, window: row.window, values: row.values, timestamp: row.timestamp, &context)
                {
                    result.append(values)
                }
            }
        }
        return result.finish()
    }

    private static func tableRead(
        _ query: PullQuery, _ table: PullTable, _ keys: PullTable.Keys
    ) -> TableRead {
        var read: TableRead
        switch keys {
        case .all: read = TableRead(.all)
        case .keys(let keys): read = TableRead(.keys(keys))
        case .range(let lower, let upper):
            read = TableRead(
                .range(lower: lower.map { ($0.value, $0.isIncluded) }, upper: upper.map { ($0.value, $0.isIncluded) }))
        }
        read.windowStart = table.windowStart
        read.windowEnd = table.windowEnd
        if table.rows.takesAll, query.order.isEmpty { read.limit = query.limit.map { $0 + query.offset } }
        return read
    }

    private func read(
        _ query: PullQuery, _ table: PullTable, _ client: ClientQuery
    ) async throws(KsqlFailure) -> [TableRow] {
        let read = Self.tableRead(query, table, table.keys)
        let deadline = NIODeadline.now() + .nanoseconds(Int64(Self.patience / .nanoseconds(1)))
        while true {
            do throws(RunError) {
                guard let parts = try await engine.runner.placement(of: table.queryID, for: read) else {
                    return try await engine.runner.read(read, of: table.queryID)
                }
                return try await rows(
                    read, of: table.queryID, in: client.staysHere ? try Self.here(parts) : parts)
            } catch {
                switch error.code {
                case .notReady where NIODeadline.now() < deadline:
                    do { try await Task.sleep(for: Self.pause) } catch { throw .shuttingDown }  // the client is gone
                case .notReady:
                    throw .server("The state of query \(table.queryID) is still being read back: \(error.message)")
                case .notMaterialized:
                    throw KsqlFailure(
                        PlanError(.invalid, "The table isn't queryable: \(error.message)"), client.text)
                default:
                    // The runner does not know what it could not start.
                    let reason = engine.state.withLock { $0.startFailures[table.queryID] }
                    let message = reason.map { "query \(table.queryID) is in state ERROR: \($0)" } ?? error.message
                    throw .server("Failed to get values of the table: \(message)")
                }
            }
        }
    }

    /// The part that this node has.
    private static func here(_ parts: [NodePart]) throws(RunError) -> [NodePart] {
        let own = parts.filter { $0.address == nil }
        guard own.isEmpty else { return own }
        throw RunError(
            .cluster,
            "this node has none of the partitions that the query reads, and request.ksql.query.pull.skip.forwarding "
                + "forbids to ask others")
    }

    /// Rows of a table that is on several nodes, by partition.
    private func rows(
        _ read: TableRead, of query: String, in parts: [NodePart]
    ) async throws(RunError) -> [TableRow] {
        var found: NodeMessage.Rows = []
        if parts.count == 1, let part = parts.first {
            found = try await self.part(read, of: query, part)
        } else {
            let results = await withTaskGroup(of: Result<NodeMessage.Rows, RunError>.self) { group in
                for part in parts {
                    group.addTask {
                        do throws(RunError) { return .success(try await self.part(read, of: query, part)) } catch {
                            return .failure(error)
                        }
                    }
                }
                var results: [Result<NodeMessage.Rows, RunError>] = []
                for await result in group { results.append(result) }
                return results
            }
            for result in results { found += try result.get() }
        }
        found.sort { $0.partition < $1.partition }
        var rows = found.count == 1 ? found[0].rows : found.flatMap(\.rows)
        if let limit = read.limit, rows.count > limit { rows.removeLast(rows.count - limit) }
        return rows
    }

    private func part(
        _ read: TableRead, of query: String, _ part: NodePart
    ) async throws(RunError) -> NodeMessage.Rows {
        guard let address = part.address else {
            return try await engine.runner.read(read, of: query, partitions: part.partitions)
        }
        return try await NodeClient(engine.settings.nodes).rows(
            NodeMessage.Question(query: query, partitions: part.partitions, read: read), of: address)
    }
}
