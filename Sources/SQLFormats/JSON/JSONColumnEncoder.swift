import Columns
import JSONFormat
import SQLTypes

/// JSON and JSON_SR objects for whole runs of rows, put together where they stay.
final class JSONColumnEncoder: ColumnEncoder {
    private let columns: [SQLField]
    /// `"NAME":` of each column with what stands before it, one behind the other, and then what ends an object.
    private let pieces: UnsafeMutablePointer<UInt8>
    private let ends: [Int]
    private var scratch: [UInt8] = []
    /// What a text is likely to take: as those of the rows before.
    private var bytesPerRow: Int

    /// Bytes that are reserved at most, however long the rows before were.
    private static let reservedBytesMax = 4 << 20

    /// - Parameters:
    ///   - frame: what stands before each text.
    ///   - others: names of members that are null.
    init(columns: [SQLField], frame: [UInt8] = [], others: [String] = []) {
        self.columns = columns
        var text: [UInt8] = []
        var ends: [Int] = []
        for (index, column) in columns.enumerated() {
            text += index == 0 ? frame + [UInt8(ascii: "{")] : [UInt8(ascii: ",")]
            JSONText.quote(column.name, to: &text)
            text.append(UInt8(ascii: ":"))
            ends.append(text.count)
        }
        if columns.isEmpty { text += frame + [UInt8(ascii: "{")] }
        text += JSONRowEncoder.tail(others, isFirst: columns.isEmpty)
        ends.append(text.count)
        self.ends = ends
        bytesPerRow = text.count + 8 * columns.count
        pieces = .allocate(capacity: text.count)
        pieces.initialize(from: text, count: text.count)
    }

    deinit { pieces.deallocate() }

    func encode(_ values: [FormatColumn], count: Int, present: Validity) throws(FormatError) -> BytesColumn {
        let output = ColumnBuilder(.bytes)
        output.reserve(rows: count, bytesPerRow: min(bytesPerRow, Self.reservedBytesMax / max(1, count)))
        let cells = output.cells
        let writer = CellWriter(cells: cells)
        let views = values.map { ColumnView($0) }
        var isDone = true
        for row in 0..<count {
            guard present.isValid(row) else {
                cells.pointee.appendNull()
                continue
            }
            var start = 0
            for index in columns.indices {
                isDone = writer.write(pieces + start, ends[index] - start) && isDone
                start = ends[index]
                isDone = write(views[index], values, index, row, writer) && isDone
            }
            isDone = writer.write(pieces + start, ends[columns.count] - start) && isDone
            guard isDone else { throw FormatError(.serialization, "a batch of more than 2 GiB") }
            cells.pointee.endBytes()
        }
        withExtendedLifetime(values) {}
        if count > 0 { bytesPerRow = (cells.pointee.byteCount + count - 1) / count }
        guard case .bytes(let column) = output.finish() else { preconditionFailure("a builder of bytes") }
        return column
    }

    // MARK: Writing. Each returns false when there is no room.

    @inline(__always)
    private func write(
        _ view: ColumnView, _ values: [FormatColumn], _ index: Int, _ row: Int, _ writer: CellWriter
    ) -> Bool {
        switch view.kind {
        case .values, .bytes:
            scratch.removeAll(keepingCapacity: true)
            JSONRowWriter.append(values[index].value(row, columns[index].type), columns[index].type, to: &scratch)
            return writer.write(scratch)
        default: break
        }
        guard view.isValid(row) else { return writer.write("null") }
        switch view.kind {
        case .int64: return writer.write(view.value(row, Int64.self))
        case .int32: return writer.write(Int64(view.value(row, Int32.self)))
        case .boolean: return writer.write(view.value(row, Bool.self) ? "true" : "false")
        case .string:
            let text = view.text(row)
            guard let start = text.baseAddress else { return writer.write("\"\"") }
            return quote(start, text.count, writer)
        default:
            let number = view.value(row, Double.self)
            if number.isFinite { return writer.write(number) }
            scratch.removeAll(keepingCapacity: true)
            JSONRowWriter.append(double: number, to: &scratch)
            return writer.write(scratch)
        }
    }

    /// A text in quotes; one that needs escapes goes the long way.
    @inline(__always)
    private func quote(
        _ source: UnsafePointer<UInt8>, _ count: Int, _ writer: CellWriter
    ) -> Bool {
        let cells = writer.cells
        guard cells.pointee.makeRoom(count &+ 2) else { return false }
        let target = cells.pointee.bytes + cells.pointee.byteCount
        target.pointee = UInt8(ascii: "\"")
        let ones: UInt64 = 0x0101_0101_0101_0101
        var hits: UInt64 = 0
        var at = 0
        while at &+ 8 <= count {
            let word = UnsafeRawPointer(source + at).loadUnaligned(as: UInt64.self)
            let quotes = word ^ 0x2222_2222_2222_2222
            let slashes = word ^ 0x5C5C_5C5C_5C5C_5C5C
            let below = (word &- 0x2020_2020_2020_2020) & ~word
            hits |= (quotes &- ones) & ~quotes | (slashes &- ones) & ~slashes | below
            UnsafeMutableRawPointer(target + 1 + at).storeBytes(of: word, as: UInt64.self)
            at &+= 8
        }
        var needsEscape = hits & 0x8080_8080_8080_8080 != 0
        while at < count {
            let byte = source[at]
            needsEscape = needsEscape || byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
            target[1 + at] = byte
            at &+= 1
        }
        if needsEscape {
            scratch.removeAll(keepingCapacity: true)
            JSONText.quote(UnsafeRawBufferPointer(start: source, count: count), to: &scratch)
            return writer.write(scratch)
        }
        target[1 + count] = UInt8(ascii: "\"")
        cells.pointee.byteCount &+= count &+ 2
        return true
    }
}
