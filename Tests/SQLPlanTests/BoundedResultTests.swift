import SQLPlan
import SQLTypes
import TestKit
import Testing

@Suite struct BoundedResultTests {
    private func query(_ text: String) throws -> PullQuery {
        let lab = try Lab(
            """
            CREATE STREAM S (ID STRING KEY, N INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
            CREATE TABLE T AS SELECT ID, COUNT(*) AS C, LATEST_BY_OFFSET(N) AS N FROM S GROUP BY ID;
            """)
        return try PullQueryTests.plan(text, lab)
    }

    /// The same as sorting all rows and taking what is within the bounds.
    @Test(
        arguments: [
            "", "LIMIT 3", "LIMIT 0", "LIMIT 5 OFFSET 2", "ORDER BY N", "ORDER BY N DESC LIMIT 10",
            "ORDER BY N, C DESC LIMIT 700 OFFSET 5", "ORDER BY N LIMIT 0", "ORDER BY N LIMIT 1 OFFSET 100000",
        ], [1, 2] as [UInt64])
    func `keeps what sorting everything keeps`(clauses: String, seed: UInt64) throws {
        let query = try query("SELECT N, C, ID FROM T \(clauses);")
        var random = SeededRandom(seed: seed)
        let rows = (0..<2000).map { number -> [SQLValue] in
            let n = Int32.random(in: 0..<300, using: &random)
            return [n == 0 ? .null : .int(n), .bigint(Int64.random(in: 0..<4, using: &random)), .string("\(number)")]
        }
        var expected = rows
        query.sort(&expected)
        expected = Array(expected.dropFirst(query.offset).prefix(query.limit ?? .max))
        var result = BoundedResult(query)
        var most = 0
        for row in rows where !result.isComplete {
            result.append(row)
            most = max(most, result.count)
        }
        #expect(result.finish() == expected)
        if let limit = query.limit { #expect(most <= max(2 * (limit + query.offset) + 1, 1025)) }
    }
}
