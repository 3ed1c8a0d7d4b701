import ConnectCore
import HTTPCalls

/// Gathers rows by table and stores them when there are enough of a partition, or when they have waited long enough.
/// Offsets are committed up to the first row that waits.
///
/// The table of offsets counts, as upstream's channels do: what Kafka has committed and no table has is read again. Reading is
/// only ever set back. Set forward, it would pass over records that transforms bring to another table, and over those of a
/// topic that was made anew, which has to be told.
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
    /// Partitions that were opened and not yet compared with the table of offsets.
    private var unchecked: Set<SinkPartition> = []
    /// Of these: where reading begins by Kafka's offsets, as soon as that is known.
    private var starts: [SinkPartition: Int64] = [:]
    /// Where reading goes back to before the next `put`.
    private var sought: [SinkPartition: Int64] = [:]
    /// Whether the last `put` failed, so that its records come again.
    private var isRepeated = false
    /// Partitions of which it was said that offsets come again.
    private var told: Set<SinkPartition> = []

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

    func open(_ partitions: [SinkPartition]) async throws(ConnectError) {
        forget(partitions)
        unchecked.formUnion(partitions)
        // Where reading begins is told with it, also where there is nothing to read.
        context.requestCommit()
    }

    func put(_ records: [ConnectRecord]) async throws(ConnectError) {
        // The worker goes back before it puts again.
        sought = [:]
        let wasRepeated = isRepeated
        isRepeated = true
        try await check(records)
        for record in records { try await gather(record, isRepeated: wasRepeated) }
        let isFull = buffers.values.reduce(0) { $0 + $1.byteCount } >= settings.bufferedByteCountMax
        for (table, buffer) in buffers where isFull || isDue(buffer) { try await flush(table) }
        isRepeated = false
    }

    func preCommit(_ offsets: [SinkPartition: Int64]) async throws(ConnectError) -> [SinkPartition: Int64] {
        var done = offsets
        for place in unchecked {
            guard let start = done.removeValue(forKey: place) else { continue }
            if starts[place] == nil { starts[place] = start }
        }
        for (place, offset) in sought { if let known = done[place] { done[place] = min(known, offset) } }
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
        for place in gone {
            seen[place] = nil
            starts[place] = nil
            sought[place] = nil
        }
        unchecked.subtract(gone)
        told.subtract(gone)
        writer?.forget(gone)
    }

    /// Compares where partitions begin with what is in tables.
    private func check(_ records: [ConnectRecord]) async throws(ConnectError) {
        guard let writer, !unchecked.isEmpty else { return }
        for record in records {
            guard case .sink(let topic, let partition, let offset, _) = record.origin else { continue }
            let place = SinkPartition(topic: topic, partition: partition)
            if unchecked.contains(place), starts[place] == nil { starts[place] = offset }
        }
        guard !starts.isEmpty else { return }
        let known: [SinkPartition: Int64]
        do throws(ConnectError) {
            // Nothing can be lacking before the first record.
            let places = starts.filter { $0.value > 0 }.map(\.key)
            known = places.isEmpty ? [:] : try await writer.highest(places)
        } catch {
            throw later(error)
        }
        for (place, start) in starts {
            guard let last = known[place], last < start - 1 else { continue }
            context.log(
                .info,
                "partition \(place.partition) of '\(place.topic)' is read from offset \(last + 1) on, not \(start): "
                    + "\(writer.offsetTable) has no more")
            goBack(place, to: last + 1)
        }
        unchecked.subtract(starts.keys)
        starts = [:]
        failureCount = 0
    }

    /// Has a partition read again. What waits of it from there on comes again.
    private func goBack(_ place: SinkPartition, to offset: Int64) {
        let offset = min(offset, sought[place] ?? offset)
        sought[place] = offset
        seen[place] = offset - 1
        for (table, buffer) in buffers where buffer.rows.contains(where: { $0.place == place }) {
            let rest = buffer.rows.filter { $0.place != place || $0.offset < offset }
            if rest.isEmpty { buffers[table] = nil } else { buffers[table]?.replace(rest) }
        }
        context.seek([place: offset])
    }

    private func gather(_ record: ConnectRecord, isRepeated: Bool) async throws(ConnectError) {
        guard case .sink(let topic, let partition, let offset, _) = record.origin else { return }
        let place = SinkPartition(topic: topic, partition: partition)
        guard sought[place] == nil else { return }
        if let last = seen[place], offset <= last {
            if !isRepeated, told.insert(place).inserted {
                context.log(
                    .warning,
                    "records of partition \(partition) of '\(topic)' come again from offset \(offset) on and are passed "
                        + "over up to offset \(last). If the topic was made anew, delete the partition's rows from "
                        + "\(writer?.offsetTable.description ?? "the table of offsets") and restart the task from the first "
                        + "record")
            }
            return
        }
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
        var back: [SinkPartition: Int64] = [:]
        do throws(ConnectError) {
            back = try await writer.write(table, rows) {
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
        for (place, offset) in back { goBack(place, to: offset) }
        if doneCount > 0 { context.requestCommit() }
        if let failure { throw later(failure) }
    }

    /// Says when to try again what failed, if it is to be tried again.
    private func later(_ failure: ConnectError) -> ConnectError {
        if failure.isRetriable {
            context.retry(after: settings.schedule.pause(failureCount))
            failureCount = min(failureCount + 1, 30)
        }
        return failure
    }
}
