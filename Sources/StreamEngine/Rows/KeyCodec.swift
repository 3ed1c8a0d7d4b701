import Columns
package import SQLTypes

/// Keys as bytes in state. Equal keys have equal bytes, different ones different bytes, and the order of the bytes is that
/// of the KAFKA format, which decides who comes first among results of the same time (`StoredKeyOrder`).
///
/// A single column is its bytes alone: numbers big-endian, texts as they are, BYTES that begin with `nullByte` with one
/// more of it in front. Of several columns each has a byte in front
/// that is 0 for null and 1 for a value, and texts have a 4-byte length.
package struct KeyCodec: Sendable {
    package let types: [SQLType]
    private let kinds: [VectorKind]

    package init(_ types: [SQLType]) {
        self.types = types
        kinds = types.map { VectorKind($0) }
    }

    /// A null in the only column: no text begins with this byte, and no number has one.
    static let nullByte: UInt8 = 0xFF

    /// What stands before the bytes of an only column, so that none is taken for null.
    @inline(__always)
    static func needsPrefix(_ value: UnsafeRawBufferPointer) -> Bool { value.first == nullByte }

    /// - Returns: whether a column is null.
    @discardableResult
    func append(_ columns: ArraySlice<Vector>, row: Int, to bytes: ScratchBytes) -> Bool {
        let isSingle = kinds.count == 1
        var hasNull = false
        var index = 0
        for vector in columns {
            if vector.isNull(row) {
                hasNull = true
                bytes.append(isSingle ? Self.nullByte : 0 as UInt8)
            } else {
                if !isSingle { bytes.append(1 as UInt8) }
                appendField(vector, row, index, isSingle: isSingle, bytes)
            }
            index += 1
        }
        return hasNull
    }

    @discardableResult
    func append(_ columns: [Vector], row: Int, to bytes: ScratchBytes) -> Bool {
        append(columns[...], row: row, to: bytes)
    }

    @inline(__always)
    private func appendField(_ vector: Vector, _ row: Int, _ index: Int, isSingle: Bool, _ bytes: ScratchBytes) {
        switch vector {
        case .boolean(let column): bytes.append(column.values[row])
        case .int32(let column): bytes.append(column.values[row].bigEndian)
        case .int64(let column): bytes.append(column.values[row].bigEndian)
        case .double(let column): bytes.append(column.values[row].bitPattern.bigEndian)
        case .string(let column), .bytes(let column):
            let run = column.runs[row]
            if !isSingle { bytes.append(UInt32(truncatingIfNeeded: run.count).bigEndian) }
            column.bytes.withUnsafeBufferPointer { all in
                let value = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(all)[run])
                if isSingle, Self.needsPrefix(value) { bytes.append(Self.nullByte) }
                bytes.append(value)
            }
        case .values(let values): appendBoxed(values[row], index, isSingle: isSingle, bytes)
        case .constant(let value, _): appendBoxed(value, index, isSingle: isSingle, bytes)
        }
    }

    private func appendBoxed(_ value: SQLValue, _ index: Int, isSingle: Bool, _ bytes: ScratchBytes) {
        switch (kinds[index], value) {
        case (.boolean, .boolean(let value)): bytes.append(value)
        case (.int32, .int(let value)), (.int32, .time(let value)), (.int32, .date(let value)):
            bytes.append(value.bigEndian)
        case (.int64, .bigint(let value)), (.int64, .timestamp(let value)): bytes.append(value.bigEndian)
        case (.double, .double(let value)): bytes.append(value.bitPattern.bigEndian)
        case (.string, .string(var value)):
            value.withUTF8 {
                if !isSingle { bytes.append(UInt32(truncatingIfNeeded: $0.count).bigEndian) }
                bytes.append(UnsafeRawBufferPointer($0))
            }
        case (.bytes, .bytes(let value)):
            if !isSingle { bytes.append(UInt32(truncatingIfNeeded: value.count).bigEndian) }
            value.withUnsafeBytes {
                if isSingle, Self.needsPrefix($0) { bytes.append(Self.nullByte) }
                bytes.append($0)
            }
        default:
            var own: [UInt8] = []
            ValueCodec.append(value, to: &own)
            own.withUnsafeBytes { bytes.append($0) }
        }
    }

    /// Appends the key of some values, one for each column.
    func append(_ values: [SQLValue], to bytes: ScratchBytes) {
        append(values.map { Vector.constant($0, count: 1) }, row: 0, to: bytes)
    }

    /// Whether bytes that may be anything are a key.
    func isKey(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let isSingle = kinds.count == 1
        if isSingle, bytes.count == 1, bytes[0] == Self.nullByte { return true }
        var at = 0
        for kind in kinds {
            if !isSingle {
                guard at < bytes.count else { return false }
                at += 1
                if bytes[at - 1] == 0 { continue }
            }
            let isThere: Bool
            switch kind {
            case .boolean: isThere = ValueCodec.skip(1, bytes, &at)
            case .int32: isThere = ValueCodec.skip(4, bytes, &at)
            case .int64, .double: isThere = ValueCodec.skip(8, bytes, &at)
            case .string, .bytes:
                if isSingle { return true }
                guard bytes.count - at >= 4 else { return false }
                let count = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
                at += 4
                isThere = ValueCodec.skip(Int(count), bytes, &at)
            case .values: isThere = ValueCodec.skip(bytes, &at)
            }
            if !isThere { return false }
        }
        return at == bytes.count
    }

    /// Appends the columns of a key to builders of the same types.
    func read(_ bytes: UnsafeRawBufferPointer, into builders: ArraySlice<VectorBuilder>) {
        let isSingle = kinds.count == 1
        var at = 0
        var index = 0
        for builder in builders {
            let kind = kinds[index]
            index += 1
            if isSingle {
                if bytes.count == 1, bytes[0] == Self.nullByte {
                    builder.appendNull()
                    continue
                }
            } else {
                at += 1
                guard bytes[at - 1] != 0 else {
                    builder.appendNull()
                    continue
                }
            }
            switch kind {
            case .boolean:
                builder.append(fixed: bytes[at] != 0)
                at += 1
            case .int32: builder.append(fixed: Int32(bigEndian: ValueCodec.fixed(bytes, &at)))
            case .int64: builder.append(fixed: Int64(bigEndian: ValueCodec.fixed(bytes, &at)))
            case .double: builder.append(fixed: Double(bitPattern: UInt64(bigEndian: ValueCodec.fixed(bytes, &at))))
            case .string, .bytes:
                if isSingle, Self.needsPrefix(bytes) { at = 1 }
                let count =
                    isSingle ? bytes.count - at : Int(UInt32(bigEndian: ValueCodec.fixed(bytes, &at)))
                precondition(count <= bytes.count - at)
                builder.append(bytes: UnsafeRawBufferPointer(rebasing: bytes[at..<(at + count)]))
                at += count
            case .values: builder.append(boxed: ValueCodec.read(bytes, at: &at))
            }
        }
    }
}
