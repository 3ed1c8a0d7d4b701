import Environment
import RecordBatches

/// Closed segments that lost batches, or are gone: nothing is cut because of them, but it is told.
extension LogOpening {
    /// Whether the file ends behind the batches of `segment` or within the next one.
    func isCutOff(_ segment: Segment, _ file: any DiskFile, _ byteCount: Int) throws(LogError) -> Bool {
        let restCount = byteCount - segment.byteCount
        guard restCount >= BatchHeader.byteCount else { return true }
        let bytes = try doing("read segment \(segment.baseOffset)") { () throws(DiskError) in
            try file.read(at: Int64(segment.byteCount), count: BatchHeader.byteCount)
        }
        // One that is whole, or no header at all, is damage of another kind.
        return (try? BatchHeader(bytes.span.bytes)).map { $0.byteCount > restCount } ?? false
    }

    /// Removes closed segments without a batch, which no append leaves behind.
    mutating func dropEmptied() throws(LogError) {
        for index in segments.indices.dropLast().reversed() where segments[index].byteCount == 0 {
            guard try fileByteCount(segments[index]) == 0 else { continue }
            let doomed = segments.remove(at: index)
            try removeFiles(doomed)
        }
    }

    /// Puts together what is missing above the log start.
    ///
    /// - Parameter wasClean: indexes without a log file are no rest of a removal that a crash cut short.
    mutating func reportMissing(after logStart: Int64, _ wasClean: Bool) {
        if wasClean {
            for base in orphans {
                if let next = segments.first(where: { $0.baseOffset > base }) {
                    missing.append(base..<next.baseOffset)
                }
            }
        }
        for range in missing.sorted(by: { $0.lowerBound < $1.lowerBound }) where range.upperBound > logStart {
            let range = max(range.lowerBound, logStart)..<range.upperBound
            if let last = report.missing.last, range.lowerBound <= last.upperBound {
                report.missing[report.missing.count - 1] =
                    last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                report.missing.append(range)
            }
        }
    }
}
