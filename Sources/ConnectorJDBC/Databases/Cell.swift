internal import SQLTypes

/// A value on its way into a column.
enum Cell: Hashable, Sendable {
    case null
    case integer(Int64)
    case float(Float)
    case double(Double)
    case flag(Bool)
    case text(String)
    case bytes([UInt8])
    case decimal(SQLDecimal)
    /// A moment as a wall shows it: microseconds since 1970 in local time, and how many seconds that is ahead of UTC.
    case moment(local: Int64, ahead: Int32)
    /// Days since 1970.
    case date(Int64)
    /// Microseconds of the day; intervals may be outside of it.
    case time(Int64)
    case array([Cell])

    var isNull: Bool { if case .null = self { true } else { false } }

    /// With texts as databases without zero bytes in them keep them.
    var withoutZeroBytes: Cell {
        switch self {
        case .text(let text) where text.utf8.contains(0):
            .text(String(decoding: text.utf8.filter { $0 != 0 }, as: UTF8.self))
        case .array(let cells): .array(cells.map(\.withoutZeroBytes))
        default: self
        }
    }
}

/// Rows of one shape, one after another.
struct CellRows: Sendable {
    let columnCount: Int
    private(set) var cells: [Cell] = []

    init(columnCount: Int) { self.columnCount = max(1, columnCount) }

    var rowCount: Int { cells.count / columnCount }
    var isEmpty: Bool { cells.isEmpty }

    mutating func append(_ cell: Cell) { cells.append(cell) }

    mutating func removeAll() { cells.removeAll(keepingCapacity: true) }

    func row(_ index: Int) -> ArraySlice<Cell> { cells[index * columnCount..<(index + 1) * columnCount] }

    func single(_ index: Int) -> CellRows {
        var rows = CellRows(columnCount: columnCount)
        rows.cells = Array(row(index))
        return rows
    }

    /// The rows without those that a later one with the same key replaces.
    ///
    /// - Parameter keys: places of the key's cells. Rows with a null among them are no one's equal; texts that differ in
    ///   zero bytes alone are one text in the database.
    func keepingLast(keys: [Int]) -> CellRows {
        guard rowCount > 1, !keys.isEmpty else { return self }
        var last: [[Cell]: Int] = [:]
        last.reserveCapacity(rowCount)
        var replaced: Set<Int> = []
        for row in 0..<rowCount {
            let key = keys.map { cells[row * columnCount + $0].withoutZeroBytes }
            if key.contains(where: \.isNull) { continue }
            if let earlier = last.updateValue(row, forKey: key) { replaced.insert(earlier) }
        }
        guard !replaced.isEmpty else { return self }
        var kept = CellRows(columnCount: columnCount)
        for row in 0..<rowCount where !replaced.contains(row) { kept.cells += self.row(row) }
        return kept
    }
}

/// Cells as text, appended to bytes without a string in between.
enum CellText {
    static func append(_ value: Int64, _ output: inout [UInt8]) {
        if value == .min {
            output += "-9223372036854775808".utf8
            return
        }
        var rest = value.magnitude
        if value < 0 { output.append(0x2D) }
        let start = output.count
        repeat {
            output.append(0x30 + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        output[start...].reverse()
    }

    private static func append(_ value: Int, width: Int, _ output: inout [UInt8]) {
        var divisor = 1
        for _ in 1..<width { divisor *= 10 }
        while divisor > 0 {
            output.append(0x30 + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }

    /// `2024-02-29`. Years before 1 and after 9999 are `-0044` and `10000`; see `isBeforeChrist`.
    static func append(days: Int64, isEra: Bool = false, _ output: inout [UInt8]) {
        let date = CivilDate(days: Int(days))
        var year = date.year
        if isEra, year < 1 { year = 1 - year }
        if year < 0 { output.append(0x2D) }
        let size = Int(year.magnitude)
        if size > 9999 { append(Int64(size), &output) } else { append(size, width: 4, &output) }
        output.append(0x2D)
        append(date.month, width: 2, &output)
        output.append(0x2D)
        append(date.day, width: 2, &output)
    }

    static func isBeforeChrist(days: Int64) -> Bool { CivilDate(days: Int(days)).year < 1 }

    /// `12:34:56` with as many of the six digits behind it as there are.
    static func append(timeMicros micros: Int64, _ output: inout [UInt8]) {
        if micros < 0 { output.append(0x2D) }
        let size = Int(clamping: micros.magnitude)
        let hours = size / 3_600_000_000
        if hours > 99 { append(Int64(hours), &output) } else { append(hours, width: 2, &output) }
        output.append(0x3A)
        append(size / 60_000_000 % 60, width: 2, &output)
        output.append(0x3A)
        append(size / 1_000_000 % 60, width: 2, &output)
        let fraction = size % 1_000_000
        guard fraction > 0 else { return }
        output.append(0x2E)
        if fraction % 1000 == 0 {
            append(fraction / 1000, width: 3, &output)
        } else {
            append(fraction, width: 6, &output)
        }
    }

    static let microsOfDay: Int64 = 86_400_000_000

    /// `+01:00`, with seconds where there are some.
    static func append(ahead seconds: Int32, _ output: inout [UInt8]) {
        output.append(seconds < 0 ? 0x2D : 0x2B)
        let size = Int(seconds.magnitude)
        append(size / 3600, width: 2, &output)
        output.append(0x3A)
        append(size / 60 % 60, width: 2, &output)
        if size % 60 > 0 {
            output.append(0x3A)
            append(size % 60, width: 2, &output)
        }
    }

    static func string(_ body: (inout [UInt8]) -> Void) -> String {
        var bytes: [UInt8] = []
        body(&bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}
