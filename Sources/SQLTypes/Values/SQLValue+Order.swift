extension SQLValue {
    /// The order that MIN, ARRAY_SORT, comparisons and keys use: Java's `compareTo`.
    ///
    /// Numbers compare by value across their types, texts by UTF-16 units, bytes as signed ones (0x80 is the least),
    /// DOUBLE has -0.0 below 0.0 and NaN above all.
    ///
    /// - Returns: a negative number, 0 or a positive one; nil when the two have no order (null, maps, structs, arrays,
    ///   different kinds).
    package func compare(to other: SQLValue) -> Int? {
        switch (self, other) {
        case (.boolean(let a), .boolean(let b)): a == b ? 0 : (a ? 1 : -1)
        case (.int(let a), .int(let b)): Self.order(a, b)
        case (.bigint(let a), .bigint(let b)): Self.order(a, b)
        case (.double(let a), .double(let b)): Self.order(a, b)
        case (.decimal(let a), .decimal(let b)): a.compare(to: b)
        case (.int, .bigint), (.bigint, .int), (.int, .decimal), (.decimal, .int), (.bigint, .decimal),
            (.decimal, .bigint):
            if let a = asDecimal, let b = other.asDecimal { a.compare(to: b) } else { nil }
        case (.double(let a), .int), (.double(let a), .bigint), (.double(let a), .decimal):
            if let b = other.asDouble { Self.order(a, b) } else { nil }
        case (.int, .double(let b)), (.bigint, .double(let b)), (.decimal, .double(let b)):
            if let a = asDouble { Self.order(a, b) } else { nil }
        case (.string(let a), .string(let b)): a.compareUTF16(to: b)
        case (.bytes(let a), .bytes(let b)):
            a.lexicographicallyPrecedes(b) { Int8(bitPattern: $0) < Int8(bitPattern: $1) } ? -1 : (a == b ? 0 : 1)
        case (.time(let a), .time(let b)): Self.order(a, b)
        case (.date(let a), .date(let b)): Self.order(a, b)
        case (.timestamp(let a), .timestamp(let b)): Self.order(a, b)
        case (.timestamp(let a), .date(let b)): Self.order(a, Int64(b) * 86_400_000)
        case (.date(let a), .timestamp(let b)): Self.order(Int64(a) * 86_400_000, b)
        default: nil
        }
    }

    private static func order<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : (a == b ? 0 : 1) }

    private static func order(_ a: Double, _ b: Double) -> Int {
        if a < b { return -1 }
        if a > b { return 1 }
        if a.isNaN || b.isNaN { return a.isNaN ? (b.isNaN ? 0 : 1) : -1 }
        if a == 0, a.sign != b.sign { return a.sign == .minus ? -1 : 1 }
        return 0
    }

    /// An INT, BIGINT or DECIMAL as decimal; nil for anything else.
    package var asDecimal: SQLDecimal? {
        switch self {
        case .int(let value): SQLDecimal(Int64(value))
        case .bigint(let value): SQLDecimal(value)
        case .decimal(let value): value
        default: nil
        }
    }

    /// Any number as DOUBLE; nil for anything else.
    package var asDouble: Double? {
        switch self {
        case .int(let value): Double(value)
        case .bigint(let value): Double(value)
        case .decimal(let value): value.doubleValue
        case .double(let value): value
        default: nil
        }
    }
}

extension String {
    /// Java's order of strings: by UTF-16 units, which differs from the order of code points beyond U+FFFF.
    package func compareUTF16(to other: String) -> Int {
        if utf8.elementsEqual(other.utf8) { return 0 }
        var a = utf16.makeIterator()
        var b = other.utf16.makeIterator()
        while true {
            switch (a.next(), b.next()) {
            case (nil, nil): return 0
            case (nil, _): return -1
            case (_, nil): return 1
            case (let x?, let y?): if x != y { return x < y ? -1 : 1 }
            }
        }
    }
}
