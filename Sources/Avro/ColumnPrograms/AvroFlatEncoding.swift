import Columns

/// The operations of an encoder that stand one beside the other, as those of most records of tables do: numbers, texts
/// and bytes, each alone or with null. They write a block of rows into room that was made for all of it.
///
/// Rows that do not fit the schema are left to the operations themselves, which say why.
struct AvroFlatEncoding: Sendable {
    private struct Step: BitwiseCopyable {
        enum Code: UInt8 { case boolean, int, long, float, double, run }

        var code: Code
        /// Whether a branch stands in front: `null` and `value` are its bytes.
        var isNullable = false
        var hasNull = false
        var null: UInt8 = 0
        var value: UInt8 = 0
        var column: Int32 = 0
    }

    private let steps: [Step]
    /// The columns whose bytes are written as they are.
    private let runs: [Int]
    /// Bytes of a row beside those of its runs, at most and mostly.
    private let bytesMax: Int
    private let bytesUsual: Int

    private static let blockRows = 64

    /// Nil when some operation has others below it, or writes something else.
    init?(_ operations: [EncodingOperation]) {
        var steps: [Step] = []
        var bytesMax = 0
        var bytesUsual = 0
        var at = 0
        while at < operations.count {
            var operation = operations[at]
            if operation.code == .nothing {
                at += 1
                continue
            }
            var step = Step(code: .int)
            if operation.code == .nullable {
                guard operation.below == 1, operation.a < 64, 0..<64 ~= operation.b else { return nil }
                step.isNullable = true
                step.hasNull = operation.a >= 0
                step.null = UInt8(2 * max(0, operation.a))  // in zig-zag
                step.value = UInt8(2 * operation.b)
                at += 1
                operation = operations[at]
                bytesMax += 1
                bytesUsual += 1
            }
            at += 1
            switch operation.code {
            case .boolean: step.code = .boolean
            case .int: step.code = .int
            case .long: step.code = .long
            case .float: step.code = .float
            case .double: step.code = .double
            case .run: step.code = .run
            default: return nil
            }
            step.column = operation.column
            switch step.code {
            case .boolean: (bytesMax, bytesUsual) = (bytesMax + 1, bytesUsual + 1)
            case .int, .run: (bytesMax, bytesUsual) = (bytesMax + 5, bytesUsual + (step.code == .run ? 1 : 3))
            case .long: (bytesMax, bytesUsual) = (bytesMax + 10, bytesUsual + 5)
            case .float: (bytesMax, bytesUsual) = (bytesMax + 4, bytesUsual + 4)
            case .double: (bytesMax, bytesUsual) = (bytesMax + 8, bytesUsual + 8)
            }
            steps.append(step)
        }
        self.steps = steps
        runs = steps.filter { $0.code == .run }.map { Int($0.column) }
        self.bytesMax = bytesMax
        self.bytesUsual = bytesUsual
    }

    /// - Returns: nil when a row does not fit, or there is no room.
    func encode(
        _ sources: [ColumnSource], count: Int, prefix: [UInt8], _ output: ColumnBuilder
    ) -> BytesColumn? {
        guard count > 0, prefix.count <= 16 else { return nil }
        let isDone = sources.withUnsafeBufferPointer { sources in
            steps.withUnsafeBufferPointer { steps in
                prefix.withUnsafeBytes { prefix in encode(steps, sources, count, prefix, output) }
            }
        }
        guard isDone, case .bytes(let column) = output.finish() else { return nil }
        return column
    }

    private func encode(
        _ steps: UnsafeBufferPointer<Step>, _ sources: UnsafeBufferPointer<ColumnSource>, _ count: Int,
        _ prefix: UnsafeRawBufferPointer, _ output: ColumnBuilder
    ) -> Bool {
        func runBytes(_ first: Int, _ end: Int) -> Int {
            runs.reduce(0) { $0 + sources[$1].run(end - 1).upperBound - sources[$1].run(first).lowerBound }
        }
        output.reserve(
            rows: count,
            bytesPerRow: bytesUsual + prefix.count + (runBytes(0, count) + ColumnCells.overrun) / count + 1)
        // The same for all rows, from a place behind which there is enough to be copied in one go.
        var head = SIMD16<UInt8>.zero
        for index in prefix.indices { head[index] = prefix[index] }
        var first = 0
        while first < count {
            let end = min(first + Self.blockRows, count)
            let room = (end - first) * (bytesMax + prefix.count) + runBytes(first, end)
            guard output.cells.pointee.makeRoom(rows: end - first, length: room) else { return false }
            let start = UnsafeMutableRawPointer(output.cells.pointee.bytes)
            let ends = output.cells.pointee.values.assumingMemoryBound(to: Int32.self) + 1
            var target = start + output.cells.pointee.byteCount
            for row in first..<end {
                target.storeBytes(of: head, as: SIMD16<UInt8>.self)
                target += prefix.count
                for step in steps {
                    let source = sources.baseAddress.unsafelyUnwrapped + Int(step.column)
                    let isValid = source.pointee.isValid(row)
                    if step.isNullable {
                        target.storeBytes(of: isValid ? step.value : step.null, as: UInt8.self)
                        target += 1
                        if !isValid {
                            guard step.hasNull else { return false }
                            continue
                        }
                    } else {
                        guard isValid else { return false }
                    }
                    switch step.code {
                    case .int: Self.write(Int64(source.pointee.value(row, Int32.self)), &target)
                    case .long: Self.write(source.pointee.value(row, Int64.self), &target)
                    case .run:
                        let run = source.pointee.run(row)
                        Self.write(Int64(run.count), &target)
                        if let bytes = source.pointee.bytes {
                            let bytes = bytes + run.lowerBound
                            let readable = source.pointee.byteCount &- run.lowerBound
                            if readable &- run.count >= ColumnCells.overrun {
                                ColumnCells.copyWidely(bytes, run.count, to: target)
                            } else {
                                _ = ColumnCells.copy(bytes, run.count, readable: readable, to: target)
                            }
                            target += run.count
                        }
                    case .boolean:
                        target.storeBytes(of: source.pointee.value(row, Bool.self) ? 1 : 0, as: UInt8.self)
                        target += 1
                    case .float:
                        target.storeBytes(of: source.pointee.value(row, UInt32.self).littleEndian, as: UInt32.self)
                        target += 4
                    case .double:
                        target.storeBytes(of: source.pointee.value(row, UInt64.self).littleEndian, as: UInt64.self)
                        target += 8
                    }
                }
                ends[row] = Int32(truncatingIfNeeded: target - start)
            }
            output.cells.pointee.count = end
            output.cells.pointee.byteCount = target - start
            first = end
        }
        return true
    }

    /// Zig-zag, in base 128, without a branch on how many bytes that takes unless it is one, or more than 8.
    @inline(__always)
    private static func write(_ value: Int64, _ target: inout UnsafeMutableRawPointer) {
        var rest = UInt64(bitPattern: (value &<< 1) ^ (value &>> 63))
        if rest < 0x80 {
            target.storeBytes(of: UInt8(truncatingIfNeeded: rest), as: UInt8.self)
            target += 1
            return
        }
        guard rest < 1 << 56 else {
            while rest >= 0x80 {
                target.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, as: UInt8.self)
                target += 1
                rest &>>= 7
            }
            target.storeBytes(of: UInt8(truncatingIfNeeded: rest), as: UInt8.self)
            target += 1
            return
        }
        // Bytes beyond the first: of 7 bits each, by a multiplication that divides numbers below 56 by 7.
        let more = ((63 &- rest.leadingZeroBitCount) &* 37) &>> 8
        // The groups of seven bits moved apart, and a mark on all but the last.
        var x = (rest & 0x0FFF_FFFF) | ((rest & 0x00FF_FFFF_F000_0000) &<< 4)
        x = (x & 0x0000_3FFF_0000_3FFF) | ((x & 0x0FFF_C000_0FFF_C000) &<< 2)
        x = (x & 0x007F_007F_007F_007F) | ((x & 0x3F80_3F80_3F80_3F80) &<< 1)
        x |= 0x8080_8080_8080_8080 & ((1 &<< UInt64(8 &* more)) &- 1)
        target.storeBytes(of: x.littleEndian, as: UInt64.self)
        target += more &+ 1
    }
}
