import SQLTypes
import Testing

@Suite struct MapTests {
    /// By the rule that a later value of the same key takes the earlier one's place; small maps and large ones are looked up
    /// in different ways.
    @Test(arguments: [1, 3, 8, 9, 100])
    func `a map with an entry set is the map of all entries`(keyCount: Int) {
        var entries: [(key: SQLValue, value: SQLValue)] = []
        var map = SQLMap([], javaTable: 64)
        for number in 0..<(3 * keyCount) {
            // Each key three times, in an order that mixes old ones and new ones.
            let key = SQLValue.string("key \(number * number % keyCount)")
            let value = SQLValue.bigint(Int64(number))
            entries.append((key, value))
            let before = map
            let valuesBefore = before.values
            map = SQLMap(map, setting: key, to: value)
            let expected = SQLMap(entries)
            #expect(map.keys == expected.keys)
            #expect(map.values == expected.values)
            #expect(map.keys.allSatisfy { map[$0] == expected[$0] })
            #expect(map[.string("other")] == nil)
            #expect(before.values == valuesBefore)
        }
    }
}
