extension SQLMap {
    /// The entries in the order in which a HashMap of Java gives them out, which results of the original show: texts of
    /// maps, MAP_KEYS, REDUCE.
    package var javaOrdered: [(key: SQLValue, value: SQLValue)] {
        let all = entries.map { (key: $0.0, value: $0.1) }
        guard all.count > 1 else { return all }
        let size = javaSize
        let buckets = all.map { entry in
            let hash = entry.key.javaHash
            return Int((hash ^ hash >> 16) & UInt32(size - 1))
        }
        // Entries that meet in one place stay in the order in which they came.
        let order = all.indices.sorted { buckets[$0] == buckets[$1] ? $0 < $1 : buckets[$0] < buckets[$1] }
        return order.map { all[$0] }
    }

    /// The table of a HashMap that is made without a size.
    package static let javaDefaultTable = 16

    /// What Java's `putAll` of both in a new HashMap gives.
    package func union(_ other: SQLMap) -> SQLMap {
        // The table is made for the first map that has entries.
        let first = count == 0 ? other : self
        var table = 1
        while !first.keys.isEmpty, table < first.count * 4 / 3 + 1 { table *= 2 }
        while other.count > table * 3 / 4 { table *= 2 }
        return SQLMap(keys: keys + other.keys, values: values + other.values, javaTable: table)
    }

    /// Most maps of the original are made for as many entries as there are; the table doubles when three quarters are
    /// full.
    private var javaSize: Int {
        var size = javaTable
        while count > size * 3 / 4 { size *= 2 }
        return size
    }
}

extension SQLValue {
    /// Java's `hashCode` of the value, for those that serve as keys.
    var javaHash: UInt32 {
        switch self {
        case .string(let text): text.utf16.reduce(UInt32(0)) { $0 &* 31 &+ UInt32($1) }
        case .boolean(let value): value ? 1231 : 1237
        case .int(let value), .date(let value), .time(let value): UInt32(bitPattern: value)
        case .bigint(let value), .timestamp(let value): Self.fold(UInt64(bitPattern: value))
        case .double(let value): Self.fold((value.isNaN ? Double.nan : value).bitPattern)
        case .array(let elements): elements.reduce(UInt32(1)) { $0 &* 31 &+ $1.javaHash }
        case .bytes(let bytes):
            // A ByteBuffer counts from its end.
            bytes.reversed().reduce(UInt32(1)) { $0 &* 31 &+ UInt32(bitPattern: Int32(Int8(bitPattern: $1))) }
        default: 0
        }
    }

    private static func fold(_ bits: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: bits ^ bits >> 32) }
}
