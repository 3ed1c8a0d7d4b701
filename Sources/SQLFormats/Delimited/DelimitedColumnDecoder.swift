import Columns
import SQLTypes

/// DELIMITED for whole runs of records. Lines without quotes whose fields are written in the plain way are read where
/// they lie; any other is left to the row decoder, which knows all rules and words for errors.
final class DelimitedColumnDecoder: ColumnDecoder {
    private let rows: DelimitedCodec
    private let columns: [SQLField]
    private let wanted: [Int]
    private let builders: [FormatColumnBuilder]
    /// By column, for all columns.
    private let sinks: [FormatColumnBuilder?]
    private let separator: UInt8
    private enum Target: UInt8 { case string, int64, int32, time, double, value }
    private struct Slot {
        var target: Target
        /// nil when nobody wants the column.
        var cells: UnsafeMutablePointer<ColumnCells>?
    }
    /// By column; `builders` own the cells.
    private let slots: UnsafeMutablePointer<Slot>
    private let columnCount: Int

    /// - Parameter separator: ASCII, neither a quote nor a line end.
    init(_ rows: DelimitedCodec, columns: [SQLField], wanted: [Int], separator: UInt8) {
        self.rows = rows
        self.columns = columns
        self.wanted = wanted
        self.separator = separator
        builders = wanted.map { FormatColumnBuilder(columns[$0].type) }
        var sinks = [FormatColumnBuilder?](repeating: nil, count: columns.count)
        for (place, index) in wanted.enumerated() { sinks[index] = builders[place] }
        self.sinks = sinks
        columnCount = columns.count
        slots = .allocate(capacity: max(1, columns.count))
        for (index, column) in columns.enumerated() {
            let target: Target =
                switch column.type {
                case .string: .string
                case .bigint, .timestamp: .int64
                case .int, .date: .int32
                case .time: .time
                case .double: .double
                case .boolean, .decimal, .bytes, .array, .map, .structure: .value
                }
            (slots + index).initialize(to: Slot(target: target, cells: sinks[index]?.cells))
        }
    }

    deinit { slots.deallocate() }

    func decode(_ records: BytesColumn) -> DecodedColumns {
        var failures: [DecodedColumns.Failure] = []
        for builder in builders { builder.reserve(records.count) }
        records.bytes.withUnsafeBufferPointer { all in
            for row in 0..<records.count {
                guard records.validity.isValid(row) else {
                    for builder in builders { builder.appendNull() }
                    continue
                }
                let run = records.runs[row]
                if let base = all.baseAddress, read(base + run.lowerBound, base + run.upperBound, base + all.count) {
                    continue
                }
                for builder in builders { builder.truncate(to: row) }
                do throws(FormatError) {
                    if let values = try rows.row(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(all)[run])) {
                        for (place, index) in wanted.enumerated() { builders[place].append(values[index]) }
                        continue
                    }
                } catch {
                    failures.append(.init(row: row, error: error))
                }
                for builder in builders { builder.appendNull() }
            }
        }
        return DecodedColumns(columns: builders.map { $0.finish() }, failures: failures, absent: [])
    }

    /// - Returns: false when the record is for the row decoder; columns may have values of it then.
    private func read(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ limit: UnsafePointer<UInt8>
    ) -> Bool {
        guard start < end else { return false }
        var at = start
        var field = start
        var index = 0
        while true {
            if at == field, at < end, at.pointee == UInt8(ascii: "\"") {
                // A field in quotes that has none itself.
                at += 1
                let first = at
                while at < end, at.pointee != UInt8(ascii: "\"") { at += 1 }
                guard at < end, index < columnCount, append(index, first, at, limit) else { return false }
                at += 1
                if at == end { return index == columnCount - 1 }
                guard at.pointee == separator else { return false }
                index += 1
                at += 1
                field = at
                continue
            }
            if at < end {
                let byte = at.pointee
                guard byte != separator else {
                    guard index < columnCount, append(index, field, at, limit) else { return false }
                    index += 1
                    at += 1
                    field = at
                    continue
                }
                if byte == UInt8(ascii: "\"") || byte == 0x0A || byte == 0x0D { return false }
                at += 1
                continue
            }
            return index == columnCount - 1 && append(index, field, at, limit)
        }
    }

    @inline(__always)
    private func append(
        _ index: Int, _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ limit: UnsafePointer<UInt8>
    ) -> Bool {
        let cells = slots[index].cells
        guard start < end else {
            sinks[index]?.appendNull()
            return true
        }
        switch slots[index].target {
        case .string:
            guard let cells else { return true }
            return cells.pointee.appendString(start, count: end - start, readable: limit - start)
        case .int64:
            guard let number = Self.integer(start, end) else { return false }
            cells?.pointee.append(number)
        case .int32:
            guard let number = Self.integer(start, end), let small = Int32(exactly: number) else { return false }
            cells?.pointee.append(small)
        case .time:
            guard let number = Self.integer(start, end), 0..<86_400_000 ~= number else { return false }
            cells?.pointee.append(Int32(truncatingIfNeeded: number))
        case .double:
            guard let number = Self.double(start, end) else { return false }
            cells?.pointee.append(number)
        case .value:
            let text = String(decoding: UnsafeBufferPointer(start: start, count: end - start), as: UTF8.self)
            do throws(FormatError) {
                let value = try DelimitedCodec.value(text, columns[index].type)
                sinks[index]?.append(value)
            } catch {
                return false  // the row decoder tells why
            }
        }
        return true
    }

    /// A whole number of up to 18 digits, and nothing else.
    @inline(__always)
    private static func integer(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> Int64? {
        var at = start
        let isNegative = at.pointee == UInt8(ascii: "-")
        if isNegative { at += 1 }
        guard 1...18 ~= end - at else { return nil }
        var value: Int64 = 0
        while at < end {
            let digit = at.pointee &- 0x30
            guard digit <= 9 else { return nil }
            value = value &* 10 &+ Int64(digit)
            at += 1
        }
        return isNegative ? 0 &- value : value
    }

    /// Digits with or without a point of which a double holds all.
    @inline(__always)
    private static func double(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) -> Double? {
        var at = start
        let isNegative = at.pointee == UInt8(ascii: "-")
        if isNegative { at += 1 }
        guard 1...17 ~= end - at else { return nil }
        var digits: UInt64 = 0
        var divisor = 1.0
        var hasPoint = false
        var count = 0
        while at < end {
            let byte = at.pointee
            if byte == UInt8(ascii: "."), !hasPoint {
                hasPoint = true
            } else {
                let digit = byte &- 0x30
                guard digit <= 9 else { return nil }
                digits = digits &* 10 &+ UInt64(digit)
                if hasPoint { divisor *= 10 }  // exact up to 10^22
                count += 1
            }
            at += 1
        }
        guard count > 0, digits <= 1 << 53 else { return nil }
        let value = Double(digits) / divisor
        return isNegative ? -value : value
    }
}
