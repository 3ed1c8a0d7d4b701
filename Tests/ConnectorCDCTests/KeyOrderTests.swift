import Testing

@testable import ConnectorCDC

@Suite struct KeyOrderTests {
    @Test(arguments: [
        ([false, false], true, ["1", "2"], "((a > 1) OR (a = 1 AND b > 2))"),
        ([false], false, ["'x'"], "((a > 'x'))"),
        ([true], true, ["1"], "COALESCE((((a > 1 OR a IS NULL))), FALSE)"),
        ([true], true, ["NULL"], "(FALSE)"),
        ([true], false, ["NULL"], "COALESCE(((a IS NOT NULL)), FALSE)"),
        ([true, false], true, ["NULL", "2"], "COALESCE(((a IS NULL AND b > 2)), FALSE)"),
        ([true, false], false, ["NULL", "2"], "COALESCE(((a IS NOT NULL) OR (a IS NULL AND b > 2)), FALSE)"),
    ]) func `keys without values have their place`(
        optional: [Bool], sortsNullsLast: Bool, values: [String], condition: String
    ) {
        let keys = Array(["a", "b"].prefix(optional.count))
        #expect(KeyOrder(keys: keys, optional: optional, sortsNullsLast: sortsNullsLast).isBehind(values) == condition)
    }
}
