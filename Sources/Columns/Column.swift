/// The values of one column of a batch, typed, immutable and cheap to copy.
package enum Column: Sendable {
    case boolean(FixedColumn<Bool>)
    case int32(FixedColumn<Int32>)
    case int64(FixedColumn<Int64>)
    case float(FixedColumn<Float>)
    case double(FixedColumn<Double>)
    /// Every value is valid UTF-8.
    case string(BytesColumn)
    case bytes(BytesColumn)
    indirect case list(ListColumn)
    indirect case map(MapColumn)
    case structure(StructureColumn)

    /// Rows.
    package var count: Int {
        switch self {
        case .boolean(let column): column.values.count
        case .int32(let column): column.values.count
        case .int64(let column): column.values.count
        case .float(let column): column.values.count
        case .double(let column): column.values.count
        case .string(let column), .bytes(let column): column.count
        case .list(let column): column.count
        case .map(let column): column.count
        case .structure(let column): column.count
        }
    }

    package var validity: Validity {
        switch self {
        case .boolean(let column): column.validity
        case .int32(let column): column.validity
        case .int64(let column): column.validity
        case .float(let column): column.validity
        case .double(let column): column.validity
        case .string(let column), .bytes(let column): column.validity
        case .list(let column): column.validity
        case .map(let column): column.validity
        case .structure(let column): column.validity
        }
    }

    package var type: ColumnType {
        switch self {
        case .boolean: .boolean
        case .int32: .int32
        case .int64: .int64
        case .float: .float
        case .double: .double
        case .string: .string
        case .bytes: .bytes
        case .list(let column): .list(column.elements.type)
        case .map(let column): .map(key: column.keys.type, value: column.values.type)
        case .structure(let column):
            .structure(zip(column.names, column.fields).map { ColumnField($0, $1.type) })
        }
    }
}

/// Values of fixed size. A row without a value holds zero.
@usableFromInline @frozen package struct FixedColumn<Element: BitwiseCopyable & Sendable>: Sendable {
    @usableFromInline package let values: ColumnBuffer<Element>
    @usableFromInline package let validity: Validity

    package init(values: ColumnBuffer<Element>, validity: Validity = .all) {
        self.values = values
        self.validity = validity
    }

    /// The value of a row, nil where there is none.
    @inlinable package subscript(row: Int) -> Element? { validity.isValid(row) ? values[row] : nil }
}

/// Rows that are runs of something that lies elsewhere: row `r` goes from `ends[r]` to before `ends[r + 1]`.
@usableFromInline @frozen package struct Runs: Sendable {
    /// One entry more than rows, the first is 0, never falling.
    @usableFromInline package let ends: ColumnBuffer<Int32>

    package init(ends: ColumnBuffer<Int32>) { self.ends = ends }

    package var count: Int { ends.count - 1 }

    @inlinable package subscript(row: Int) -> Range<Int> { Int(ends[row])..<Int(ends[row + 1]) }
}

/// Strings or byte strings: all of them one after the other, and where each ends. A row without a value is empty.
@usableFromInline @frozen package struct BytesColumn: Sendable {
    @usableFromInline package let runs: Runs
    @usableFromInline package let bytes: ColumnBuffer<UInt8>
    @usableFromInline package let validity: Validity

    package init(runs: Runs, bytes: ColumnBuffer<UInt8>, validity: Validity = .all) {
        self.runs = runs
        self.bytes = bytes
        self.validity = validity
    }

    package var count: Int { runs.count }

    /// Lets `body` see the bytes of a row in place; nil where there is no value.
    @inlinable package func withBytes<Result, Failure: Error>(
        _ row: Int, _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard validity.isValid(row) else { return nil }
        let run = runs[row]
        return try bytes.withUnsafeBufferPointer { (all) throws(Failure) in
            try body(UnsafeBufferPointer(rebasing: all[run]))
        }
    }

    /// The value of a row as a string, nil where there is none.
    package func string(_ row: Int) -> String? { withBytes(row) { String(decoding: $0, as: UTF8.self) } }

    /// A copy of the bytes of a row, nil where there is no value.
    package func array(_ row: Int) -> [UInt8]? { withBytes(row) { [UInt8]($0) } }
}

/// Lists: the elements of all rows one after the other. A row without a value is an empty run.
package struct ListColumn: Sendable {
    package let runs: Runs
    package let elements: Column
    package let validity: Validity

    package init(runs: Runs, elements: Column, validity: Validity = .all) {
        self.runs = runs
        self.elements = elements
        self.validity = validity
    }

    package var count: Int { runs.count }
}

/// Maps: keys and values of all rows one after the other, in the order they came in; a key that came twice is there
/// twice, and the later one counts.
package struct MapColumn: Sendable {
    package let runs: Runs
    package let keys: Column
    package let values: Column
    package let validity: Validity

    package init(runs: Runs, keys: Column, values: Column, validity: Validity = .all) {
        self.runs = runs
        self.keys = keys
        self.values = values
        self.validity = validity
    }

    package var count: Int { runs.count }
}

/// Structures: a column per field, as long as this one. Where a row has no value, no field has one.
package struct StructureColumn: Sendable {
    package let names: [String]
    package let fields: [Column]
    package let count: Int
    package let validity: Validity

    package init(names: [String], fields: [Column], count: Int, validity: Validity = .all) {
        self.names = names
        self.fields = fields
        self.count = count
        self.validity = validity
    }
}

/// Consecutive records as columns of the same length.
package struct ColumnBatch: Sendable {
    package let names: [String]
    package let columns: [Column]
    package let count: Int

    package init(names: [String], columns: [Column], count: Int) {
        self.names = names
        self.columns = columns
        self.count = count
    }
}
