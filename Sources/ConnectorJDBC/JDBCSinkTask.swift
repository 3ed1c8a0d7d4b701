internal import ConnectCore
internal import Synchronization

/// Takes records to the database, on a thread of its own: drivers block.
final class JDBCSinkTask: SinkTask {
    private let settings: SinkSettings
    private let context: any SinkTaskContext
    private let thread = WorkThread()
    private let writer: RecordWriter
    private let pause = TaskPause()
    private let remainingRetries: Mutex<Int>

    init(_ settings: SinkSettings, _ context: any SinkTaskContext) {
        self.settings = settings
        self.context = context
        remainingRetries = Mutex(settings.retryCountMax)
        writer = RecordWriter(settings) { context.log($0, $1) }
    }

    /// Each batch is a transaction, whose end waits for the database's disk: few and large ones are quick.
    var recordCountWanted: Int { min(max(500, settings.batchCountMax * 4), 12_000) }
    var readsAhead: Bool { true }

    func start() async throws(ConnectError) {
        let unused = settings.url.parameters.filter { !JDBCURL.knownParameters.contains($0.name.lowercased()) }
        if !unused.isEmpty {
            context.log(
                .warning,
                "Parameters of connection.url that have no meaning here: \(unused.map(\.name).joined(separator: ", "))")
        }
    }

    func open(_ partitions: [SinkPartition]) async throws(ConnectError) {
        guard settings.offsetsTable != nil else {
            let writer = writer
            await thread.run { writer.close(partitions) }
            return
        }
        // The offsets are needed now; a database that does not answer at all fails the task as it fails its start.
        try await connect()
        let writer = writer
        let result = await thread.run { () -> Result<[SinkPartition: Int64], WriteFailure> in
            do throws(WriteFailure) { return .success(try writer.open(partitions)) } catch { return .failure(error) }
        }
        switch result {
        case .success(let offsets): if !offsets.isEmpty { context.seek(offsets) }
        case .failure(let failure): throw failure.error
        }
    }

    func put(_ records: [ConnectRecord]) async throws(ConnectError) {
        guard !records.isEmpty else { return }
        do throws(WriteFailure) {
            try await ensureConnection()
            try await write(records)
        } catch {
            guard error.reaction == .again else { throw error.error }
            let mayRetry = remainingRetries.withLock { remaining in
                guard remaining > 0 else { return false }
                remaining -= 1
                return true
            }
            guard mayRetry else { throw error.error }
            context.log(.warning, "Write of \(records.count) records failed and is tried again: \(error.error.message)")
            context.retry(after: settings.retryPause)
            throw ConnectError(.retriable, error.error.message)
        }
        remainingRetries.withLock { $0 = settings.retryCountMax }
    }

    private func write(_ records: [ConnectRecord]) async throws(WriteFailure) {
        let writer = writer
        let isolates = settings.reportsFailures
        var next = 0
        while next < records.count {
            let first = next
            switch await thread.run({ writer.put(records, from: first, isolates: isolates) }) {
            case .done: next = records.count
            case .rejected(let index, let error):
                let record = records[index]
                do throws(ConnectError) {
                    try await context.report(record, error)
                } catch {
                    throw WriteFailure(.final, error)
                }
                await thread.run { writer.skip(record) }
                next = index + 1
            case .failed(let failure): throw failure
            }
        }
        if case .failed(let failure) = await thread.run({ writer.finish() }) { throw failure }
    }

    /// - Throws: what the last of `connection.attempts` failed with.
    private func ensureConnection() async throws(WriteFailure) {
        let writer = writer
        let thread = thread
        let failure = await settings.attempts.run(pause, warn: { context.log(.warning, $0) }) {
            await thread.run { () -> (failure: WriteFailure, message: String, isPassing: Bool)? in
                do throws(WriteFailure) {
                    try writer.connect()
                    return nil
                } catch {
                    return (error, error.error.message, error.reaction == .again)
                }
            }
        }
        if let failure { throw failure }
    }

    private func connect() async throws(ConnectError) {
        do throws(WriteFailure) {
            try await ensureConnection()
        } catch {
            throw error.error
        }
    }

    /// Everything that was put is in the database.
    func preCommit(_ offsets: [SinkPartition: Int64]) async throws(ConnectError) -> [SinkPartition: Int64] { offsets }

    func close(_ partitions: [SinkPartition]) async {
        let writer = writer
        await thread.run { writer.close(partitions) }
    }

    func stop() async {
        pause.end()
        let writer = writer
        await thread.run { writer.disconnect() }
        thread.end()
    }
}
