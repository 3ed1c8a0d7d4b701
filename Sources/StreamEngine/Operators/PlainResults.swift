import Columns

/// The columns of an aggregation's results, for the short way of rows: key, functions, bounds of windows. All of them are
/// memory of `builder`.
final class PlainResults {
    /// Of the only key column.
    let key: UnsafeMutablePointer<ColumnCells>
    private let keyKind: VectorKind
    /// One for each function.
    let functions: UnsafeMutableBufferPointer<UnsafeMutablePointer<ColumnCells>>
    private let bounds: (start: UnsafeMutablePointer<ColumnCells>, end: UnsafeMutablePointer<ColumnCells>)?
    private let builder: BatchBuilder

    /// - Returns: nil when a column is not one of plain values.
    init?(_ builder: BatchBuilder, key kind: VectorKind, functionCount: Int, _ hasWindowBounds: Bool) {
        let cells = builder.columns.compactMap(\.cells)
        guard cells.count == builder.columns.count, cells.count == 1 + functionCount + (hasWindowBounds ? 2 : 0) else {
            return nil
        }
        key = cells[0]
        keyKind = kind
        functions = .allocate(capacity: functionCount)
        _ = functions.initialize(from: cells[1..<(1 + functionCount)])
        bounds = hasWindowBounds ? (cells[functionCount + 1], cells[functionCount + 2]) : nil
        self.builder = builder
    }

    deinit { functions.deallocate() }

    /// - Parameter bytes: as `KeyCodec` writes them.
    @inline(__always)
    func appendKey(_ bytes: UnsafeRawBufferPointer) {
        switch keyKind {
        case .int32: key.pointee.append(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
        case .int64: key.pointee.append(Int64(bigEndian: bytes.loadUnaligned(as: Int64.self)))
        default:
            // A column that is full takes null, as all builders do.
            let done =
                bytes.baseAddress.map { key.pointee.appendBytes($0, count: bytes.count, readable: bytes.count) }
                ?? false
            if !done { key.pointee.appendNull() }
        }
    }

    /// Ends a row; of a stream's groups there is always one.
    @inline(__always)
    func end(timestamp: Int64, window: (start: Int64, end: Int64)?) {
        if let window {
            if let bounds {
                bounds.start.pointee.append(window.start)
                bounds.end.pointee.append(window.end)
            }
            builder.window(start: window.start, end: window.end)
        }
        builder.endRow(timestamp: timestamp)
    }
}
