import Bytes
import RecordBatches

/// Builds record batches for tests: uncompressed, values of a given size, a correct checksum.
struct TestBatch {
    var count: Int32 = 1
    var valueByteCount = 10
    /// Timestamp of the first record; the others follow by one millisecond each.
    var timestamp: Int64 = 1000
    var producerId: Int64 = -1
    var producerEpoch: Int16 = -1
    var sequence: Int32 = -1
    var isTransactional = false
    /// Fills the values, so that batches differ.
    var salt: UInt8 = 0

    func bytes() -> [UInt8] {
        var records: [UInt8] = []
        for index in 0..<count {
            var record: [UInt8] = [0]  // attributes
            Varint.append(Int64(index), to: &record)  // timestamp delta
            Varint.append(Int64(index), to: &record)  // offset delta
            Varint.append(-1, to: &record)  // no key
            Varint.append(Int64(valueByteCount), to: &record)
            record += [UInt8](repeating: salt, count: valueByteCount)
            Varint.append(0, to: &record)  // no headers
            Varint.append(Int64(record.count), to: &records)
            records += record
        }
        var checked: [UInt8] = []
        checked.append(bigEndian: Int16(isTransactional ? 0x10 : 0))
        checked.append(bigEndian: count - 1)
        checked.append(bigEndian: timestamp)
        checked.append(bigEndian: timestamp &+ Int64(count - 1))
        checked.append(bigEndian: producerId)
        checked.append(bigEndian: producerEpoch)
        checked.append(bigEndian: sequence)
        checked.append(bigEndian: count)
        checked += records
        var bytes: [UInt8] = []
        bytes.append(bigEndian: Int64(0))
        bytes.append(bigEndian: Int32(9 + checked.count))
        bytes.append(bigEndian: Int32(-1))
        bytes.append(2)
        bytes.append(bigEndian: crc32c(checked.span.bytes))
        return bytes + checked
    }
}
