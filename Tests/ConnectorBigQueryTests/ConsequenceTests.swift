import ConnectCore
import Testing

@testable import ConnectorBigQuery

@Suite struct BigQueryConsequenceTests {
    private static func record(_ fields: [(String, ConnectSchema)]) -> ConnectRecord {
        let schema = ConnectSchema.structure(fields.map { .init($0.0, $0.1) }, name: "r")
        return ConnectRecord(
            topic: "t", partition: 0, value: SchemaAndValue(schema, schema.sample), timestamp: 0,
            origin: .sink(topic: "t", partition: 0, offset: 0, timestampKind: .create))
    }

    private func found(_ properties: [String: String]) -> [RecordChange.Consequence] {
        BigQuerySinkPlugin(version: "1").consequences(
            of: RecordChange(
                before: Self.record([("a", .int32), ("b", .string), ("c", .optionalString)]),
                after: Self.record([("a", .string), ("d", .optionalString), ("e", .string)])), properties)
    }

    @Test func `columns come and stay as the options have it`() {
        #expect(found([:]).map(\.breaks) == [true, true, false, true, true])
        #expect(
            found([:])[0].reason == "column a stays what INT32 made it, and rows would have STRING in it")
        #expect(
            found(["allowNewBigQueryFields": "true"]).map(\.breaks) == [true, true, false, false, true])
        let all = ["allowNewBigQueryFields": "true", "allowBigQueryRequiredFieldRelaxation": "true"]
        #expect(found(all).map(\.breaks) == [true, false, false, false, false])
        #expect(found(all)[3].reason == "field d (STRING) becomes a column")
    }
}
