import Columns
import SQLTypes

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Writes the bytes of records piece by piece where they stay, in a column of bytes. Each returns false when there is
/// no room, which is beyond 2 GiB.
struct CellWriter {
    let cells: UnsafeMutablePointer<ColumnCells>

    @inline(__always)
    func write(_ source: UnsafePointer<UInt8>?, _ count: Int) -> Bool {
        guard let source, count > 0 else { return true }
        guard cells.pointee.makeRoom(count) else { return false }
        memcpy(cells.pointee.bytes + cells.pointee.byteCount, source, count)
        cells.pointee.byteCount &+= count
        return true
    }

    @inline(__always)
    func write(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBufferPointer { write($0.baseAddress, $0.count) } }

    @inline(__always)
    func write(_ text: StaticString) -> Bool { write(text.utf8Start, text.utf8CodeUnitCount) }

    @inline(__always)
    func write(_ byte: UInt8) -> Bool {
        guard cells.pointee.makeRoom(1) else { return false }
        cells.pointee.bytes[cells.pointee.byteCount] = byte
        cells.pointee.byteCount &+= 1
        return true
    }

    /// As `DoubleText`.
    func write(_ number: Double) -> Bool {
        guard cells.pointee.makeRoom(DoubleText.byteCountMax) else { return false }
        cells.pointee.byteCount &+= DoubleText.write(number, to: cells.pointee.bytes + cells.pointee.byteCount)
        return true
    }

    @inline(__always)
    func write(_ number: Int64) -> Bool {
        guard cells.pointee.makeRoom(20) else { return false }
        var target = cells.pointee.bytes + cells.pointee.byteCount
        var magnitude = number.magnitude
        var count = 1
        var limit: UInt64 = 10
        while magnitude >= limit {  // a magnitude has 19 digits at most, and 10^19 fits
            count &+= 1
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
}

/// Where the values of a column lie; valid as long as the column is.
struct ColumnView {
    var kind: FormatColumnBuilder.Kind
    var values: UnsafeRawPointer?
    var bytes: UnsafePointer<UInt8>?
    var validity: UnsafePointer<UInt64>?

    init(_ column: FormatColumn) {
        switch column {
        case .boolean(let column): self.init(.boolean, column)
        case .int32(let column): self.init(.int32, column)
        case .int64(let column): self.init(.int64, column)
        case .double(let column): self.init(.double, column)
        case .string(let column): self.init(.string, column)
        case .bytes(let column): self.init(.bytes, column)
        case .values: self.init(kind: .values)
        }
    }

    private init(kind: FormatColumnBuilder.Kind) { self.kind = kind }

    private init<Element>(_ kind: FormatColumnBuilder.Kind, _ column: FixedColumn<Element>) {
        self.kind = kind
        values = column.values.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
        validity = column.validity.words?.withUnsafeBufferPointer { $0.baseAddress }
    }

    private init(_ kind: FormatColumnBuilder.Kind, _ column: BytesColumn) {
        self.kind = kind
        values = column.runs.ends.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
        bytes = column.bytes.withUnsafeBufferPointer { $0.baseAddress }
        validity = column.validity.words?.withUnsafeBufferPointer { $0.baseAddress }
    }

    @inline(__always)
    func isValid(_ row: Int) -> Bool {
        guard let validity else { return true }
        return validity[row &>> 6] & (1 &<< UInt64(row & 63)) != 0
    }

    /// Of a row that the column has.
    @inline(__always)
    func value<Element>(_ row: Int, _: Element.Type) -> Element {
        values.unsafelyUnwrapped.assumingMemoryBound(to: Element.self)[row]
    }

    /// The bytes of a row of texts.
    @inline(__always)
    func text(_ row: Int) -> UnsafeBufferPointer<UInt8> {
        let start = Int(value(row, Int32.self))
        return UnsafeBufferPointer(start: bytes.map { $0 + start }, count: Int(value(row + 1, Int32.self)) - start)
    }
}
