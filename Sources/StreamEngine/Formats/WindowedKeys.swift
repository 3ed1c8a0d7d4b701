import Columns
import SQLPlan

/// Windowed keys as bytes: behind the bytes of the key stand, big-endian, the start of a time window, or the end and
/// then the start of a session; section 8 of ksqlDB's and Kafka Streams' layouts.
enum WindowedKeys {
    /// Takes keys and windows apart. A key that is too short for its window becomes null and is noted in `failures`.
    static func split(
        _ keys: BytesColumn, _ window: WindowInfo, failures: inout [DecodedRecords.Failure]
    ) -> (keys: BytesColumn, windows: Batch.Windows) {
        let suffix = window.kind == .session ? 16 : 8
        let builder = ColumnBuilder(.bytes)
        var starts: [Int64] = []
        var ends: [Int64] = []
        for row in 0..<keys.count {
            let done: Void? = keys.withBytes(row) { bytes in
                let raw = UnsafeRawBufferPointer(bytes)
                guard raw.count >= suffix else {
                    failures.append(.init(row: row, message: "a windowed key of \(raw.count) bytes"))
                    builder.appendNull()
                    starts.append(0)
                    ends.append(0)
                    return
                }
                let inner = raw.count - suffix
                _ = builder.append(bytes: UnsafeRawBufferPointer(rebasing: raw[..<inner]))
                let first = Int64(bigEndian: raw.loadUnaligned(fromByteOffset: inner, as: Int64.self))
                if window.kind == .session {
                    ends.append(first)
                    starts.append(Int64(bigEndian: raw.loadUnaligned(fromByteOffset: inner + 8, as: Int64.self)))
                } else {
                    starts.append(first)
                    let end = first.addingReportingOverflow(window.size ?? 0)
                    ends.append(end.overflow ? .max : end.partialValue)
                }
            }
            if done == nil {
                builder.appendNull()
                starts.append(0)
                ends.append(0)
            }
        }
        guard case .bytes(let column) = builder.finish() else {
            return (keys, .init(starts: .init(starts), ends: .init(ends)))
        }
        return (column, .init(starts: ColumnBuffer(starts), ends: ColumnBuffer(ends)))
    }

    static func join(_ keys: BytesColumn, _ windows: Batch.Windows, _ kind: WindowInfo.Kind) -> BytesColumn {
        let builder = ColumnBuilder(.bytes)
        builder.reserve(rows: keys.count)
        let cells = builder.cells
        let suffix = kind == .session ? 16 : 8
        keys.bytes.withUnsafeBufferPointer { all in
            let all = UnsafeRawBufferPointer(all)
            for row in 0..<keys.count {
                guard keys.validity.isValid(row) else {
                    builder.appendNull()
                    continue
                }
                let run = keys.runs[row]
                guard cells.pointee.makeRoom(run.count + suffix) else {
                    builder.appendNull()
                    continue
                }
                let target = UnsafeMutableRawBufferPointer(
                    start: cells.pointee.bytes + cells.pointee.byteCount, count: run.count + suffix)
                target.copyMemory(from: UnsafeRawBufferPointer(rebasing: all[run]))
                let start = windows.starts[row].bigEndian
                if kind == .session {
                    target.storeBytes(of: windows.ends[row].bigEndian, toByteOffset: run.count, as: Int64.self)
                }
                target.storeBytes(of: start, toByteOffset: run.count + suffix - 8, as: Int64.self)
                cells.pointee.byteCount += target.count
                cells.pointee.endBytes()
            }
        }
        guard case .bytes(let column) = builder.finish() else { return keys }
        return column
    }
}
