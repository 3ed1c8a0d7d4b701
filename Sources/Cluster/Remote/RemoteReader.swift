import CRdKafka
import NIOCore
import RecordBatches
import Synchronization

/// Reads a partition of a remote cluster.
///
/// librdkafka gives messages, not batches: they are framed again as uncompressed record batches with the offsets and
/// timestamps they have, so producer ids, sequences and the codec of the stored batches are not seen. It tells no last
/// stable offset either; `FetchedBatches.lastStableOffset` is the high watermark here.
final class RemoteReader: PartitionReader {
    let partition: TopicPartition
    private let calls: BlockingCalls
    private let client: ConsumerClient
    private let state: Mutex<State>

    private struct State {
        var position: Int64
        var consumption: Consumption?
        /// Whether the consumption is not at `position`: after a seek or an error.
        var mustRestart = false
        var isReading = false
        var isClosed = false
    }

    /// - Parameter client: one that has claimed `partition` for this reader.
    init(_ partition: TopicPartition, from offset: Int64, client: ConsumerClient, calls: BlockingCalls) {
        self.partition = partition
        self.client = client
        self.calls = calls
        state = Mutex(State(position: offset))
    }

    deinit { close() }

    var position: Int64 { state.withLock { $0.position } }

    func next(maxBytes: Int, timeout: Duration) async throws(ClusterError) -> FetchedBatches {
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        let old = try begin()
        defer { end() }
        if let old { try await calls.run { () throws(ClusterError) in old.stop() } }
        let consumption = try start()
        while true {
            let generation = consumption.arrivals.generation
            if let batches = try take(from: consumption, maxBytes: maxBytes) { return batches }
            let rest = deadline - clock.now
            if rest <= .zero || Task.isCancelled { return batches([], from: position, consumption) }
            await consumption.arrivals.wait(after: generation, timeout: rest)
        }
    }

    func nextBlocking(maxBytes: Int, timeout: Duration) throws(ClusterError) -> FetchedBatches {
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        let old = try begin()
        defer { end() }
        old?.stop()
        let consumption = try start()
        while true {
            if let batches = try take(from: consumption, maxBytes: maxBytes) { return batches }
            let rest = deadline - clock.now
            if rest <= .zero { return batches([], from: position, consumption) }
            consumption.waitBlocking(milliseconds: rest.milliseconds)
        }
    }

    func seek(to offset: Int64) throws(ClusterError) {
        guard offset >= 0 else { throw ClusterError(.offsetOutOfRange, "seek in \(partition) to offset \(offset)") }
        state.withLock { state in
            precondition(!state.isReading, "a reader has one caller at a time")
            state.position = offset
            state.mustRestart = true
        }
    }

    func close() {
        let (isOver, consumption) = state.withLock { state -> (Bool, Consumption?) in
            guard !state.isClosed else { return (false, nil) }
            state.isClosed = true
            return state.isReading ? (false, state.consumption) : (true, state.consumption.take())
        }
        if isOver {
            finish(consumption)
        } else {
            consumption?.wake()
            consumption?.arrivals.notify()
        }
    }

    // MARK: One caller at a time

    private var closed: ClusterError { ClusterError(.invalidRequest, "read \(partition): the reader is closed") }

    /// Makes this call the one that reads. Returns a consumption to stop first: librdkafka consumes a partition once.
    private func begin() throws(ClusterError) -> Consumption? {
        let (isClosed, old) = state.withLock { state -> (Bool, Consumption?) in
            guard !state.isClosed else { return (true, nil) }
            precondition(!state.isReading, "a reader has one caller at a time")
            state.isReading = true
            guard state.mustRestart else { return (false, nil) }
            state.mustRestart = false
            return (false, state.consumption.take())
        }
        if isClosed { throw closed }
        return old
    }

    private func end() {
        let (isOver, consumption) = state.withLock { state -> (Bool, Consumption?) in
            state.isReading = false
            return state.isClosed ? (true, state.consumption.take()) : (false, nil)
        }
        if isOver { finish(consumption) }
    }

    private func start() throws(ClusterError) -> Consumption {
        let (present, position) = state.withLock { ($0.consumption, $0.position) }
        if let present { return present }
        let new = try Consumption(client, partition, from: position)
        state.withLock { $0.consumption = new }
        return new
    }

    /// Stops what was read and lets others read the partition by this client, on a thread that may block.
    private func finish(_ consumption: Consumption?) {
        calls.enqueue { [client, partition] in
            consumption?.stop()
            client.release(partition)
        }
    }

    // MARK: Messages to batches

    /// What is there already; nil when nothing is and the position has not moved.
    private func take(from consumption: Consumption, maxBytes: Int) throws(ClusterError) -> FetchedBatches? {
        if state.withLock({ $0.isClosed }) { throw closed }
        let start = position
        var next = start
        var framer = MessageFramer()
        while framer.byteCount < maxBytes, let message = consumption.take() {
            let error = message.pointee.err
            switch error {
            case RD_KAFKA_RESP_ERR_NO_ERROR:
                defer { rd_kafka_message_destroy(message) }
                do {
                    try framer.append(message)
                } catch {
                    throw ClusterError(.corruptMessage, "read \(partition) at \(message.pointee.offset): \(error)")
                }
                next = message.pointee.offset + 1
            case RD_KAFKA_RESP_ERR__PARTITION_EOF:
                // Its offset is behind gaps that no message shows: transaction markers, records that compaction removed.
                next = max(next, message.pointee.offset)
                rd_kafka_message_destroy(message)
            default:
                guard next == start else {
                    consumption.putBack()  // the next call throws it
                    return batches(try framed(&framer), from: start, to: next, consumption)
                }
                let detail = rd_kafka_message_errstr(message).map { String(cString: $0) }
                rd_kafka_message_destroy(message)
                state.withLock { $0.mustRestart = true }
                throw ClusterError(rdkafka: error, "read \(partition) at offset \(start)", detail: detail)
            }
        }
        guard next != start else {
            if let error = consumption.takeError() {
                state.withLock { $0.mustRestart = true }
                let failure = ClusterError(rdkafka: error.code, "read \(partition)")
                guard failure.code == .unknownTopicOrPartition else { throw failure }
                throw ClusterError(failure.code, "read \(partition): the topic or partition does not exist any more")
            }
            return nil
        }
        return batches(try framed(&framer), from: start, to: next, consumption)
    }

    private func framed(_ framer: inout MessageFramer) throws(ClusterError) -> [UInt8] {
        do { return try framer.finish() } catch { throw ClusterError(.corruptMessage, "read \(partition): \(error)") }
    }

    private func batches(
        _ bytes: [UInt8], from start: Int64, to next: Int64? = nil, _ consumption: Consumption
    ) -> FetchedBatches {
        let next = next ?? start
        state.withLock { $0.position = next }
        let highWatermark = max(next, consumption.highWatermark ?? next)
        return FetchedBatches(
            partition: partition, bytes: ByteBuffer(bytes: bytes), startOffset: start, nextOffset: next,
            highWatermark: highWatermark, lastStableOffset: highWatermark)
    }
}
