/// The entries of a MAP, in the order in which their keys came. A later value of the same key takes the earlier one's
/// place. Never changes once made.
package final class SQLMap: Sendable {
    package let keys: [SQLValue]
    package let values: [SQLValue]
    /// Places by key; nil for a few entries, which a search finds faster.
    private let index: [SQLValue: Int]?
    /// The least size of the table that Java's HashMap of these entries has, see `javaOrdered`.
    let javaTable: Int

    package static let empty = SQLMap([])
    private static let searchedMax = 8

    package convenience init(_ entries: [(key: SQLValue, value: SQLValue)], javaTable: Int = 1) {
        self.init(keys: entries.map(\.key), values: entries.map(\.value), javaTable: javaTable)
    }

    /// The two are of the same length; what one has more is left out. `javaTable` is a power of two.
    package init(keys: [SQLValue], values: [SQLValue], javaTable: Int = 1) {
        self.javaTable = max(1, javaTable)
        let count = min(keys.count, values.count)
        var index: [SQLValue: Int] = [:]
        index.reserveCapacity(count)
        var ownKeys: [SQLValue] = []
        var ownValues: [SQLValue] = []
        ownKeys.reserveCapacity(count)
        ownValues.reserveCapacity(count)
        for (key, value) in zip(keys, values) {
            if let place = index[key] {
                ownValues[place] = value
            } else {
                index[key] = ownKeys.count
                ownKeys.append(key)
                ownValues.append(value)
            }
        }
        self.keys = ownKeys
        self.values = ownValues
        self.index = ownKeys.count > Self.searchedMax ? index : nil
    }

    /// The entries of `map` with another value of one key, or with one key more. Keys are not hashed again.
    package init(_ map: SQLMap, setting key: SQLValue, to value: SQLValue) {
        javaTable = map.javaTable
        if let place = map.place(key) {
            keys = map.keys
            index = map.index
            var values = map.values
            values[place] = value
            self.values = values
            return
        }
        let keys = map.keys + [key]
        self.keys = keys
        values = map.values + [value]
        if var index = map.index {
            index[key] = keys.count - 1
            self.index = index
        } else if keys.count > Self.searchedMax {
            var index: [SQLValue: Int] = [:]
            for (place, key) in keys.enumerated() { index[key] = place }
            self.index = index
        } else {
            index = nil
        }
    }

    package var count: Int { keys.count }

    package var entries: Zip2Sequence<[SQLValue], [SQLValue]> { zip(keys, values) }

    /// nil when there is no such key; `.null` when there is one that has no value.
    package subscript(key: SQLValue) -> SQLValue? {
        place(key).map { values[$0] }
    }

    private func place(_ key: SQLValue) -> Int? {
        if let index { return index[key] }
        return keys.firstIndex(of: key)
    }
}

extension SQLMap: Equatable {
    /// The order does not count.
    package static func == (a: SQLMap, b: SQLMap) -> Bool {
        a === b || a.count == b.count && a.entries.allSatisfy { b[$0] == $1 }
    }
}
