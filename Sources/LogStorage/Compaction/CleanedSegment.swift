import Bytes
import Environment
import RecordBatches
import Synchronization

/// The segment that takes the place of a group of segments, while it is written.
///
/// As long as every batch of a single source stays as it is, nothing is written at all: such a segment needs no
/// replacement. With the first change the files are made, and what came before is copied.
final class CleanedSegment {
    /// The open files, under their temporary names.
    struct Files {
        var log: any DiskFile
        var index: any DiskFile
        var timeIndex: any DiskFile
        /// nil when none of the sources has one.
        var txnIndex: (any DiskFile)?
    }

    /// After so many bytes they are forced to disk, so that little is left to be forced when a producer waits for the
    /// same device.
    private static let syncByteCount = 8 << 20

    let log: PartitionLog
    /// As the log will know it.
    private(set) var segment: Segment
    /// nil while nothing has changed.
    private(set) var files: Files?
    /// The only source, while nothing has changed.
    private var source: (any DiskFile)?
    private let hasTxnIndex: Bool
    private let indexIntervalBytes: Int32
    private let buffer: UnsafeMutableRawBufferPointer
    private var buffered = 0
    private var syncedByteCount = 0
    private let willWrite: (Int) throws(LogError) -> Void

    /// - Parameters:
    ///   - source: the file of a single source, which may turn out to need no change.
    ///   - hasTxnIndex: whether one of the sources has a transaction index.
    ///   - buffer: the caller's, for as long as this lives.
    ///   - willWrite: is told how many bytes are about to be written; may throw to end the work.
    init(
        _ log: PartitionLog, baseOffset: Int64, source: (any DiskFile)?, hasTxnIndex: Bool,
        buffer: UnsafeMutableRawBufferPointer, appendedAt: Int64, willWrite: @escaping (Int) throws(LogError) -> Void
    ) {
        self.log = log
        self.source = source
        self.hasTxnIndex = hasTxnIndex
        self.buffer = buffer
        self.willWrite = willWrite
        indexIntervalBytes = log.config.indexIntervalBytes
        segment = Segment(baseOffset: baseOffset, files: log.files, fileExists: true, now: appendedAt)
    }

    /// Takes over a batch as it is.
    func keep(_ batch: UnsafeRawBufferPointer, _ header: BatchHeader) throws(LogError) {
        if source == nil {
            try makeFiles()
            try write(batch)
        }
        try note(header)
    }

    /// Leaves out the batch that would be next.
    func drop() throws(LogError) { try makeFiles() }

    /// Takes a batch that has changed; length and checksum are made to fit.
    func put(_ changed: BatchHeader, _ payload: UnsafeRawBufferPointer) throws(LogError) {
        try makeFiles()
        var header = changed
        guard let length = Int32(exactly: BatchHeader.byteCount + payload.count - BatchHeader.prefixByteCount) else {
            throw LogError(.batchTooLarge, "cleaned batch at offset \(header.baseOffset) of '\(log.directory)'")
        }
        header.batchLength = length
        try withScratch(byteCount: BatchHeader.byteCount) { bytes throws(LogError) in
            header.store(to: bytes)
            let covered = UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(bytes)[BatchHeader.checksummedFrom...])
            bytes.storeBigEndian(crc32c(payload, seed: crc32c(covered)), at: 17)
            try write(UnsafeRawBufferPointer(bytes))
        }
        try write(payload)
        try note(header)
    }

    private func note(_ header: BatchHeader) throws(LogError) {
        let position = segment.byteCount
        // Positions in indexes have 32 bits; segments are below 2 GiB, and cleaning hardly ever makes one grow.
        guard position + header.byteCount <= Int(Int32.max) else {
            throw LogError(.batchTooLarge, "cleaned segment \(segment.baseOffset) of '\(log.directory)' beyond 2 GiB")
        }
        segment.note(header, at: position, indexIntervalBytes: indexIntervalBytes)
    }

    private func makeFiles() throws(LogError) {
        guard files == nil else { return }
        files = try log.makeCleanedFiles(segment.baseOffset, hasTxnIndex: hasTxnIndex)
        guard let source else { return }
        self.source = nil
        // What was taken over so far is the beginning of the source.
        let end = segment.byteCount
        var at = 0
        while at < end {
            let count = min(buffer.count, end - at)
            try willWrite(count)
            let read = try attempt("read '\(source.path)'") { () throws(DiskError) in
                try source.read(at: Int64(at), into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
            }
            guard read == count else {
                throw LogError(.corruptSegment, "segment '\(source.path)' ends at byte \(at + read)")
            }
            buffered = count
            try flush(at: at)
            at += count
        }
        buffered = 0
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws(LogError) {
        var rest = bytes
        while !rest.isEmpty {
            if buffered == buffer.count { try flush(at: flushed) }
            let count = min(rest.count, buffer.count - buffered)
            UnsafeMutableRawBufferPointer(rebasing: buffer[buffered..<(buffered + count)])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
            buffered += count
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// Bytes in the file.
    private var flushed = 0

    private func flush(at position: Int) throws(LogError) {
        guard let files, buffered > 0 else { return }
        try willWrite(buffered)
        try attempt("write '\(files.log.path)'") { () throws(DiskError) in
            try files.log.write(
                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<buffered]),
                UnsafeRawBufferPointer(start: nil, count: 0), at: Int64(position))
            flushed = position + buffered
            buffered = 0
            if flushed - syncedByteCount >= Self.syncByteCount {
                try files.log.sync()
                syncedByteCount = flushed
            }
            if segment.offsets.tail.count >= SparseIndex<OffsetEntry>.tailCountMax {
                try segment.times.spill(to: files.timeIndex)
                try segment.offsets.spill(to: files.index)
            }
        }
    }

    /// Writes and forces to disk what is left, so that the files are whole under their temporary names.
    ///
    /// - Parameter aborted: the transactions whose abort marker is in the segment and has to be told to readers.
    /// - Returns: false when nothing has changed, and there is nothing to put in place.
    func finish(aborted: [AbortedTransaction]) throws(LogError) -> Bool {
        guard let files else { return false }
        guard files.txnIndex != nil || aborted.isEmpty else {
            throw LogError(.corruptSegment, "aborted transactions without an index in '\(log.directory)'")
        }
        try flush(at: flushed)
        segment.noteTime()
        for transaction in aborted { segment.note(transaction) }
        try attempt("write '\(files.log.path)'") { () throws(DiskError) in
            try segment.times.spill(to: files.timeIndex)
            try segment.offsets.spill(to: files.index)
            if let txnIndex = files.txnIndex {
                try segment.aborted.spill(to: txnIndex)
                try txnIndex.sync()
            }
            try files.log.sync()
            try files.timeIndex.sync()
            try files.index.sync()
        }
        segment.indexesDurable = true
        segment.abortedIsDurable = true
        return true
    }
}
