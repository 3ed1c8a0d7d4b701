import Columns
import SQLTypes

/// The bytes of the keys of all rows of a batch, made column by column: copying a vector for each row would cost more than
/// the key itself.
final class KeyRows {
    private let codec: KeyCodec
    private let bytes = ScratchBytes()
    private struct Marks {
        /// Where each row's key ends; one entry more than rows, the first is 0.
        var ends: [Int] = [0]
        var nulls: [Bool] = []
    }
    private var marks = Marks()

    init(_ codec: KeyCodec) { self.codec = codec }

    /// - Parameter windows: become part of the keys, start before end.
    func fill(_ columns: ArraySlice<Vector>, count: Int, windows: Batch.Windows? = nil) {
        bytes.clear()
        // Arrays of its own while it works: those of the object are checked for exclusive access with every row.
        var marks = Marks(ends: [], nulls: [])
        swap(&marks, &self.marks)
        defer { swap(&marks, &self.marks) }
        marks.ends.removeAll(keepingCapacity: true)
        marks.nulls.removeAll(keepingCapacity: true)
        marks.ends.reserveCapacity(count + 1)
        marks.nulls.reserveCapacity(count)
        marks.ends.append(0)
        if windows == nil, columns.count == 1, let only = columns.first, fill(only, count, &marks) { return }
        for row in 0..<count {
            marks.nulls.append(codec.append(columns, row: row, to: bytes))
            if let windows {
                bytes.append(windows.starts[row].bigEndian)
                bytes.append(windows.ends[row].bigEndian)
            }
            marks.ends.append(bytes.count)
        }
    }

    /// The usual kinds of a single column, as `KeyCodec` writes them.
    private func fill(_ vector: Vector, _ count: Int, _ marks: inout Marks) -> Bool {
        switch vector {
        case .int32(let column):
            column.values.withUnsafeBufferPointer { values in
                for row in 0..<count { append(values[row].bigEndian, column.validity.isValid(row), &marks) }
            }
        case .int64(let column):
            column.values.withUnsafeBufferPointer { values in
                for row in 0..<count { append(values[row].bigEndian, column.validity.isValid(row), &marks) }
            }
        case .string(let column), .bytes(let column):
            column.bytes.withUnsafeBufferPointer { all in
                let all = UnsafeRawBufferPointer(all)
                for row in 0..<count {
                    let isThere = column.validity.isValid(row)
                    if isThere {
                        let value = UnsafeRawBufferPointer(rebasing: all[column.runs[row]])
                        if KeyCodec.needsPrefix(value) { bytes.append(KeyCodec.nullByte) }
                        bytes.append(value)
                    } else {
                        bytes.append(KeyCodec.nullByte)
                    }
                    marks.nulls.append(!isThere)
                    marks.ends.append(bytes.count)
                }
            }
        default: return false
        }
        return true
    }

    @inline(__always)
    private func append(
        _ value: some FixedWidthInteger & BitwiseCopyable, _ isThere: Bool, _ marks: inout Marks
    ) {
        if isThere { bytes.append(value) } else { bytes.append(KeyCodec.nullByte) }
        marks.nulls.append(!isThere)
        marks.ends.append(bytes.count)
    }

    /// Valid until the next `fill`.
    @inline(__always)
    subscript(row: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes.bytes[marks.ends[row]..<marks.ends[row + 1]])
    }

    /// Whether a column of the row's key is null.
    @inline(__always)
    func hasNull(_ row: Int) -> Bool { marks.nulls[row] }
}
