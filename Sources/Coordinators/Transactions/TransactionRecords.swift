import Bytes
import KafkaMessages
import NIOCore

/// The records of `__transaction_state`: key type 0, values of version 0 and 1, written as transaction.version 2 does.
///
/// - SeeAlso: upstream `TransactionLog`.
enum TransactionRecords {
    static let keyVersion: Int16 = 0
    static let valueVersion: Int16 = 1

    /// The longest transactional id that a key can hold.
    static let transactionalIdByteCountMax = Int(Int16.max)

    /// - Precondition: the id is not longer than `transactionalIdByteCountMax`.
    static func record(_ transactionalId: String, _ metadata: TransactionMetadata?) -> CoordinatorRecord {
        do {
            return try CoordinatorRecord(
                key: TransactionLogKey(transactionalId: transactionalId), keyVersion: keyVersion,
                value: metadata.map { (value(of: $0), valueVersion) })
        } catch {
            // Ids that are too long were refused, and version 1 has no other limits.
            preconditionFailure("the state of a transactional id cannot be written: \(error)")
        }
    }

    private static func value(of metadata: TransactionMetadata) -> TransactionLogValue {
        TransactionLogValue(
            producerId: metadata.producerId, previousProducerId: metadata.previousProducerId,
            nextProducerId: metadata.nextProducerId, producerEpoch: metadata.producerEpoch,
            transactionTimeoutMs: metadata.timeoutMs, transactionStatus: metadata.state.rawValue,
            transactionPartitions: metadata.state == .empty
                ? nil
                : metadata.sortedTopics.map {
                    TransactionLogValue.PartitionsSchema(topic: $0.name, partitionIds: $0.partitions)
                },
            transactionLastUpdateTimestampMs: metadata.lastUpdateTimestamp,
            transactionStartTimestampMs: metadata.startTimestamp,
            clientTransactionVersion: metadata.clientTransactionVersion)
    }

    /// - Returns: the transactional id and its state, which is nil for one that is gone; nil for a type of record that a
    ///   later release may have written.
    /// - Throws: `.unsupported` for a version of a later Kafka; `.truncated` or `.corrupt`.
    static func read(
        key: ByteBuffer, value: ByteBuffer?
    ) throws(WireError) -> (transactionalId: String, metadata: TransactionMetadata?)? {
        var keyReader = WireReader(key)
        let keyVersion = try keyReader.readInt16()
        guard keyVersion == Self.keyVersion else { return nil }
        let transactionalId = try TransactionLogKey(from: &keyReader, version: keyVersion).transactionalId
        guard let value else { return (transactionalId, nil) }
        var reader = WireReader(value)
        let version = try reader.readInt16()
        let fields = try TransactionLogValue(from: &reader, version: version)
        return (transactionalId, try metadata(of: fields))
    }

    private static func metadata(of fields: TransactionLogValue) throws(WireError) -> TransactionMetadata? {
        let dead: Int8 = 6
        guard fields.transactionStatus != dead else { return nil }
        guard let state = TransactionState(rawValue: fields.transactionStatus) else {
            throw .corrupt("transaction status \(fields.transactionStatus)")
        }
        guard fields.producerId >= 0, fields.producerEpoch >= 0 else {
            throw .corrupt("producer \(fields.producerId) with epoch \(fields.producerEpoch) in the transaction log")
        }
        var metadata = TransactionMetadata(
            producerId: fields.producerId, timeoutMs: fields.transactionTimeoutMs,
            lastUpdateTimestamp: fields.transactionLastUpdateTimestampMs)
        metadata.previousProducerId = fields.previousProducerId
        metadata.nextProducerId = fields.nextProducerId
        metadata.producerEpoch = fields.producerEpoch
        metadata.state = state
        metadata.startTimestamp = fields.transactionStartTimestampMs
        metadata.clientTransactionVersion = fields.clientTransactionVersion
        guard state != .empty else { return metadata }
        for topic in fields.transactionPartitions ?? [] {
            metadata.partitions[topic.topic, default: []].formUnion(topic.partitionIds)
        }
        return metadata
    }
}
