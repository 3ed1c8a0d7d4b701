import Bytes
import Compression
import RecordBatches

/// Finds out which records of a batch stay, and writes the batch with those only.
///
/// Offsets, sequence numbers and the codec stay as they are: the batch covers the offsets it always covered. Kept records
/// are copied as bytes; only a new delete horizon, which takes the place of the base timestamp, changes their timestamp
/// deltas (KIP-534).
///
/// - SeeAlso: upstream `MemoryRecords.filterTo`.
struct BatchRewriter {
    /// The batch at hand, as `survey` left it.
    private var header: BatchHeader?
    /// The records of a compressed batch, decompressed.
    private var decompressed: [UInt8]?
    /// Where the records that stay lie: runs of neighbours.
    private var runs: [Range<Int>] = []
    /// Records that stay.
    private(set) var keptCount: Int32 = 0
    private(set) var hasTombstones = false
    private var maxTimestamp = Int64.min
    private var scratch: [UInt8] = []

    /// Bytes that may come out of a compressed batch.
    var decompressedByteCountMax: Int

    init(decompressedByteCountMax: Int) { self.decompressedByteCountMax = decompressedByteCountMax }

    /// Whether all records stay.
    var keepsAll: Bool { keptCount == header?.recordCount }

    /// Walks over the records of a whole batch.
    ///
    /// - Parameter keeps: whether a record stays; gets the bytes that the record's places refer to.
    mutating func survey(
        _ batch: UnsafeRawBufferPointer, _ header: BatchHeader,
        _ keeps: (RecordView, UnsafeRawBufferPointer) -> Bool
    ) throws(WireError) {
        self.header = header
        keptCount = 0
        hasTombstones = false
        maxTimestamp = .min
        runs.removeAll(keepingCapacity: true)
        decompressed = nil
        let payload = UnsafeRawBufferPointer(rebasing: batch[BatchHeader.byteCount...])
        let codec = try header.codec
        if codec == .none {
            try survey(records: payload, header, keeps)
        } else {
            let records = try codec.decompress(payload.bytes, limit: decompressedByteCountMax)
            decompressed = records
            let span = records.span.bytes
            try span.withUnsafeBytes { bytes throws(WireError) in try survey(records: bytes, header, keeps) }
        }
    }

    private mutating func survey(
        records bytes: UnsafeRawBufferPointer, _ header: BatchHeader,
        _ keeps: (RecordView, UnsafeRawBufferPointer) -> Bool
    ) throws(WireError) {
        let span = bytes.bytes
        var reader = RecordReader(count: header.recordCount)
        while let record = try reader.next(in: span) {
            guard keeps(record, bytes) else { continue }
            keptCount += 1
            if record.value == nil { hasTombstones = true }
            maxTimestamp = max(maxTimestamp, header.timestamp(of: record))
            if let last = runs.last, last.upperBound == record.bytes.lowerBound {
                runs[runs.count - 1] = last.lowerBound..<record.bytes.upperBound
            } else {
                runs.append(record.bytes)
            }
        }
        guard reader.at == bytes.count else {
            throw .corrupt("record batch with \(bytes.count - reader.at) bytes behind its records")
        }
    }

    /// The batch with the records that stay, out of `batch`, which was surveyed last.
    ///
    /// - Parameters:
    ///   - deleteHorizon: set as the batch's, in milliseconds since 1970; nil leaves it as it is.
    ///   - write: gets header and payload; length and checksum of the header are not made to fit yet.
    mutating func rewrite(
        _ batch: UnsafeRawBufferPointer, deleteHorizon: Int64?,
        _ write: (BatchHeader, UnsafeRawBufferPointer) throws(LogError) -> Void
    ) throws(LogError) {
        guard var header else { return }
        // The buffer is kept between batches; while it is filled it is this call's alone.
        var output: [UInt8] = []
        swap(&output, &scratch)
        output.removeAll(keepingCapacity: true)
        do throws(WireError) {
            if let decompressed = decompressed.take() {
                let span = decompressed.span.bytes
                try span.withUnsafeBytes { bytes throws(WireError) in
                    try copyRuns(of: bytes, header, deleteHorizon, into: &output)
                }
                output = try header.codec.compress(output.span.bytes)
            } else {
                let payload = UnsafeRawBufferPointer(rebasing: batch[BatchHeader.byteCount...])
                try copyRuns(of: payload, header, deleteHorizon, into: &output)
            }
        } catch {
            throw LogError(.corruptSegment, "batch at offset \(header.baseOffset): \(error)")
        }
        header.recordCount = keptCount
        if !header.attributes.isLogAppendTime { header.maxTimestamp = maxTimestamp }
        if let deleteHorizon {
            header.attributes.rawValue |= 0x40
            header.baseTimestamp = deleteHorizon
        }
        let span = output.span.bytes
        try span.withUnsafeBytes { bytes throws(LogError) in try write(header, bytes) }
        // A single huge batch must not keep its memory.
        if output.capacity <= 4 << 20 { scratch = output }
    }

    private func copyRuns(
        of bytes: UnsafeRawBufferPointer, _ header: BatchHeader, _ deleteHorizon: Int64?, into output: inout [UInt8]
    ) throws(WireError) {
        for run in runs {
            guard let deleteHorizon else {
                output.append(contentsOf: bytes[run])
                continue
            }
            let span = bytes.bytes
            var reader = RecordReader(count: .max, at: run.lowerBound)
            while reader.at < run.upperBound, let record = try reader.next(in: span) {
                // Between the length and the timestamp delta there is one byte of attributes.
                var at = record.bytes.lowerBound
                _ = try Varint.readInt(span, at: &at)
                let attributes = bytes[at]
                at += 1
                _ = try Varint.readLong(span, at: &at)
                let delta = header.timestamp(of: record) &- deleteHorizon
                let byteCount = 1 + Varint.byteCount(delta) + record.bytes.upperBound - at
                Varint.append(Int64(byteCount), to: &output)
                output.append(attributes)
                Varint.append(delta, to: &output)
                output.append(contentsOf: bytes[at..<record.bytes.upperBound])
            }
        }
    }
}

extension BatchHeader {
    /// From when on tombstones and markers of the batch may go, in milliseconds since 1970; nil before they were first
    /// cleaned.
    var deleteHorizon: Int64? { attributes.hasDeleteHorizon ? baseTimestamp : nil }

    /// The header of a batch of which only the offsets and the producer's state are left.
    var emptied: BatchHeader {
        var header = self
        header.attributes.rawValue &= 0x38  // timestamp type, transactional, control
        header.baseTimestamp = -1
        header.recordCount = 0
        return header
    }
}
