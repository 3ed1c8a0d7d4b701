import ConnectCore
import Testing

@testable import ConnectorJDBC

@Suite struct JDBCConsequenceTests {
    private static func record(_ fields: [(String, ConnectSchema)]) -> ConnectRecord {
        let schema = ConnectSchema.structure(fields.map { .init($0.0, $0.1) }, name: "r")
        return ConnectRecord(
            topic: "t", partition: 0, key: SchemaAndValue(.optionalString, .string("1")),
            value: SchemaAndValue(schema, schema.sample), timestamp: 0,
            origin: .sink(topic: "t", partition: 0, offset: 0, timestampKind: .create))
    }

    private static func found(
        _ before: [(String, ConnectSchema)], _ after: [(String, ConnectSchema)], _ options: [String: String] = [:]
    ) -> [RecordChange.Consequence] {
        let properties = ["connection.url": "jdbc:sqlite:/tmp/never.db", "name": "c"].merging(options) { $1 }
        return JDBCSinkPlugin(.confluent, version: "1").consequences(
            of: RecordChange(before: record(before), after: record(after)), properties)
    }

    private static let id: [(String, ConnectSchema)] = [("id", .int32)]

    @Test func `a column of another type breaks, one of a related type changes`() {
        let text = Self.found(Self.id, [("id", .string)])
        #expect(text == [.init(breaks: true, "column id was made for INT32, and would get STRING")])
        let long = Self.found(Self.id, [("id", .int64)])
        #expect(long.map(\.breaks) == [false])
    }

    @Test func `a new field needs a column that can be added`() {
        let new = Self.id + [("more", ConnectSchema.optionalString)]
        #expect(Self.found(Self.id, new).first?.reason.contains("auto-evolution is disabled") ?? false)
        #expect(Self.found(Self.id, new, ["auto.evolve": "true"]).map(\.breaks) == [false])
        let required = Self.id + [("more", ConnectSchema.string)]
        #expect(Self.found(Self.id, required, ["auto.evolve": "true"]).map(\.breaks) == [true])
        #expect(Self.found(Self.id, new, ["fields.whitelist": "id"]).isEmpty)
    }

    @Test func `a key that vanishes ends all writing`() {
        let found = Self.found(
            Self.id + [("name", .string)], [("name", .string)], ["pk.mode": "record_value", "pk.fields": "id"])
        #expect(
            found.map(\.reason).prefix(2) == [
                "option 'pk.fields' names field id (INT32), which vanishes",
                "no row could be written: PK mode for table 't' is RECORD_VALUE with configured PK fields [id], but "
                    + "record value schema does not contain field: id",
            ])
        #expect(!found.contains { !$0.breaks })
    }

    @Test func `a field that nothing names is only left out`() {
        let found = Self.found(Self.id + [("name", .string)], Self.id)
        #expect(found == [.init(breaks: false, "column name (STRING) is not written any more")])
    }
}
