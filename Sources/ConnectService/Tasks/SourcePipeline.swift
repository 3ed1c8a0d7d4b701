import Bytes
import Cluster
import ConnectCore
import NIOCore
import Observability
import RecordBatches
import Synchronization

/// From a source's record to a producer's: transforms, converters, what happens when they fail; and the topics.
final class SourcePipeline: Sendable {
    private let environment: TaskEnvironment
    private let policy: ErrorPolicy
    private let transforms: TransformChain
    private let converters: TaskConverters
    private let rules: TopicCreation?
    private let known = Mutex<Set<String>>([])
    /// The most bytes of a batch of each topic, where failures are tolerated and the cluster tells.
    private let limits = Mutex<[String: Int]>([:])

    init(_ environment: TaskEnvironment, _ policy: ErrorPolicy) throws(ConnectError) {
        self.environment = environment
        self.policy = policy
        transforms = try TransformChain(environment.connector, clock: environment.parts.now)
        converters = try TaskConverters(environment.connector, .source, environment.parts)
        rules = environment.parts.settings.createsTopics ? try TopicCreation(environment.connector) : nil
    }

    /// The records of a poll by topic, each topic's in their order, without those that a transform dropped or that
    /// failed where that is tolerated. One call for all of them: each call from an actor changes threads twice.
    ///
    /// - Throws: `TaskFailure`.
    func convert(_ polled: ArraySlice<ConnectRecord>) async throws -> [(topic: String, records: [ProducerRecord])] {
        var batches: [(topic: String, records: [ProducerRecord])] = []
        var last = -1
        for record in polled {
            guard let (topic, converted) = try await convert(record) else { continue }
            if last < 0 || batches[last].topic != topic {
                last = batches.firstIndex { $0.topic == topic } ?? -1
                if last < 0 {
                    batches.append((topic, []))
                    last = batches.count - 1
                    batches[last].records.reserveCapacity(polled.count)
                }
            }
            batches[last].records.append(converted)
        }
        return batches
    }

    /// How a task may write records of a topic itself; nil where transforms or converters need them as values.
    func writing(
        topic: String, key: ConnectSchema?, value: ConnectSchema
    ) async throws(ConnectError) -> RecordWriting? {
        guard transforms.isEmpty else { return nil }
        var keyWriting: PayloadWriting?
        if let key {
            keyWriting = try await converters.key.writing(key, topic: topic)
            if keyWriting == nil { return nil }
        } else if try await converters.key.bytes(.null, topic: topic) != nil {
            return nil  // this converter makes something of null
        }
        guard let valueWriting = try await converters.value.writing(value, topic: topic),
            try await converters.value.bytes(.null, topic: topic) == nil
        else { return nil }
        return RecordWriting(key: keyWriting, value: valueWriting)
    }

    /// Records that the task has written, for the producer.
    ///
    /// - Throws: `TaskFailure` when their headers cannot be written.
    func records(_ written: WrittenRecords) async throws -> [ProducerRecord] {
        let headers: [RecordHeader]
        do throws(StageFailure) {
            headers = try await self.headers(written.headers, topic: written.topic)
        } catch {
            throw error.fatal
        }
        let bytes = ByteBuffer(bytes: written.bytes)
        func slice(_ range: Range<Int>?) -> ByteBuffer? {
            range.flatMap { bytes.getSlice(at: bytes.readerIndex + $0.lowerBound, length: $0.count) }
        }
        return written.places.map { ProducerRecord(key: slice($0.key), value: slice($0.value), headers: headers) }
    }

    private func headers(_ headers: [ConnectHeader], topic: String) async throws(StageFailure) -> [RecordHeader] {
        var converted: [RecordHeader] = []
        for header in headers {
            do throws(ConnectError) {
                converted.append(
                    RecordHeader(key: header.name, value: try await converters.header.bytes(header, topic: topic)))
            } catch {
                throw StageFailure(stage: .headerConverter, className: converters.headerClass, error: error)
            }
        }
        return converted
    }

    /// - Returns: nil when a transform dropped the record, or it failed and that is tolerated.
    /// - Throws: `TaskFailure`.
    private func convert(_ record: ConnectRecord) async throws -> (topic: String, record: ProducerRecord)? {
        do throws(StageFailure) {
            return try await attempt(record)
        } catch {
            guard error.error.isRetriable else { return try skip(record, error) }
            return try await retry(record, error)
        }
    }

    private func retry(
        _ record: ConnectRecord, _ first: StageFailure
    ) async throws -> (topic: String, record: ProducerRecord)? {
        var failure = first
        let start = ContinuousClock.now
        var attempt = 0
        while failure.error.isRetriable, await policy.pause(attempt: attempt, since: start, environment.control) {
            attempt += 1
            do throws(StageFailure) { return try await self.attempt(record) } catch { failure = error }
        }
        return try skip(record, failure)
    }

    private func skip(
        _ record: ConnectRecord, _ failure: StageFailure
    ) throws -> (topic: String, record: ProducerRecord)? {
        if policy.logs {
            let what = policy.logsRecords ? "source record is = \(record.javaText)" : nil
            environment.log(.error, failure.logLine(environment.identity, record: what))
        }
        guard policy.toleratesAll else { throw failure.fatal }
        environment.parts.figures.skipped.add()
        return nil
    }

    private func attempt(
        _ given: ConnectRecord
    ) async throws(StageFailure) -> (topic: String, record: ProducerRecord)? {
        var record = given
        if !transforms.isEmpty {
            do throws(ConnectError) {
                guard let changed = try transforms.apply(given) else { return nil }
                record = changed
            } catch {
                throw StageFailure(stage: .transformation, className: transforms.failingClass(given), error: error)
            }
        }
        let key: [UInt8]?
        do throws(ConnectError) {
            key = try await converters.key.bytes(record.key, topic: record.topic)
        } catch {
            throw StageFailure(stage: .keyConverter, className: converters.keyClass, error: error)
        }
        let value: [UInt8]?
        do throws(ConnectError) {
            value = try await converters.value.bytes(record.value, topic: record.topic)
        } catch {
            throw StageFailure(stage: .valueConverter, className: converters.valueClass, error: error)
        }
        let headers = try await headers(record.headers, topic: record.topic)
        // -1 is Kafka's word for none.
        if record.timestamp == -1 { record.timestamp = nil }
        if let timestamp = record.timestamp, timestamp < 0 {
            throw StageFailure(
                stage: .valueConverter, className: converters.valueClass,
                error: ConnectError(.connect, "Invalid record timestamp \(timestamp)"))
        }
        return (
            record.topic,
            ProducerRecord(
                partition: record.partition, key: key.map { ByteBuffer(bytes: $0) },
                value: value.map { ByteBuffer(bytes: $0) }, headers: headers, timestamp: record.timestamp)
        )
    }

    /// Makes sure of a topic before the first record for it.
    func prepare(topic: String) async throws {
        guard !known.withLock({ $0.contains(topic) }) else { return }
        do throws(ConnectError) {
            try await TopicCreation.make(topic, rules, in: environment.parts.cluster)
        } catch {
            throw TaskFailure(error)
        }
        if policy.toleratesAll, let limit = await limit(of: topic) { limits.withLock { $0[topic] = limit } }
        known.withLock { _ = $0.insert(topic) }
        await environment.track(topic)
    }

    /// The most bytes of a batch; nil for a topic whose settings may not be read, which takes what it takes.
    private func limit(of topic: String) async -> Int? {
        let configs = try? await environment.parts.cluster.configs(of: .topic(topic))
        return configs?.first { $0.name == "max.message.bytes" }?.value.flatMap { Int($0) }
    }

    /// The records that are not too large for their topic, for a writer that sends them as they are. Others are passed
    /// over where failures are tolerated.
    func fitting(_ records: [ProducerRecord], topic: String) async -> [ProducerRecord] {
        guard policy.toleratesAll, let known = limits.withLock({ $0[topic] }),
            records.contains(where: { Self.byteCount($0, above: known) != nil })
        else { return records }
        // The setting may have been changed since: nothing is dropped by what it was.
        guard let limit = await limit(of: topic) else { return records }
        limits.withLock { $0[topic] = limit }
        return records.filter { record in
            guard let byteCount = Self.byteCount(record, above: limit) else { return true }
            environment.parts.figures.skipped.add()
            if policy.logs {
                let failure = StageFailure(
                    stage: .produce, className: "org.apache.kafka.connect.runtime.WorkerSourceTask",
                    error: ConnectError(
                        .connect,
                        "a record of \(byteCount) bytes is too large for topic '\(topic)', which takes \(limit)"))
                environment.log(.error, failure.logLine(environment.identity, record: nil))
            }
            return false
        }
    }

    /// The bytes of a batch of this record alone; nil when they are not more than `limit`.
    private static func byteCount(_ record: ProducerRecord, above limit: Int) -> Int? {
        let key = record.key.map { Array($0.readableBytesView) }
        let value = record.value.map { Array($0.readableBytesView) }
        let most = BatchBuilder.byteCountMax(key: key, value: value, headers: record.headers)
        if BatchHeader.byteCount + most <= limit { return nil }
        var builder = BatchBuilder()
        do throws(WireError) {
            try builder.append(timestamp: record.timestamp ?? 0, key: key, value: value, headers: record.headers)
        } catch {
            return nil  // the writer tells
        }
        let byteCount = builder.uncompressedByteCount
        return byteCount > limit ? byteCount : nil
    }
}
