import ConnectCore

/// Writes records of each partition into its open objects and makes them complete when it is time.
///
/// A batch that comes again after a failure of the store goes on where it was: what was taken stays in memory, and its
/// offsets are known.
///
/// `@unchecked Sendable`: the contract has one caller at a time for everything but `stop`, which ends pauses by `pause`; what
/// runs at once inside a call works on objects of its own and is waited for.
final class ObjectStoreSinkTask: SinkTask, @unchecked Sendable {
    private let settings: ObjectStoreSettings
    private let store: any ObjectStore
    private let context: any SinkTaskContext
    private let pause: TaskPause
    private var writers: [SinkPartition: PartitionWriter] = [:]

    private static let atOnceMax = 4

    init(
        _ settings: ObjectStoreSettings, _ store: any ObjectStore, _ context: any SinkTaskContext, _ pause: TaskPause
    ) {
        self.settings = settings
        self.store = store
        self.context = context
        self.pause = pause
    }

    func start() async throws(ConnectError) { try await store.check() }

    func put(_ records: [ConnectRecord]) async throws(ConnectError) {
        do throws(ConnectError) {
            for writer in writers.values where !writer.closing.isEmpty { try await complete(writer) }
            for record in records { try await take(record) }
            let now = context.now
            for writer in writers.values where writer.isDue(now) {
                writer.close()
                try await complete(writer)
            }
            try await send()
        } catch {
            if error.isRetriable { context.retry(after: settings.retryBackoff) }
            throw error
        }
    }

    private func take(_ record: ConnectRecord) async throws(ConnectError) {
        guard case .sink(let topic, let partition, let offset, _) = record.origin else { return }
        let origin = SinkPartition(topic: topic, partition: partition)
        let writer: PartitionWriter
        if let known = writers[origin] {
            writer = known
        } else {
            writer = PartitionWriter(settings, store, origin, written: try await store.resume(origin))
            writers[origin] = writer
        }
        guard !writer.knows(offset) else { return }
        if record.value.value.isNull, settings.onNull == .ignore {
            if settings.reportsNulls {
                try await context.report(record, .data("Skipping null value record."))
            } else {
                context.log(.debug, "\(RecordPlace.text(record)) has no value and is passed over")
            }
            return writer.pass(offset)
        }
        let now = context.now
        var prepared: PartitionWriter.Prepared
        let hasToClose: Bool
        do throws(ConnectError) {
            if record.value.value.isNull, settings.onNull == .fail {
                throw ConnectError(
                    .connect,
                    "Null valued records are not writeable with current behavior.on.null.values 'settings. "
                        + "(\(RecordPlace.text(record)); ignore or write would pass it)")
            }
            prepared = try writer.prepare(record, now)
            hasToClose = try writer.hasToClose(before: prepared, now)
        } catch {
            try await context.report(record, error)
            return writer.pass(offset)
        }
        if hasToClose {
            writer.close()
            prepared.folder = prepared.ownFolder
            try await complete(writer)
        }
        let full: [OpenObject]
        do throws(ConnectError) { full = try writer.append(prepared, now) } catch {
            // What breaks an object is not one record's affair.
            guard error.code != .connect else { throw error }
            try await context.report(record, error)
            return writer.pass(offset)
        }
        if writer.isFull {
            writer.close()
            try await complete(writer)
        } else if !full.isEmpty {
            for object in full { try object.handOver() }
            try await send()
        }
    }

    /// Brings what is ready to the store, several objects at once.
    private func send() async throws(ConnectError) {
        var objects: [OpenObject] = []
        for writer in writers.values { objects += writer.objects.values }
        for object in objects { try object.handOver() }
        try await atOnce(objects) { (object) throws(ConnectError) in try await object.upload.send(early: false) }
        var total = objects.reduce(0) { $0 + $1.upload.pendingByteCount }
        guard total > settings.bufferedByteCountMax else { return }
        // Many objects, each less than a part: the largest go first.
        for object in objects.sorted(by: { $0.upload.pendingByteCount > $1.upload.pendingByteCount }) {
            guard total > settings.bufferedByteCountMax / 2 else { break }
            total -= object.upload.pendingByteCount
            try await object.upload.send(early: true)
            total += object.upload.pendingByteCount
        }
    }

    private func complete(_ writer: PartitionWriter) async throws(ConnectError) {
        let open = writer.closing.filter { !$0.isComplete }
        try await atOnce(open) { (object) throws(ConnectError) in try await object.complete() }
        if let tags = settings.tags {
            for object in writer.closing {
                do throws(ConnectError) {
                    try await store.tag(
                        object.upload.key,
                        [
                            ("startOffset", String(object.firstOffset)), ("endOffset", String(object.lastOffset)),
                            ("recordCount", String(object.recordCount)),
                        ] + tags)
                } catch {
                    guard !settings.failsWithoutTags else { throw error }
                    context.log(.warning, "\(object.upload.key) has no tags: \(error.message)")
                }
            }
        }
        try await writer.publish()
        writer.closed()
        context.requestCommit()
    }

    private func atOnce(
        _ objects: [OpenObject], _ body: @escaping @Sendable (OpenObject) async throws(ConnectError) -> Void
    ) async throws(ConnectError) {
        guard objects.count > 1 else {
            if let object = objects.first { try await body(object) }
            return
        }
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, object) in objects.enumerated() {
                    if number >= Self.atOnceMax { _ = try await group.next() }
                    group.addTask { try await body(object) }
                }
                try await group.waitForAll()
            }
        } catch let error as ConnectError {
            throw error
        } catch {
            throw ConnectError(.connect, "\(error)")
        }
    }

    func preCommit(_ offsets: [SinkPartition: Int64]) async throws(ConnectError) -> [SinkPartition: Int64] {
        var committable: [SinkPartition: Int64] = [:]
        for (partition, writer) in writers {
            await settle(writer)
            // Behind a batch that failed more may be written than the worker counts as put.
            guard let offset = writer.committable, offset <= offsets[partition] ?? offset else { continue }
            committable[partition] = offset
        }
        return committable
    }

    func committed(_ offsets: [SinkPartition: Int64]) async {
        for (partition, offset) in offsets {
            guard let writer = writers[partition] else { continue }
            writer.committed(offset)
            await settle(writer)
        }
    }

    /// Objects whose records are committed need no note any more. One that stays is looked at again later.
    private func settle(_ writer: PartitionWriter) async {
        do throws(ConnectError) { try await writer.settle() } catch {
            context.log(.warning, "\(error.message)")
        }
    }

    func close(_ partitions: [SinkPartition]) async {
        for partition in partitions { await writers.removeValue(forKey: partition)?.abort() }
    }

    func stop() async {
        pause.end()
        for writer in writers.values { await writer.abort() }
        writers = [:]
        await store.close()
    }
}
