import Bytes
import Environment
import RecordBatches

/// Reads the headers of the batches of one segment file one after the other, without their records.
struct BatchWalk: ~Copyable {
    private let file: any DiskFile
    /// Bytes of the file that count.
    private let byteCount: Int
    private let buffer: UnsafeMutableRawBufferPointer
    private var bufferStart = 0
    private var bufferCount = 0
    /// Where the next batch begins.
    private(set) var position: Int

    /// Walks `file[position..<byteCount]`; `buffer` holds at least a header and is the unit of reading.
    init(_ file: any DiskFile, from position: Int, upTo byteCount: Int, buffer: UnsafeMutableRawBufferPointer) {
        self.file = file
        self.position = position
        self.byteCount = byteCount
        self.buffer = buffer
    }

    /// The header at `position`, moving `position` behind its batch; nil at the end.
    ///
    /// - Throws: `.corruptSegment` for a header that is none or a batch that passes the end.
    mutating func next() throws(LogError) -> BatchHeader? {
        guard let header = try peek() else { return nil }
        position += header.byteCount
        return header
    }

    /// What the control batch at `position` says; nil when it ends no transaction, or its record was compacted away.
    ///
    /// - Parameter header: what `peek` returned.
    /// - Throws: `.corruptSegment` for a control batch that is none.
    func marker(_ header: BatchHeader) throws(LogError) -> ControlMarker? {
        guard header.recordCount > 0 else { return nil }
        // `peek` has checked that the batch ends within the bytes that count.
        let bytes = try attempt("read control batch at byte \(position)") { () throws(DiskError) in
            try file.read(at: Int64(position), count: header.byteCount)
        }
        do throws(WireError) {
            return try ControlMarker(batch: bytes.span.bytes, header: header)
        } catch {
            throw LogError(.corruptSegment, "segment '\(file.path)': \(error) in batch at byte \(position)")
        }
    }

    /// The header at `position`; nil at the end.
    mutating func peek() throws(LogError) -> BatchHeader? {
        guard position < byteCount else { return nil }
        if position < bufferStart || position + BatchHeader.byteCount > bufferStart + bufferCount {
            do throws(DiskError) {
                bufferStart = position
                bufferCount = try file.read(
                    at: Int64(position),
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, byteCount - position)]))
            } catch {
                bufferCount = 0
                throw LogError(error, "read batch header at byte \(position)")
            }
        }
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[(position - bufferStart)..<bufferCount])
        do throws(WireError) {
            let header = try BatchHeader(bytes.bytes)
            guard header.byteCount <= byteCount - position else { throw WireError.truncated }
            return header
        } catch {
            throw LogError(.corruptSegment, "segment '\(file.path)': \(error) in batch at byte \(position)")
        }
    }
}
