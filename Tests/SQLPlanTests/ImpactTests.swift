import SQLFormats
import SQLPlan
import Testing

@Suite struct ImpactTests {
    private static func record(_ fields: String...) -> RegistrySchema {
        RegistrySchema(
            type: "AVRO", text: #"{"type":"record","name":"Rating","fields":[\#(fields.joined(separator: ","))]}"#)
    }

    private static let rating = record(
        #"{"name":"user","type":"string"}"#, #"{"name":"stars","type":"int"}"#, #"{"name":"message","type":"string"}"#)

    private static let script = """
        CREATE STREAM ratings WITH (kafka_topic='ratings', value_format='AVRO');
        CREATE STREAM poor AS SELECT user, message FROM ratings WHERE stars < 3 EMIT CHANGES;
        CREATE STREAM shouted AS SELECT user, UCASE(message) AS loud FROM poor EMIT CHANGES;
        CREATE TABLE per_user AS SELECT user, COUNT(*) AS n FROM ratings GROUP BY user EMIT CHANGES;
        """

    private static func lab(_ schema: RegistrySchema = rating, _ script: String = script) throws -> Lab {
        let lab = try Lab()
        try lab.topics.create(TopicSpecification(name: "ratings", partitionCount: 1, replicaCount: 1, cleanup: .delete))
        _ = try lab.registry.register(schema, under: "ratings-value")
        try lab.run(script)
        return lab
    }

    private static func change(
        _ after: RegistrySchema, before: RegistrySchema? = rating, subject: String = "ratings-value",
        topic: String? = "ratings", ids: Set<Int32> = [1]
    ) -> SchemaChange {
        SchemaChange(
            subject: subject, topic: topic, isKey: false, before: before, after: after, ids: ids,
            references: { _ in nil })
    }

    private static func names(_ impact: CatalogImpact, breaks: Bool = true) -> [String] {
        impact.findings.filter { $0.breaks == breaks }.map(\.name)
    }

    private static func reason(_ impact: CatalogImpact, _ name: String) -> String {
        impact.findings.first { $0.name.hasPrefix(name) }?.reason ?? "none"
    }

    @Test func `a new field reaches nobody`() throws {
        let impact = try Self.lab().catalog.impact(
            of: Self.change(
                Self.record(
                    #"{"name":"user","type":"string"}"#, #"{"name":"stars","type":"int"}"#,
                    #"{"name":"message","type":"string"}"#, #"{"name":"channel","type":"string","default":""}"#)))
        #expect(impact.findings.isEmpty, "\(impact.findings)")
    }

    @Test func `a field that vanishes is followed through queries into what they write`() throws {
        let lab = try Self.lab()
        let impact = lab.catalog.impact(
            of: Self.change(
                Self.record(#"{"name":"user","type":"string"}"#, #"{"name":"stars","type":"int"}"#)))
        let queries = lab.catalog.queryIDs
        #expect(Set(Self.names(impact)) == ["RATINGS", "POOR", "SHOUTED", queries[0], queries[1]])
        #expect(Self.reason(impact, "RATINGS") == "column MESSAGE (STRING) vanishes: it is null from then on")
        #expect(Self.reason(impact, "POOR") == "column MESSAGE comes from MESSAGE of RATINGS by query \(queries[0])")
        #expect(Self.reason(impact, "SHOUTED") == "column LOUD comes from MESSAGE of POOR by query \(queries[1])")
        #expect(Self.reason(impact, queries[0]) == "reads MESSAGE of RATINGS")
    }

    @Test func `a field of a filter decides about rows`() throws {
        let lab = try Self.lab()
        let impact = lab.catalog.impact(
            of: Self.change(
                Self.record(#"{"name":"user","type":"string"}"#, #"{"name":"message","type":"string"}"#)))
        let queries = lab.catalog.queryIDs
        #expect(Self.reason(impact, queries[0]) == "reads STARS of RATINGS; its filter uses STARS of RATINGS")
        #expect(Self.reason(impact, "POOR").contains("its rows come from query \(queries[0])"))
        #expect(Self.reason(impact, queries[1]) == "it gets other rows of POOR")
        #expect(!Self.names(impact).contains("PER_USER"))
    }

    @Test func `a type that the column cannot have makes records unreadable for all`() throws {
        let lab = try Self.lab()
        let impact = lab.catalog.impact(
            of: Self.change(
                Self.record(
                    #"{"name":"user","type":"string"}"#, #"{"name":"stars","type":"string"}"#,
                    #"{"name":"message","type":"string"}"#)))
        #expect(
            Self.reason(impact, "RATINGS")
                == "column STARS is INTEGER, and the schema has STRING, which was INTEGER: no record with it can be "
                + "read")
        #expect(Set(Self.names(impact)) == Set(["RATINGS", "POOR", "SHOUTED", "PER_USER"] + lab.catalog.queryIDs))
    }

    @Test func `a type that gets narrower is read as before`() throws {
        let long = Self.record(#"{"name":"user","type":"string"}"#, #"{"name":"stars","type":"long"}"#)
        let lab = try Self.lab(long, "CREATE STREAM r WITH (kafka_topic='ratings', value_format='AVRO');")
        let impact = lab.catalog.impact(
            of: Self.change(
                Self.record(#"{"name":"user","type":"string"}"#, #"{"name":"stars","type":"int"}"#), before: long))
        #expect(Self.names(impact).isEmpty)
        #expect(Self.names(impact, breaks: false) == ["R"])
        #expect(Self.reason(impact, "R").hasPrefix("column STARS stays BIGINT, and the schema has INTEGER"))
    }

    @Test func `another type of schema cannot be read at all`() throws {
        let impact = try Self.lab().catalog.impact(
            of: Self.change(RegistrySchema(type: "JSON", text: #"{"type":"object","properties":{}}"#)))
        #expect(Self.reason(impact, "RATINGS").contains("the format AVRO reads AVRO schemas, and this one is JSON"))
    }

    @Test func `fields of fields are told with their way`() throws {
        func person(_ inner: String) -> RegistrySchema {
            Self.record(
                #"{"name":"who","type":{"type":"record","name":"P","fields":[{"name":"a","type":"int"}\#(inner)]}}"#)
        }
        let before = person(#",{"name":"city","type":"string"}"#)
        let lab = try Self.lab(before, "CREATE STREAM r WITH (kafka_topic='ratings', value_format='AVRO');")
        let impact = lab.catalog.impact(of: Self.change(person(""), before: before))
        #expect(Self.reason(impact, "R") == "column WHO->CITY (STRING) vanishes: it is null from then on")
    }

    @Test func `Protobuf and JSON Schema are read by their own rules`() throws {
        func proto(_ stars: String) -> RegistrySchema {
            RegistrySchema(
                type: "PROTOBUF", text: #"syntax = "proto3"; message R { string user = 1; \#(stars) stars = 2; }"#)
        }
        var lab = try Self.lab(
            proto("int32"), "CREATE STREAM r WITH (kafka_topic='ratings', value_format='PROTOBUF');")
        var impact = lab.catalog.impact(of: Self.change(proto("string"), before: proto("int32")))
        #expect(Self.reason(impact, "R").contains("no record with it can be read"))
        func object(_ stars: String) -> RegistrySchema {
            RegistrySchema(
                type: "JSON",
                text: #"{"type":"object","properties":{"user":{"type":"string"},"stars":{"type":"\#(stars)"}}}"#)
        }
        lab = try Self.lab(
            object("integer"), "CREATE STREAM r WITH (kafka_topic='ratings', value_format='JSON_SR');")
        impact = lab.catalog.impact(of: Self.change(object("string"), before: object("integer")))
        #expect(Self.reason(impact, "R").contains("texts that are no numbers make their record fail"))
        impact = lab.catalog.impact(of: Self.change(object("boolean"), before: object("integer")))
        #expect(Self.reason(impact, "R").contains("no record with it can be read"))
    }

    @Test func `a stream that names the schema by its id is concerned, whatever the topic is called`() throws {
        let lab = try Self.lab(Self.rating, "")
        try lab.topics.create(TopicSpecification(name: "other", partitionCount: 1, replicaCount: 1, cleanup: .delete))
        try lab.run("CREATE STREAM o WITH (kafka_topic='other', value_format='AVRO', value_schema_id=1);")
        let impact = lab.catalog.impact(of: Self.change(Self.record(#"{"name":"user","type":"string"}"#)))
        #expect(Self.names(impact) == ["O"])
    }

    @Test func `who writes to the subject is named with the schema it writes with`() throws {
        let lab = try Self.lab()
        let impact = lab.catalog.impact(
            of: Self.change(
                Self.record(#"{"name":"USER","type":"string"}"#), before: nil, subject: "POOR-value", topic: "POOR"))
        #expect(impact.writers.map(\.name) == [lab.catalog.queryIDs[0]])
        #expect(impact.writers.first?.schema?.text.contains("MESSAGE") ?? false)
    }
}
