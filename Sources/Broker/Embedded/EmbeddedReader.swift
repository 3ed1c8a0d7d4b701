import Bytes
import Cluster
import LogStorage
import NIOCore
import RecordBatches
import Synchronization

/// Reads one partition of the broker in this process.
final class EmbeddedReader: PartitionReader {
    private struct State {
        var position: Int64
        var isClosed = false
        var waiting: ReadWait?
    }
    let partition: TopicPartition
    private let cluster: EmbeddedCluster
    private let source: Partition
    private let isolation: Isolation
    private let state: Mutex<State>

    init(
        _ cluster: EmbeddedCluster, _ partition: TopicPartition, _ source: Partition, position: Int64,
        isolation: Isolation
    ) {
        self.cluster = cluster
        self.partition = partition
        self.source = source
        self.isolation = isolation
        state = Mutex(State(position: position))
    }

    var position: Int64 { state.withLock { $0.position } }

    func seek(to offset: Int64) throws(ClusterError) { state.withLock { $0.position = offset } }

    func close() {
        let waiting = state.withLock { state -> ReadWait? in
            state.isClosed = true
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.wake()
    }

    func next(maxBytes: Int, timeout: Duration) async throws(ClusterError) -> FetchedBatches {
        let found = try take(maxBytes)
        guard found.isEmpty, timeout > .zero else { return found }
        let wait = begin()
        // An append between the look above and the registration woke nobody.
        let again = try take(maxBytes)
        if !again.isEmpty {
            end(wait)
            return again
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { wait.resumeLater($0, timeout, cluster.node.timerLoop) }
        } onCancel: {
            wait.wake()
        }
        end(wait)
        return try take(maxBytes)
    }

    func nextBlocking(maxBytes: Int, timeout: Duration) throws(ClusterError) -> FetchedBatches {
        let found = try take(maxBytes)
        guard found.isEmpty, timeout > .zero else { return found }
        let wait = begin()
        defer { end(wait) }
        let again = try take(maxBytes)
        if !again.isEmpty { return again }
        wait.block(timeout)
        return try take(maxBytes)
    }

    private func begin() -> ReadWait {
        let wait = ReadWait()
        let isClosed = state.withLock { state in
            state.waiting = wait
            return state.isClosed
        }
        source.add(wait)
        if isClosed { wait.wake() }
        return wait
    }

    private func end(_ wait: ReadWait) {
        source.remove(wait)
        state.withLock { if $0.waiting === wait { $0.waiting = nil } }
    }

    /// What is there; empty when nothing is. Goes on past what is there but not to be seen.
    private func take(_ maxBytes: Int) throws(ClusterError) -> FetchedBatches {
        while true {
            let found = try takeOnce(maxBytes)
            guard found.isEmpty, found.nextOffset > found.startOffset else { return found }
        }
    }

    private func takeOnce(_ maxBytes: Int) throws(ClusterError) -> FetchedBatches {
        let position = try state.withLock { state throws(ClusterError) in
            if state.isClosed { throw ClusterError(.invalidRequest, "the reader of \(partition) is closed") }
            return state.position
        }
        guard !source.isDeleted else {
            throw ClusterError(.unknownTopicOrPartition, "topic '\(partition.topic)' was deleted")
        }
        let offsets = source.log.offsets
        let end = isolation == .readCommitted ? offsets.lastStable : offsets.logEnd
        do throws(LogError) {
            let slice = try source.log.read(from: position, maxBytes: maxBytes, upTo: end, minOneBatch: true)
            let found = try StoredBatches.verified(slice.buffer(), of: source.log.directory, from: position)
            var bytes = found.bytes
            let next = found.nextOffset ?? (slice.isEmpty ? position : slice.nextOffset)
            if isolation == .readCommitted, !slice.isEmpty {
                let aborted = try source.log.abortedTransactions(from: position, upTo: next)
                if !aborted.isEmpty { bytes = try Self.without(aborted, bytes) }
            }
            state.withLock { if $0.position == position { $0.position = next } }
            return FetchedBatches(
                partition: partition, bytes: bytes, startOffset: position, nextOffset: next,
                highWatermark: offsets.logEnd, lastStableOffset: offsets.lastStable)
        } catch {
            var failure = ClusterError(ControlError(error), "read \(partition) from offset \(position)")
            if failure.code == .corruptMessage { failure.hint = StoredBatches.hint(source.log.directory) }
            throw failure
        }
    }

    /// The batches but for those of aborted transactions. Markers stay.
    private static func without(
        _ aborted: [AbortedTransaction], _ bytes: ByteBuffer
    ) throws(LogError) -> ByteBuffer {
        var kept = ByteBuffer()
        var rest = bytes
        do throws(WireError) {
            while rest.readableBytes > 0 {
                let header = try rest.withUnsafeReadableBytes { raw throws(WireError) in try BatchHeader(raw.bytes) }
                guard var batch = rest.readSlice(length: header.byteCount) else { throw .truncated }
                let isAborted =
                    header.attributes.isTransactional && !header.attributes.isControl
                    && aborted.contains {
                        $0.producerId == header.producerId && $0.firstOffset <= header.baseOffset
                            && header.lastOffset <= $0.lastOffset
                    }
                if !isAborted { kept.writeBuffer(&batch) }
            }
        } catch {
            throw LogError(.corruptBatch, "read batches: \(error)")
        }
        return kept
    }
}

/// One wait for a partition to grow: of a task or of a thread, ended once by whatever comes first.
private final class ReadWait: PartitionWaiter {
    private enum State {
        case idle
        case woken
        case task(CheckedContinuation<Void, Never>, Scheduled<Void>?)
    }
    private let state = Mutex(State.idle)
    private let thread = BlockedThread()

    func partitionChanged() { wake() }

    func wake() {
        let task = state.withLock { state -> (CheckedContinuation<Void, Never>, Scheduled<Void>?)? in
            defer { state = .woken }
            if case .task(let continuation, let timer) = state { return (continuation, timer) }
            return nil
        }
        task?.1?.cancel()
        task?.0.resume()
        thread.wake()
    }

    /// Resumes `continuation` when woken or after `timeout`.
    func resumeLater(_ continuation: CheckedContinuation<Void, Never>, _ timeout: Duration, _ loop: any EventLoop) {
        let timer = loop.scheduleTask(in: TimeAmount(timeout)) { self.wake() }
        let isWoken = state.withLock { state -> Bool in
            if case .woken = state { return true }
            state = .task(continuation, timer)
            return false
        }
        if isWoken {
            timer.cancel()
            continuation.resume()
        }
    }

    /// Blocks the calling thread until woken or `timeout` has passed.
    func block(_ timeout: Duration) { thread.wait(timeout) }
}
