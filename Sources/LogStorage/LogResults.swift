package import Environment

/// Offsets of a log at one moment.
package struct LogOffsets: Sendable, Equatable {
    /// The first offset that can be read.
    package var logStart: Int64
    /// The offset after the last record; the high watermark.
    package var logEnd: Int64
    /// The first offset of the oldest open transaction, else `logEnd`: what lies below is decided. Never below `logStart`.
    package var lastStable: Int64
    /// Everything below survives a crash.
    package var durableEnd: Int64
    /// Largest record timestamp; `Int64.min` in a log without records.
    package var maxTimestamp: Int64
}

package struct AppendResult: Sendable, Equatable {
    package var baseOffset: Int64
    package var lastOffset: Int64
    package var logStartOffset: Int64
    /// The batch was in the log already; the offsets are those of then.
    package var isDuplicate: Bool
}

/// Whole batches in one segment file. Stays readable while it lives, also when the segment is removed meanwhile.
package struct LogSlice: Sendable {
    /// nil when empty.
    package var file: (any DiskFile)?
    package var position: Int64
    package var byteCount: Int
    /// Base offset of the first batch, which may lie below the offset asked for.
    package var firstOffset: Int64
    /// Where to read on.
    package var nextOffset: Int64
    package var isEmpty: Bool { byteCount == 0 }

    static func empty(at offset: Int64) -> LogSlice {
        LogSlice(file: nil, position: 0, byteCount: 0, firstOffset: offset, nextOffset: offset)
    }

    /// The bytes of the slice.
    package func bytes() throws(LogError) -> [UInt8] {
        guard let file, byteCount > 0 else { return [] }
        let bytes = try attempt("read \(byteCount) bytes of '\(file.path)'") { () throws(DiskError) in
            try file.read(at: position, count: byteCount)
        }
        guard bytes.count == byteCount else {
            throw LogError(.corruptSegment, "segment '\(file.path)' ends before byte \(position + Int64(byteCount))")
        }
        return bytes
    }
}

/// One producer, for DescribeProducers.
package struct ProducerInfo: Sendable, Equatable {
    package var producerId: Int64
    package var epoch: Int16
    package var lastSequence: Int32
    /// Of the newest batch or marker, milliseconds since 1970; -1 when not known.
    package var lastTimestamp: Int64
    /// Of the last transaction marker, -1 when there was none.
    package var coordinatorEpoch: Int32
    /// -1 when no transaction is open.
    package var currentTxnFirstOffset: Int64
}

/// A transaction whose marker is not in the log yet.
package struct OpenTransaction: Sendable, Equatable {
    package var producerId: Int64
    package var producerEpoch: Int16
    package var firstOffset: Int64
    /// Of the last marker that the producer got, -1 when there was none.
    package var coordinatorEpoch: Int32
    /// Of the producer's newest batch, milliseconds since 1970.
    package var lastTimestamp: Int64
}

/// What opening a log found.
package struct RecoveryReport: Sendable, Equatable {
    /// The log was not closed cleanly and was scanned.
    package var wasUnclean = false
    /// Bytes whose checksums were verified.
    package var scannedByteCount: Int64 = 0
    /// Bytes cut off the end because they were not whole batches, or followed such.
    package var truncatedByteCount: Int64 = 0
    /// Records of whole batches among those bytes. A crash of the program leaves none there: the machine stopped before what
    /// lies before them was on disk, or something changed it.
    package var cutRecordCount: Int64 = 0
    package var rebuiltIndexCount = 0
    /// Records that had been made durable but are gone: the disk lost or changed them.
    package var lostRecordCount: Int64 = 0
    /// Offsets between others that no file has any more, though nothing deleted them; ascending.
    package var missing: [Range<Int64>] = []
    /// Why the log was cut, for the operator.
    package var reason: String?
}
