import Columns
import SQLTypes

/// KAFKA for whole runs: strings and bytes are the records themselves, numbers a loop.
final class KafkaColumnEncoder: ColumnEncoder {
    func encode(_ columns: [FormatColumn], count: Int, present: Validity) throws(FormatError) -> BytesColumn {
        let output = ColumnBuilder(.bytes)
        switch columns.first {
        case .string(let column), .bytes(let column):
            guard present.nullCount > 0 else { return column }
            output.reserve(rows: count)
            for row in 0..<count {
                let isDone: Bool? =
                    present.isValid(row)
                    ? column.withBytes(row) { output.append(bytes: UnsafeRawBufferPointer($0)) } : nil
                if let isDone { try append(isDone) } else { output.appendNull() }
            }
        case .int32(let column): try append(column, count, present, to: output) { $0.bigEndian }
        case .int64(let column): try append(column, count, present, to: output) { $0.bigEndian }
        case .double(let column): try append(column, count, present, to: output) { $0.bitPattern.bigEndian }
        case .boolean, .values, nil:  // not among the format's types
            for _ in 0..<count { output.appendNull() }
        }
        guard case .bytes(let column) = output.finish() else { preconditionFailure("a builder of bytes") }
        return column
    }

    private func append(_ isDone: Bool) throws(FormatError) {
        if !isDone { throw FormatError(.serialization, "a batch of more than 2 GiB") }
    }

    private func append<Element, Bits: FixedWidthInteger & BitwiseCopyable>(
        _ column: FixedColumn<Element>, _ count: Int, _ present: Validity, to output: ColumnBuilder,
        _ bits: (Element) -> Bits
    ) throws(FormatError) {
        output.reserve(rows: count, bytesPerRow: MemoryLayout<Bits>.size)
        let cells = output.cells
        for row in 0..<count {
            guard present.isValid(row), column.validity.isValid(row) else {
                cells.pointee.appendNull()
                continue
            }
            let isDone = withUnsafeBytes(of: bits(column.values[row])) { bytes in
                bytes.baseAddress.map { cells.pointee.appendBytes($0, count: bytes.count, readable: bytes.count) }
                    ?? false
            }
            try append(isDone)
        }
    }
}
