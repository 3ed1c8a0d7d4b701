import SQLPlan
import SQLTypes
import Testing

@Suite struct RowSchemaTests {
    @Test func `prints as EXPLAIN shows it`() {
        let schema = RowSchema(keys: [.init("K", .string)], values: [.init("v", .decimal(precision: 4, scale: 2))])
        #expect(schema.description == "`K` STRING KEY, `v` DECIMAL(4, 2)")
        #expect(schema.index(of: "v") == 1)
    }
}
