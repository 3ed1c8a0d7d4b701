import Columns
import JSONFormat
import SQLTypes

/// JSON and JSON_SR objects for whole runs of records: one pass over the text, values straight into columns.
///
/// It knows the plain way of things only: members of the expected kinds, each once. Whatever else a record has makes it
/// go back and leave that record to the row decoder, which knows all rules and words for errors. Members that are read
/// for no column of the query are checked all the same, for a record with a bad value in any column is no row.
final class JSONColumnDecoder: ColumnDecoder {
    private enum Target: UInt8 { case boolean, int32, int64, time, double, string, nested, bytes }

    /// What becomes of the members of one column.
    private struct Slot {
        var target: Target
        /// Not appended to when nobody wants the column.
        var isWanted: Bool
        /// The row that had it last.
        var row = -1
        var index: Int
        var cells: UnsafeMutablePointer<ColumnCells>
    }

    /// A member's name as records have it.
    private struct Name {
        var start: UnsafeMutablePointer<UInt8>
        var count: Int
        /// `passed`, `unclear` or the index of a slot.
        var slot: Int
    }

    private static let passed = -1
    private static let unclear = -2
    private static let nameCountMax = 128
    private static let nameByteCountMax = 255

    /// Of a member's value: the record's object is the first level.
    private static let depthMax = JSONText.depthMax - 1

    private let rows: JSONRowDecoder
    private let columns: [SQLField]
    private let wanted: [Int]
    private let builders: [FormatColumnBuilder]
    /// By column, for all columns.
    private let sinks: [FormatColumnBuilder?]
    private let slots: UnsafeMutablePointer<Slot>
    private let names: UnsafeMutablePointer<Name>
    private var nameCount = 0
    private let isFramed: Bool

    init(_ rows: JSONRowDecoder, wanted: [Int]) {
        self.rows = rows
        self.wanted = wanted
        columns = rows.columns
        isFramed = rows.isFramed
        let columns = columns
        builders = wanted.map { FormatColumnBuilder(columns[$0].type) }
        var sinks = [FormatColumnBuilder?](repeating: nil, count: columns.count)
        for (place, index) in wanted.enumerated() { sinks[index] = builders[place] }
        self.sinks = sinks
        slots = .allocate(capacity: max(1, columns.count))
        names = .allocate(capacity: Self.nameCountMax)
        let unused = FormatColumnBuilder(.boolean)
        for (index, column) in columns.enumerated() {
            let target: Target =
                switch column.type {
                case .boolean: .boolean
                case .int, .date: .int32
                case .bigint, .timestamp: .int64
                case .time: .time
                case .double: .double
                case .string: .string
                case .bytes: .bytes
                case .decimal, .array, .map, .structure: .nested
                }
            (slots + index).initialize(
                to: Slot(
                    target: target, isWanted: sinks[index] != nil, index: index,
                    cells: sinks[index]?.cells ?? unused.cells))
        }
        self.unused = unused
    }

    private let unused: FormatColumnBuilder

    deinit {
        slots.deallocate()
        for index in 0..<nameCount { names[index].start.deallocate() }
        names.deallocate()
    }

    func decode(_ records: BytesColumn) -> DecodedColumns {
        var failures: [DecodedColumns.Failure] = []
        var absent: [Int] = []
        for builder in builders { builder.reserve(records.count) }
        for index in columns.indices { slots[index].row = -1 }
        records.bytes.withUnsafeBufferPointer { all in
            for row in 0..<records.count {
                guard records.validity.isValid(row) else {
                    for builder in builders { builder.appendNull() }
                    continue
                }
                let run = records.runs[row]
                if let base = all.baseAddress, read(base + run.lowerBound, base + run.upperBound, base + all.count, row)
                {
                    continue
                }
                for builder in builders { builder.truncate(to: row) }
                do throws(FormatError) {
                    if let values = try rows.row(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(all)[run])) {
                        for (place, index) in wanted.enumerated() { builders[place].append(values[index]) }
                        continue
                    }
                    absent.append(row)
                } catch {
                    failures.append(.init(row: row, error: error))
                }
                for builder in builders { builder.appendNull() }
            }
        }
        return DecodedColumns(columns: builders.map { $0.finish() }, failures: failures, absent: absent)
    }

    // MARK: One record

    /// - Returns: false when the record is for the row decoder; columns may have values of it then.
    private func read(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ limit: UnsafePointer<UInt8>, _ row: Int
    ) -> Bool {
        var at = start
        if isFramed {
            guard end - at > 5, at.pointee == 0 else { return false }
            at += 5
        }
        Self.skipSpace(&at, end)
        guard at < end, at.pointee == UInt8(ascii: "{") else { return false }
        at += 1
        Self.skipSpace(&at, end)
        var filled = 0
        var expected = 0
        if at < end, at.pointee == UInt8(ascii: "}") {
            at += 1
        } else {
            while true {
                guard at < end, at.pointee == UInt8(ascii: "\"") else { return false }
                at += 1
                // The name: most records have their members in the order of the one before.
                var slot = Self.unclear
                if expected < nameCount {
                    let name = names[expected]
                    if end - at > name.count, (at + name.count).pointee == UInt8(ascii: "\""),
                        Self.isEqual(name.start, at, name.count)
                    {
                        slot = name.slot
                        at += name.count + 1
                        expected += 1
                        if slot == Self.unclear { return false }
                    }
                }
                if slot == Self.unclear {
                    guard let (found, next) = look(up: &at, end) else { return false }
                    slot = found
                    expected = next
                }
                Self.skipSpace(&at, end)
                guard at < end, at.pointee == UInt8(ascii: ":") else { return false }
                at += 1
                Self.skipSpace(&at, end)
                guard at < end else { return false }
                if slot < 0 {
                    guard pass(&at, start, end) else { return false }
                } else {
                    let target = slots + slot
                    guard target.pointee.row != row else { return false }
                    target.pointee.row = row
                    if target.pointee.isWanted { filled += 1 }
                    guard value(&at, start, end, limit, target) else { return false }
                }
                Self.skipSpace(&at, end)
                guard at < end else { return false }
                if at.pointee == UInt8(ascii: ",") {
                    at += 1
                    Self.skipSpace(&at, end)
                    continue
                }
                guard at.pointee == UInt8(ascii: "}") else { return false }
                break
            }
        }
        if filled < builders.count {
            for index in wanted where slots[index].row != row { sinks[index]?.appendNull() }
        }
        return true
    }

    /// Appends a value to its column, or only checks it.
    @inline(__always)
    private func value(
        _ at: inout UnsafePointer<UInt8>, _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>,
        _ limit: UnsafePointer<UInt8>, _ slot: UnsafeMutablePointer<Slot>
    ) -> Bool {
        let isWanted = slot.pointee.isWanted
        let cells = slot.pointee.cells
        if at.pointee == UInt8(ascii: "n") {
            guard end - at >= 4, at[1] == UInt8(ascii: "u"), at[2] == UInt8(ascii: "l"), at[3] == UInt8(ascii: "l")
            else { return false }
            at += 4
            if isWanted { sinks[slot.pointee.index]?.appendNull() }
            return true
        }
        switch slot.pointee.target {
        case .int64:
            guard let number = Self.integer(&at, end) else { return false }
            if isWanted { cells.pointee.append(number) }
        case .int32:
            guard let number = Self.integer(&at, end), let small = Int32(exactly: number) else { return false }
            if isWanted { cells.pointee.append(small) }
        case .time:
            guard let number = Self.integer(&at, end), 0..<86_400_000 ~= number else { return false }
            if isWanted { cells.pointee.append(Int32(truncatingIfNeeded: number)) }
        case .double:
            guard let number = Self.double(&at, start, end) else { return false }
            if isWanted { cells.pointee.append(number) }
        case .string:
            guard at.pointee == UInt8(ascii: "\"") else {
                // Anything else becomes a text too, in ways that the row decoder knows.
                return !isWanted && pass(&at, start, end)
            }
            return string(&at, start, end, limit, isWanted ? cells : nil)
        case .boolean:
            if end - at >= 4, at[0] == UInt8(ascii: "t"), at[1] == UInt8(ascii: "r"), at[2] == UInt8(ascii: "u"),
                at[3] == UInt8(ascii: "e")
            {
                at += 4
                if isWanted { cells.pointee.append(true) }
            } else if end - at >= 5, at[0] == UInt8(ascii: "f"), at[1] == UInt8(ascii: "a"),
                at[2] == UInt8(ascii: "l"), at[3] == UInt8(ascii: "s"), at[4] == UInt8(ascii: "e")
            {
                at += 5
                if isWanted { cells.pointee.append(false) }
            } else {
                return false
            }
        case .nested, .bytes: return nested(&at, start, end, slot)
        }
        return true
    }

    /// By way of a value.
    private func nested(
        _ at: inout UnsafePointer<UInt8>, _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>,
        _ slot: UnsafeMutablePointer<Slot>
    ) -> Bool {
        let bytes = UnsafeRawBufferPointer(start: start, count: end - start).bytes
        var ahead = JSONCursor(at: at - start, depthMax: Self.depthMax)
        do throws(JSONError) { try ahead.skipValue(in: bytes) } catch { return false }  // the row decoder tells why
        var cursor = JSONCursor(at: at - start)
        let index = slot.pointee.index
        do throws(JSONFailure) {
            let value = try JSONReading.value(&cursor, in: bytes, as: columns[index].type)
            if slot.pointee.isWanted { sinks[index]?.append(value) }
        } catch {
            return false  // as above
        }
        at = start + ahead.at
        return true
    }

    private func string(
        _ at: inout UnsafePointer<UInt8>, _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>,
        _ limit: UnsafePointer<UInt8>, _ cells: UnsafeMutablePointer<ColumnCells>?
    ) -> Bool {
        let from = at + 1
        var high: UInt64 = 0
        if let quote = Self.stringEnd(from, end, &high), high == 0 {
            at = quote + 1
            guard let cells else { return true }
            return cells.pointee.appendString(from, count: quote - from, readable: limit - from)
        }
        // Escapes, or text beyond ASCII that has to be checked.
        let bytes = UnsafeRawBufferPointer(start: start, count: end - start).bytes
        var cursor = JSONCursor(at: at - start)
        do throws(JSONError) {
            let range = try cursor.readString(in: bytes)
            at = start + cursor.at
            guard let cells else { return true }
            if range.isPlain {
                return cells.pointee.appendString(
                    start + range.start, count: range.end - range.start, readable: limit - (start + range.start))
            }
            var text = JSONCursor.string(range, in: bytes)
            return text.withUTF8 { utf8 in
                guard let base = utf8.baseAddress else {
                    return cells.pointee.appendRun(elementCount: cells.pointee.byteCount)
                }
                return cells.pointee.appendString(base, count: utf8.count, readable: utf8.count)
            }
        } catch {
            return false  // the row decoder tells why
        }
    }

    /// Passes a value that is for no column.
    private func pass(
        _ at: inout UnsafePointer<UInt8>, _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> Bool {
        if at.pointee == UInt8(ascii: "\"") {
            var high: UInt64 = 0
            if let quote = Self.stringEnd(at + 1, end, &high), high == 0 {
                at = quote + 1
                return true
            }
        }
        let bytes = UnsafeRawBufferPointer(start: start, count: end - start).bytes
        var cursor = JSONCursor(at: at - start, depthMax: Self.depthMax)
        do throws(JSONError) { try cursor.skipValue(in: bytes) } catch { return false }  // the row decoder tells why
        at = start + cursor.at
        return true
    }

    // MARK: Names

    /// Passes a name that was not the expected one. - Returns: its slot, and the place of the name that may come next.
    private func look(up at: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> (slot: Int, next: Int)? {
        var high: UInt64 = 0
        guard let quote = Self.stringEnd(at, end, &high) else { return nil }
        let count = quote - at
        defer { at = quote + 1 }
        for index in 0..<nameCount where names[index].count == count && Self.isEqual(names[index].start, at, count) {
            return names[index].slot == Self.unclear ? nil : (names[index].slot, index + 1)
        }
        guard let name = String(validating: UnsafeBufferPointer(start: at, count: count), as: UTF8.self) else {
            return nil
        }
        let upper = name.uppercased()
        let exact = columns.firstIndex { $0.name.isSame(as: name) }
        let other = columns.firstIndex { $0.name.isSame(as: upper) }
        var slot = exact ?? other ?? Self.passed
        if let exact, let other, exact != other { slot = Self.unclear }  // it is for both, unless there is another
        if nameCount < Self.nameCountMax, count <= Self.nameByteCountMax {
            let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, count))
            copy.initialize(from: at, count: count)
            (names + nameCount).initialize(to: Name(start: copy, count: count, slot: slot))
            nameCount += 1
            return slot == Self.unclear ? nil : (slot, nameCount)
        }
        return slot == Self.unclear ? nil : (slot, Self.nameCountMax)
    }

    // MARK: Tokens

    @inline(__always)
    private static func skipSpace(_ at: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) {
        while at < end, at.pointee <= 0x20,
            at.pointee == 0x20 || at.pointee == 0x0A || at.pointee == 0x0D || at.pointee == 0x09
        {
            at += 1
        }
    }

    @inline(__always)
    private static func isEqual(_ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        var at = 0
        while at &+ 8 <= count {
            let x = UnsafeRawPointer(a + at).loadUnaligned(as: UInt64.self)
            let y = UnsafeRawPointer(b + at).loadUnaligned(as: UInt64.self)
            if x != y { return false }
            at &+= 8
        }
        while at < count {
            if a[at] != b[at] { return false }
            at &+= 1
        }
        return true
    }

    /// The quote that ends a string; nil when an escape or a control character comes before, or nothing at all.
    @inline(__always)
    private static func stringEnd(
        _ from: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ high: inout UInt64
    ) -> UnsafePointer<UInt8>? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        var at = from
        while end - at >= 8 {
            let word = UInt64(littleEndian: UnsafeRawPointer(at).loadUnaligned(as: UInt64.self))
            let quotes = word ^ 0x2222_2222_2222_2222
            let slashes = word ^ 0x5C5C_5C5C_5C5C_5C5C
            let below = (word &- 0x2020_2020_2020_2020) & ~word
            let hits = ((quotes &- ones) & ~quotes | (slashes &- ones) & ~slashes | below) & tops
            if hits == 0 {
                high |= word & tops
                at += 8
                continue
            }
            high |= word & tops & ((hits & (0 &- hits)) &- 1)
            at += hits.trailingZeroBitCount &>> 3
            return at.pointee == UInt8(ascii: "\"") ? at : nil
        }
        while at < end {
            let byte = at.pointee
            if byte == UInt8(ascii: "\"") { return at }
            if byte == UInt8(ascii: "\\") || byte < 0x20 { return nil }
            high |= UInt64(byte) & 0x80
            at += 1
        }
        return nil
    }

    /// A whole number of up to 18 digits that a comma, a bracket or a space ends.
    @inline(__always)
    private static func integer(_ at: inout UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> Int64? {
        var place = at
        let isNegative = place.pointee == UInt8(ascii: "-")
        if isNegative { place += 1 }
        let start = place
        var value: Int64 = 0
        while place < end {
            let digit = place.pointee &- 0x30
            guard digit <= 9 else { break }
            value = value &* 10 &+ Int64(digit)
            place += 1
        }
        let count = place - start
        guard 1...18 ~= count, place < end, count == 1 || start.pointee != 0x30 else { return nil }
        guard isEnd(place.pointee) else { return nil }
        at = place
        return isNegative ? 0 &- value : value
    }

    @inline(__always)
    private static func isEnd(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte <= 0x20
    }

    @inline(__always)
    private static func double(
        _ at: inout UnsafePointer<UInt8>, _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) -> Double? {
        var place = at
        let isNegative = place.pointee == UInt8(ascii: "-")
        if isNegative { place += 1 }
        let first = place
        var digits: UInt64 = 0
        while place < end {
            let digit = place.pointee &- 0x30
            guard digit <= 9 else { break }
            digits = digits &* 10 &+ UInt64(digit)
            place += 1
        }
        let whole = place - first
        guard whole >= 1, whole == 1 || first.pointee != 0x30, place < end else { return nil }
        var fraction = 0
        if place.pointee == UInt8(ascii: ".") {
            place += 1
            let point = place
            while place < end {
                let digit = place.pointee &- 0x30
                guard digit <= 9 else { break }
                digits = digits &* 10 &+ UInt64(digit)
                place += 1
            }
            fraction = place - point
            guard fraction >= 1, place < end else { return nil }
        }
        if whole + fraction <= 18, digits <= 1 << 53, isEnd(place.pointee) {
            at = place
            let value = Double(digits) / tenTo[fraction]
            return isNegative && digits != 0 ? -value : value
        }
        // An exponent, or more digits than a double has.
        let bytes = UnsafeRawBufferPointer(start: start, count: end - start).bytes
        var cursor = JSONCursor(at: at - start)
        do throws(JSONError) {
            let value = try cursor.readDouble(in: bytes)
            at = start + cursor.at
            return value == 0 ? 0 : value
        } catch {
            return nil  // the row decoder tells why
        }
    }

    private static let tenTo: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    ]
}
