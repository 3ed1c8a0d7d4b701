import Bytes

/// The file `<offset>.snapshot`: the producers as they were when the log ended at that offset. Big-endian.
///
/// | at | bytes | field                                    |
/// |---:|------:|------------------------------------------|
/// |  0 |     2 | version: 1                               |
/// |  2 |     4 | CRC-32C of what follows                  |
/// |  6 |     4 | number of entries                        |
///
/// and per entry:
///
/// | at | bytes | field                                    |
/// |---:|------:|------------------------------------------|
/// |  0 |     8 | `producerId`                             |
/// |  8 |     2 | `producerEpoch`                          |
/// | 10 |     4 | `lastSequence`, -1 when none             |
/// | 14 |     8 | `lastOffset`, -1 when none               |
/// | 22 |     4 | `offsetDelta`, see below                 |
/// | 26 |     8 | `timestamp`, -1 when not known           |
/// | 34 |     4 | `coordinatorEpoch`, -1 when none         |
/// | 38 |     8 | `currentTxnFirstOffset`, -1 when none    |
///
/// Kafka writes one entry per producer, with its newest batch. We write one for each remembered batch, oldest first, so
/// that a retry of any of them is recognised after a restart; Kafka's own reader keeps the last entry of an id.
///
/// An entry without a batch stands for a producer that has none in its epoch. Kafka ignores its `offsetDelta`; to us 0 says
/// that the epoch begins with sequence number 0, and -1 that the next number is not known.
///
/// - SeeAlso: upstream `ProducerStateManager.PID_SNAPSHOT_MAP_SCHEMA`.
enum ProducerSnapshot {
    private static let headerByteCount = 10
    private static let entryByteCount = 46

    static func encode(_ states: ProducerStates) -> [UInt8] {
        var entries: [UInt8] = []
        var count: Int32 = 0
        func append(_ id: Int64, _ producer: ProducerStates.Producer, _ batch: ProducerStates.AppendedBatch?) {
            entries.append(bigEndian: id)
            entries.append(bigEndian: producer.epoch)
            entries.append(bigEndian: batch?.lastSequence ?? -1)
            entries.append(bigEndian: batch?.lastOffset ?? -1)
            entries.append(bigEndian: batch?.offsetDelta ?? (producer.expectedSequence == 0 ? 0 : -1))
            entries.append(
                bigEndian: batch == producer.window.last ? producer.lastTimestamp : batch?.timestamp ?? -1)
            entries.append(bigEndian: producer.coordinatorEpoch)
            entries.append(bigEndian: producer.currentTxnFirstOffset)
            count += 1
        }
        for (id, producer) in states.producers.sorted(by: { $0.key < $1.key }) {
            if producer.isPending { continue }
            if producer.window.isEmpty { append(id, producer, nil) }
            for batch in producer.window { append(id, producer, batch) }
        }
        var body: [UInt8] = []
        body.append(bigEndian: count)
        body += entries
        var bytes: [UInt8] = []
        bytes.append(bigEndian: Int16(1))
        bytes.append(bigEndian: crc32c(body.span.bytes))
        return bytes + body
    }

    /// - Parameter now: becomes the time of last use of every producer.
    /// - Returns: nil when the bytes are not a whole snapshot of version 1.
    static func decode(_ bytes: [UInt8], now: Int64) -> ProducerStates? {
        let span = bytes.span.bytes
        guard bytes.count >= headerByteCount, span.bigEndian(at: 0, as: Int16.self) == 1,
            span.bigEndian(at: 2, as: UInt32.self) == crc32c(span.extracting(6..<bytes.count)),
            Int(span.bigEndian(at: 6, as: Int32.self)) * entryByteCount == bytes.count - headerByteCount
        else { return nil }
        var producers: [Int64: ProducerStates.Producer] = [:]
        for at in stride(from: headerByteCount, to: bytes.count, by: entryByteCount) {
            let id = span.bigEndian(at: at, as: Int64.self)
            let epoch = span.bigEndian(at: at + 8, as: Int16.self)
            let batch = ProducerStates.AppendedBatch(
                lastSequence: span.bigEndian(at: at + 10, as: Int32.self),
                offsetDelta: span.bigEndian(at: at + 22, as: Int32.self),
                lastOffset: span.bigEndian(at: at + 14, as: Int64.self),
                timestamp: span.bigEndian(at: at + 26, as: Int64.self))
            var producer = producers[id] ?? ProducerStates.Producer(epoch: epoch, usedAt: now)
            producer.begin(epoch: epoch)
            if batch.lastSequence >= 0 {
                guard batch.offsetDelta >= 0 else { return nil }
                producer.append(batch)
                producer.expectedSequence = nil
            } else if batch.offsetDelta == 0 {
                producer.expectedSequence = 0
            }
            producer.lastTimestamp = batch.timestamp  // of a marker, where one came after the last batch
            producer.coordinatorEpoch = span.bigEndian(at: at + 34, as: Int32.self)
            producer.currentTxnFirstOffset = span.bigEndian(at: at + 38, as: Int64.self)
            producers[id] = producer
        }
        return ProducerStates(producers)
    }
}
