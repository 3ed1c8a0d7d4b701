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
    }

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
            if at < end {
                let byte = at.pointee
                guard byte != separator else {
                    guard index < columns.count, append(index, field, at, limit) else { return false }
                    index += 1
                    at += 1
                    field = at
                    continue
                }
                if byte == UInt8(ascii: "\"") || byte == 0x0A || byte == 0x0D { return false }
                at += 1
                continue
            }
            return index == columns.count - 1 && append(index, field, at, limit)
        }
    }

    @inline(__always)
    private func append(
        _ index: Int, _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ limit: UnsafePointer<UInt8>
    ) -> Bool {
        let sink = sinks[index]
        guard start < end else {
            sink?.appendNull()
            return true
        }
        switch columns[index].type {
        case .string:
            guard let sink else { return true }
            return sink.cells.pointee.appendString(start, count: end - start, readable: limit - start)
        case .bigint, .timestamp:
            guard let number = Self.integer(start, end) else { return false }
            sink?.cells.pointee.append(number)
        case .int, .date:
            guard let number = Self.integer(start, end), let small = Int32(exactly: number) else { return false }
            sink?.cells.pointee.append(small)
        case .time:
            guard let number = Self.integer(start, end), 0..<86_400_000 ~= number else { return false }
            sink?.cells.pointee.append(Int32(truncatingIfNeeded: number))
        case .double:
            guard let number = Self.double(start, end) else { return false }
            sink?.cells.pointee.append(number)
        case .boolean, .decimal, .bytes, .array, .map, .structure:
            let text = String(decoding: UnsafeBufferPointer(start: start, count: end - start), as: UTF8.self)
            do throws(FormatError) {
                let value = try DelimitedCodec.value(text, columns[index].type)
                sink?.append(value)
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
