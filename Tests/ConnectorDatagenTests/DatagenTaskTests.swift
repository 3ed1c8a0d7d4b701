import Avro
import ConnectCore
import JSONFormat
import Testing

@testable import ConnectorDatagen

@Suite struct DatagenTaskTests {
    private let plugin = DatagenPlugin(version: "1")

    private func run(
        _ properties: [String: String], _ context: SourceContext = SourceContext(), count: Int
    ) async throws -> [ConnectRecord] {
        let task = try plugin.makeTask(["kafka.topic": "t", "max.interval": "0"].merging(properties) { $1 }, context)
        try await task.start()
        var records: [ConnectRecord] = []
        while records.count < count { records += try await task.poll().records }
        await task.stop()
        return Array(records.prefix(count))
    }

    @Test(arguments: Quickstart.all.map(\.name))
    func `every quickstart has records that fit their schema`(name: String) async throws {
        let records = try await run(["quickstart": name.uppercased(), "random.seed": "1"], count: 200)
        let quickstart = try #require(Quickstart.named(name))
        for record in records {
            let schema = try #require(record.value.schema)
            try schema.check(record.value.value)
            try #require(record.value.value.structure).validate()
            #expect(record.key.value == record.value.value.structure?[quickstart.keyField])
            #expect(record.key.schema == schema.field(quickstart.keyField)?.schema)
        }
    }

    /// Names and types of the fields are the original's; what is in them is ours.
    @Test(.enabled(if: sharedText("datagen-schemas/ratings_schema.avsc") != nil, "no shared conformance data"))
    func `quickstarts have the original's fields`() throws {
        let files = [
            "clickstream_codes": "clickstream_codes_schema", "clickstream": "clickstream_schema",
            "clickstream_users": "clickstream_users_schema", "orders": "orders_schema", "ratings": "ratings_schema",
            "users": "users_schema", "users_array_map": "users_array_map_schema", "pageviews": "pageviews_schema",
            "stock_trades": "stock_trades_schema", "purchases": "purchase",
        ]
        for quickstart in Quickstart.all {
            let text = try #require(sharedText("datagen-schemas/\(files[quickstart.name] ?? quickstart.name).avsc"))
            let theirs = try AvroSchema(text)
            let ours = try AvroSchema(quickstart.schemaText)
            #expect(ours.text(.parsing) == theirs.text(.parsing), "\(quickstart.name)")
            #expect(logicalTypes(ours) == logicalTypes(theirs), "\(quickstart.name)")
            // What users write themselves looks like these: all of them have to work.
            _ = try GeneratorProgram(text)
        }
        #expect(Quickstart.all.count == 38)
    }

    private func logicalTypes(_ schema: AvroSchema) -> [String] {
        schema.types.compactMap { $0.logicalType.map { "\($0)" } }.sorted()
    }

    @Test func `a restart goes on with the record that would have come next`() async throws {
        let properties = ["quickstart": "ratings", "random.seed": "77"]
        let all = try await run(properties, count: 50)
        let context = SourceContext()
        let first = try await run(properties, context, count: 20)
        context.commit(first[19])
        let second = try await run(properties, context, count: 30)
        #expect((first + second).map(\.value) == all.map(\.value))
        #expect(second.map { $0.headers[0].value } == Array(repeating: .int64(1), count: 30))
        #expect(second.first?.headers[2].value == .int64(20))
    }

    @Test func `offsets and headers are the original's`() async throws {
        let record = try #require(try await run(["quickstart": "users", "random.seed": "5"], count: 1).first)
        guard case .source(let partition, let offset) = record.origin else { throw ConnectError.data("no source") }
        #expect(partition == ConnectMap([("task.id", .int32(0))]))
        #expect(offset["task.generation"] == .int64(1) && offset["current.iteration"] == .int64(1))
        #expect(offset["random.seed"]?.integer != nil && offset.count == 3)
        #expect(record.headers.map(\.name) == ["task.generation", "task.id", "current.iteration"])
        #expect(record.headers.map(\.value) == [.int64(0), .int64(0), .int64(0)])
        #expect(record.value.schema?.name == "ksql.users")
    }

    @Test func `tasks make other data, each the same every time`() async throws {
        let properties = ["quickstart": "stock_trades", "random.seed": "5"]
        let configs = try await plugin.taskConfigs(properties, countMax: 2)
        #expect(configs.map { $0["task.id"] } == ["0", "1"])
        let zero = try await run(configs[0], count: 20)
        let one = try await run(configs[1], count: 20)
        #expect(zero.map(\.value) != one.map(\.value))
        #expect(try await run(configs[1], count: 20).map(\.value) == one.map(\.value))
    }

    @Test func `ends with the original's words after its iterations`() async throws {
        let task = try plugin.makeTask(
            ["kafka.topic": "t", "max.interval": "0", "quickstart": "users", "iterations": "5"], SourceContext())
        try await task.start()
        #expect(try await task.poll().records.count == 5)
        let failure = await #expect(throws: ConnectError.self) { try await task.poll() }
        #expect(failure?.message == "Stopping connector: generated the configured 5 number of messages")
        #expect(failure?.isRetriable == false)
    }

    @Test func `a stop ends the wait`() async throws {
        let task = try plugin.makeTask(
            ["kafka.topic": "t", "max.interval": "100000000", "quickstart": "users"], SourceContext())
        try await task.start()
        await task.stop()
        #expect(try await task.poll().records.isEmpty)
    }

    @Test(
        arguments: [
            (["maxInterval": "30"], 30), (["maxInterval": "30", "max.interval": "7"], 7), ([:], 500),
        ] as [([String: String], Int64)])
    func `the pause goes by the generator's other name too`(properties: [String: String], expected: Int64) throws {
        let given = ["kafka.topic": "t", "quickstart": "users"].merging(properties) { $1 }
        #expect(try DatagenOptions(given).intervalMax == expected)
    }

    @Test func `a pause of the other name that is no number is refused`() async {
        let problems = await plugin.problems(with: ["kafka.topic": "t", "quickstart": "users", "maxInterval": "soon"])
        #expect(problems.first?.message.contains("soon") == true)
    }

    @Test func `a key comes from the field that is named`() async throws {
        let schema = #"{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"}]}"#
        let keyed = try await run(["schema.string": schema, "schema.keyfield": "b"], count: 1)
        #expect(keyed[0].key.value == keyed[0].value.value.structure?["b"])
        let plain = try await run(["schema.string": schema], count: 1)
        #expect(plain[0].key == SchemaAndValue(.optionalString, .null))
        let problems = await plugin.problems(with: [
            "kafka.topic": "t", "schema.string": schema, "schema.keyfield": "c",
        ])
        #expect(problems.map(\.option) == ["schema.keyfield"])
    }

    @Test func `exactly one source of a schema`() async throws {
        #expect(await plugin.problems(with: ["kafka.topic": "t", "quickstart": "ratings"]).isEmpty)
        #expect(await plugin.problems(with: ["kafka.topic": "t"]).count == 3)
        #expect(
            await plugin.problems(with: ["kafka.topic": "t", "quickstart": "ratings", "schema.string": "{}"]).count == 2
        )
        let bad = DatagenOptions.definition.validate(["kafka.topic": "t", "quickstart": "rating"])
        #expect(bad.first { $0.option.name == "quickstart" }?.errors.first?.contains("did you mean 'ratings'") == true)
        #expect(
            await plugin.problems(with: ["kafka.topic": "t", "schema.filename": "/no/such"]).first?.message
                .contains("Unable to read the schema from '/no/such'") == true)
    }

    @Test func `offsets that somebody sets are looked at`() async throws {
        let good = ConnectMap([
            ("task.generation", .int64(1)), ("current.iteration", .int64(9)), ("random.seed", .int64(4)),
        ])
        let task = ConnectMap([("task.id", .int64(0))])
        #expect(try await plugin.alterOffsets([:], [(task, good), (task, nil)]))
        await #expect(throws: ConnectError.self) {
            try await plugin.alterOffsets([:], [(ConnectMap([("x", .int64(0))]), good)])
        }
        await #expect(throws: ConnectError.self) { try await plugin.alterOffsets([:], [(task, ConnectMap())]) }
    }
}
