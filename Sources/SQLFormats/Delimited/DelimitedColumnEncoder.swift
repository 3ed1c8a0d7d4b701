import Columns
import SQLTypes

/// DELIMITED lines for whole runs of rows, put together where they stay.
final class DelimitedColumnEncoder: ColumnEncoder {
    private let line: DelimitedLine
    private let columns: [SQLField]
    private let separator: UInt8
    private var scratch: [UInt8] = []

    /// - Parameter separator: ASCII.
    init(_ line: DelimitedLine, columns: [SQLField], separator: UInt8) {
        self.line = line
        self.columns = columns
        self.separator = separator
    }

    func encode(_ values: [FormatColumn], count: Int, present: Validity) throws(FormatError) -> BytesColumn {
        let output = ColumnBuilder(.bytes)
        output.reserve(rows: count, bytesPerRow: 8 * columns.count)
        let writer = CellWriter(cells: output.cells)
        let views = values.map { ColumnView($0) }
        var isDone = true
        for row in 0..<count {
            guard present.isValid(row) else {
                output.appendNull()
                continue
            }
            for index in columns.indices {
                if index > 0 { isDone = writer.write(separator) && isDone }
                isDone = write(views[index], values, index, row, writer) && isDone
            }
            guard isDone else { throw FormatError(.serialization, "a batch of more than 2 GiB") }
            writer.cells.pointee.endBytes()
        }
        withExtendedLifetime(values) {}
        guard case .bytes(let column) = output.finish() else { preconditionFailure("a builder of bytes") }
        return column
    }

    @inline(__always)
    private func write(
        _ view: ColumnView, _ values: [FormatColumn], _ index: Int, _ row: Int, _ writer: CellWriter
    ) -> Bool {
        switch view.kind {
        case .int64 where view.isValid(row):
            let number = view.value(row, Int64.self)
            if number >= 0 || index > 0 { return writer.write(number) }
        case .int32 where view.isValid(row):
            let number = view.value(row, Int32.self)
            if number >= 0 || index > 0 { return writer.write(Int64(number)) }
        case .string where view.isValid(row):
            let text = view.text(row)
            if isPlain(text, isFirst: index == 0) { return writer.write(text.baseAddress, text.count) }
        case .int64, .int32, .string: return true  // null is nothing
        case .boolean, .double, .bytes, .values: break
        }
        guard let text = DelimitedCodec.text(values[index].value(row, columns[index].type)) else { return true }
        scratch.removeAll(keepingCapacity: true)
        line.append(text, isFirst: index == 0, to: &scratch)
        return writer.write(scratch)
    }

    /// Whether a field surely needs no quotes; see `DelimitedLine.append`.
    @inline(__always)
    private func isPlain(_ text: UnsafeBufferPointer<UInt8>, isFirst: Bool) -> Bool {
        guard let first = text.first, let last = text.last else { return !isFirst }
        if isFirst {
            switch first {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: break
            default: return false
            }
        }
        guard first > UInt8(ascii: "#"), last > 0x20 else { return false }
        for byte in text where byte == separator || byte == UInt8(ascii: "\"") || byte == 0x0A || byte == 0x0D {
            return false
        }
        return true
    }
}
