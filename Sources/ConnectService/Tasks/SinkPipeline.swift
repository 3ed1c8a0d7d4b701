import Cluster
import ConnectCore
import NIOCore
import RecordBatches

/// From a record as it was read to one for a sink: converters, transforms, what happens when they fail.
struct SinkPipeline: Sendable {
    private let environment: TaskEnvironment
    private let policy: ErrorPolicy
    private let letters: DeadLetters
    private let transforms: TransformChain
    private let converters: TaskConverters
    /// Whether records may become far larger than what was read.
    private let expands: Bool
    /// What a batch of such records may become; the last of them goes beyond it.
    private static let byteCountMax = 64 << 20

    init(_ environment: TaskEnvironment, _ policy: ErrorPolicy, _ letters: DeadLetters) throws(ConnectError) {
        self.environment = environment
        self.policy = policy
        self.letters = letters
        transforms = try TransformChain(environment.connector, clock: environment.parts.now)
        expands = transforms.expands
        converters = try TaskConverters(environment.connector, .sink, environment.parts)
    }

    /// A batch without the records that a transform dropped or that failed where that is tolerated. One call for all of
    /// them: each call from an actor changes threads twice.
    ///
    /// - Returns: `count` is how many were converted: fewer than given where they become too large together, at least one.
    func convert(_ raw: [ConsumerRecord]) async throws(TaskFailure) -> (records: [ConnectRecord], count: Int) {
        var records: [ConnectRecord] = []
        records.reserveCapacity(raw.count)
        var byteCount = 0
        for (index, record) in raw.enumerated() {
            guard let converted = try await convert(record) else { continue }
            records.append(converted)
            guard expands else { continue }
            byteCount += converted.key.value.contentByteCount + converted.value.value.contentByteCount
            if byteCount >= Self.byteCountMax { return (records, index + 1) }
        }
        return (records, raw.count)
    }

    /// - Returns: nil when a transform dropped the record, or it failed and that is tolerated.
    private func convert(_ record: ConsumerRecord) async throws(TaskFailure) -> ConnectRecord? {
        var failure: StageFailure
        do throws(StageFailure) { return try await attempt(record) } catch { failure = error }
        let start = ContinuousClock.now
        var attempt = 0
        while failure.error.isRetriable, await policy.pause(attempt: attempt, since: start, environment.control) {
            attempt += 1
            do throws(StageFailure) { return try await self.attempt(record) } catch { failure = error }
        }
        try await letters.take(record, at: SinkPlace(record), failure)
        return nil
    }

    private func attempt(_ record: ConsumerRecord) async throws(StageFailure) -> ConnectRecord? {
        let key: SchemaAndValue
        do throws(ConnectError) {
            key = try await converters.key.value(record.key.map { Array($0.readableBytesView) }, topic: record.topic)
        } catch {
            throw StageFailure(stage: .keyConverter, className: converters.keyClass, error: error)
        }
        let value: SchemaAndValue
        do throws(ConnectError) {
            value = try await converters.value.value(record.valueBytes, topic: record.topic)
        } catch {
            throw StageFailure(stage: .valueConverter, className: converters.valueClass, error: error)
        }
        var headers: [ConnectHeader] = []
        for header in record.headers {
            do throws(ConnectError) {
                headers.append(try await converters.header.header(header.key, header.value, topic: record.topic))
            } catch {
                throw StageFailure(stage: .headerConverter, className: converters.headerClass, error: error)
            }
        }
        let kind: ConnectRecord.TimestampKind =
            record.timestamp < 0 ? .none : record.timestampType == .logAppendTime ? .append : .create
        let made = ConnectRecord(
            topic: record.topic, partition: record.partition, key: key, value: value,
            timestamp: record.timestamp < 0 ? nil : record.timestamp, headers: headers,
            origin: .sink(
                topic: record.topic, partition: record.partition, offset: record.offset, timestampKind: kind))
        guard !transforms.isEmpty else { return made }
        do throws(ConnectError) {
            return try transforms.apply(made)
        } catch {
            throw StageFailure(stage: .transformation, className: transforms.failingClass(made), error: error)
        }
    }
}
