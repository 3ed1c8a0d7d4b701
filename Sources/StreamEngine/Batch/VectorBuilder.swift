import Columns
package import SQLTypes

/// Builds a vector row by row.
package final class VectorBuilder {
    package let type: SQLType
    package let kind: VectorKind
    private let column: ColumnBuilder
    private var values: [SQLValue] = []

    package init(_ type: SQLType) {
        self.type = type
        kind = VectorKind(type)
        let columnType: ColumnType =
            switch kind {
            case .boolean, .values: .boolean
            case .int32: .int32
            case .int64: .int64
            case .double: .double
            case .string: .string
            case .bytes: .bytes
            }
        column = ColumnBuilder(columnType)
    }

    /// What is filled, for loops over rows; nil where values are built. Valid as long as the builder lives.
    var cells: UnsafeMutablePointer<ColumnCells>? { kind == .values ? nil : column.cells }

    package var count: Int { kind == .values ? values.count : column.count }

    /// Bytes of strings so far.
    var byteCount: Int { column.cells.pointee.byteCount }

    package func reserve(_ rows: Int) {
        if kind == .values { values.reserveCapacity(rows) } else { column.reserve(rows: rows) }
    }

    package func appendNull() {
        if kind == .values { values.append(.null) } else { column.appendNull() }
    }

    /// Appends a value of one of the fixed types; which must be the builder's.
    @inline(__always)
    package func append<Element: BitwiseCopyable>(fixed value: Element) { column.cells.pointee.append(value) }

    /// Appends a string that is valid UTF-8, or bytes. A column that is full (2 GiB) takes null instead.
    @inline(__always)
    package func append(bytes: UnsafeRawBufferPointer) {
        let done =
            if let start = bytes.baseAddress {
                column.cells.pointee.appendBytes(start, count: bytes.count, readable: bytes.count)
            } else {
                column.cells.pointee.appendRun(elementCount: column.cells.pointee.byteCount)
            }
        if !done { column.appendNull() }
    }

    package func append(_ text: String) {
        var text = text
        text.withUTF8 { append(bytes: UnsafeRawBufferPointer($0)) }
    }

    package func append(boxed value: SQLValue) { values.append(value) }

    /// A value of another type than the builder's counts as null.
    package func append(_ value: SQLValue) {
        switch (kind, value) {
        case (.values, _): values.append(value)
        case (.boolean, .boolean(let value)): append(fixed: value)
        case (.int32, .int(let value)), (.int32, .time(let value)), (.int32, .date(let value)): append(fixed: value)
        case (.int64, .bigint(let value)), (.int64, .timestamp(let value)): append(fixed: value)
        case (.double, .double(let value)): append(fixed: value)
        case (.string, .string(let value)): append(value)
        case (.bytes, .bytes(let value)): value.withUnsafeBytes { append(bytes: $0) }
        default: appendNull()
        }
    }

    /// Appends the value of a row of a vector of the same type.
    package func append(from vector: Vector, row: Int) {
        switch (kind, vector) {
        case (.boolean, .boolean(let source)): append(source, row)
        case (.int32, .int32(let source)): append(source, row)
        case (.int64, .int64(let source)): append(source, row)
        case (.double, .double(let source)): append(source, row)
        case (.string, .string(let source)), (.bytes, .bytes(let source)):
            let done: Void? = source.withBytes(row) { append(bytes: UnsafeRawBufferPointer($0)) }
            if done == nil { appendNull() }
        default: append(vector.value(row, type))
        }
    }

    @inline(__always)
    private func append<Element>(_ source: FixedColumn<Element>, _ row: Int) {
        if let value = source[row] { append(fixed: value) } else { appendNull() }
    }

    /// What was appended; the builder is empty again.
    package func finish() -> Vector {
        if kind == .values {
            defer { values = [] }
            return .values(values)
        }
        switch column.finish() {
        case .boolean(let column): return .boolean(column)
        case .int32(let column): return .int32(column)
        case .int64(let column): return .int64(column)
        case .double(let column): return .double(column)
        case .string(let column): return .string(column)
        case .bytes(let column): return .bytes(column)
        case .float, .list, .map, .structure: return .values([])  // not among the kinds
        }
    }
}
