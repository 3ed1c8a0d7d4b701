import ConnectCore
import SchemaRules
import Testing

@testable import ConnectService

@Suite struct ConnectorImpactTests {
    private static func schema(_ fields: String...) -> ImpactQuestion.Schema {
        .init(.avro, #"{"type":"record","name":"R","fields":[\#(fields.joined(separator: ","))]}"#)
    }

    private static let id = #"{"name":"id","type":"int"}"#
    private static let name = #"{"name":"name","type":"string"}"#

    private static func question(
        _ after: ImpactQuestion.Schema, subject: String = "orders-value",
        before: ImpactQuestion.Schema = schema(id, name)
    ) -> ImpactQuestion {
        ImpactQuestion(subject: subject, candidate: after, versions: [.init(1, id: 1, before)])
    }

    private static func answer(
        _ question: ImpactQuestion, _ properties: [String: String], topics: Set<String> = [], isSink: Bool = true
    ) throws -> ImpactAnswer {
        var properties = properties
        if properties["value.converter"] == nil {
            properties["value.converter"] = "io.confluent.connect.avro.AvroConverter"
        }
        let plugin: any ConnectorPlugin = isSink ? KeepingSink(kept: KeepingSink.Kept()) : CountingSource()
        return ConnectorImpact(
            question: question, name: "c", properties: properties,
            settings: try WorkerSettings([
                "key.converter": "org.apache.kafka.connect.storage.StringConverter",
                "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            ]), topics: topics
        ).answer(plugin)
    }

    @Test func `a sink breaks where a field that it names vanishes`() throws {
        let properties = [
            "topics": "a, orders", "transforms": "k", "transforms.k.fields": "name",
            "transforms.k.type": "org.apache.kafka.connect.transforms.ValueToKey",
        ]
        let answer = try Self.answer(Self.question(Self.schema(Self.id)), properties)
        #expect(answer.impacts.map(\.severity) == [.breaks])
        let reason = answer.impacts.first?.reason ?? ""
        #expect(reason.hasPrefix("reads values of topic 'orders': transform 'k' (ValueToKey) names field name"))
        #expect(answer.writers.isEmpty)
    }

    @Test(arguments: [
        ["topics": "other"], ["topics": "orders", "value.converter": "org.apache.kafka.connect.json.JsonConverter"],
        [
            "topics": "orders",
            "value.converter.value.subject.name.strategy": "io.confluent.kafka.serializers.subject.RecordNameStrategy",
        ],
    ])
    func `who has nothing to do with the subject is not listed`(properties: [String: String]) throws {
        let changed = Self.question(.init(.json, "{}"))
        #expect(try Self.answer(changed, properties) == ImpactAnswer())
    }

    @Test func `topics are found by a pattern, and subjects by the name of the record`() throws {
        let changed = ImpactQuestion.Schema(.json, #"{"type":"object"}"#)
        #expect(try Self.answer(Self.question(changed), ["topics.regex": "ord.*"]).impacts.count == 1)
        let byTopicAndRecord = [
            "topics": "orders",
            "value.converter.value.subject.name.strategy":
                "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy",
        ]
        #expect(try Self.answer(Self.question(changed, subject: "orders-R"), byTopicAndRecord).impacts.count == 1)
    }

    @Test func `another type of schema is nothing that the converter reads`() throws {
        let answer = try Self.answer(
            Self.question(.init(.protobuf, #"syntax = "proto3"; message M { string a = 1; }"#)), ["topics": "orders"])
        #expect(
            answer.impacts.first?.reason
                == "reads values of topic 'orders' by AvroConverter, which reads AVRO schemas and would fail at records "
                + "of this one (PROTOBUF)")
    }

    @Test func `a field that nobody names is no matter`() throws {
        #expect(try Self.answer(Self.question(Self.schema(Self.id)), ["topics": "orders"]) == ImpactAnswer())
    }

    @Test func `a source is a writer of the topics that it names or has used`() throws {
        let question = Self.question(Self.schema(Self.id))
        #expect(
            try Self.answer(question, ["topic": "orders"], isSink: false).writers == [
                ImpactWriter(.connector, "c", .registers)
            ])
        #expect(
            try Self.answer(
                question,
                ["value.converter.use.latest.version": "true", "value.converter.auto.register.schemas": "false"],
                topics: ["orders"], isSink: false
            ).writers == [ImpactWriter(.connector, "c", .latest)])
        #expect(try Self.answer(question, ["topic": "x"], isSink: false).writers.isEmpty)
    }
}
