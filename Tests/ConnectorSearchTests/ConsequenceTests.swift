import ConnectCore
import Testing

@testable import ConnectorSearch

@Suite struct SearchConsequenceTests {
    private static func record(_ fields: [(String, ConnectSchema)]) -> ConnectRecord {
        let schema = ConnectSchema.structure(fields.map { .init($0.0, $0.1) }, name: "r")
        return ConnectRecord(
            topic: "t", partition: 0, value: SchemaAndValue(schema, schema.sample), timestamp: 0,
            origin: .sink(topic: "t", partition: 0, offset: 0, timestampKind: .create))
    }

    @Test func `mappings keep their types`() {
        let found = SearchSinkPlugin(.elasticsearch, version: "1").consequences(
            of: RecordChange(
                before: Self.record([("a", .int32), ("b", .int32), ("c", .string)]),
                after: Self.record([("a", .string), ("b", .int64), ("d", .string)])), [:])
        #expect(found.map(\.breaks) == [true, false, false])
        #expect(found[0].reason == "field a is mapped as INT32 in the index, and documents would have STRING in it")
        #expect(found[2].reason == "documents have no field c (STRING) any more")
    }
}
