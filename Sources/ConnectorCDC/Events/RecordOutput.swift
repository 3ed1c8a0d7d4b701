internal import ConnectCore
internal import Glibc

/// The present, in nanoseconds since 1970.
func wallClockNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// How records of a topic can be written at once; see `SourceTaskContext.writing`. Blocks.
typealias RecordWritings =
    @Sendable (_ topic: String, _ key: ConnectSchema?, _ value: ConnectSchema) throws(ConnectError) -> RecordWriting?

/// The way of records to the queue, on the thread that reads the source. Readers of a database add to it what they know of
/// its tables.
class RecordOutput {
    let options: EventOptions
    let queue: RecordQueue
    let log: @Sendable (TaskLogLevel, String) -> Void
    private let writings: RecordWritings
    /// The source's name in offsets.
    let partition: ConnectMap
    /// Of events of rows, tombstones and definitions.
    let headers: [ConnectHeader]
    /// What goes to the queue next.
    var chunk = RecordChunk()
    /// Records that were added since the start.
    private(set) var addedCount = 0
    /// Completes rows of the log; nil where they stay as they are.
    var completion: (any RowCompletion)?
    /// Called every few seconds while the queue has no room: a server may want to hear of its reader.
    var whileFull: (() throws -> Void)?
    /// Records went to the queue without the end of their transaction.
    private var isTransactionOpen = false

    init(
        _ options: EventOptions, queue: RecordQueue, writings: @escaping RecordWritings,
        log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) {
        self.options = options
        self.queue = queue
        self.log = log
        self.writings = writings
        partition = ConnectMap([("server", .string(options.prefix))])
        headers = ContextHeaders.make(
            options,
            runID: ContextHeaders.runID(
                milliseconds: wallClockNanoseconds() / 1_000_000,
                random: (.random(in: 0 ... .max), .random(in: 0 ... .max))))
    }

    /// What writes a table's rows at once; nil where its records go as values.
    func writer(of events: TableEvents) -> TableWriter? {
        switch events.writing {
        case .known(let writer): return writer
        case .asked(let rest) where rest > 0:
            events.writing = .asked(rest - 1)
            return nil
        case .asked: break
        }
        do throws(ConnectError) {
            let writing = try writings(events.topic, events.keySchema, events.envelope)
            let writer = writing.flatMap { TableWriter(events, $0) }
            events.writing = .known(writer)
            return writer
        } catch {
            // As values they come to the same failure, which is met there as the configuration wants it.
            events.writing = .asked(1000)
            return nil
        }
    }

    // MARK: The queue

    func add(_ record: ConnectRecord, byteCount: Int) {
        chunk.records.append(record)
        chunk.recordCount += 1
        addedCount += 1
        chunk.byteCount += byteCount
    }

    /// Adds a record that `write` writes: it gets the records of the topic that are under way.
    ///
    /// - Parameter offset: to begin with; `setOffset` tells where to go on behind the last record of a row.
    func add(to topic: String, offset: ConnectMap, _ write: (inout WrittenRecords) -> Void) {
        let last = chunk.written.count - 1
        if last < 0 || chunk.written[last].topic != topic || chunk.written[last].recordsBefore != chunk.records.count {
            chunk.written.append(
                WrittenRecords(
                    topic: topic, partition: partition, offset: offset, recordsBefore: chunk.records.count,
                    headers: headers))
        }
        let place = chunk.written.count - 1
        let byteCount = chunk.written[place].bytes.count
        let count = chunk.written[place].count
        write(&chunk.written[place])
        chunk.recordCount += chunk.written[place].count - count
        addedCount += chunk.written[place].count - count
        chunk.byteCount += chunk.written[place].bytes.count - byteCount
    }

    /// Where to go on behind the records that were written last.
    func setOffset(_ offset: ConnectMap) {
        guard !chunk.written.isEmpty else { return }
        chunk.written[chunk.written.count - 1].offset = offset
    }

    /// Where to go on behind the chunk's last record, of either kind: what follows it needs no second reading.
    func setLastOffset(_ offset: ConnectMap) {
        if let last = chunk.written.last, last.recordsBefore == chunk.records.count {
            chunk.written[chunk.written.count - 1].offset = offset
        } else if !chunk.records.isEmpty {
            chunk.records[chunk.records.count - 1].origin = .source(partition: partition, offset: offset)
        }
    }

    var isChunkFull: Bool { chunk.recordCount >= options.batchCountMax || chunk.byteCount >= 4 << 20 }

    /// What goes to the queue next was made of signals up to here.
    func setSignalMark(_ offset: Int64?) {
        if let offset { chunk.signalMark = max(chunk.signalMark ?? 0, offset) }
    }

    /// - Throws: `StopError` when the task was stopped.
    func flush(offset: ConnectMap? = nil, endsTransaction: Bool = false) throws {
        // Offsets alone are for heartbeats.
        let isEndAlone = endsTransaction && isTransactionOpen && options.hasOwnBoundaries
        guard chunk.recordCount > 0 || isEndAlone || (offset != nil && options.heartbeatInterval != nil) else { return }
        isTransactionOpen = !endsTransaction && (isTransactionOpen || chunk.recordCount > 0)
        chunk.offset = offset
        chunk.boundary = endsTransaction ? .commit : .none
        let next = chunk
        chunk = RecordChunk()
        // An offset alone is not stored: it comes with the next record.
        if next.recordCount == 0, let mark = next.signalMark {
            chunk.signalMark = mark
            var rest = next
            rest.signalMark = nil
            return try push(rest)
        }
        try push(next)
    }

    private func push(_ chunk: RecordChunk) throws {
        while true {
            switch queue.push(chunk, waiting: whileFull == nil ? nil : .seconds(5)) {
            case .done: return
            case .stopped: throw StopError()
            case .full: try whileFull?()
            }
        }
    }

    /// What came since the last end of a transaction comes again: workers that can take it back do so.
    ///
    /// - Throws: `StopError`.
    func takeBack() throws {
        chunk = RecordChunk()
        guard options.hasOwnBoundaries else { return }
        var mark = RecordChunk()
        mark.boundary = .abort
        isTransactionOpen = false
        try push(mark)
    }
}

/// The task was stopped.
struct StopError: Error {}
