package import Columns

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The operations of a program that stand one beside the other, as those of most records of tables do: numbers, texts
/// and bytes, each alone or with null. They go over a block of records column by column instead of record by record: a
/// tight loop for each, whose steps do not wait for each other.
///
/// What is not as it should be, and texts that have to be repaired, are left to the operations themselves.
struct AvroFlatProgram: Sendable {
    private struct Step: BitwiseCopyable {
        enum Code: UInt8 { case int, long, string, bytes, double, float, boolean, null, skipNumber, skipRun, skipFixed }

        var code: Code
        /// Whether a branch stands in front: `null` and `value` are its bytes.
        var isNullable = false
        var null: UInt8 = 0
        var value: UInt8 = 0
        var column: Int32 = 0
        /// Bytes that are passed over.
        var size: Int32 = 0
    }

    private let steps: [Step]

    /// Rows of a block, whose records stay in the nearest cache while the columns go over them.
    private static let rowsMax = 128
    private static let bytesMax = 32 << 10
    /// Behind the records of a block: what the longest step can read beyond its record's end.
    private static let overrun = 16 + ColumnCells.overrun

    /// Nil when some operation has others below it.
    init?(_ operations: [AvroOperation]) {
        var steps: [Step] = []
        var at = 0
        while at < operations.count {
            let operation = operations[at]
            at += 1
            var step: Step?
            if operation.code == .nullable || operation.code == .skipNullable {
                guard operation.below == 1, operation.isPlain, [0, 1].contains(operation.a) else { return nil }
                step = Self.step(operations[at])
                step?.isNullable = true
                step?.null = operation.a == 0 ? 0 : 2  // in zig-zag
                step?.value = operation.a == 0 ? 2 : 0
                guard operations[at].code != .skipNumbers || operations[at].a == 1 else { return nil }
                guard step?.code != .null else { return nil }
                at += 1
            } else {
                step = Self.step(operation)
            }
            guard let step else { return nil }
            // Numbers that are passed over are one operation, but a step each.
            for _ in 0..<(operation.code == .skipNumbers ? operation.a : 1) { steps.append(step) }
        }
        guard steps.count <= 10_000 else { return nil }
        self.steps = steps
    }

    private static func step(_ operation: AvroOperation) -> Step? {
        let code: Step.Code
        switch operation.code {
        case .int: code = .int
        case .long: code = .long
        case .string: code = .string
        case .bytes: code = .bytes
        case .double: code = .double
        case .float: code = .float
        case .boolean: code = .boolean
        case .plainNull: code = .null
        case .skipNumbers: code = .skipNumber
        case .skipRun: code = .skipRun
        case .skipFixed: code = .skipFixed
        default: return nil
        }
        return Step(code: code, column: operation.column, size: operation.a)
    }

    // MARK: Blocks

    /// How many records from `first` on may be taken as one block; 0 when they are too large or too near to the end.
    func blockCount(_ records: BytesColumn, from first: Int) -> Int {
        let last = min(records.count, first + Self.rowsMax)
        return records.runs.ends.withUnsafeBufferPointer { ends in
            let bytesEnd = min(Int(ends[first]) + Self.bytesMax, records.bytes.count - Self.overrun)
            var row = first
            while row < last, Int(ends[row + 1]) <= bytesEnd, records.validity.isValid(row) { row += 1 }
            return row - first
        }
    }

    /// Appends `count` records from `first` on, whose payloads begin `offset` bytes behind their beginnings.
    ///
    /// - Returns: false when one of them is not as it should be; columns may have rows of them then.
    func append(
        _ records: BytesColumn, from first: Int, count: Int, offset: Int,
        _ cells: UnsafeMutablePointer<UnsafeMutablePointer<ColumnCells>>
    ) -> Bool {
        records.bytes.withUnsafeBufferPointer { bytes in
            records.runs.ends.withUnsafeBufferPointer { ends in
                withUnsafeTemporaryAllocation(of: UnsafeRawPointer.self, capacity: 2 * Self.rowsMax) { places in
                    guard let bytes = bytes.baseAddress, let places = places.baseAddress else { return false }
                    let base = UnsafeRawPointer(bytes)
                    for row in 0..<count {
                        (places + row).initialize(to: base + Int(ends[first + row]) + offset)
                        (places + Self.rowsMax + row).initialize(to: base + Int(ends[first + row + 1]))
                    }
                    let block = Block(
                        at: places, ends: places + Self.rowsMax, count: count,
                        byteCount: Int(ends[first + count] - ends[first]))
                    for step in steps where !run(step, block, cells[Int(step.column)]) { return false }
                    for row in 0..<count where block.at[row] != block.ends[row] { return false }
                    return true
                }
            }
        }
    }

    private struct Block {
        /// Where each record is read next, and where it ends.
        let at: UnsafeMutablePointer<UnsafeRawPointer>
        let ends: UnsafeMutablePointer<UnsafeRawPointer>
        let count: Int
        /// Of the records.
        let byteCount: Int
    }

    private func run(_ step: Step, _ block: Block, _ column: UnsafeMutablePointer<ColumnCells>) -> Bool {
        switch step.code {
        case .int:
            var others: Int64 = 0
            let isDone = values(step, block, column, Int32.self) { at in
                guard let number = Self.number(&at) else { return nil }
                let value = Int32(truncatingIfNeeded: number)
                others |= number ^ Int64(value)
                return value
            }
            return isDone && others == 0
        case .long: return values(step, block, column, Int64.self) { Self.number(&$0) }
        case .double:
            return values(step, block, column, UInt64.self) { at in
                let bits = UInt64(littleEndian: at.loadUnaligned(as: UInt64.self))
                at += 8
                return bits
            }
        case .float:
            return values(step, block, column, UInt32.self) { at in
                let bits = UInt32(littleEndian: at.loadUnaligned(as: UInt32.self))
                at += 4
                return bits
            }
        case .boolean:
            return values(step, block, column, UInt8.self) { at in
                let byte = at.load(as: UInt8.self)
                at += 1
                return byte < 2 ? byte : nil
            }
        case .string: return texts(step, block, column, isText: true)
        case .bytes: return texts(step, block, column, isText: false)
        case .null:
            for _ in 0..<block.count { column.pointee.appendNull() }
            return true
        case .skipNumber: return skip(step, block) { Self.number(&$0) == nil ? nil : 0 }
        case .skipRun: return skip(step, block) { Self.number(&$0) }
        case .skipFixed: return skip(step, block) { _ in Int64(step.size) }
        }
    }

    // MARK: Steps

    // Each looks whether the record has at least one byte left; what it reads beyond that is memory of the records behind
    // it, and is noticed by the next look or when the block ends.

    /// Of fixed size in the column.
    @inline(__always)
    private func values<Value: BitwiseCopyable>(
        _ step: Step, _ block: Block, _ column: UnsafeMutablePointer<ColumnCells>, _: Value.Type,
        _ read: (inout UnsafeRawPointer) -> Value?
    ) -> Bool {
        guard column.pointee.makeRoom(rows: block.count) else { return false }
        let first = column.pointee.count
        let target = column.pointee.values.assumingMemoryBound(to: Value.self) + first
        var validity = column.pointee.validity
        var nullCount = 0
        var row = 0
        while row < block.count {
            var at = block.at[row]
            guard at < block.ends[row] else { break }
            if step.isNullable {
                let branch = at.load(as: UInt8.self)
                at += 1
                if branch != step.value {
                    guard branch == step.null else { break }
                    block.at[row] = at
                    memset(target + row, 0, MemoryLayout<Value>.size)
                    nullCount &+= 1
                    if validity == nil { validity = Self.validity(column, first &+ row) }
                    row &+= 1
                    continue
                }
            }
            guard let value = read(&at) else { break }
            target[row] = value
            block.at[row] = at
            if let validity { Self.mark(validity, first &+ row) }
            row &+= 1
        }
        // Rows before one that is broken are there as well, to be taken away with their bits.
        column.pointee.count = first + row
        column.pointee.nullCount += nullCount
        return row == block.count
    }

    @inline(__always)
    private func texts(
        _ step: Step, _ block: Block, _ column: UnsafeMutablePointer<ColumnCells>, isText: Bool
    ) -> Bool {
        guard column.pointee.makeRoom(rows: block.count, length: block.byteCount) else { return false }
        let first = column.pointee.count
        let ends = column.pointee.values.assumingMemoryBound(to: Int32.self) + (first + 1)
        let bytes = column.pointee.bytes
        let start = column.pointee.byteCount
        var end = start
        var validity = column.pointee.validity
        var nullCount = 0
        var row = 0
        while row < block.count {
            var at = block.at[row]
            guard at < block.ends[row] else { break }
            if step.isNullable {
                let branch = at.load(as: UInt8.self)
                at += 1
                if branch != step.value {
                    guard branch == step.null else { break }
                    block.at[row] = at
                    ends[row] = Int32(truncatingIfNeeded: end)
                    nullCount &+= 1
                    if validity == nil { validity = Self.validity(column, first &+ row) }
                    row &+= 1
                    continue
                }
            }
            guard let length = Self.number(&at), length >= 0, length <= Int64(block.ends[row] - at) else { break }
            ColumnCells.copyWidely(at, Int(length), to: UnsafeMutableRawPointer(bytes + end))
            end &+= Int(length)
            ends[row] = Int32(truncatingIfNeeded: end)
            block.at[row] = at + Int(length)
            if let validity { Self.mark(validity, first &+ row) }
            row &+= 1
        }
        column.pointee.count = first + row
        column.pointee.byteCount = end
        column.pointee.nullCount += nullCount
        return row == block.count && (!isText || Self.areTexts(bytes, start, ends, row))
    }

    /// - Parameter read: how many bytes are passed over behind what it read.
    @inline(__always)
    private func skip(_ step: Step, _ block: Block, _ read: (inout UnsafeRawPointer) -> Int64?) -> Bool {
        for row in 0..<block.count {
            var at = block.at[row]
            guard at < block.ends[row] else { return false }
            if step.isNullable {
                let branch = at.load(as: UInt8.self)
                at += 1
                if branch != step.value {
                    guard branch == step.null else { return false }
                    block.at[row] = at
                    continue
                }
            }
            guard let length = read(&at), length >= 0, length <= Int64(block.ends[row] - at) else { return false }
            block.at[row] = at + Int(length)
        }
        return true
    }

    /// Bits for the rows of a column, of which `count` are there and have values.
    @inline(never)
    private static func validity(_ column: UnsafeMutablePointer<ColumnCells>, _ count: Int)
        -> UnsafeMutablePointer<UInt64>?
    {
        column.pointee.count = count
        column.pointee.makeValidity()
        return column.pointee.validity
    }

    @inline(__always)
    private static func mark(_ validity: UnsafeMutablePointer<UInt64>, _ row: Int) {
        validity[row &>> 6] |= 1 &<< UInt64(row & 63)
    }

    /// A zig-zag number, without a branch on how many bytes it has unless there are more than 8.
    @inline(__always)
    private static func number(_ at: inout UnsafeRawPointer) -> Int64? {
        let word = UInt64(littleEndian: at.loadUnaligned(as: UInt64.self))
        let stops = ~word & 0x8080_8080_8080_8080
        guard stops != 0 else { return longNumber(&at) }
        // Up to and with the byte that stops, then the groups of seven bits moved together.
        var x = word & (stops ^ (stops &- 1)) & 0x7F7F_7F7F_7F7F_7F7F
        x = (x & 0x007F_007F_007F_007F) | ((x & 0x7F00_7F00_7F00_7F00) &>> 1)
        x = (x & 0x0000_3FFF_0000_3FFF) | ((x & 0x3FFF_0000_3FFF_0000) &>> 2)
        x = (x & 0x0FFF_FFFF) | ((x & 0x0FFF_FFFF_0000_0000) &>> 4)
        at += (stops.trailingZeroBitCount &+ 1) &>> 3
        return Int64(bitPattern: x &>> 1) ^ -Int64(bitPattern: x & 1)
    }

    @inline(never)
    private static func longNumber(_ at: inout UnsafeRawPointer) -> Int64? {
        var reader = ByteReader(UnsafeRawBufferPointer(start: at, count: 10))
        do throws(AvroFault) {
            let number = try reader.long()
            at = reader.at
            return number
        } catch { return nil }  // told when the record is read by itself
    }

    /// Whether runs that lie one behind the other are UTF-8, each of them.
    @inline(never)
    private static func areTexts(
        _ bytes: UnsafePointer<UInt8>, _ start: Int, _ ends: UnsafePointer<Int32>, _ count: Int
    ) -> Bool {
        let all = UnsafeBufferPointer(start: bytes + start, count: Int(ends[count - 1]) - start)
        if isASCII(UnsafeRawPointer(bytes + start), all.count) { return true }
        do throws(UTF8.ValidationError) { _ = try UTF8Span(validating: all.span) } catch { return false }
        // Nor does any begin in the middle of a character.
        var begin = start
        for row in 0..<count {
            let end = Int(ends[row])
            if begin < end, bytes[begin] & 0xC0 == 0x80 { return false }
            begin = end
        }
        return true
    }

    @inline(__always)
    private static func isASCII(_ bytes: UnsafeRawPointer, _ count: Int) -> Bool {
        var seen = SIMD2<UInt64>.zero
        var at = 0
        while at &+ 16 <= count {
            seen |= (bytes + at).loadUnaligned(as: SIMD2<UInt64>.self)
            at &+= 16
        }
        var rest: UInt8 = 0
        while at < count {
            rest |= bytes.load(fromByteOffset: at, as: UInt8.self)
            at &+= 1
        }
        return (seen[0] | seen[1] | UInt64(rest)) & 0x8080_8080_8080_8080 == 0
    }
}

extension AvroColumnProgram {
    /// Appends the records of a column as rows.
    ///
    /// - Parameters:
    ///   - offset: where in each record its payload begins; none that has a value is shorter.
    /// - Returns: the records that could not be read, ascending; they and those without a value are rows of nulls.
    package func append(
        _ records: BytesColumn, from offset: Int, to sink: AvroColumnSink
    ) -> [(row: Int, error: AvroError)] {
        sink.reserve(rows: sink.count + records.count)
        var failures: [(row: Int, error: AvroError)] = []
        var row = 0
        while row < records.count {
            let block = flat?.blockCount(records, from: row) ?? 0
            if let flat, block > 0 {
                if flat.append(records, from: row, count: block, offset: offset, sink.cells) {
                    sink.count += block
                    row += block
                    continue
                }
                sink.truncate()
            }
            for row in row..<(row + max(1, block)) {
                do throws(AvroError) {
                    let done: Void? = try records.withBytes(row) { (bytes) throws(AvroError) in
                        try append(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[offset...]), to: sink)
                    }
                    if done == nil { sink.appendNull() }
                } catch {
                    failures.append((row, error))
                    sink.appendNull()
                }
            }
            row += max(1, block)
        }
        return failures
    }
}
