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

    init(_ environment: TaskEnvironment, _ policy: ErrorPolicy, _ letters: DeadLetters) throws(ConnectError) {
        self.environment = environment
        self.policy = policy
        self.letters = letters
        transforms = try TransformChain(environment.connector, clock: environment.parts.now)
        converters = try TaskConverters(environment.connector, .sink, environment.parts)
    }

    /// A batch without the records that a transform dropped or that failed where that is tolerated. One call for all of
    /// them: each call from an actor changes threads twice.
    func convert(_ raw: [ConsumerRecord]) async throws(TaskFailure) -> [ConnectRecord] {
        var records: [ConnectRecord] = []
        records.reserveCapacity(raw.count)
        for record in raw {
            if let converted = try await convert(record) { records.append(converted) }
        }
        return records
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
