import Columns
import SQLFunctions
import SQLPlan
import SQLTypes

/// Functions that are worth a loop over columns. Rows that are not ASCII, and vectors of another kind, take the way of
/// all functions, so results are the same.
enum FunctionKernels {
    /// - Parameter byteCountMax: of a text that is put together; a row with a longer one fails.
    static func kernel(
        _ call: FunctionCall, _ type: SQLType, _ arguments: [Kernel], byteCountMax: Int
    ) -> Kernel? {
        switch (call.function, arguments.count) {
        case ("LCASE", 1) where type == .string:
            return mapped(arguments[0]) {
                $0 &- 65 < 26 ? $0 | 0x20 : $0
            } other: {
                $0.smallLetters
            }
        case ("UCASE", 1) where type == .string:
            return mapped(arguments[0]) {
                $0 &- 97 < 26 ? $0 & 0xDF : $0
            } other: {
                $0.uppercased()
            }
        case ("CONCAT", 1...) where type == .string && call.arguments.allSatisfy { $0.type == .string }:
            return concat(arguments, byteCountMax)
        case ("AS_VALUE", 1): return arguments[0]
        default: return nil
        }
    }

    /// SUBSTRING of texts with a place and a length that are written in the statement.
    static func substring(
        _ call: FunctionCall, _ type: SQLType, _ arguments: [Kernel], _ function: ScalarCall
    ) -> Kernel? {
        guard call.function == "SUBSTRING", type == .string, 2...3 ~= arguments.count,
            call.arguments.count == arguments.count, call.arguments[0].type == .string,
            case .literal(.int(let position)) = call.arguments[1].node
        else { return nil }
        var length: Int32?
        if arguments.count == 3 {
            guard case .literal(.int(let stated)) = call.arguments[2].node else { return nil }
            length = stated
        }
        let rest = [SQLValue.int(position)] + (length.map { [.int($0)] } ?? [])
        let argument = arguments[0]
        return { frame in
            guard let column = strings(argument(frame)) else { return .nulls(frame.count) }
            let result: Vector
            if isASCII(column) {
                result = .string(part(of: column, from: Int(position), length.map { Int($0) }))
            } else {
                result = KernelCompiler.perRow(frame.count, .string) { row in
                    guard let text = column.string(row) else { return .null }
                    do throws(EvaluationFailure) { return try function.body([.string(text)] + rest, []) } catch {
                        frame.fail(row, "Failed to invoke function SUBSTRING: \(error.message)")
                        return .null
                    }
                }
            }
            return result
        }
    }

    /// Places begin with 1; negative ones are counted from the end.
    private static func part(of column: BytesColumn, from position: Int, _ length: Int?) -> BytesColumn {
        let builder = ColumnBuilder(.string)
        builder.reserve(rows: column.count, bytesPerRow: min(length ?? 0, 64))
        let cells = builder.cells
        column.bytes.withUnsafeBufferPointer { bytes in
            for row in 0..<column.count {
                guard column.validity.isValid(row) else {
                    builder.appendNull()
                    continue
                }
                let run = column.runs[row]
                let start = position < 0 ? max(run.count + position, 0) : max(min(position - 1, run.count), 0)
                let count = length.map { max(min(start + $0, run.count), start) - start } ?? run.count - start
                let isDone =
                    bytes.baseAddress.map {
                        let from = run.lowerBound + start
                        return cells.pointee.appendBytes($0 + from, count: count, readable: bytes.count - from)
                    } ?? cells.pointee.appendRun(elementCount: cells.pointee.byteCount)
                if !isDone { builder.appendNull() }
            }
        }
        guard case .string(let column) = builder.finish() else { preconditionFailure("a builder of texts") }
        return column
    }

    private static func isASCII(_ column: BytesColumn) -> Bool {
        column.bytes.withUnsafeBufferPointer { bytes in
            var seen: UInt8 = 0
            for byte in bytes { seen |= byte }
            return seen < 0x80
        }
    }

    private static func strings(_ vector: Vector) -> BytesColumn? {
        switch vector {
        case .string(let column): return column
        case .constant(.string, _), .constant(.null, _):
            if case .string(let column) = vector.expanded(.string) { return column }
            return nil
        default: return nil
        }
    }

    private static func mapped(
        _ argument: @escaping Kernel, _ byte: @escaping (UInt8) -> UInt8, other: @escaping (String) -> String
    ) -> Kernel {
        { frame in
            guard let column = strings(argument(frame)) else { return .nulls(frame.count) }
            let result: Vector
            if isASCII(column) {
                let bytes = ColumnBuffer<UInt8>(count: column.bytes.count) { target in
                    column.bytes.withUnsafeBufferPointer { source in
                        for at in 0..<source.count { target.initializeElement(at: at, to: byte(source[at])) }
                    }
                }
                result = .string(BytesColumn(runs: column.runs, bytes: bytes, validity: column.validity))
            } else {
                result = KernelCompiler.perRow(frame.count, .string) { row in
                    column.string(row).map { .string(other($0)) } ?? .null
                }
            }
            return result
        }
    }

    /// Nulls are passed over.
    private static func concat(_ arguments: [Kernel], _ byteCountMax: Int) -> Kernel {
        { frame in
            let columns = arguments.map { strings($0(frame)) }
            // Column by column: first how long each row becomes, then where the next piece of each row goes.
            var places = [Int](repeating: 0, count: frame.count)
            for case let column? in columns {
                column.runs.ends.withUnsafeBufferPointer { ends in
                    for row in 0..<frame.count { places[row] += Int(ends[row + 1] - ends[row]) }
                }
            }
            var total = 0
            // Rows that fail, none as a rule: they take no place.
            var tooLong: [Int] = []
            let ends = ColumnBuffer<Int32>(count: frame.count + 1) { ends in
                ends.initializeElement(at: 0, to: 0)
                for row in 0..<frame.count {
                    let start = total
                    if places[row] <= byteCountMax { total += places[row] } else { tooLong.append(row) }
                    places[row] = start
                    ends.initializeElement(at: row + 1, to: Int32(clamping: total))
                }
            }
            guard total <= Int(Int32.max) else {
                for row in 0..<frame.count { frame.fail(row, "texts of a batch are longer than 2 GiB") }
                return .nulls(frame.count)
            }
            for row in tooLong { frame.fail(row, "the result of CONCAT is too long") }
            let isTooLong = Set(tooLong)
            let bytes = ColumnBuffer<UInt8>(count: total) { target in
                guard let to = target.baseAddress else { return }
                for case let column? in columns {
                    column.runs.ends.withUnsafeBufferPointer { ends in
                        column.bytes.withUnsafeBufferPointer { source in
                            guard let from = source.baseAddress else { return }
                            for row in 0..<frame.count {
                                if !isTooLong.isEmpty, isTooLong.contains(row) { continue }
                                let start = Int(ends[row])
                                let count = Int(ends[row + 1]) - start
                                (to + places[row]).initialize(from: from + start, count: count)
                                places[row] += count
                            }
                        }
                    }
                }
            }
            return .string(BytesColumn(runs: Runs(ends: ends), bytes: bytes))
        }
    }
}
