import Cluster
import ConnectCore
import NIOCore
import Observability
import RecordBatches
import Synchronization

/// What becomes of records that a sink cannot take: the log, and the topic of dead letters.
///
/// - SeeAlso: KIP-298; upstream `DeadLetterQueueReporter`.
final class DeadLetters: Sendable {
    static let headerPrefix = "__connect.errors."

    private let environment: TaskEnvironment
    private let policy: ErrorPolicy
    /// nil when there is none.
    private let topic: String?
    private let replicationFactor: Int64
    private let hasHeaders: Bool
    private let writer = Mutex<(any RecordWriter)?>(nil)

    init(_ environment: TaskEnvironment, _ values: ConfigValues, _ policy: ErrorPolicy) {
        self.environment = environment
        self.policy = policy
        topic = values.text("errors.deadletterqueue.topic.name")
        replicationFactor = values.integer("errors.deadletterqueue.topic.replication.factor") ?? 3
        hasHeaders = values.flag("errors.deadletterqueue.context.headers.enable")
    }

    private var parts: WorkerParts { environment.parts }

    /// Takes the writer and makes the topic.
    func open() async throws(ConnectError) {
        guard let topic else { return }
        do throws(ClusterError) {
            do throws(ClusterError) {
                _ = try await parts.cluster.topic(topic)
            } catch {
                guard error.code == .unknownTopicOrPartition else { throw error }
                let brokers = try await parts.cluster.describeCluster().brokers.count
                let factor = max(1, min(Int64(brokers), replicationFactor))
                do throws(ClusterError) {
                    try await parts.cluster.createTopic(
                        NewTopic(topic, partitionCount: 1, replicationFactor: Int16(clamping: factor)),
                        validateOnly: false)
                } catch {
                    guard error.code == .topicAlreadyExists else { throw error }
                }
            }
            let opened = try await parts.cluster.writer(.idempotent)
            writer.withLock { $0 = opened }
        } catch {
            throw ConnectError(.connect, "Could not initialize dead letter queue with topic=\(topic): \(error)")
        }
    }

    /// Whether a failure leaves a trace where one can look for it.
    var leavesTrace: Bool { topic != nil || policy.logs }

    /// Writes the letter also of what ends the task, as the original does.
    ///
    /// - Parameter record: as it was read.
    /// - Throws: `TaskFailure` when errors are not tolerated, or the letter cannot be written.
    func take(_ record: ConsumerRecord?, at place: SinkPlace, _ failure: StageFailure) async throws(TaskFailure) {
        if policy.logs {
            let what = policy.logsRecords ? "consumed record is \(place.words(record))" : nil
            environment.log(.error, failure.logLine(environment.identity, record: what))
        }
        guard policy.toleratesAll else {
            do throws(TaskFailure) { try await write(record, at: place, failure) } catch {
                environment.log(.error, "\(error)")
            }
            throw failure.fatal
        }
        parts.figures.skipped.add()
        try await write(record, at: place, failure)
    }

    private func write(
        _ record: ConsumerRecord?, at place: SinkPlace, _ failure: StageFailure
    ) async throws(TaskFailure) {
        guard let topic, let open = writer.withLock({ $0 }) else { return }
        var headers = record?.headers ?? []
        if hasHeaders { headers += context(place, failure) }
        let letter = ProducerRecord(
            key: record?.key, value: record?.value, headers: headers,
            timestamp: record.flatMap { $0.timestamp < 0 ? nil : $0.timestamp })
        do throws(ClusterError) {
            _ = try await open.write([letter], to: topic)
        } catch {
            throw TaskFailure(
                ConnectError(.connect, "cannot write a dead letter to topic '\(topic)'"), cause: ConnectError(error))
        }
        parts.figures.deadLetters.add()
    }

    private func context(_ place: SinkPlace, _ failure: StageFailure) -> [RecordHeader] {
        let task = environment.identity
        return [
            ("topic", place.topic), ("partition", "\(place.partition)"), ("offset", "\(place.offset)"),
            ("connector.name", task.connector), ("task.id", "\(task.task)"), ("stage", failure.stage.rawValue),
            ("class.name", failure.className), ("exception.class.name", failure.error.javaClass),
            ("exception.message", failure.error.message),
            (
                "exception.stacktrace",
                TaskFailure(failure.error, at: failure.className).trace(of: task.description) + "\n"
            ),
        ].map { RecordHeader(key: Self.headerPrefix + $0.0, value: Array($0.1.utf8)) }
    }

    func close() async {
        let open = writer.withLock { writer in
            defer { writer = nil }
            return writer
        }
        await open?.close()
    }
}

/// Where a sink's record stands.
struct SinkPlace: Sendable, Hashable {
    var topic: String
    var partition: Int32
    var offset: Int64

    init(_ record: ConsumerRecord) {
        topic = record.topic
        partition = record.partition
        offset = record.offset
    }

    init?(_ record: ConnectRecord) {
        guard case .sink(let topic, let partition, let offset, _) = record.origin else { return nil }
        self.topic = topic
        self.partition = partition
        self.offset = offset
    }

    /// As lines of the log have it; with the time of a record that is still there.
    func words(_ record: ConsumerRecord?) -> String {
        let time = record.flatMap { $0.timestamp < 0 ? nil : ($0.timestamp, $0.timestampType.rawValue) }
        return "{topic='\(topic)', partition=\(partition), offset=\(offset)"
            + (time.map { ", timestamp=\($0), timestampType=\($1)" } ?? "") + "}"
    }
}
