import CRdKafka
import Glibc
import NIOCore
import Synchronization

/// Transactions of a remote cluster, through a librdkafka producer of its own.
///
/// When a transaction is aborted, librdkafka takes back what it had not sent: receipts of such records fail.
final class RemoteTransactionalWriter: TransactionalWriter {
    let transactionalId: String
    private let writer: RemoteWriter
    private let isOpen = Mutex(false)
    /// librdkafka's transactional calls block, for as long as a transaction may take; so they have a thread of their own.
    private let calls = BlockingCalls(threadCountMax: 1)
    private let startTimeout: Int32

    init(_ cluster: RemoteCluster, _ id: String, timeout: Duration) throws(ClusterError) {
        transactionalId = id
        startTimeout = cluster.requestTimeoutMilliseconds
        writer = try RemoteWriter(
            cluster,
            properties: [
                "transactional.id": id, "transaction.timeout.ms": String(timeout.milliseconds),
                // librdkafka wants no record to outlive its transaction.
                "message.timeout.ms": String(timeout.milliseconds),
            ])
    }

    /// Takes the transactional id.
    func start() async throws(ClusterError) {
        let timeout = startTimeout
        try await perform("take the transactional id '\(transactionalId)'") {
            rd_kafka_init_transactions($0, timeout)
        }
    }

    func begin() throws(ClusterError) {
        let attempt = "begin a transaction of '\(transactionalId)'"
        if let error = rd_kafka_begin_transaction(writer.handle.client) { throw failure(error, attempt) }
        isOpen.withLock { $0 = true }
    }

    func sendOffsets(
        _ offsets: [TopicPartition: CommittedOffset], of member: GroupIdentity
    ) async throws(ClusterError) {
        guard !offsets.isEmpty else { return }
        try await perform("commit offsets of group '\(member.group)' in a transaction of '\(transactionalId)'") {
            client in
            let list = rd_kafka_topic_partition_list_new(Int32(clamping: offsets.count))
            defer { rd_kafka_topic_partition_list_destroy(list) }
            for (partition, offset) in offsets {
                let entry = rd_kafka_topic_partition_list_add(list, partition.topic, partition.partition)
                entry?.pointee.offset = offset.offset
                if !offset.metadata.isEmpty {
                    // Freed with the list, by librdkafka's own `free`.
                    entry?.pointee.metadata = UnsafeMutableRawPointer(strdup(offset.metadata))
                    entry?.pointee.metadata_size = offset.metadata.utf8.count
                }
            }
            let metadata = rd_kafka_consumer_group_metadata_new_with_genid(
                member.group, member.generation, member.memberId, member.instanceId)
            defer { rd_kafka_consumer_group_metadata_destroy(metadata) }
            return rd_kafka_send_offsets_to_transaction(client, list, metadata, -1)
        }
    }

    func commit() async throws(ClusterError) {
        try await perform("commit a transaction of '\(transactionalId)'") { rd_kafka_commit_transaction($0, -1) }
        isOpen.withLock { $0 = false }
    }

    func abort() async throws(ClusterError) {
        guard isOpen.withLock({ $0 }) else { return }
        try await perform("abort a transaction of '\(transactionalId)'") { rd_kafka_abort_transaction($0, -1) }
        isOpen.withLock { $0 = false }
    }

    private func perform(
        _ attempt: String, _ call: @escaping @Sendable (OpaquePointer) -> OpaquePointer?
    ) async throws(ClusterError) {
        try await calls.run { [self] () throws(ClusterError) in
            if let error = call(writer.handle.client) { throw failure(error, attempt) }
        }
    }

    /// Takes over `error` and frees it.
    private func failure(_ error: OpaquePointer, _ attempt: String) -> ClusterError {
        fatal(attempt) ?? fencing(ClusterError(consuming: error, attempt))
    }

    private func fencing(_ error: ClusterError) -> ClusterError {
        guard error.code == .invalidProducerEpoch || error.code == .producerFenced else { return error }
        return ClusterError(
            .producerFenced, "\(error.message)", hint: "another producer has taken this transactional id")
    }

    /// Why this producer is over, if it is: librdkafka's other errors only point to that one.
    private func fatal(_ attempt: String) -> ClusterError? {
        var text = [CChar](repeating: 0, count: 512)
        let code = rd_kafka_fatal_error(writer.handle.client, &text, text.count)
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        return fencing(ClusterError(rdkafka: code, attempt, detail: RemoteCluster.string(text)))
    }

    // MARK: Records

    func submit(_ records: [ProducerRecord], to topic: String) async throws(ClusterError) -> WriteReceipt {
        do throws(ClusterError) {
            return try await writer.submit(records, to: topic)
        } catch {
            throw fatal("write to topic '\(topic)'") ?? error
        }
    }

    func submitBlocking(_ records: [ProducerRecord], to topic: String) throws(ClusterError) -> WriteReceipt {
        do throws(ClusterError) {
            return try writer.submitBlocking(records, to: topic)
        } catch {
            throw fatal("write to topic '\(topic)'") ?? error
        }
    }

    func submit(batch: ByteBuffer, to partition: TopicPartition) async throws(ClusterError) -> WriteReceipt {
        do throws(ClusterError) {
            return try await writer.submit(batch: batch, to: partition)
        } catch {
            throw fatal("write to \(partition)") ?? error
        }
    }

    func flush() async { await writer.flush() }

    func close() async {
        // An open transaction that cannot be aborted now ends by its timeout.
        try? await abort()
        await writer.close()
    }
}
