package import Bytes

/// The end of a transaction in one partition: a batch of one control record.
///
/// | part  | bytes                                                |
/// |-------|------------------------------------------------------|
/// | key   | version, 2 bytes, 0; type, 2 bytes: 0 abort, 1 commit |
/// | value | version, 2 bytes, 0; coordinator epoch, 4 bytes      |
///
/// - SeeAlso: KIP-98; `EndTransactionMarker` of Kafka.
package struct ControlMarker: Equatable, Sendable {
    package enum Kind: Int16, Sendable {
        case abort = 0
        case commit = 1
    }

    package var kind: Kind
    package var coordinatorEpoch: Int32

    package init(kind: Kind, coordinatorEpoch: Int32) {
        self.kind = kind
        self.coordinatorEpoch = coordinatorEpoch
    }

    /// The marker as a batch; it takes one offset.
    ///
    /// - Parameter timestamp: milliseconds since 1970.
    package func batch(
        baseOffset: Int64 = 0, leaderEpoch: Int32 = -1, producerId: Int64, producerEpoch: Int16, timestamp: Int64
    ) throws(WireError) -> [UInt8] {
        var key: [UInt8] = []
        key.append(bigEndian: 0 as Int16)
        key.append(bigEndian: kind.rawValue)
        var value: [UInt8] = []
        value.append(bigEndian: 0 as Int16)
        value.append(bigEndian: coordinatorEpoch)
        var builder = BatchBuilder()
        builder.baseOffset = baseOffset
        builder.partitionLeaderEpoch = leaderEpoch
        builder.producerId = producerId
        builder.producerEpoch = producerEpoch
        builder.isTransactional = true
        builder.isControl = true
        try builder.append(timestamp: timestamp, key: key, value: value)
        return try builder.build()
    }

    /// The marker in a control batch; nil for control records of other types, which KRaft writes and readers skip.
    ///
    /// - Throws: `.truncated` or `.corrupt` when the batch or its record is not a control record.
    package init?(batch: borrowing RawSpan, header: BatchHeader) throws(WireError) {
        guard header.attributes.isControl else { throw .corrupt("record batch without control bit") }
        guard header.attributes.codecID == 0 else { throw .unsupported("compressed control batch") }
        guard batch.byteCount >= header.byteCount else { throw .truncated }
        let records = batch.extracting(BatchHeader.byteCount..<header.byteCount)
        var reader = RecordReader(count: header.recordCount)
        guard let record = try reader.next(in: records), let key = record.key, key.count >= 4 else {
            throw .corrupt("control batch without a control record")
        }
        guard let kind = Kind(rawValue: records.bigEndian(at: key.lowerBound + 2, as: Int16.self)) else { return nil }
        guard let value = record.value, value.count >= 6 else { throw .corrupt("transaction marker without value") }
        self.kind = kind
        coordinatorEpoch = records.bigEndian(at: value.lowerBound + 2, as: Int32.self)
    }
}
