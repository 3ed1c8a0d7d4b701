import CRdKafka
import Glibc
import NIOCore
import Synchronization

/// Transactions of a remote cluster, through a librdkafka producer of its own.
///
/// When a transaction is aborted, librdkafka takes back what it had not sent: receipts of such records fail.
final class RemoteTransactionalWriter: TransactionalWriter {
    let transactionalId: String
    private let cluster: RemoteCluster
    private let timeout: Duration
    private let state: Mutex<State>
    /// librdkafka's transactional calls block, for as long as a transaction may take; so they have a thread of their own.
    private let calls = BlockingCalls(threadCountMax: 1)

    private struct State {
        var writer: RemoteWriter
        var isOpen = false
        /// Of the open transaction, those that have not succeeded yet.
        var receipts: [WriteReceipt] = []
    }

    init(_ cluster: RemoteCluster, _ id: String, timeout: Duration) throws(ClusterError) {
        transactionalId = id
        self.cluster = cluster
        self.timeout = timeout
        state = Mutex(State(writer: try Self.writer(cluster, id, timeout)))
    }

    private static func writer(
        _ cluster: RemoteCluster, _ id: String, _ timeout: Duration
    ) throws(ClusterError) -> RemoteWriter {
        try RemoteWriter(
            cluster,
            properties: [
                "transactional.id": id, "transaction.timeout.ms": String(timeout.milliseconds),
                // librdkafka wants no record to outlive its transaction.
                "message.timeout.ms": String(timeout.milliseconds),
            ])
    }

    private var writer: RemoteWriter { state.withLock { $0.writer } }

    var compresses: Bool { writer.compresses }

    /// Takes the transactional id.
    func start() async throws(ClusterError) {
        let timeout = cluster.requestTimeoutMilliseconds
        try await perform("take the transactional id '\(transactionalId)'") {
            rd_kafka_init_transactions($0, timeout)
        }
    }

    func begin() throws(ClusterError) {
        let attempt = "begin a transaction of '\(transactionalId)'"
        if let error = rd_kafka_begin_transaction(writer.handle.client) { throw failure(error, attempt) }
        state.withLock { $0.isOpen = true }
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
        let attempt = "commit a transaction of '\(transactionalId)'"
        do throws(ClusterError) {
            try await perform(attempt) { rd_kafka_commit_transaction($0, -1) }
        } catch {
            // librdkafka says that a record failed; the record's own failure says why.
            guard error.code != .producerFenced, let first = firstFailure else { throw error }
            throw first.during(attempt)
        }
        end()
    }

    func abort() async throws(ClusterError) {
        guard state.withLock({ $0.isOpen }) else { return }
        let hasFailed = firstFailure != nil
        try await perform("abort a transaction of '\(transactionalId)'") { rd_kafka_abort_transaction($0, -1) }
        end()
        guard hasFailed else { return }
        // librdkafka 2.0 counts a record that the broker refused among the sequence numbers, so that its next transaction
        // fails, too. A new producer begins with new ones.
        let old = writer
        let new = try Self.writer(cluster, transactionalId, timeout)
        state.withLock { $0.writer = new }
        await old.close()
        try await start()
    }

    private var firstFailure: ClusterError? { state.withLock { $0.receipts.lazy.compactMap(\.failure).first } }

    private func end() {
        state.withLock { state in
            state.isOpen = false
            state.receipts = []
        }
    }

    private func note(_ receipt: WriteReceipt) -> WriteReceipt {
        state.withLock { state in
            if state.receipts.count >= 1024 { state.receipts.removeAll { $0.isResolved && $0.failure == nil } }
            state.receipts.append(receipt)
        }
        return receipt
    }

    private func perform(
        _ attempt: String, _ call: @escaping @Sendable (OpaquePointer) -> OpaquePointer?
    ) async throws(ClusterError) {
        let writer = writer
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
        return ClusterError(.producerFenced, "\(error.message)", hint: TransactionHint.fenced)
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
            return note(try await writer.submit(records, to: topic))
        } catch {
            throw fatal("write to topic '\(topic)'") ?? error
        }
    }

    func submitBlocking(_ records: [ProducerRecord], to topic: String) throws(ClusterError) -> WriteReceipt {
        do throws(ClusterError) {
            return note(try writer.submitBlocking(records, to: topic))
        } catch {
            throw fatal("write to topic '\(topic)'") ?? error
        }
    }

    func submit(batch: ByteBuffer, to partition: TopicPartition) async throws(ClusterError) -> WriteReceipt {
        do throws(ClusterError) {
            return note(try await writer.submit(batch: batch, to: partition))
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
