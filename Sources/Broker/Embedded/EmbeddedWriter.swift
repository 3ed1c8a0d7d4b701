import Bytes
import Cluster
import Environment
import KafkaMessages
import LogStorage
import NIOCore
import RecordBatches
import Synchronization

/// Writes to the broker in this process. An append is done when `submit` returns; the receipt waits for the disk where
/// the mode asks for it. As no answer can get lost on the way, `idempotent` needs no sequence numbers here.
///
/// Of a transaction only the whole has to be on disk, and when it commits: until `flush` its records are not forced, and
/// their receipts do not wait. With this process the transaction is over too, so that nobody can commit the rest of it.
final class EmbeddedWriter: RecordWriter {
    /// The Produce version whose rules apply: the newest, which allows every codec.
    private static let rulesVersion: Int16 = 13
    /// Records of one submit are split into batches of about this size.
    private static let batchByteCountMax = 512 << 10
    /// So much of a transaction waits for its end before it is forced.
    private static let unforcedByteCountMax = 8 << 20

    private let cluster: EmbeddedCluster
    /// What the records are a part of; nil outside of transactions.
    private let transaction: EmbeddedTransaction?
    private let waitsForDisk: Bool
    private let tellsOffsets: Bool
    private let isClosed = Atomic<Bool>(false)
    /// Receipts that are not answered yet.
    private let pending = Mutex<[ObjectIdentifier: WriteReceipt]>([:])
    /// Of a transaction: where each log must be durable up to, and of how many bytes.
    private let unforced = Mutex<(ends: [ObjectIdentifier: (Partition, Int64)], byteCount: Int)>(([:], 0))

    init(_ cluster: EmbeddedCluster, _ mode: WriterMode, _ transaction: EmbeddedTransaction? = nil) {
        self.cluster = cluster
        self.transaction = transaction
        switch mode {
        case .acks(let acks):
            waitsForDisk = acks == .all
            tellsOffsets = acks != .none
        case .idempotent:
            waitsForDisk = true
            tellsOffsets = true
        }
    }

    func submit(_ records: [ProducerRecord], to topic: String) async throws(ClusterError) -> WriteReceipt {
        try submitBlocking(records, to: topic)
    }

    func submitBlocking(_ records: [ProducerRecord], to name: String) throws(ClusterError) -> WriteReceipt {
        try checkOpen()
        let topic = try cluster.existing(name)
        let now = cluster.node.clock.now()
        let count = Int32(clamping: max(1, topic.partitions.count))
        let sticky = Int32.random(in: 0..<count)
        var byPartition: [Int32: [Int]] = [:]
        for (index, record) in records.enumerated() {
            let partition =
                record.partition ?? record.key.map { Partitioner.partition(ofKey: $0, partitionCount: count) } ?? sticky
            byPartition[partition, default: []].append(index)
        }
        var positions = [RecordPosition](repeating: RecordPosition(partition: 0, offset: -1), count: records.count)
        var syncs: [(Partition, Int64)] = []
        var failure: ClusterError?
        var hasAppended = false
        // What was appended before is not told of any more, so that it must not be committed.
        func failed(_ error: ClusterError) -> ClusterError {
            if hasAppended { transaction?.fail(error) }
            return error
        }
        let byteCountMax = min(
            Self.batchByteCountMax, topic.config.rules.byteCountMax, Int(clamping: topic.config.log.segmentBytes))
        for (number, indexes) in byPartition.sorted(by: { $0.key < $1.key }) {
            guard let partition = topic.partition(number) else {
                throw failed(ClusterError(.unknownTopicOrPartition, "partition \(name)-\(number) does not exist"))
            }
            var rest = indexes[...]
            var end: Int64?
            while !rest.isEmpty {
                let batch: [UInt8]
                let taken: Int
                do throws(ClusterError) {
                    (batch, taken) = try Self.batch(records, rest, now: now, byteCountMax: byteCountMax)
                } catch {
                    throw failed(error)
                }
                do throws(ClusterError) {
                    let (appended, addition) = try append(ByteBuffer(bytes: batch), partition, topic, now)
                    hasAppended = true
                    if let addition { syncs.append((addition.partition, addition.offset)) }
                    for (delta, index) in rest.prefix(taken).enumerated() {
                        positions[index] = RecordPosition(
                            partition: number, offset: tellsOffsets ? appended.baseOffset + Int64(delta) : -1)
                    }
                    end = appended.lastOffset + 1
                } catch {
                    // One record that is too large keeps none of the others back; a transaction is over with it.
                    guard error.code == .messageTooLarge || error.code == .recordListTooLarge, taken == 1,
                        transaction == nil
                    else { throw error }
                    failure = failure ?? error
                }
                rest = rest.dropFirst(taken)
            }
            if let end { syncs.append((partition, end)) }
        }
        return receipt(positions, syncs, failure)
    }

    func submit(batch: ByteBuffer, to partition: TopicPartition) async throws(ClusterError) -> WriteReceipt {
        try checkOpen()
        let topic = try cluster.existing(partition.topic)
        let target = try cluster.existing(partition)
        // As by way of a client, which reads the batch before it sends it.
        let header = try? BatchHeader(batch.readableBytesSpan)  // why it is none does not matter
        guard header?.byteCount == batch.readableBytes else {
            throw ClusterError(
                .corruptMessage, "\(batch.readableBytes) bytes for \(partition) are not one record batch")
        }
        let (appended, addition) = try append(batch, target, topic, cluster.node.clock.now())
        let position = RecordPosition(partition: partition.partition, offset: tellsOffsets ? appended.baseOffset : -1)
        let syncs = [(target, appended.lastOffset + 1)] + (addition.map { [($0.partition, $0.offset)] } ?? [])
        return receipt([position], syncs)
    }

    func flush() async {
        force()
        for receipt in pending.withLock({ Array($0.values) }) {
            // The failure is the receipt's to tell.
            _ = try? await receipt.positions()
        }
    }

    /// Begins to force what was written of the transaction so far.
    func force() {
        let syncs = unforced.withLock { unforced in
            defer { unforced = ([:], 0) }
            return Array(unforced.ends.values)
        }
        if !syncs.isEmpty { _ = forced(syncs, .success([])) }
    }

    /// The transaction does not count: nothing of it needs to be on disk.
    func forget() { unforced.withLock { $0 = ([:], 0) } }

    func close() async {
        isClosed.store(true, ordering: .releasing)
        await flush()
    }

    private func checkOpen() throws(ClusterError) {
        if isClosed.load(ordering: .acquiring) { throw ClusterError(.invalidRequest, "the writer is closed") }
    }

    /// A batch of the first records that fit into one, of the first one at least.
    private static func batch(
        _ records: [ProducerRecord], _ indexes: ArraySlice<Int>, now: Int64, byteCountMax: Int
    ) throws(ClusterError) -> (bytes: [UInt8], taken: Int) {
        do throws(WireError) {
            var builder = BatchBuilder()
            var taken = 0
            for index in indexes {
                let record = records[index]
                let key = record.key.map { Array($0.readableBytesView) }
                let value = record.value.map { Array($0.readableBytesView) }
                let byteCount = BatchBuilder.byteCountMax(key: key, value: value, headers: record.headers)
                if taken > 0 && builder.uncompressedByteCount + byteCount > byteCountMax { break }
                try builder.append(
                    timestamp: record.timestamp ?? now, key: key, value: value, headers: record.headers)
                taken += 1
            }
            return (try builder.build(), taken)
        } catch {
            throw ClusterError(.invalidRecord, "records cannot be encoded: \(error)")
        }
    }

    private func append(
        _ batch: ByteBuffer, _ partition: Partition, _ topic: Topic, _ now: Int64
    ) throws(ClusterError) -> (AppendResult, TransactionCoordinators.Addition?) {
        guard let transaction else { return try append(batch, partition, topic, nil, now) }
        unforced.withLock { $0.byteCount += batch.readableBytes }
        return try transaction.append(batch, to: TopicPartition(topic.name, partition.index)) {
            stamped throws(ClusterError) in try append(stamped, partition, topic, transaction.id, now)
        }
    }

    private func append(
        _ batch: ByteBuffer, _ partition: Partition, _ topic: Topic, _ transactionalId: String?, _ now: Int64
    ) throws(ClusterError) -> (AppendResult, TransactionCoordinators.Addition?) {
        let result = cluster.node.append(
            batch, to: partition, of: topic, version: Self.rulesVersion, transactionalId: transactionalId, now: now)
        switch result {
        case .success(let appended): return (appended.result, appended.addition)
        case .failure(let failure):
            throw ClusterError(
                .init(rawValue: failure.code.rawValue), "write to \(topic.name)-\(partition.index): \(failure.message)")
        }
    }

    /// - Parameter refusal: of a record of the call; the others are written.
    private func receipt(
        _ positions: [RecordPosition], _ syncs: [(Partition, Int64)], _ refusal: ClusterError? = nil
    ) -> WriteReceipt {
        let outcome = refusal.map { Result.failure($0) } ?? .success(positions)
        guard waitsForDisk, cluster.node.syncsBeforeAnswer, !syncs.isEmpty else { return WriteReceipt(outcome) }
        guard transaction != nil else { return forced(syncs, outcome) }
        let isMuch = unforced.withLock { unforced in
            for (partition, offset) in syncs {
                let key = ObjectIdentifier(partition)
                unforced.ends[key] = (partition, max(offset, unforced.ends[key]?.1 ?? 0))
            }
            return unforced.byteCount > Self.unforcedByteCountMax
        }
        if isMuch { force() }
        return WriteReceipt(outcome)
    }

    /// A receipt with that outcome once all logs are durable up to those offsets.
    private func forced(
        _ syncs: [(Partition, Int64)], _ outcome: Result<[RecordPosition], ClusterError>
    ) -> WriteReceipt {
        let receipt = WriteReceipt()
        let key = ObjectIdentifier(receipt)
        pending.withLock { $0[key] = receipt }
        let left = SyncCount(syncs.count)
        for (partition, offset) in syncs {
            cluster.node.syncScheduler.sync(partition, upTo: offset) { [self] failure in
                // Of a partition that was deleted in the middle of a transaction nothing has to be kept.
                let failure = transaction != nil && partition.isDeleted ? nil : failure
                guard let end = left.finish(failure) else { return nil }
                if let failure = end.failure {
                    let error = ClusterError(ControlError(failure), "force records to disk")
                    transaction?.fail(error)
                    receipt.resolve(.failure(error))
                } else {
                    receipt.resolve(outcome)
                }
                // Last: who flushes must not pass a failure that nobody has noted yet.
                pending.withLock { $0[key] = nil }
                return nil
            }
        }
        return receipt
    }
}

/// Counts down the partitions of one write.
private final class SyncCount: Sendable {
    private let state: Mutex<(left: Int, failure: LogError?)>

    init(_ count: Int) { state = Mutex((count, nil)) }

    /// - Returns: the outcome of all, from the last one; nil before.
    func finish(_ failure: LogError?) -> (failure: LogError?, Void)? {
        state.withLock { state in
            state.left -= 1
            if let failure, state.failure == nil { state.failure = failure }
            return state.left == 0 ? (state.failure, ()) : nil
        }
    }
}
