import Bytes
import Environment
import RecordBatches

/// Reads the batches of segment files one after the other, records included, with one buffer.
struct BatchScan: ~Copyable {
    private var buffer: UnsafeMutableRawBufferPointer
    private var file: (any DiskFile)?
    /// Bytes of the file that count.
    private var byteCount = 0
    private var bufferStart = 0
    private var bufferCount = 0
    /// Where the next batch begins.
    private(set) var position = 0
    private let capacity: Int

    /// - Parameter capacity: bytes read at a time; larger batches are read whole.
    init(capacity: Int) {
        self.capacity = max(4096, capacity)
        buffer = .allocate(byteCount: self.capacity, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// Begins with another file, or at another place.
    mutating func start(_ file: any DiskFile, from position: Int, upTo byteCount: Int) {
        self.file = file
        self.position = position
        self.byteCount = byteCount
        bufferCount = 0
    }

    /// Lets go of the file and of a buffer that has grown.
    mutating func stop() {
        file = nil
        byteCount = 0
        position = 0
        bufferCount = 0
        if buffer.count > capacity { resize(capacity) }
    }

    /// The next batch, moving `position` behind it; nil at the end. Its checksum was compared.
    ///
    /// - Parameter willRead: is told how many bytes are about to be read; may throw to end the work.
    /// - Returns: the bytes stay where they are until the next call.
    /// - Throws: `.corruptSegment` for bytes that are not the batches that were written.
    mutating func next(
        _ willRead: (Int) throws(LogError) -> Void
    ) throws(LogError) -> (header: BatchHeader, bytes: UnsafeRawBufferPointer)? {
        guard position < byteCount else { return nil }
        let header = try header(in: bytes(BatchHeader.byteCount, willRead))
        let bytes = UnsafeRawBufferPointer(rebasing: try bytes(header.byteCount, willRead)[..<header.byteCount])
        guard crc32c(UnsafeRawBufferPointer(rebasing: bytes[BatchHeader.checksummedFrom...])) == header.crc else {
            throw corrupt("CRC mismatch")
        }
        position += header.byteCount
        return (header, bytes)
    }

    private func header(in bytes: UnsafeRawBufferPointer) throws(LogError) -> BatchHeader {
        do throws(WireError) {
            let header = try BatchHeader(bytes.bytes)
            guard header.byteCount <= byteCount - position else { throw WireError.truncated }
            return header
        } catch {
            throw corrupt("\(error)")
        }
    }

    /// The bytes from `position` on, at least `count`.
    private mutating func bytes(
        _ count: Int, _ willRead: (Int) throws(LogError) -> Void
    ) throws(LogError) -> UnsafeRawBufferPointer {
        if position < bufferStart || position + count > bufferStart + bufferCount {
            guard let file, count <= byteCount - position else { throw corrupt("it ends inside the header") }
            if count > buffer.count { resize(count) }
            let wanted = min(buffer.count, byteCount - position)
            try willRead(wanted)
            bufferStart = position
            bufferCount = 0
            bufferCount = try attempt("read '\(file.path)'") { () throws(DiskError) in
                try file.read(
                    at: Int64(position), into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
            }
            guard bufferCount >= count else { throw corrupt("the file ends there") }
        }
        let start = position - bufferStart
        return UnsafeRawBufferPointer(rebasing: buffer[start..<bufferCount])
    }

    private mutating func resize(_ count: Int) {
        buffer.deallocate()
        buffer = .allocate(byteCount: count, alignment: 16)
        bufferCount = 0
    }

    private func corrupt(_ reason: String) -> LogError {
        LogError(.corruptSegment, "segment '\(file?.path ?? "")': \(reason) in batch at byte \(position)")
    }
}
