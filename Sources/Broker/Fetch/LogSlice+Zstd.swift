import Bytes
import LogStorage
import RecordBatches

extension LogSlice {
    /// Whether one of the batches is compressed with zstd, which Fetch before version 10 must not return (KIP-110).
    func holdsZstd() throws(LogError) -> Bool {
        let bytes = try bytes()
        let span = bytes.span.bytes
        var at = 0
        while at < bytes.count, let header = try? BatchHeader(span, at: at) {
            if header.attributes.codecID == 4 { return true }
            at += header.byteCount
        }
        return false
    }
}
