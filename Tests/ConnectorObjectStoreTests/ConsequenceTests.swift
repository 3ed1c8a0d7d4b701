import ConnectCore
import Testing

@testable import ConnectorObjectStore

@Suite struct ObjectStoreConsequenceTests {
    private static func record(_ fields: [(String, ConnectSchema)]) -> ConnectRecord {
        let schema = ConnectSchema.structure(fields.map { .init($0.0, $0.1) }, name: "r")
        return ConnectRecord(
            topic: "t", partition: 0, value: SchemaAndValue(schema, schema.sample), timestamp: 0,
            origin: .sink(topic: "t", partition: 0, offset: 0, timestampKind: .create))
    }

    @Test func `fields of partitions and of times are named`() {
        let change = RecordChange(
            before: Self.record([("country", .string), ("at", .int64), ("x", .string)]),
            after: Self.record([("at", .string)]))
        let plugin = ObjectStoreSinkPlugin(.folder, version: "1")
        let common = ["store.url": "file:///tmp/never", "flush.size": "3", "name": "c", "topics": "t"]
        let byField = plugin.consequences(
            of: change,
            common.merging([
                "partitioner.class": "io.confluent.connect.storage.partitioner.FieldPartitioner",
                "partition.field.name": "country",
            ]) { $1 })
        #expect(byField.map(\.reason) == ["option 'partition.field.name' names field country (STRING), which vanishes"])
        let byTime = plugin.consequences(
            of: change,
            common.merging([
                "partitioner.class": "io.confluent.connect.storage.partitioner.HourlyPartitioner", "locale": "en-US",
                "timezone": "UTC", "timestamp.extractor": "RecordField", "timestamp.field": "at",
            ]) { $1 })
        #expect(byTime.map(\.reason) == ["option 'timestamp.field' names field at: INT64 becomes STRING"])
    }
}
