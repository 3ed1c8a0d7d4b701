import Bytes
import Coordinators
import KafkaMessages
import LogStorage
import NIOCore
import RecordBatches

/// Why a batch was not appended.
struct AppendFailure: Error {
    var code: ErrorCode
    var message: String
    /// The records at fault where single ones are (`RecordErrors` of Produce).
    var faults: [BatchRejection.RecordFault] = []
}

/// A batch that is in the log.
struct Appended: Sendable {
    var result: AppendResult
    /// What must be durable, besides the batch, before anybody may rely on it.
    var addition: TransactionCoordinators.Addition?
}

extension BrokerNode {
    /// Checks one batch by the topic's rules, appends it and wakes those who wait for records. Synchronous: what it
    /// waits for at most is the page cache.
    ///
    /// - Parameters:
    ///   - version: of the Produce request that brought it.
    ///   - transactionalId: of the producer, for batches of a transaction.
    ///   - now: milliseconds since 1970.
    func append(
        _ batch: ByteBuffer, to partition: Partition, of topic: Topic, version: Int16, transactionalId: String? = nil,
        now: Int64
    ) -> Result<Appended, AppendFailure> {
        let bytes = batch.readableBytesSpan
        do throws(BatchRejection) {
            let admitted = try topic.config.rules.admit(bytes, version: version, now: now)
            guard admitted.header.byteCount <= Int(topic.config.log.segmentBytes) else {
                return .failure(
                    AppendFailure(
                        code: .recordListTooLarge,
                        message: "Message batch size is \(admitted.header.byteCount) bytes in append to partition "
                            + "\(topic.name)-\(partition.index), which exceeds the maximum configured segment size of "
                            + "\(topic.config.log.segmentBytes)."))
            }
            var addition: TransactionCoordinators.Addition?
            var opens = false
            let producer = TransactionProducer(
                producerId: admitted.header.producerId, producerEpoch: admitted.header.producerEpoch)
            if admitted.header.attributes.isTransactional {
                opens = partition.log.openTransaction(producerId: producer.producerId) == nil
                do throws(ControlError) {
                    addition = try begin(producer, transactionalId, in: partition, version: version)
                } catch {
                    return .failure(AppendFailure(code: error.code, message: error.message ?? error.code.name))
                }
            }
            let appended: AppendResult
            do throws(LogError) {
                // With transaction.version 2 every transaction has an epoch of its own, whose sequences begin with 0.
                let beginsAtZero =
                    admitted.header.attributes.isTransactional && version >= Self.transactionVersion2Produce
                if let replacement = admitted.replacement {
                    appended = try partition.log.append(
                        replacement.span.bytes, header: admitted.header, now: now, firstSequenceIsZero: beginsAtZero)
                } else {
                    appended = try partition.log.append(
                        bytes, header: admitted.header, now: now, firstSequenceIsZero: beginsAtZero)
                }
            } catch {
                alarm.note(error)
                return .failure(AppendFailure(code: ErrorCode(rawValue: error.kafkaCode), message: error.message))
            }
            if !appended.isDuplicate {
                metrics.noteProduced(
                    recordCount: appended.lastOffset - appended.baseOffset + 1, byteCount: bytes.byteCount)
                partition.wakeWaiters()
            }
            if opens, let transactionalId,
                let error = transactions.confirm(producer, transactionalId: transactionalId, in: partition)
            {
                return .failure(AppendFailure(code: error.code, message: error.message ?? error.code.name))
            }
            return .success(Appended(result: appended, addition: addition))
        } catch {
            return .failure(
                AppendFailure(
                    code: ErrorCode(rawValue: error.code.rawValue), message: error.message,
                    faults: error.faults.map { fault in
                        guard fault.message == BatchRejection.keyless else { return fault }
                        var named = fault
                        named.message += " in topic partition \(topic.name)-\(partition.index)."
                        return named
                    }))
        }
    }

    /// Sees to it that a batch of a transaction is one of an open transaction to which the partition belongs (KIP-890).
    private func begin(
        _ producer: TransactionProducer, _ transactionalId: String?, in partition: Partition, version: Int16
    ) throws(ControlError) -> TransactionCoordinators.Addition? {
        guard let transactionalId, !transactionalId.isEmpty else {
            throw ControlError(
                .transactionalIdAuthorizationFailed,
                "a batch of a transaction without the transactional id of its producer")
        }
        switch transactions.begin(
            producer, transactionalId: transactionalId, in: partition,
            addsByItself: version >= Self.transactionVersion2Produce)
        {
        case .success(let addition): return addition
        case .failure(let error):
            throw ControlError(TransactionShard.produceCode(error.code, version: version), error.message)
        }
    }

    /// From this version of Produce on the client has finalized transaction.version 2.
    private static let transactionVersion2Produce: Int16 = 12
}
