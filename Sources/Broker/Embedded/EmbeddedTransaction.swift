import Bytes
import Cluster
import KafkaMessages
import NIOCore
import RecordBatches
import Synchronization

/// The producer of one transactional id in this process: its id, epoch and sequence numbers, and the transaction that it
/// has open.
///
/// Works as transaction.version 2 of KIP-890: partitions and offsets join the transaction by being written, and every end
/// raises the epoch.
final class EmbeddedTransaction: Sendable {
    private enum Phase {
        case idle
        case open
        /// It can only be aborted.
        case failed(ClusterError)
        /// Another producer has the id: nothing can be done any more.
        case fenced(ClusterError)
    }

    private struct State {
        var producerId: Int64
        var producerEpoch: Int16
        var phase = Phase.idle
        /// Whether the coordinator may know of the transaction.
        var hasBegun = false
        /// The next sequence number per partition, in this epoch.
        var sequences: [TopicPartition: Int32] = [:]
    }

    let id: String
    private let requests: any RequestChannel
    private let state: Mutex<State>

    private init(_ id: String, _ requests: any RequestChannel, _ state: State) {
        self.id = id
        self.requests = requests
        self.state = Mutex(state)
    }

    /// Takes the transactional id, fencing whoever had it.
    static func take(
        _ id: String, timeout: Duration, _ requests: any RequestChannel
    ) async throws(ClusterError) -> EmbeddedTransaction {
        let attempt = "take the transactional id '\(id)'"
        let milliseconds = TimeAmount(timeout).nanoseconds / 1_000_000
        let answer = try await requests.coordinated(
            by: .transactionCoordinator(id), attempt, versions: 3...5, retried: [.concurrentTransactions]
        ) { _ in
            InitProducerIdRequest(transactionalId: id, transactionTimeoutMs: Int32(clamping: milliseconds))
        } code: {
            $0.errorCode
        }
        try check(answer.errorCode, attempt)
        return EmbeddedTransaction(
            id, requests, State(producerId: answer.producerId, producerEpoch: answer.producerEpoch))
    }

    func begin() throws(ClusterError) {
        try state.withLock { state throws(ClusterError) in
            switch state.phase {
            case .idle: state.phase = .open
            case .open, .failed:
                throw ClusterError(.invalidTxnState, "begin a transaction of '\(id)': one is open")
            case .fenced(let error): throw error
            }
        }
    }

    /// Stamps one batch as a part of the transaction and hands it to `append`. Batches of one producer enter a partition in
    /// the order of their sequence numbers, so this is done one at a time.
    func append<Appended>(
        _ batch: ByteBuffer, to partition: TopicPartition,
        _ append: (ByteBuffer) throws(ClusterError) -> Appended
    ) throws(ClusterError) -> Appended {
        try state.withLock { state throws(ClusterError) in
            switch state.phase {
            case .open: break
            case .idle: throw ClusterError(.invalidTxnState, "write to \(partition): no transaction is open")
            case .failed(let error), .fenced(let error): throw error
            }
            do throws(ClusterError) {
                let sequence = state.sequences[partition] ?? 0
                let (stamped, next) = try Self.stamp(batch, state.producerId, state.producerEpoch, sequence)
                state.hasBegun = true
                let appended = try append(stamped)
                state.sequences[partition] = next
                return appended
            } catch {
                throw note(error, &state)
            }
        }
    }

    /// The transaction cannot be committed any more because of `error`.
    func fail(_ error: ClusterError) { state.withLock { _ = note(error, &$0) } }

    private func note(_ error: ClusterError, _ state: inout State) -> ClusterError {
        let fencing: [ClusterError.Code] = [.producerFenced, .invalidProducerEpoch, .invalidProducerIdMapping]
        if fencing.contains(error.code) {
            let fenced = ClusterError(
                .producerFenced, error.message, hint: TransactionHint.fenced)
            state.phase = .fenced(fenced)
            return fenced
        }
        if case .open = state.phase { state.phase = .failed(error) }
        return error
    }

    func sendOffsets(
        _ offsets: [TopicPartition: CommittedOffset], of member: GroupIdentity
    ) async throws(ClusterError) {
        guard !offsets.isEmpty else { return }
        let attempt = "commit offsets of group '\(member.group)' in a transaction of '\(id)'"
        let (producerId, producerEpoch) = try working(attempt)
        let topics = Dictionary(grouping: offsets.sorted { $0.key < $1.key }, by: \.key.topic)
        let id = id
        do throws(ClusterError) {
            let answer = try await requests.coordinated(
                by: .groupCoordinator(member.group), attempt, versions: 5...5, retried: [.concurrentTransactions]
            ) { _ in
                TxnOffsetCommitRequest(
                    transactionalId: id, groupId: member.group, producerId: producerId, producerEpoch: producerEpoch,
                    generationId: member.generation, memberId: member.memberId, groupInstanceId: member.instanceId,
                    topics: topics.sorted { $0.key < $1.key }.map { topic, offsets in
                        .init(
                            name: topic,
                            partitions: offsets.map { partition, offset in
                                .init(
                                    partitionIndex: partition.partition, committedOffset: offset.offset,
                                    committedLeaderEpoch: offset.leaderEpoch ?? -1, committedMetadata: offset.metadata)
                            })
                    })
            } code: { answer in
                answer.topics.lazy.flatMap(\.partitions).map(\.errorCode).first { $0 != 0 } ?? 0
            }
            for topic in answer.topics {
                for partition in topic.partitions { try check(partition.errorCode, attempt) }
            }
        } catch {
            throw state.withLock { note(error, &$0) }
        }
    }

    /// The producer, if its transaction can go on; the coordinator may know of it from now on.
    private func working(_ attempt: String) throws(ClusterError) -> (Int64, Int16) {
        try state.withLock { state throws(ClusterError) in
            switch state.phase {
            case .open: break
            case .idle: throw ClusterError(.invalidTxnState, "\(attempt): no transaction is open")
            case .failed(let error), .fenced(let error): throw error
            }
            state.hasBegun = true
            return (state.producerId, state.producerEpoch)
        }
    }

    /// Ends the transaction. All that was written in it is durable.
    func end(commits: Bool) async throws(ClusterError) {
        let attempt = (commits ? "commit" : "abort") + " a transaction of '\(id)'"
        let begun = try state.withLock { state throws(ClusterError) -> (Int64, Int16)? in
            switch state.phase {
            case .open: break
            case .failed(let error): if commits { throw error }
            case .idle:
                if commits { throw ClusterError(.invalidTxnState, "\(attempt): no transaction is open") }
                return nil
            case .fenced(let error): throw error
            }
            guard state.hasBegun else {
                state.phase = .idle
                return nil
            }
            return (state.producerId, state.producerEpoch)
        }
        guard let (producerId, producerEpoch) = begun else { return }
        let id = id
        do throws(ClusterError) {
            let answer = try await requests.coordinated(
                by: .transactionCoordinator(id), attempt, versions: 5...5, retried: [.concurrentTransactions]
            ) { _ in
                EndTxnRequest(
                    transactionalId: id, producerId: producerId, producerEpoch: producerEpoch, committed: commits)
            } code: {
                $0.errorCode
            }
            try check(answer.errorCode, attempt)
            state.withLock { state in
                state.phase = .idle
                state.hasBegun = false
                state.producerId = answer.producerId
                state.producerEpoch = answer.producerEpoch
                state.sequences = [:]
            }
        } catch {
            // Without an answer the outcome is unknown, and the same call asks for it again.
            throw error.code == .requestTimedOut ? error : state.withLock { note(error, &$0) }
        }
    }

    /// The batch with the producer's fields filled in, and the sequence number after it.
    private static func stamp(
        _ batch: ByteBuffer, _ producerId: Int64, _ producerEpoch: Int16, _ sequence: Int32
    ) throws(ClusterError) -> (ByteBuffer, next: Int32) {
        var stamped = batch
        do throws(WireError) {
            var header = try batch.withUnsafeReadableBytes { raw throws(WireError) in
                let header = try BatchHeader(raw.bytes)
                // The checksum is made anew below, so this is the last that can notice damage.
                guard header.byteCount == raw.count, header.producerId < 0, !header.attributes.isControl,
                    try header.checksumMatches(raw.bytes)
                else {
                    throw .corrupt("not exactly one valid batch without a producer id")
                }
                return header
            }
            header.attributes = .init(rawValue: header.attributes.rawValue | 0x10)
            header.producerId = producerId
            header.producerEpoch = producerEpoch
            header.baseSequence = sequence
            stamped.withUnsafeMutableReadableBytes { bytes in
                header.store(to: bytes)
                BatchPatch.updateChecksum(bytes)
            }
            let last = header.lastSequence
            return (stamped, last == .max ? 0 : last + 1)
        } catch {
            throw ClusterError(.corruptMessage, "write a batch: \(error)")
        }
    }
}

/// Writes transactions to the broker in this process.
final class EmbeddedTransactionalWriter: TransactionalWriter {
    private let transaction: EmbeddedTransaction
    private let writer: EmbeddedWriter

    init(_ cluster: EmbeddedCluster, _ transaction: EmbeddedTransaction) {
        self.transaction = transaction
        writer = EmbeddedWriter(cluster, .idempotent, transaction)
    }

    var transactionalId: String { transaction.id }

    func begin() throws(ClusterError) { try transaction.begin() }

    func sendOffsets(
        _ offsets: [TopicPartition: CommittedOffset], of member: GroupIdentity
    ) async throws(ClusterError) {
        writer.force()  // beside the offsets: they come last, as a rule
        try await transaction.sendOffsets(offsets, of: member)
    }

    func commit() async throws(ClusterError) {
        await writer.flush()
        try await transaction.end(commits: true)
    }

    func abort() async throws(ClusterError) {
        writer.forget()
        await writer.flush()
        try await transaction.end(commits: false)
    }

    func submit(_ records: [ProducerRecord], to topic: String) async throws(ClusterError) -> WriteReceipt {
        try await writer.submit(records, to: topic)
    }

    func submitBlocking(_ records: [ProducerRecord], to topic: String) throws(ClusterError) -> WriteReceipt {
        try writer.submitBlocking(records, to: topic)
    }

    func submit(batch: ByteBuffer, to partition: TopicPartition) async throws(ClusterError) -> WriteReceipt {
        try await writer.submit(batch: batch, to: partition)
    }

    func flush() async { await writer.flush() }

    func close() async {
        // An open transaction that cannot be aborted now ends by its timeout.
        try? await abort()
        await writer.close()
    }
}
