import ConnectCore
import HTTPCalls

/// Gathers rows by table and stores them when there are enough of a partition, or when they have waited long enough.
/// Offsets are committed up to the first row that waits.
///
/// `@unchecked Sendable`: the contract has one caller at a time; `pause` is the only part that is seen from elsewhere.
final class SnowflakeSinkTask: SinkTask, @unchecked Sendable {
    private struct Buffer {
        var rows: [Row] = []
        /// By partition: how many rows and bytes wait.
        var amounts: [SinkPartition: (count: Int, byteCount: Int)] = [:]
        /// When the first of them came.
        var since: ContinuousClock.Instant?
        var byteCount = 0

        mutating func append(_ row: Row) {
            let amount = amounts[row.place] ?? (0, 0)
            amounts[row.place] = (amount.count + 1, amount.byteCount + row.byteCount)
            byteCount += row.byteCount
            if since == nil { since = .now }
            rows.append(row)
        }

        mutating func removeFirst(_ count: Int) { replace(Array(rows.dropFirst(count))) }

        mutating func replace(_ rest: [Row]) {
            let since = since
            self = Buffer()
            for row in rest { append(row) }
            if !rest.isEmpty { self.since = since }
        }
    }

    private let settings: SnowflakeSettings
    private let context: any SinkTaskContext
    private let maker: RowMaker
    private let pause = TaskPause()
    private var client: SnowflakeClient?
    private var writer: TableWriter?
    private var buffers: [TableIdentifier: Buffer] = [:]
    private var tables: [String: TableIdentifier] = [:]
    /// By partition the last offset that was put: after a failure the same records come again.
    private var seen: [SinkPartition: Int64] = [:]
    private var failureCount = 0

    init(_ settings: SnowflakeSettings, _ context: any SinkTaskContext) {
        self.settings = settings
        self.context = context
        maker = RowMaker(settings)
    }

    func start() async throws(ConnectError) {
        let client = try SnowflakeClient(
            settings, now: { [context] in context.now }, pause: pause)
        self.client = client
        writer = TableWriter(settings, connector: context.identity.connector, client) { [context] in context.log($0, $1)
        }
        do throws(SnowflakeFailure) { try await client.prepare() } catch {
            guard error.kind == .transient else { throw error.connectError }
            // The records wait for it.
            context.log(.warning, error.message)
        }
    }

    func open(_ partitions: [SinkPartition]) async throws(ConnectError) { forget(partitions) }

    func put(_ records: [ConnectRecord]) async throws(ConnectError) {
        for record in records { try await gather(record) }
        let isFull = buffers.values.reduce(0) { $0 + $1.byteCount } >= settings.bufferedByteCountMax
        for (table, buffer) in buffers where isFull || isDue(buffer) { try await flush(table) }
    }

    func preCommit(_ offsets: [SinkPartition: Int64]) async throws(ConnectError) -> [SinkPartition: Int64] {
        var done = offsets
        for buffer in buffers.values {
            for row in buffer.rows { if let offset = done[row.place] { done[row.place] = min(offset, row.offset) } }
        }
        return done
    }

    func close(_ partitions: [SinkPartition]) async { forget(partitions) }

    func stop() async {
        pause.end()
        await client?.close()
        client = nil
        writer = nil
    }

    // MARK: gathering

    /// Rows that wait come again where the partitions are now.
    private func forget(_ partitions: [SinkPartition]) {
        let gone = Set(partitions)
        for (table, buffer) in buffers where buffer.rows.contains(where: { gone.contains($0.place) }) {
            buffers[table]?.replace(buffer.rows.filter { !gone.contains($0.place) })
        }
        for place in gone { seen[place] = nil }
        writer?.forget(gone)
    }

    private func gather(_ record: ConnectRecord) async throws(ConnectError) {
        guard case .sink(let topic, let partition, let offset, _) = record.origin else { return }
        let place = SinkPartition(topic: topic, partition: partition)
        if let last = seen[place], offset <= last { return }
        do throws(ConnectError) {
            if let row = try maker.row(record, place: place, offset: offset, now: context.now) {
                buffers[try table(record.topic), default: Buffer()].append(row)
            }
        } catch {
            var error = error
            error.message += " (record from topic=\(topic) partition=\(partition) offset=\(offset))"
            try await context.report(record, error)
        }
        seen[place] = offset
    }

    private func table(_ topic: String) throws(ConnectError) -> TableIdentifier {
        if let known = tables[topic] { return known }
        let table = try settings.names.table(topic)
        // Transforms may make any number of topics.
        if tables.count >= 10_000 { tables.removeAll() }
        tables[topic] = table
        return table
    }

    // MARK: storing

    private func isDue(_ buffer: Buffer) -> Bool {
        guard let since = buffer.since else { return false }
        return .now - since >= settings.flushTime
            || buffer.amounts.values.contains {
                $0.count >= settings.flushCount || $0.byteCount >= settings.flushByteCount
            }
    }

    private func flush(_ table: TableIdentifier) async throws(ConnectError) {
        guard let writer, let rows = buffers[table]?.rows, !rows.isEmpty else { return }
        var doneCount = 0
        var failure: ConnectError?
        do throws(ConnectError) {
            try await writer.write(table, rows) {
                doneCount += $0
            } refused: { (row, error) throws(ConnectError) in
                try await context.report(row.record, error)
            }
            failureCount = 0
        } catch {
            failure = error
        }
        buffers[table]?.removeFirst(doneCount)
        if buffers[table]?.rows.isEmpty == true { buffers[table] = nil }
        if doneCount > 0 { context.requestCommit() }
        guard let failure else { return }
        if failure.isRetriable {
            context.retry(after: settings.schedule.pause(failureCount))
            failureCount = min(failureCount + 1, 30)
        }
        throw failure
    }
}
