internal import ConnectCore
internal import Synchronization

/// Asks tables for new rows in turn, on a thread of its own: drivers block.
final class JDBCSourceTask: SourceTask {
    private let settings: SourceSettings
    private let tables: [SourceTable]
    /// Of the first task, which looks for others; nil where nobody looks.
    private let known: Set<SourceTable>?
    private let context: any SourceTaskContext
    private let thread = WorkThread()
    private let reader: SourceReader
    private let pause = TaskPause()
    /// When tables are looked for again.
    private let nextLook: Mutex<Int64>
    private static let restMax: Int64 = 500

    init(
        _ settings: SourceSettings, tables: [SourceTable], known: [SourceTable]?, _ context: any SourceTaskContext
    ) {
        self.settings = settings
        self.tables = tables
        self.known = known.map { Set($0) }
        self.context = context
        reader = SourceReader(settings) { context.log($0, $1) }
        nextLook = Mutex(context.now + settings.tableInterval)
    }

    func start() async throws(ConnectError) {
        let unused = settings.url.parameters.filter { !JDBCURL.knownParameters.contains($0.name.lowercased()) }
        if !unused.isEmpty {
            context.log(
                .warning,
                "Parameters of connection.url that have no meaning here: \(unused.map(\.name).joined(separator: ", "))")
        }
        let reader = reader
        try await SourceConnection.connect(reader, settings, thread, pause) { self.context.log(.warning, $0) }
        if !settings.query.isEmpty {
            let offset = try await context.offset(of: SourceOffset.queryPartition)
            let query = settings.query
            try await run { () throws(SourceFailure) in try reader.prepare(query: query, offset: offset) }
            return
        }
        var found: [(table: SourceTable, offset: ConnectMap?)] = []
        let stored = settings.mode == .bulk ? [] : try await context.offsets()
        for table in tables {
            let partitions = SourceOffset.partitions(table.id)
            let offset = partitions.lazy.compactMap { wanted in stored.first { $0.partition == wanted }?.offset }.first
            found.append((table, offset))
        }
        let list = found
        try await run { () throws(SourceFailure) in try reader.prepare(list) }
        guard known != nil else { return }
        let missing = try await run { () throws(SourceFailure) in try reader.tables().missing }
        if !missing.isEmpty {
            context.log(.warning, "table.whitelist has names that no table has: \(missing.joined(separator: ", "))")
        }
        if tables.isEmpty { context.log(.warning, "No tables were found so there's no work to be done.") }
    }

    private func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SourceFailure) -> Value
    ) async throws(ConnectError) -> Value {
        try await SourceConnection.run(reader, thread, body)
    }

    /// A query of all rows has no place to go on from: begun anew it would bring the first rows twice.
    var pauseEndsPoll: Bool { settings.mode != .bulk }

    func poll() async throws(ConnectError) -> SourcePoll {
        let reader = reader
        let end = context.now + Self.restMax
        while !pause.isEnded, !Task.isCancelled {
            let now = context.now
            await lookForTables(now)
            switch await SourceConnection.blocking(reader, thread, { reader.step(now: now) }) {
            case .records(let records): return SourcePoll(records)
            case .failed(let error): throw error
            case .nothing: if context.now >= end { return SourcePoll() }
            case .rest(let millis):
                let rest = min(millis, end - context.now)
                guard rest > 0 else { return SourcePoll() }
                await pause.wait(.milliseconds(rest))
                if context.now >= end { return SourcePoll() }
            }
        }
        return SourcePoll()
    }

    /// Asks for another round of tasks when there are other tables than before.
    private func lookForTables(_ now: Int64) async {
        guard let known, nextLook.withLock({ $0 }) <= now else { return }
        let reader = reader
        let result = await SourceConnection.blocking(reader, thread) { () -> Result<[SourceTable], SourceFailure>? in
            guard reader.isIdle else { return nil }
            do throws(SourceFailure) {
                return .success(try reader.tables().tables)
            } catch {
                reader.disconnect()
                return .failure(error)
            }
        }
        guard let result else { return }
        // Called off: it is looked again once the task goes on.
        if case .failure(.database) = result, reader.stop.isEnding { return }
        nextLook.withLock { $0 = now + settings.tableInterval }
        switch result {
        case .success(let tables):
            guard Set(tables) != known else { return }
            context.log(.info, "The database's tables are others than before: tasks are made anew")
            context.requestReconfiguration()
        case .failure(.final(let error)): context.log(.warning, error.message)
        case .failure(.database(let failure)):
            context.log(.warning, "Tables cannot be looked for now: \(failure.text(withDetail: true))")
        }
    }

    func stop() async {
        pause.end()
        let reader = reader
        reader.stop.stop()
        await thread.run { reader.disconnect() }
        thread.end()
    }
}

/// What connector and task do alike with a reader.
enum SourceConnection {
    /// - Throws: what the last of `connection.attempts` failed with.
    static func connect(
        _ reader: SourceReader, _ settings: SourceSettings, _ thread: WorkThread, _ pause: TaskPause,
        _ warn: (String) -> Void
    ) async throws(ConnectError) {
        let failure = await settings.attempts.run(pause, warn: warn) {
            await blocking(reader, thread) { () -> (failure: ConnectError, message: String, isPassing: Bool)? in
                do throws(SQLFailure) {
                    try reader.connect()
                    return nil
                } catch {
                    let message = "Cannot open the database: \(error.text(withDetail: true))"
                    return (ConnectError(.connect, message), message, error.reaction == .again)
                }
            }
        }
        if let failure { throw failure }
    }

    /// Runs what may wait for the database, which ends with the calling task. The reader is as good as before
    /// afterwards: a source that pauses is cancelled, and polled again when it goes on.
    static func blocking<Value: Sendable>(
        _ reader: SourceReader, _ thread: WorkThread, _ body: @escaping @Sendable () -> Value
    ) async -> Value {
        reader.stop.resume()
        return await withTaskCancellationHandler {
            await thread.run {
                reader.disconnectIfBroken()
                return body()
            }
        } onCancel: {
            reader.stop.interrupt()
        }
    }

    static func run<Value: Sendable>(
        _ reader: SourceReader, _ thread: WorkThread, _ body: @escaping @Sendable () throws(SourceFailure) -> Value
    ) async throws(ConnectError) -> Value {
        let result = await blocking(reader, thread) { () -> Result<Value, SourceFailure> in
            do throws(SourceFailure) { return .success(try body()) } catch { return .failure(error) }
        }
        switch result {
        case .success(let value): return value
        case .failure(.final(let error)): throw error
        case .failure(.database(let failure)):
            let hint = failure.finalHint.map { ": " + $0 } ?? ""
            throw ConnectError(.connect, "The tables cannot be looked at: \(failure.text(withDetail: true))\(hint)")
        }
    }
}
