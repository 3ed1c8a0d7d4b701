import Columns
import JSONFormat
import SQLTypes

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// JSON and JSON_SR objects for whole runs of rows, put together where they stay.
final class JSONColumnEncoder: ColumnEncoder {
    /// Where the values of a column lie; valid as long as the column is.
    private struct View {
        var kind: FormatColumnBuilder.Kind
        var values: UnsafeRawPointer?
        var bytes: UnsafePointer<UInt8>?
        var validity: UnsafePointer<UInt64>?

        @inline(__always)
        func isValid(_ row: Int) -> Bool {
            guard let validity else { return true }
            return validity[row &>> 6] & (1 &<< UInt64(row & 63)) != 0
        }

        @inline(__always)
        func value<Element>(_ row: Int, _: Element.Type) -> Element {
            values.unsafelyUnwrapped.assumingMemoryBound(to: Element.self)[row]  // there are rows
        }
    }

    private let columns: [SQLField]
    /// `"NAME":` of each column with what stands before it, one behind the other, and then what ends an object.
    private let pieces: UnsafeMutablePointer<UInt8>
    private let ends: [Int]
    private var scratch: [UInt8] = []

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
        pieces = .allocate(capacity: text.count)
        pieces.initialize(from: text, count: text.count)
    }

    deinit { pieces.deallocate() }

    func encode(_ values: [FormatColumn], count: Int, present: Validity) throws(FormatError) -> BytesColumn {
        let output = ColumnBuilder(.bytes)
        output.reserve(rows: count, bytesPerRow: (ends.last ?? 0) + 8 * columns.count)
        let cells = output.cells
        let views = values.map(Self.view)
        var isDone = true
        for row in 0..<count {
            guard present.isValid(row) else {
                cells.pointee.appendNull()
                continue
            }
            var start = 0
            for index in columns.indices {
                isDone = write(pieces + start, ends[index] - start, cells) && isDone
                start = ends[index]
                isDone = write(views[index], values, index, row, cells) && isDone
            }
            isDone = write(pieces + start, ends[columns.count] - start, cells) && isDone
            guard isDone else { throw FormatError(.serialization, "a batch of more than 2 GiB") }
            cells.pointee.endBytes()
        }
        withExtendedLifetime(values) {}
        guard case .bytes(let column) = output.finish() else { preconditionFailure("a builder of bytes") }
        return column
    }

    private static func view(_ column: FormatColumn) -> View {
        func fixed<Element>(_ kind: FormatColumnBuilder.Kind, _ column: FixedColumn<Element>) -> View {
            View(
                kind: kind, values: column.values.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) },
                validity: column.validity.words?.withUnsafeBufferPointer { $0.baseAddress })
        }
        func bytes(_ kind: FormatColumnBuilder.Kind, _ column: BytesColumn) -> View {
            View(
                kind: kind, values: column.runs.ends.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) },
                bytes: column.bytes.withUnsafeBufferPointer { $0.baseAddress },
                validity: column.validity.words?.withUnsafeBufferPointer { $0.baseAddress })
        }
        switch column {
        case .boolean(let column): return fixed(.boolean, column)
        case .int32(let column): return fixed(.int32, column)
        case .int64(let column): return fixed(.int64, column)
        case .double(let column): return fixed(.double, column)
        case .string(let column): return bytes(.string, column)
        case .bytes(let column): return bytes(.bytes, column)
        case .values: return View(kind: .values)
        }
    }

    // MARK: Writing. Each returns false when there is no room.

    @inline(__always)
    private func write(
        _ view: View, _ values: [FormatColumn], _ index: Int, _ row: Int, _ cells: UnsafeMutablePointer<ColumnCells>
    ) -> Bool {
        switch view.kind {
        case .values, .bytes:
            scratch.removeAll(keepingCapacity: true)
            JSONRowWriter.append(values[index].value(row, columns[index].type), columns[index].type, to: &scratch)
            return scratch.withUnsafeBufferPointer { write($0.baseAddress, $0.count, cells) }
        default: break
        }
        guard view.isValid(row) else { return write("null", cells) }
        switch view.kind {
        case .int64: return write(view.value(row, Int64.self), cells)
        case .int32: return write(Int64(view.value(row, Int32.self)), cells)
        case .boolean: return write(view.value(row, Bool.self) ? "true" : "false", cells)
        case .string:
            let start = Int(view.value(row, Int32.self))
            let end = Int(view.value(row + 1, Int32.self))
            guard let bytes = view.bytes else { return write("\"\"", cells) }
            return quote(bytes + start, end - start, cells)
        default:
            scratch.removeAll(keepingCapacity: true)
            JSONRowWriter.append(double: view.value(row, Double.self), to: &scratch)
            return scratch.withUnsafeBufferPointer { write($0.baseAddress, $0.count, cells) }
        }
    }

    @inline(__always)
    private func write(
        _ source: UnsafePointer<UInt8>?, _ count: Int, _ cells: UnsafeMutablePointer<ColumnCells>
    ) -> Bool {
        guard let source, count > 0 else { return true }
        guard cells.pointee.makeRoom(count) else { return false }
        memcpy(cells.pointee.bytes + cells.pointee.byteCount, source, count)
        cells.pointee.byteCount &+= count
        return true
    }

    @inline(__always)
    private func write(_ text: StaticString, _ cells: UnsafeMutablePointer<ColumnCells>) -> Bool {
        write(text.utf8Start, text.utf8CodeUnitCount, cells)
    }

    @inline(__always)
    private func write(_ number: Int64, _ cells: UnsafeMutablePointer<ColumnCells>) -> Bool {
        guard cells.pointee.makeRoom(20) else { return false }
        var target = cells.pointee.bytes + cells.pointee.byteCount
        var magnitude = number.magnitude
        var count = 1
        var limit: UInt64 = 10
        while magnitude >= limit {
            count &+= 1
            if count == 20 { break }
            limit = limit &* 10
        }
        if number < 0 {
            target.pointee = UInt8(ascii: "-")
            target += 1
            cells.pointee.byteCount &+= 1
        }
        var place = count
        while place > 0 {
            place &-= 1
            let (quotient, digit) = magnitude.quotientAndRemainder(dividingBy: 10)
            target[place] = 0x30 &+ UInt8(truncatingIfNeeded: digit)
            magnitude = quotient
        }
        cells.pointee.byteCount &+= count
        return true
    }

    /// A text in quotes; one that needs escapes goes the long way.
    @inline(__always)
    private func quote(
        _ source: UnsafePointer<UInt8>, _ count: Int, _ cells: UnsafeMutablePointer<ColumnCells>
    ) -> Bool {
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
            return scratch.withUnsafeBufferPointer { write($0.baseAddress, $0.count, cells) }
        }
        target[1 + count] = UInt8(ascii: "\"")
        cells.pointee.byteCount &+= count &+ 2
        return true
    }
}
