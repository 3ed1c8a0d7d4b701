/// Where the values of a column are in memory, for encoders that walk over the columns of a batch row by row.
///
/// Nothing is checked: rows are below the column's count, types are those of the column, and whoever uses it keeps the
/// batch alive meanwhile.
@usableFromInline @frozen package struct ColumnSource: BitwiseCopyable {
    /// Values, or one more than the rows of ends of runs; nil for structures.
    @usableFromInline package let values: UnsafeRawPointer?
    /// What the runs of strings and byte strings are in.
    @usableFromInline package let bytes: UnsafeRawPointer?
    @usableFromInline package let byteCount: Int
    @usableFromInline let validity: UnsafePointer<UInt64>?

    /// All columns of a batch, each before those below it: what programs number them by.
    package static func all(of batch: ColumnBatch) -> [ColumnSource] {
        var sources: [ColumnSource] = []
        for column in batch.columns { add(column, to: &sources) }
        return sources
    }

    private static func add(_ column: Column, to sources: inout [ColumnSource]) {
        sources.append(ColumnSource(column))
        switch column {
        case .list(let column): add(column.elements, to: &sources)
        case .map(let column):
            add(column.keys, to: &sources)
            add(column.values, to: &sources)
        case .structure(let column): for field in column.fields { add(field, to: &sources) }
        case .boolean, .int32, .int64, .float, .double, .string, .bytes: break
        }
    }

    private init(_ column: Column) {
        func fixed<Element>(_ values: FixedColumn<Element>) -> UnsafeRawPointer? {
            values.values.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
        }
        func ends(_ runs: Runs) -> UnsafeRawPointer? {
            runs.ends.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
        }
        validity = column.validity.words?.withUnsafeBufferPointer { $0.baseAddress }
        var text: BytesColumn?
        switch column {
        case .boolean(let column): values = fixed(column)
        case .int32(let column): values = fixed(column)
        case .int64(let column): values = fixed(column)
        case .float(let column): values = fixed(column)
        case .double(let column): values = fixed(column)
        case .string(let column), .bytes(let column):
            values = ends(column.runs)
            text = column
        case .list(let column): values = ends(column.runs)
        case .map(let column): values = ends(column.runs)
        case .structure: values = nil
        }
        bytes = text?.bytes.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
        byteCount = text?.bytes.count ?? 0
    }

    @inlinable @inline(__always) package func isValid(_ row: Int) -> Bool {
        guard let validity else { return true }
        return validity[row &>> 6] & (1 &<< UInt64(row & 63)) != 0
    }

    /// Columns that have rows have values.
    @inlinable @inline(__always) package func value<Value: BitwiseCopyable>(_ row: Int, _: Value.Type) -> Value {
        values.unsafelyUnwrapped.load(fromByteOffset: row &* MemoryLayout<Value>.stride, as: Value.self)
    }

    /// Where the elements, entries or bytes of a row are.
    @inlinable @inline(__always) package func run(_ row: Int) -> Range<Int> {
        let ends = values.unsafelyUnwrapped.assumingMemoryBound(to: Int32.self)
        return Range(uncheckedBounds: (Int(ends[row]), Int(ends[row &+ 1])))
    }
}
