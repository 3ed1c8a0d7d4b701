import Bytes
package import ConnectCore
import Environment

/// `io.confluent.kafka.connect.datagen.DatagenConnector`: records with made-up data, of a quickstart or of a schema that
/// says how its values are made.
///
/// Delivery: exactly once where offsets are committed with the records; the same seed gives the same records.
package struct DatagenPlugin: SourcePlugin {
    package let classNames = ["io.confluent.kafka.connect.datagen.DatagenConnector", "DatagenSource"]
    package let version: String

    package init(version: String) { self.version = version }

    package var definition: ConfigDef { DatagenOptions.definition }

    package func problems(with properties: [String: String]) async -> [ConfigProblem] {
        let sources = DatagenOptions.sources
        let given = sources.filter { !(properties[$0] ?? "").isEmpty }
        guard given.count == 1 else {
            let message =
                given.isEmpty
                ? "Must set exactly one schema source: \(sources.joined(separator: ", "))"
                : "Set \(given.joined(separator: " and ")); must set exactly one schema source"
            return (given.isEmpty ? sources : given).map { ConfigProblem($0, message) }
        }
        do throws(ConnectError) {
            let options = try DatagenOptions(properties)
            let schema = try GeneratorProgram(options.schemaText()).schema
            if let key = options.keyField, schema.field(key) == nil {
                return [ConfigProblem("schema.keyfield", DatagenOptions.noField(key, schema))]
            }
        } catch {
            return [ConfigProblem(given[0], error.message)]
        }
        return []
    }

    package func taskConfigs(
        _ properties: [String: String], countMax: Int
    ) async throws(ConnectError) -> [[String: String]] {
        (0..<max(1, countMax)).map { index in
            var task = properties
            task[DatagenTask.taskID] = String(index)
            return task
        }
    }

    package func supportsExactlyOnce(_ properties: [String: String]) -> Bool { true }

    package func alterOffsets(
        _ properties: [String: String], _ offsets: [(partition: ConnectMap, offset: ConnectMap?)]
    ) async throws(ConnectError) -> Bool {
        for (partition, offset) in offsets {
            guard let task = partition[DatagenTask.taskID]?.integer, task >= 0, partition.count == 1 else {
                throw ConnectError(.connect, "Partitions must have the one key '\(DatagenTask.taskID)' with a number")
            }
            guard let offset else { continue }
            for name in [DatagenTask.generation, DatagenTask.iteration, DatagenTask.seed]
            where offset[name]?.integer == nil {
                throw ConnectError(.connect, "Offsets must have the key '\(name)' with a number")
            }
        }
        return true
    }

    package func makeTask(
        _ properties: [String: String], _ context: any SourceTaskContext
    ) throws(ConnectError) -> any SourceTask {
        DatagenTask(try DatagenOptions(properties), context)
    }
}

/// The options, read.
struct DatagenOptions: Sendable {
    var topic: String
    /// Milliseconds.
    var intervalMax: Int64
    /// nil without a limit.
    var iterations: Int64?
    var schemaString: String?
    var schemaFile: String?
    var quickstart: Quickstart?
    var keyField: String?
    var seed: Int64?
    /// Milliseconds that one record may take; nil without a limit.
    var timeout: Int64?
    var taskID: Int?

    static let sources = ["schema.string", "schema.filename", "quickstart"]

    /// Published pipelines call `max.interval` what the generator on the command line called it, and the original's connector
    /// then goes on at its own pace; here they get what they ask for.
    private static let otherNames = ["maxInterval": "max.interval"]

    init(_ given: [String: String]) throws(ConnectError) {
        var properties = given
        for (other, name) in Self.otherNames where properties[name] == nil { properties[name] = given[other] }
        let values = try Self.definition.parse(properties)
        topic = values.string("kafka.topic") ?? ""
        intervalMax = values.integer("max.interval") ?? 500
        iterations = values.integer("iterations").flatMap { $0 > 0 ? $0 : nil }
        schemaString = values.text("schema.string")
        schemaFile = values.text("schema.filename")
        quickstart = values.text("quickstart").flatMap { Quickstart.named($0) }
        keyField = values.text("schema.keyfield") ?? quickstart?.keyField
        seed = values.integer("random.seed")
        timeout = values.integer("generate.timeout")
        taskID = properties[DatagenTask.taskID].flatMap { Int($0) }
    }

    /// Blocks while a file is read.
    func schemaText() throws(ConnectError) -> String {
        if let schemaString { return schemaString }
        if let quickstart { return quickstart.schemaText }
        guard let schemaFile else {
            throw .config("Must set exactly one schema source: \(Self.sources.joined(separator: ", "))")
        }
        do throws(DiskError) {
            return String(decoding: try StreamFile.contents(schemaFile), as: UTF8.self)
        } catch {
            throw ConnectError(.connect, "Unable to read the schema from '\(schemaFile)': \(error.reason)")
        }
    }

    static func noField(_ key: String, _ schema: ConnectSchema) -> String {
        let names = schema.fields.map(\.name)
        let hint = nearestName(to: key, among: names).map { "; did you mean '\($0)'?" } ?? ""
        return "The schema has no field '\(key)' for the key, only \(names.joined(separator: ", "))\(hint)"
    }

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("kafka.topic", .string, .required, nil, .high, "The topic to write to.")
        definition.define(
            "max.interval", .long, .value(.integer(500)), nil, .high,
            "The longest pause between two records, in milliseconds. Each pause is a random part of it.")
        definition.define(
            "iterations", .int, .value(.integer(-1)), nil, .high,
            "How many records each task writes; less than 1 for no limit.")
        definition.define(
            "schema.string", .string, .value(.string("")), nil, .high,
            "The Avro schema, as JSON. Its 'arg.properties' say how values are made.")
        definition.define(
            "schema.filename", .string, .value(.string("")), nil, .high, "The file that holds the Avro schema.")
        definition.define(
            "schema.keyfield", .string, .value(.string("")), nil, .high,
            "The field whose value is the record's key. Without it that of the quickstart, else the key is null.")
        definition.define(
            "quickstart", .string, .value(.string("")), .quickstart, .high,
            "The name of a kind of data that is built in.",
            recommender: .init(values: { _, _ in Quickstart.all.map { .string($0.name) } }))
        definition.define(
            "random.seed", .long, .null, nil, .low,
            "Where the random numbers begin. The same seed gives the same records; each task has its own.")
        definition.define(
            "generate.timeout", .long, .null,
            ConfigValidator { (name, value) throws(ConnectError) in
                if value != .null { try ConfigValidator.between(1, 60_000).check(name, value) }
            }, .low, "How long one record may take to be made, in milliseconds. Without it there is no limit.")
        return definition
    }()
}

extension ConfigValidator {
    /// The name of a quickstart, in any case; empty for none.
    fileprivate static let quickstart = Self { (name, value) throws(ConnectError) in
        guard let text = value.text, !text.isEmpty, Quickstart.named(text) == nil else { return }
        let names = Quickstart.all.map(\.name)
        let hint = nearestName(to: text.lowercased(), among: names).map { "; did you mean '\($0)'?" } ?? ""
        throw .config(name, text, "must be one of \(names.joined(separator: ", "))\(hint)")
    }
}
