package import Columns
package import SQLTypes

/// How the values of a SQL type lie in memory here.
package enum VectorKind: Sendable, Hashable {
    case boolean
    /// INT, TIME, DATE
    case int32
    /// BIGINT, TIMESTAMP
    case int64
    case double
    case string
    case bytes
    /// DECIMAL, ARRAY, MAP, STRUCT: a `SQLValue` each.
    case values

    package init(_ type: SQLType) {
        switch type {
        case .boolean: self = .boolean
        case .int, .time, .date: self = .int32
        case .bigint, .timestamp: self = .int64
        case .double: self = .double
        case .string: self = .string
        case .bytes: self = .bytes
        case .decimal, .array, .map, .structure: self = .values
        }
    }
}

/// The values of one column of a batch: typed where loops over them pay, immutable, cheap to copy.
package enum Vector: Sendable {
    case boolean(FixedColumn<Bool>)
    case int32(FixedColumn<Int32>)
    case int64(FixedColumn<Int64>)
    case double(FixedColumn<Double>)
    case string(BytesColumn)
    case bytes(BytesColumn)
    case values([SQLValue])
    /// The same value in each of `count` rows; of a type of any kind.
    case constant(SQLValue, count: Int)

    package var count: Int {
        switch self {
        case .boolean(let column): column.values.count
        case .int32(let column): column.values.count
        case .int64(let column): column.values.count
        case .double(let column): column.values.count
        case .string(let column), .bytes(let column): column.count
        case .values(let values): values.count
        case .constant(_, let count): count
        }
    }

    /// No value in any row.
    package static func nulls(_ count: Int) -> Vector { .constant(.null, count: count) }

    package func isNull(_ row: Int) -> Bool {
        switch self {
        case .boolean(let column): !column.validity.isValid(row)
        case .int32(let column): !column.validity.isValid(row)
        case .int64(let column): !column.validity.isValid(row)
        case .double(let column): !column.validity.isValid(row)
        case .string(let column), .bytes(let column): !column.validity.isValid(row)
        case .values(let values): values[row].isNull
        case .constant(let value, _): value.isNull
        }
    }

    /// Whether no row is null, if that is known without a look at the rows.
    package var hasNoNulls: Bool {
        switch self {
        case .boolean(let column): column.validity.nullCount == 0
        case .int32(let column): column.validity.nullCount == 0
        case .int64(let column): column.validity.nullCount == 0
        case .double(let column): column.validity.nullCount == 0
        case .string(let column), .bytes(let column): column.validity.nullCount == 0
        case .values: false
        case .constant(let value, _): !value.isNull
        }
    }

    /// The value of a row, as one of `type`.
    package func value(_ row: Int, _ type: SQLType) -> SQLValue {
        switch self {
        case .boolean(let column): column[row].map(SQLValue.boolean) ?? .null
        case .int32(let column):
            switch (column[row], type) {
            case (nil, _): .null
            case (let value?, .time): .time(value)
            case (let value?, .date): .date(value)
            case (let value?, _): .int(value)
            }
        case .int64(let column):
            switch (column[row], type) {
            case (nil, _): .null
            case (let value?, .timestamp): .timestamp(value)
            case (let value?, _): .bigint(value)
            }
        case .double(let column): column[row].map(SQLValue.double) ?? .null
        case .string(let column): column.string(row).map(SQLValue.string) ?? .null
        case .bytes(let column): column.array(row).map(SQLValue.bytes) ?? .null
        case .values(let values): values[row]
        case .constant(let value, _): value
        }
    }

    /// A vector of values of `type`; a value of another type counts as null.
    package init(_ values: [SQLValue], _ type: SQLType) {
        let builder = VectorBuilder(type)
        builder.reserve(values.count)
        for value in values { builder.append(value) }
        self = builder.finish()
    }

    /// A constant as one value per row.
    package func expanded(_ type: SQLType) -> Vector {
        guard case .constant(let value, let count) = self else { return self }
        if case .values = VectorKind(type) { return .values([SQLValue](repeating: value, count: count)) }
        let builder = VectorBuilder(type)
        builder.reserve(count)
        for _ in 0..<count { builder.append(value) }
        return builder.finish()
    }

    /// The rows of `rows`, in that order.
    package func gathered(_ rows: [Int32]) -> Vector {
        switch self {
        case .boolean(let column): .boolean(column.gathered(rows))
        case .int32(let column): .int32(column.gathered(rows))
        case .int64(let column): .int64(column.gathered(rows))
        case .double(let column): .double(column.gathered(rows))
        case .string(let column): .string(column.gathered(rows))
        case .bytes(let column): .bytes(column.gathered(rows))
        case .values(let values): .values(rows.map { values[Int($0)] })
        case .constant(let value, _): .constant(value, count: rows.count)
        }
    }
}

extension Vector {
    /// As `gathered`; a row below 0 gives null.
    func gatheredOrNull(_ rows: [Int32], _ type: SQLType) -> Vector {
        let builder = VectorBuilder(type)
        builder.reserve(rows.count)
        func fixed<Element>(_ column: FixedColumn<Element>) {
            for row in rows {
                if row >= 0, column.validity.isValid(Int(row)) {
                    builder.append(fixed: column.values[Int(row)])
                } else {
                    builder.appendNull()
                }
            }
        }
        switch (builder.kind, self) {
        case (.boolean, .boolean(let column)): fixed(column)
        case (.int32, .int32(let column)): fixed(column)
        case (.int64, .int64(let column)): fixed(column)
        case (.double, .double(let column)): fixed(column)
        case (.string, .string(let column)), (.bytes, .bytes(let column)):
            column.bytes.withUnsafeBufferPointer { all in
                let all = UnsafeRawBufferPointer(all)
                for row in rows {
                    if row >= 0, column.validity.isValid(Int(row)) {
                        builder.append(bytes: UnsafeRawBufferPointer(rebasing: all[column.runs[Int(row)]]))
                    } else {
                        builder.appendNull()
                    }
                }
            }
        default:
            for row in rows {
                if row >= 0 { builder.append(from: self, row: Int(row)) } else { builder.appendNull() }
            }
        }
        return builder.finish()
    }
}

extension Validity {
    func gathered(_ rows: [Int32]) -> Validity {
        guard words != nil else { return .all }
        return Validity(count: rows.count) { isValid(Int(rows[$0])) }
    }

    /// Valid where `isValid` says so.
    @inline(__always)
    package init(count: Int, _ isValid: (Int) -> Bool) {
        var nullCount = 0
        let words = ColumnBuffer<UInt64>(count: (count + 63) / 64) { words in
            var row = 0
            for word in 0..<words.count {
                var bits: UInt64 = 0
                let end = min(count, row + 64)
                var bit: UInt64 = 1
                while row < end {
                    if isValid(row) { bits |= bit } else { nullCount += 1 }
                    bit <<= 1
                    row += 1
                }
                words[word] = bits
            }
        }
        self.init(words: words, nullCount: nullCount)
    }

    /// Not valid in a few more rows.
    func without(_ rows: [Int], count: Int) -> Validity {
        if rows.isEmpty { return self }
        let gone = Set(rows)
        return Validity(count: count) { isValid($0) && !gone.contains($0) }
    }

    /// Valid where both are.
    package func and(_ other: Validity, count: Int) -> Validity {
        guard let own = words else { return other }
        guard let others = other.words else { return self }
        var valid = 0
        let both = ColumnBuffer<UInt64>(count: (count + 63) / 64) { words in
            for word in 0..<words.count {
                words[word] = own[word] & others[word]
                valid += words[word].nonzeroBitCount
            }
        }
        return Validity(words: both, nullCount: count - valid)
    }
}

extension FixedColumn {
    func gathered(_ rows: [Int32]) -> FixedColumn {
        let gathered = ColumnBuffer<Element>(count: rows.count) { target in
            values.withUnsafeBufferPointer { source in
                for at in 0..<rows.count {
                    let row = Int(rows[at])
                    precondition(row >= 0 && row < source.count)
                    target.initializeElement(at: at, to: source[row])
                }
            }
        }
        return FixedColumn(values: gathered, validity: validity.gathered(rows))
    }
}

extension BytesColumn {
    /// Bytes of the longest value.
    var longest: Int {
        var longest = 0
        for row in 0..<count { longest = max(longest, runs[row].count) }
        return longest
    }

    func gathered(_ rows: [Int32]) -> BytesColumn {
        var total = 0
        let ends = ColumnBuffer<Int32>(count: rows.count + 1) { ends in
            ends.initializeElement(at: 0, to: 0)
            for at in 0..<rows.count {
                total += runs[Int(rows[at])].count
                ends.initializeElement(at: at + 1, to: Int32(truncatingIfNeeded: total))
            }
        }
        let gathered = ColumnBuffer<UInt8>(count: total, beyond: ColumnCells.overrun) { target in
            bytes.withUnsafeBufferPointer { source in
                runs.ends.withUnsafeBufferPointer { ends in
                    guard let from = source.baseAddress, let to = target.baseAddress else { return }
                    let wideEnd = source.count - ColumnCells.overrun
                    var at = 0
                    for row in rows {  // which the column has: its length was asked for above
                        let start = Int(ends[Int(row)])
                        let end = Int(ends[Int(row) &+ 1])
                        if end <= wideEnd {
                            ColumnCells.copyWidely(from + start, end &- start, to: UnsafeMutableRawPointer(to + at))
                        } else {
                            (to + at).initialize(from: from + start, count: end &- start)
                        }
                        at &+= end &- start
                    }
                }
            }
        }
        return BytesColumn(runs: Runs(ends: ends), bytes: gathered, validity: validity.gathered(rows))
    }
}
