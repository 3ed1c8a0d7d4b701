internal import Cluster
internal import ConnectCore
internal import Synchronization

/// What the reading thread hands over at once. A row's records are never in two.
struct RecordChunk: Sendable {
    var records: [ConnectRecord] = []
    /// Those that are bytes already, each with its place among `records`.
    var written: [WrittenRecords] = []
    /// Signals of a topic up to here are done when it is stored.
    var signalMark: Int64?
    /// Of both kinds.
    var recordCount = 0
    /// Where reading would go on after it, for heartbeats.
    var offset: ConnectMap?
    /// A transaction of the source ends with it, or what came since the last one is to be dropped: it comes again.
    var boundary = SourcePoll.Boundary.none
    var byteCount = 0

    /// What it counts for in the queue; also an offset alone takes its place.
    var weight: Int { max(1, recordCount) }
}

/// Records between the thread that reads the source and the task's `poll`. Bounded: the thread waits when the queue is full,
/// and with it the server.
final class RecordQueue: Sendable {
    private struct State {
        var chunks: [RecordChunk] = []
        var head = 0
        var recordCount = 0
        var byteCount = 0
        var failure: ConnectError?
        var isFinished = false
        var isStopped = false
        var reader: CheckedContinuation<Void, Never>?
        var readerTicket = 0
        var writer: BlockedThread?
    }

    private let state = Mutex(State())
    private let recordCountMax: Int
    private let byteCountMax: Int
    private let endsWithTransactions: Bool

    /// - Parameter endsWithTransactions: what is taken ends with a transaction of the source where one ends in it.
    init(recordCountMax: Int, byteCountMax: Int, endsWithTransactions: Bool = false) {
        self.recordCountMax = recordCountMax
        self.byteCountMax = byteCountMax
        self.endsWithTransactions = endsWithTransactions
    }

    // MARK: The thread's side

    var isStopped: Bool { state.withLock { $0.isStopped } }

    enum Pushed { case done, full, stopped }

    /// Waits for room.
    ///
    /// - Parameter timeout: nil: without an end.
    /// - Returns: `.full` when there was none in time.
    func push(_ chunk: RecordChunk, waiting timeout: Duration? = nil) -> Pushed {
        let deadline = timeout.map { ContinuousClock.now + $0 }
        while true {
            let thread = BlockedThread()
            enum Outcome { case done(CheckedContinuation<Void, Never>?), stopped, full }
            let outcome: Outcome = state.withLock { state in
                if state.isStopped { return .stopped }
                let isFull =
                    state.recordCount > 0
                    && (state.recordCount + chunk.weight > recordCountMax
                        || state.byteCount + chunk.byteCount > byteCountMax)
                if isFull {
                    state.writer = thread
                    return .full
                }
                state.chunks.append(chunk)
                state.recordCount += chunk.weight
                state.byteCount += chunk.byteCount
                defer { state.reader = nil }
                return .done(state.reader)
            }
            switch outcome {
            case .done(let reader):
                reader?.resume()
                return .done
            case .stopped: return .stopped
            case .full:
                guard let deadline else {
                    thread.wait()
                    continue
                }
                let rest = deadline - .now
                guard rest > .zero else { return .full }
                thread.wait(rest)
            }
        }
    }

    /// The source has ended: for good, or with a failure that the next poll throws after all records.
    func finish(_ failure: ConnectError?) {
        let reader = state.withLock { state in
            state.failure = failure
            state.isFinished = true
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    /// Sleeps, but not beyond `stop`.
    ///
    /// - Returns: false when stopped.
    func sleep(_ duration: Duration) -> Bool {
        let deadline = ContinuousClock.now + duration
        while true {
            let thread = BlockedThread()
            let isStopped = state.withLock { state in
                if !state.isStopped { state.writer = thread }
                return state.isStopped
            }
            if isStopped { return false }
            // Also woken by what is taken from the queue.
            let rest = deadline - .now
            guard rest > .zero else { return true }
            thread.wait(rest)
        }
    }

    // MARK: The task's side

    func stop() {
        let (reader, writer) = state.withLock { state in
            state.isStopped = true
            defer {
                state.reader = nil
                state.writer = nil
            }
            return (state.reader, state.writer)
        }
        reader?.resume()
        writer?.wake()
    }

    struct Taken {
        var records: [ConnectRecord] = []
        var written: [WrittenRecords] = []
        var offset: ConnectMap?
        var boundary = SourcePoll.Boundary.none
        var signalMark: Int64?
        var isFinished = false
    }

    /// What is there, up to a number of records; waits at most `timeout` for something.
    ///
    /// - Throws: the source's failure, once everything before it was taken.
    func take(countMax: Int, timeout: Duration) async throws(ConnectError) -> Taken {
        if let taken = try takeNow(countMax) { return taken }
        await wait(timeout)
        return try takeNow(countMax) ?? Taken()
    }

    private func takeNow(_ countMax: Int) throws(ConnectError) -> Taken? {
        let (taken, failure, writer): (Taken?, ConnectError?, BlockedThread?) = state.withLock { state in
            if state.isStopped { return (Taken(), nil, nil) }
            guard state.head < state.chunks.count else {
                if state.isFinished {
                    var taken = Taken()
                    taken.isFinished = state.failure == nil
                    return (taken, state.failure, nil)
                }
                return (nil, nil, nil)
            }
            var end = state.head
            var lastEnd: Int?
            var count = 0
            while end < state.chunks.count, count == 0 || count + state.chunks[end].recordCount <= countMax {
                count += state.chunks[end].recordCount
                let boundary = state.chunks[end].boundary
                // What has ended stays.
                if boundary == .abort, lastEnd != nil { break }
                end += 1
                if boundary != .none { lastEnd = end }
                if boundary == .abort { break }
            }
            if endsWithTransactions, let lastEnd { end = lastEnd }
            var taken = Taken()
            while state.head < end {
                let chunk = state.chunks[state.head]
                state.chunks[state.head] = RecordChunk()
                state.head += 1
                for var written in chunk.written {
                    written.recordsBefore += taken.records.count
                    taken.written.append(written)
                }
                if taken.records.isEmpty { taken.records = chunk.records } else { taken.records += chunk.records }
                taken.offset = chunk.offset ?? taken.offset
                taken.boundary = chunk.boundary
                taken.signalMark = chunk.signalMark ?? taken.signalMark
                state.recordCount -= chunk.weight
                state.byteCount -= chunk.byteCount
            }
            if state.head == state.chunks.count || state.head > 1024 {
                state.chunks.removeFirst(state.head)
                state.head = 0
            }
            defer { state.writer = nil }
            return (taken, nil, state.writer)
        }
        writer?.wake()
        if let failure { throw failure }
        return taken
    }

    /// Until something is there, the queue is stopped, the task is cancelled or the time is over.
    private func wait(_ timeout: Duration) async {
        let ticket = state.withLock { state in
            state.readerTicket += 1
            return state.readerTicket
        }
        // Ends with the wait below.
        let timer = Task {
            try? await Task.sleep(for: timeout)
            self.wake(ticket)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.head < state.chunks.count || state.isFinished || state.isStopped || Task.isCancelled
                        || state.readerTicket != ticket
                    {
                        return true
                    }
                    state.reader = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            self.wake(ticket)
        }
        timer.cancel()
    }

    private func wake(_ ticket: Int) {
        let reader = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.readerTicket == ticket else { return nil }
            // A wait that has not begun yet must not begin.
            state.readerTicket += 1
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }
}
