import ConnectCore
import HTTPCalls

/// Gathers documents and sends them in requests of many. What is gathered is sent before offsets are committed, so all that
/// were put may be.
///
/// `@unchecked Sendable`: the contract has one caller at a time for everything but `stop`, which ends pauses by `pause`; the
/// client is closed when nothing runs any more.
final class SearchSinkTask: SinkTask, @unchecked Sendable {
    private let settings: SearchSettings
    private let context: any SinkTaskContext
    private let maker: DocumentMaker
    private let names: IndexNames
    private let pause = TaskPause()
    private var client: SearchClient?
    private var sender: BulkSender?
    /// Names by topic, of indexes that are there.
    private var known: [String: String] = [:]
    private var mapped: Set<String> = []
    private var gathered: [DocumentAction] = []
    private var oldest: ContinuousClock.Instant?
    /// A document was refused whose record may count as delivered: nothing may be committed any more.
    private var failure: ConnectError?
    /// A shorter wait than this is not worth another call.
    private static let lingerMin = Duration.milliseconds(20)

    init(_ settings: SearchSettings, _ context: any SinkTaskContext) {
        self.settings = settings
        self.context = context
        maker = DocumentMaker(settings)
        names = IndexNames(settings: settings)
    }

    func start() async throws(ConnectError) {
        let log: @Sendable (TaskLogLevel, String) -> Void = { [context] in context.log($0, $1) }
        let client = try SearchClient(settings, pause, log)
        self.client = client
        let major = try await client.majorVersion()
        let typeName = major.map { $0 < 7 } ?? false ? settings.typeName : nil
        sender = BulkSender(settings: settings, client: client, typeName: typeName, log: log)
    }

    func put(_ records: [ConnectRecord]) async throws(ConnectError) {
        for record in records {
            try await gather(record)
            if gathered.count >= settings.bufferedCountMax { try await flush(onlyFull: false) }
        }
        let hasWaited = oldest.map { .now - $0 >= settings.linger } ?? false
        try await flush(onlyFull: settings.linger > Self.lingerMin && !hasWaited)
    }

    func preCommit(_ offsets: [SinkPartition: Int64]) async throws(ConnectError) -> [SinkPartition: Int64] {
        if let failure { throw failure }
        try await flush(onlyFull: false)
        return offsets
    }

    func close(_ partitions: [SinkPartition]) async {
        let gone = Set(partitions)
        // Not counted as done: they come again where the partitions are now.
        gathered.removeAll {
            guard case .sink(let topic, let partition, _, _) = $0.record.origin else { return false }
            return gone.contains(SinkPartition(topic: topic, partition: partition))
        }
    }

    func stop() async {
        pause.end()
        await client?.close()
        client = nil
        sender = nil
    }

    private func gather(_ record: ConnectRecord) async throws(ConnectError) {
        // A record that does nothing must not make an index.
        if record.value.value.isNull, settings.onNull == .ignore {
            guard settings.reportsNulls else { return }
            return try await context.report(record, ConnectError(.connect, "Cannot write null valued record."))
        }
        let index = try await index(record)
        do throws(ConnectError) {
            guard let action = try maker.action(record, index: index) else { return }
            gathered.append(action)
            if oldest == nil { oldest = .now }
        } catch {
            if settings.reportsFailures { try await context.report(record, error) }
            guard settings.dropsInvalid else { throw error }
            context.log(.error, "Can't convert \(DocumentMaker.place(record)): \(error.message)")
        }
    }

    /// The name of the index, which is there with its mapping when this returns.
    private func index(_ record: ConnectRecord) async throws(ConnectError) -> String {
        guard let client, let sender else { throw ConnectError(.connect, "The task was not started") }
        let name: String
        if let there = known[record.topic] {
            name = there
        } else {
            name = try names.name(record.topic)
            if !settings.isExternal { try await client.create(name, isDataStream: settings.dataStream != nil) }
            known[record.topic] = name
        }
        if !settings.ignoresSchema(record.topic), !record.value.value.isNull, !mapped.contains(name) {
            try await client.ensureMapping(name, record.value.schema, typeName: sender.typeName)
            mapped.insert(name)
        }
        return name
    }

    private func flush(onlyFull: Bool) async throws(ConnectError) {
        guard let sender, !gathered.isEmpty else { return }
        var batches = self.batches()
        var rest: [DocumentAction] = []
        if onlyFull, let last = batches.popLast() { rest = last }
        guard !batches.isEmpty else { return }
        let refusals: [BulkSender.Refusal]
        do {
            refusals = try await withThrowingTaskGroup(of: [BulkSender.Refusal].self) { group in
                var refusals: [BulkSender.Refusal] = []
                for (number, batch) in batches.enumerated() {
                    if number >= settings.inFlightCountMax { refusals += try await group.next() ?? [] }
                    group.addTask { try await sender.send(batch) }
                }
                for try await more in group { refusals += more }
                return refusals
            }
        } catch let error as ConnectError {
            throw error
        } catch {
            throw ConnectError(.connect, "\(error)")
        }
        gathered = rest
        oldest = rest.isEmpty ? nil : .now
        // Also those behind one that ends the task are reported.
        for refusal in refusals {
            do throws(ConnectError) { try await handle(refusal) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    private func batches() -> [[DocumentAction]] {
        var batches: [[DocumentAction]] = []
        var batch: [DocumentAction] = []
        var byteCount = 0
        for action in gathered {
            let size = action.byteCount
            if batch.count >= settings.batchCountMax
                || (!batch.isEmpty && byteCount + size > settings.batchByteCountMax)
            {
                batches.append(batch)
                batch = []
                byteCount = 0
            }
            batch.append(action)
            byteCount += size
        }
        batches.append(batch)
        return batches
    }

    private func handle(_ refusal: BulkSender.Refusal) async throws(ConnectError) {
        if settings.reportsFailures { try await context.report(refusal.action.record, refusal.failure) }
        guard refusal.isMalformed else { throw refusal.failure }
        switch settings.onMalformed {
        case .ignore: context.log(.debug, refusal.failure.message)
        case .warn: context.log(.warning, refusal.failure.message)
        case .fail: throw refusal.failure
        }
    }
}
