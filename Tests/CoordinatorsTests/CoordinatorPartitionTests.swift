import Coordinators
import Testing

@Suite struct CoordinatorPartitionTests {
    /// Expected values are those of `Math.abs(s.hashCode())` in Java.
    @Test(
        arguments: [
            ("", 0), ("a", 97), ("my-group", 1_906_497_762), ("polygenelubricants", 0),
        ] as [(String, Int)])
    func `a key goes to the partition of its Java hash`(key: String, expected: Int) {
        #expect(Int(coordinatorPartition(of: key, count: 50)) == expected % 50)
    }

    @Test func `the hash is over UTF-16 units`() {
        // "😀".hashCode() is 0xD83D * 31 + 0xDE00 = 1772899.
        #expect(coordinatorPartition(of: "😀", count: 1_000_000) == 772_899)
    }
}
