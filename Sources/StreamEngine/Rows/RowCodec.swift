import Columns
package import SQLTypes

/// Rows as bytes in state: a bit per column that is set where it is null, then the values of the others.
///
/// BOOLEAN takes 1 byte, INT, TIME and DATE 4, BIGINT, TIMESTAMP and DOUBLE 8, STRING and BYTES a LEB128 length and the
/// bytes, everything else the bytes of `ValueCodec`. Little-endian.
package struct RowCodec: Sendable {
    package let types: [SQLType]
    private let kinds: [VectorKind]
    private let nullBytes: Int

    package init(_ types: [SQLType]) {
        self.types = types
        kinds = types.map { VectorKind($0) }
        nullBytes = (types.count + 7) / 8
    }

    /// Appends a row of vectors. `columns` are those of the codec, in order.
    func append(_ columns: RowColumns, row: Int, to bytes: ScratchBytes) {
        let nulls = bytes.count
        for _ in 0..<nullBytes { bytes.append(0 as UInt8) }
        columns.withViews { views in
            for index in 0..<views.count {
                let view = views[index]
                let isThere =
                    view.kind == .boxed
                    ? appendBoxed(columns.vectors[index], row, kinds[index], bytes) : appendField(view, row, bytes)
                if !isThere { bytes.or(1 << UInt8(index & 7), at: nulls + index >> 3) }
            }
        }
    }

    func append(_ columns: [Vector], row: Int, to bytes: ScratchBytes) {
        append(RowColumns(columns), row: row, to: bytes)
    }

    func append(_ values: [SQLValue], to bytes: ScratchBytes) {
        append(values.map { Vector.constant($0, count: 1) }, row: 0, to: bytes)
    }

    /// - Returns: false for null, with nothing appended.
    @inline(__always)
    private func appendField(_ view: VectorView, _ row: Int, _ bytes: ScratchBytes) -> Bool {
        guard view.isValid(row) else { return false }
        switch view.kind {
        case .boolean: bytes.append(view.value(row, Bool.self))
        case .int32: bytes.append(view.value(row, Int32.self))
        case .int64, .double: bytes.append(view.value(row, Int64.self))
        case .run:
            let run = view.run(row)
            bytes.appendLength(run.count)
            bytes.append(run)
        case .boxed: return false
        }
        return true
    }

    private func appendBoxed(_ vector: Vector, _ row: Int, _ kind: VectorKind, _ bytes: ScratchBytes) -> Bool {
        switch vector {
        case .values(let values): appendBoxed(values[row], kind, bytes)
        case .constant(let value, _): appendBoxed(value, kind, bytes)
        default: false
        }
    }

    private func appendBoxed(_ value: SQLValue, _ kind: VectorKind, _ bytes: ScratchBytes) -> Bool {
        switch (kind, value) {
        case (_, .null): return false
        case (.boolean, .boolean(let value)): bytes.append(value)
        case (.int32, .int(let value)), (.int32, .time(let value)), (.int32, .date(let value)): bytes.append(value)
        case (.int64, .bigint(let value)), (.int64, .timestamp(let value)): bytes.append(value)
        case (.double, .double(let value)): bytes.append(value)
        case (.string, .string(var value)):
            value.withUTF8 {
                bytes.appendLength($0.count)
                bytes.append(UnsafeRawBufferPointer($0))
            }
        case (.bytes, .bytes(let value)):
            bytes.appendLength(value.count)
            value.withUnsafeBytes { bytes.append($0) }
        case (.values, _):
            var own: [UInt8] = []
            ValueCodec.append(value, to: &own)
            own.withUnsafeBytes { bytes.append($0) }
        default: return false
        }
        return true
    }

    /// Appends the fields of a row to builders of the same types, and moves `at` behind the row.
    func read(_ bytes: UnsafeRawBufferPointer, at: inout Int, into builders: ArraySlice<VectorBuilder>) {
        let nulls = at
        at += nullBytes
        var index = 0
        for builder in builders {
            if bytes[nulls + index >> 3] & (1 << UInt8(index & 7)) != 0 {
                builder.appendNull()
            } else {
                Self.readField(bytes, &at, kinds[index], into: builder)
            }
            index += 1
        }
    }

    /// As the other, for many rows.
    func read(_ bytes: UnsafeRawBufferPointer, at: inout Int, into target: RowTarget) {
        let nulls = at
        at += nullBytes
        target.cells.withUnsafeBufferPointer { columns in
            for index in 0..<columns.count {
                let isNull = bytes[nulls + index >> 3] & (1 << UInt8(index & 7)) != 0
                guard let cells = columns[index], !isNull else {
                    let builder = target.builders[index]
                    if isNull { builder.appendNull() } else { Self.readField(bytes, &at, kinds[index], into: builder) }
                    continue
                }
                switch kinds[index] {
                case .boolean:
                    cells.pointee.append(bytes[at] != 0)
                    at += 1
                case .int32: cells.pointee.append(ValueCodec.fixed(bytes, &at) as Int32)
                case .int64, .double: cells.pointee.append(ValueCodec.fixed(bytes, &at) as Int64)
                case .string, .bytes:
                    let run = ValueCodec.run(bytes, &at)
                    let readable = bytes.count - at + run.count
                    if let start = run.baseAddress,
                        cells.pointee.appendBytes(start, count: run.count, readable: readable)
                    {
                        continue
                    }
                    target.builders[index].append(bytes: run)
                case .values: break  // those have no cells
                }
            }
        }
    }

    func read(_ bytes: UnsafeRawBufferPointer, into builders: ArraySlice<VectorBuilder>) {
        var at = 0
        read(bytes, at: &at, into: builders)
    }

    @inline(__always)
    private static func readField(
        _ bytes: UnsafeRawBufferPointer, _ at: inout Int, _ kind: VectorKind, into builder: VectorBuilder
    ) {
        switch kind {
        case .boolean:
            builder.append(fixed: bytes[at] != 0)
            at += 1
        case .int32: builder.append(fixed: ValueCodec.fixed(bytes, &at) as Int32)
        case .int64: builder.append(fixed: ValueCodec.fixed(bytes, &at) as Int64)
        case .double: builder.append(fixed: Double(bitPattern: ValueCodec.fixed(bytes, &at)))
        case .string, .bytes: builder.append(bytes: ValueCodec.run(bytes, &at))
        case .values: builder.append(boxed: ValueCodec.read(bytes, at: &at))
        }
    }

    func values(_ bytes: UnsafeRawBufferPointer) -> [SQLValue] {
        var at = 0
        return values(bytes, at: &at)
    }

    func values(_ bytes: UnsafeRawBufferPointer, at: inout Int) -> [SQLValue] {
        let nulls = at
        at += nullBytes
        return kinds.indices.map { index in
            guard bytes[nulls + index >> 3] & (1 << UInt8(index & 7)) == 0 else { return .null }
            switch kinds[index] {
            case .boolean:
                at += 1
                return .boolean(bytes[at - 1] != 0)
            case .int32:
                let value: Int32 = ValueCodec.fixed(bytes, &at)
                switch types[index] {
                case .time: return .time(value)
                case .date: return .date(value)
                default: return .int(value)
                }
            case .int64:
                let value: Int64 = ValueCodec.fixed(bytes, &at)
                return types[index] == .timestamp ? .timestamp(value) : .bigint(value)
            case .double: return .double(Double(bitPattern: ValueCodec.fixed(bytes, &at)))
            case .string: return .string(String(decoding: ValueCodec.run(bytes, &at), as: UTF8.self))
            case .bytes: return .bytes([UInt8](ValueCodec.run(bytes, &at)))
            case .values: return ValueCodec.read(bytes, at: &at)
            }
        }
    }

    /// Moves `at` behind a row of bytes that may be anything.
    ///
    /// - Returns: false for bytes that `append` does not write; `at` is anywhere then.
    func skip(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> Bool {
        let nulls = at
        guard ValueCodec.skip(nullBytes, bytes, &at) else { return false }
        for (index, kind) in kinds.enumerated() where bytes[nulls + index >> 3] & (1 << UInt8(index & 7)) == 0 {
            let isThere =
                switch kind {
                case .boolean: ValueCodec.skip(1, bytes, &at)
                case .int32: ValueCodec.skip(4, bytes, &at)
                case .int64, .double: ValueCodec.skip(8, bytes, &at)
                case .string, .bytes: ValueCodec.skipRun(bytes, &at)
                case .values: ValueCodec.skip(bytes, &at)
                }
            if !isThere { return false }
        }
        return true
    }

    /// Whether bytes that may be anything are, from `start` on, a row and no more.
    func isRow(_ bytes: UnsafeRawBufferPointer, from start: Int = 0, trailing: [Int] = [0]) -> Bool {
        guard start <= bytes.count else { return false }
        var at = start
        return skip(bytes, &at) && trailing.contains(bytes.count - at)
    }

    /// Bytes of the row that starts at `start`.
    func byteCount(_ bytes: UnsafeRawBufferPointer, at start: Int) -> Int {
        var at = start + nullBytes
        for (index, kind) in kinds.enumerated() {
            guard bytes[start + index >> 3] & (1 << UInt8(index & 7)) == 0 else { continue }
            switch kind {
            case .boolean: at += 1
            case .int32: at += 4
            case .int64, .double: at += 8
            case .string, .bytes: _ = ValueCodec.run(bytes, &at)
            case .values: _ = ValueCodec.read(bytes, at: &at)
            }
        }
        return at - start
    }
}

/// Builders of rows that are read, with where their cells are: a loop over rows then counts no references.
struct RowTarget {
    let builders: [VectorBuilder]
    /// nil for those that build values.
    fileprivate let cells: [UnsafeMutablePointer<ColumnCells>?]

    init(_ builders: some Sequence<VectorBuilder>) {
        self.builders = Array(builders)
        cells = self.builders.map(\.cells)
    }
}
