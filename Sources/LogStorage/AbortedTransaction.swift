import Bytes

/// A transaction that was aborted in this partition; also the entry of `.txnindex`, in the index of the segment that holds
/// the marker. Entries ascend in `lastOffset` and never fall in `lastStableOffset`. Big-endian.
///
/// | at | bytes | field                                                                    |
/// |---:|------:|--------------------------------------------------------------------------|
/// |  0 |     2 | version: 0                                                               |
/// |  2 |     8 | `producerId`                                                             |
/// | 10 |     8 | `firstOffset`                                                            |
/// | 18 |     8 | `lastOffset`                                                             |
/// | 26 |     8 | `lastStableOffset`                                                       |
///
/// - SeeAlso: KIP-98 "Transaction Index"; upstream `AbortedTxn`, `TransactionIndex`.
package struct AbortedTransaction: Sendable, Equatable {
    package var producerId: Int64
    /// Offset of the first batch of the transaction.
    package var firstOffset: Int64
    /// Offset of the marker.
    package var lastOffset: Int64
    /// The last stable offset once the marker was there. Whoever reads below it has met, up to this entry, all aborted
    /// transactions of what they read.
    package var lastStableOffset: Int64
    var version: Int16 = 0

    package init(producerId: Int64, firstOffset: Int64, lastOffset: Int64, lastStableOffset: Int64) {
        self.producerId = producerId
        self.firstOffset = firstOffset
        self.lastOffset = lastOffset
        self.lastStableOffset = lastStableOffset
    }

    /// Whether this can be the entry after `previous` in the index of a segment with the offsets `range`.
    func follows(_ previous: AbortedTransaction?, in range: Range<Int64>) -> Bool {
        version == 0 && producerId >= 0 && range.contains(lastOffset) && 0..<lastOffset ~= firstOffset
            && 0...(lastOffset &+ 1) ~= lastStableOffset
            && lastOffset > previous?.lastOffset ?? -1 && lastStableOffset >= previous?.lastStableOffset ?? 0
    }
}

extension AbortedTransaction: IndexEntry {
    static let byteCount = 34

    init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        func integer(_ at: Int) -> Int64 {
            Int64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + at, as: Int64.self))
        }
        self.init(
            producerId: integer(2), firstOffset: integer(10), lastOffset: integer(18), lastStableOffset: integer(26))
        version = Int16(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self))
    }

    func append(to bytes: inout [UInt8]) {
        bytes.append(bigEndian: version)
        bytes.append(bigEndian: producerId)
        bytes.append(bigEndian: firstOffset)
        bytes.append(bigEndian: lastOffset)
        bytes.append(bigEndian: lastStableOffset)
    }
}
