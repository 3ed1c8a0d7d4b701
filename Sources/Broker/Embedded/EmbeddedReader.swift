import Cluster
import LogStorage
import NIOCore
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
    private let state: Mutex<State>

    init(_ cluster: EmbeddedCluster, _ partition: TopicPartition, _ source: Partition, position: Int64) {
        self.cluster = cluster
        self.partition = partition
        self.source = source
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

    private func take(_ maxBytes: Int) throws(ClusterError) -> FetchedBatches {
        let position = try state.withLock { state throws(ClusterError) in
            if state.isClosed { throw ClusterError(.invalidRequest, "the reader of \(partition) is closed") }
            return state.position
        }
        guard !source.isDeleted else {
            throw ClusterError(.unknownTopicOrPartition, "topic '\(partition.topic)' was deleted")
        }
        let end = source.log.offsets.logEnd
        do throws(LogError) {
            let slice = try source.log.read(from: position, maxBytes: maxBytes, upTo: end, minOneBatch: true)
            let bytes = try slice.buffer()
            let next = slice.isEmpty ? position : slice.nextOffset
            state.withLock { if $0.position == position { $0.position = next } }
            return FetchedBatches(
                partition: partition, bytes: bytes, startOffset: position, nextOffset: next, highWatermark: end,
                lastStableOffset: end)
        } catch {
            throw ClusterError(ControlError(error), "read \(partition)")
        }
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
