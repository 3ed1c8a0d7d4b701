internal import Bytes
internal import ConnectCore
internal import Glibc
internal import Synchronization

/// The thread of a task: snapshot, then the log, until the task is stopped.
final class PostgresReader: SourceReading {
    private struct State {
        /// Connections that `stop` has to end.
        var handles: [SocketHandle] = []
        /// The end of what is stored.
        var committed: Lsn?
    }

    private let config: PostgresConfig
    private let queue: RecordQueue
    private let inbox: SignalInbox
    private let version: String
    private let writings: RecordWritings
    private let log: @Sendable (TaskLogLevel, String) -> Void
    private let retries: Retries
    private let state = Mutex(State())

    init(_ config: PostgresConfig, _ start: CDCSourceTask.Start, version: String) {
        self.config = config
        self.version = version
        queue = start.queue
        inbox = start.inbox
        writings = start.writings
        log = start.log
        retries = Retries(options: config.shared, reconnects: true, queue: start.queue, log: start.log)
    }

    func stop() {
        queue.stop()
        for handle in state.withLock({ $0.handles }) { handle.interrupt() }
    }

    func committed(_ offset: ConnectMap) {
        guard !SnapshotOffset.isUnfinished(offset), let place = PostgresPosition(offset)?.commitLSN else { return }
        state.withLock { state in state.committed = max(state.committed ?? place, place) }
    }

    private func handle() -> SocketHandle {
        let handle = SocketHandle()
        state.withLock { state in
            // A few connections live at a time; old handles have no socket any more.
            if state.handles.count > 16 { state.handles.removeFirst() }
            state.handles.append(handle)
        }
        if queue.isStopped { handle.interrupt() }
        return handle
    }

    /// Blocks the calling thread for the task's whole life.
    func run(from offset: ConnectMap?) {
        do {
            try read(from: offset)
            queue.finish(nil)
        } catch is StopError {
            queue.finish(nil)
        } catch let error as ConnectError {
            // The thread has tried and is gone: another poll would only find the same.
            queue.finish(error.isRetriable ? ConnectError(.connect, error.message) : error)
        } catch {
            queue.finish(ConnectError(.connect, "\(error)"))
        }
        if config.dropsSlot, queue.isStopped { dropSlot() }
    }

    private static let dropAttemptCount = 30

    private func dropSlot() {
        for attempt in 1...Self.dropAttemptCount {
            do throws(PostgresError) {
                // The handle of a stopped task would end the connection at once.
                return try PostgresServer(config, handle: SocketHandle()).dropSlot()
            } catch {
                // The server's process for our own log, which has ended, may not have let go of it yet.
                guard error.state == "55006", attempt < Self.dropAttemptCount else {
                    return log(.warning, "slot.drop.on.stop: the slot '\(config.slot)' stays: \(error)")
                }
                usleep(100_000)  // the queue's sleep ends at once for a task that is stopped
            }
        }
    }

    private func connect() throws(PostgresError) -> PostgresServer { try PostgresServer(config, handle: handle()) }

    // MARK: Start

    private func read(from offset: ConnectMap?) throws {
        let context = try PostgresContext(config, queue: queue, version: version, writings: writings, log: log)
        if config.snapshotDelay > .zero, offset == nil, !queue.sleep(config.snapshotDelay) { throw StopError() }
        var triesSnapshotAgain = false
        var hasSnapshot = false
        guard
            var position = try retries.insisting(
                "Connecting to the database",
                {
                    let server = try connect()
                    try server.check()
                    let plan = try PostgresPlan.make(config, offset, server, log)
                    if config.snapshotMode.streams {
                        context.types = try PostgresTypes(server.connection)
                        try server.publish(try server.wantedTables(context).map(\.id))
                    }
                    switch plan {
                    case .finished: return PostgresPosition?.none
                    case .stream(let position):
                        if let position {
                            // The last run may have ended before the server heard of it.
                            if let offset { committed(offset) }
                            try skipped(context, position)
                            return position
                        }
                        let log = try PostgresLog(config, handle: handle())
                        let made = try log.createSlot()
                        self.log(.info, "the replication slot '\(config.slot)' was made at \(made.place)")
                        let position = PostgresPosition(at: made.place)
                        try skipped(context, position)
                        return position
                    case .snapshot(let slot):
                        // Rows of a try that failed would come twice.
                        if triesSnapshotAgain { try context.takeBack() }
                        triesSnapshotAgain = true
                        hasSnapshot = true
                        return try snapshot(context, server, slot)
                    }
                })
        else { return }
        guard config.snapshotMode.streams else { return }
        if hasSnapshot, config.streamingDelay > .zero, !queue.sleep(config.streamingDelay) { throw StopError() }
        try stream(context, &position)
    }

    /// Tells that no snapshot is taken.
    private func skipped(_ context: PostgresContext, _ position: PostgresPosition) throws {
        context.notify(Notification(aggregate: .initial, kind: .skipped), offset: position.offset)
        try context.flush(endsTransaction: true)
    }

    private func snapshot(
        _ context: PostgresContext, _ server: PostgresServer, _ slot: PostgresServer.Slot?
    ) throws -> PostgresPosition {
        let start = wallClockNanoseconds()
        // The state of a new slot is there as long as its connection.
        var log: PostgresLog?
        var exported: (place: Lsn, snapshot: String?)?
        if slot == nil, config.snapshotMode.streams {
            let made = try PostgresLog(config, handle: handle())
            exported = try made.createSlot()
            log = made
            self.log(.info, "the replication slot '\(config.slot)' was made")
        }
        let position: PostgresPosition
        do {
            position = try withExtendedLifetime(log) {
                try PostgresSnapshot(context: context, server: server, slot: slot, exported: exported).run()
            }
        } catch let error as PostgresError where !error.isConnectionLost {
            let isDenied = error.state == "42501"
            throw ConnectError(
                .connect,
                "The snapshot failed: \(error)"
                    + (isDenied
                        ? ". The user needs SELECT on all tables that are captured, and USAGE on their schemas" : ""))
        }
        self.log(
            .info,
            "the snapshot ended after \((wallClockNanoseconds() - start) / 1_000_000) ms at \(position.lsn)")
        return position
    }

    // MARK: The log

    private func stream(_ context: PostgresContext, _ position: inout PostgresPosition) throws {
        var failureCount = 0
        var incremental: IncrementalSnapshot<PostgresServer>?
        var slotFailureCount = 0
        var slotFailureStart = ContinuousClock.now
        while true {
            var stream: PostgresStream?
            do {
                let next = try open(context, position, after: incremental)
                stream = next.stream
                try follow(context, next.log, next.stream) {
                    failureCount = 0
                    slotFailureCount = 0
                }
            } catch let error as PostgresError {
                context.whileFull = nil
                if queue.isStopped { throw StopError() }
                // Where the last event left off, in the middle of a transaction, too.
                if let stream {
                    position = stream.restart
                    incremental = stream.incremental
                }
                if error.state == "55006" {
                    if slotFailureCount == 0 { slotFailureStart = .now }
                    slotFailureCount += 1
                    try waitForSlot(error, slotFailureCount, since: slotFailureStart)
                    continue
                }
                failureCount += 1
                // A slot that was invalidated, and a part of the log that is gone.
                guard error.state != "55000", error.state != "58P01" else {
                    throw PostgresPlan.lost(config, position, error)
                }
                try retries.pause("Reading the log", error, failureCount)
            } catch let error as WireError {
                throw ConnectError(
                    .connect, "The log cannot be read behind \(stream?.position.lsn ?? position.lsn): \(error)")
            }
        }
    }

    /// The first tries follow one another sooner than `slot.retry.delay.ms`, as a reader that was killed is soon gone; there
    /// are as many more in the time that all tries may take.
    private func waitForSlot(_ error: PostgresError, _ count: Int, since start: ContinuousClock.Instant) throws {
        guard
            count <= config.slotRetryCountMax
                || .now - start < config.slotRetryWait * min(config.slotRetryCountMax, 10_000)
        else {
            throw ConnectError(
                .connect,
                "The replication slot '\(config.slot)' is in use: \(error). Every connector needs a slot.name of its own; "
                    + "SELECT * FROM pg_stat_replication shows who reads")
        }
        log(.warning, "the replication slot '\(config.slot)' is in use and is tried again: \(error)")
        if !queue.sleep(min(config.slotRetryWait, .milliseconds(250 * (1 << min(count - 1, 8))))) { throw StopError() }
    }

    private func open(
        _ context: PostgresContext, _ position: PostgresPosition, after last: IncrementalSnapshot<PostgresServer>?
    ) throws -> (log: PostgresLog, stream: PostgresStream) {
        let server = try connect()
        if context.tableIDs.isEmpty { _ = try server.readTables(context) }
        let log = try PostgresLog(config, handle: handle())
        try log.start(at: position.commitLSN)
        let incremental =
            config.signalTable == nil && !config.hasOuterSignals
            ? nil
            : IncrementalSnapshot(context, entries: position.incremental, after: last) { [self] in try connect() }
        if let reselection = config.shared.reselection {
            context.completion = try Reselector(reselection, context) { [self] in try connect() }
        }
        let stream = try PostgresStream(context, position: position, incremental: incremental) {
            PostgresCatalog(connection: server.connection, types: context.types)
        }
        return (log, stream)
    }

    /// Reads until the connection breaks.
    ///
    /// - Parameter onMessage: once the log has told something.
    private func follow(
        _ context: PostgresContext, _ log: PostgresLog, _ stream: PostgresStream, onMessage: () -> Void
    ) throws {
        var told = Lsn(rawValue: 0)
        var lastStatus = ContinuousClock.now
        var lastXmin: ContinuousClock.Instant?
        func report() throws(PostgresError) {
            told = flushed(context, stream)
            lastStatus = .now
            try log.confirm(told, received: stream.received, microseconds: wallClockNanoseconds() / 1000)
        }
        context.whileFull = {
            // A broken connection is found by the next read, when what waits is in the queue.
            do throws(PostgresError) { try report() } catch {}
        }
        defer { context.whileFull = nil }
        try report()
        var wantsAnswer = false
        while true {
            if queue.isStopped { throw StopError() }
            let before = stream.messageCount
            wantsAnswer = try log.connection.nextMessage(waiting: 250) { try stream.read($0) } ?? false
            if stream.messageCount > before { onMessage() }
            try stream.takeSignals(inbox)
            // The clock is looked at now and then only while messages come one after the other.
            guard wantsAnswer || stream.messageCount == before || stream.messageCount % 256 == 0 else { continue }
            let now = ContinuousClock.now
            if wantsAnswer || now - lastStatus >= config.statusInterval || flushed(context, stream) > told {
                try report()
            }
            if let interval = config.xminInterval, lastXmin.map({ now - $0 >= interval }) ?? true {
                lastXmin = now
                stream.setXmin(try connect().slot()?.xmin)
            }
        }
    }

    /// The end of what the server may forget.
    private func flushed(_ context: PostgresContext, _ stream: PostgresStream) -> Lsn {
        let committed = state.withLock { $0.committed } ?? Lsn(rawValue: 0)
        switch config.flushing {
        case .manual: return Lsn(rawValue: 0)
        case .connector: return committed
        case .connectorAndDriver:
            // Nothing has come that is not stored.
            return stream.isBetweenTransactions && context.lastChange <= committed
                ? max(committed, stream.position.commitLSN) : committed
        }
    }
}
