import Environment
import LogStorage
import NIOCore

extension LogSlice {
    /// The bytes, read into a buffer of their own.
    func buffer() throws(LogError) -> ByteBuffer {
        guard let file, byteCount > 0 else { return ByteBuffer() }
        var buffer = ByteBufferAllocator().buffer(capacity: byteCount)
        var failure: LogError?
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: byteCount) { free in
            do {
                let count = try file.read(
                    at: position, into: UnsafeMutableRawBufferPointer(rebasing: free[..<byteCount]))
                if count == byteCount { return count }
                failure = LogError(
                    .corruptSegment, "segment '\(file.path)' ends before byte \(position + Int64(byteCount))")
            } catch {
                failure = LogError(.corruptSegment, "segment '\(file.path)' cannot be read: \(error)")
            }
            return 0
        }
        if let failure { throw failure }
        return buffer
    }
}
