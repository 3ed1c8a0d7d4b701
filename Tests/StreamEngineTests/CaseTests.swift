import Columns
import Environment
import Foundation
import JSONFormat
import SQLFormats
import SQLFunctions
import SQLPlan
import SQLSyntax
import SQLTypes
import Testing

@testable import StreamEngine

/// Conformance cases of formats without a registry, from statements to records. The test command of the product runs
/// all cases; here they guard the engine.
@Suite struct CaseTests {
    static let folder: URL? = {
        let environment = ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"]
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let shared = environment.map { URL(filePath: $0) } ?? root.appending(path: "../shared").standardized
        let cases = shared.appending(path: "sql-cases")
        return FileManager.default.fileExists(atPath: cases.path) ? cases : nil
    }()

    struct Unsupported: Error {}

    struct Mismatch: Error, CustomStringConvertible {
        var description: String
    }

    /// How the tasks of a case's queries run.
    enum Way: String, CaseIterable {
        case whole
        /// Cut at repartition topics.
        case inParts = "in parts"
        /// Each task is replaced, after each record, by one made of its changes.
        case restarting = "with restarts"
    }

    @Test(.enabled(if: CaseTests.folder != nil, "the conformance cases were not found"), arguments: Way.allCases)
    func `cases of plain formats give the original's records`(way: Way) throws {
        guard let folder = Self.folder else { return }
        let only = ProcessInfo.processInfo.environment["CASE_FILTER"]
        var passed = 0
        var skipped = 0
        var failures: [String] = []
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        for file in files.sorted(by: { $0.path < $1.path })
        where file.pathExtension == "json" && file.lastPathComponent != "INDEX.json" {
            let bytes = [UInt8](try Data(contentsOf: file))
            for test in JSONValue.parse(bytes)?["tests"]?.elements ?? [] {
                let name = test["name"]?.text ?? ""
                if let only, !name.contains(only) { continue }
                do {
                    try Self.run(test, way)
                    passed += 1
                } catch is Unsupported {
                    skipped += 1
                } catch {
                    failures.append("\(name): \(error)")
                }
            }
        }
        print("engine \(way.rawValue): \(passed) passed, \(failures.count) failed, \(skipped) skipped")
        for failure in failures { print("FAIL", failure) }
        #expect(only != nil || Double(passed) > 0.95 * Double(passed + failures.count))
    }

    private static func run(_ test: JSONValue, _ way: Way) throws {
        let requirements = (test["requires"]?.elements ?? []).compactMap(\.text)
        guard requirements.isEmpty, test["topics"]?.elements?.isEmpty != false else { throw Unsupported() }
        let stage = test["expectedException"]?["stage"]?.text
        guard stage == nil || stage == "process" else { throw Unsupported() }
        let world = World(test)
        do { try world.prepare() } catch let error as Unsupported { throw error } catch {
            // What the planner refuses is the planner's test.
            throw Unsupported()
        }
        do { try world.process(way) } catch let error as EngineError where stage == "process" {
            let message = test["expectedException"]?["message"]?.text ?? ""
            guard error.message.contains(message) else { throw Mismatch(description: "wrong message \(error)") }
            return
        }
        if stage == "process" { throw Mismatch(description: "does not fail") }
        try world.judge()
    }

    private struct Record {
        var key: [UInt8]?
        var value: [UInt8]?
        var timestamp: Int64
        var headers: [SourceBatch.Header] = []
    }

    private final class World {
        let test: JSONValue
        var catalog = Catalog()
        let topics = MemoryTopics()
        static let zones = TimeZones { TimeZoneFiles.read($0) }
        let registry = MemorySchemaRegistry()
        let formats = RecordFormats(schemas: MemorySchemaStore())
        var properties: [String: String] = [:]
        var logs: [String: [Record]] = [:]
        var plans: [PhysicalPlan] = []
        var messages: [String] = []

        init(_ test: JSONValue) {
            self.test = test
            for (name, value) in test["properties"]?.members ?? [] {
                properties[name] = value.text ?? String(decoding: value.bytes, as: UTF8.self)
            }
        }

        func prepare() throws {
            let text = (test["statements"]?.elements ?? []).compactMap(\.text).joined(separator: "\n")
            let statements = try SQLParser.script(text)
            for statement in statements {
                guard case .createSource(let create) = statement.statement else { continue }
                for entry in create.properties.entries where entry.name.text.uppercased() == "KAFKA_TOPIC" {
                    if case .string(let topic) = entry.value { try make(topic) }
                }
            }
            for record in (test["inputs"]?.elements ?? []) + (test["outputs"]?.elements ?? []) {
                if let topic = record["topic"]?.text { try make(topic) }
            }
            for statement in statements {
                let executor = StatementExecutor(
                    StatementEnvironment(
                        functions: .builtIn, topics: topics, registry: registry, translation: NoTranslation(),
                        configuration: SQLConfiguration(properties), now: 0, random: { 0 }))
                let outcome = try executor.execute(statement.statement, text: statement.text, in: &catalog)
                for effect in outcome.effects {
                    switch effect {
                    case .start(let plan): plans.append(plan)
                    case .replace(let plan):
                        if let index = plans.firstIndex(where: { $0.id == plan.id }) { plans[index] = plan }
                    case .stop(let id): plans.removeAll { $0.id == id }
                    case .insert(let row): try insert(row)
                    case .set(let name, let value): properties[name] = value
                    case .unset(let name): properties[name] = nil
                    default: break
                    }
                }
            }
            let plain: Set<SQLFormat> = [.json, .kafka, .delimited, .none]
            for source in catalog.sources.values {
                guard plain.contains(source.keyFormat.info.format), plain.contains(source.valueFormat.info.format)
                else {
                    throw Unsupported()
                }
            }
        }

        private func make(_ topic: String) throws {
            guard topics.partitionCount(of: topic) == nil else { return }
            try topics.create(TopicSpecification(name: topic, partitionCount: 4, replicaCount: 1, cleanup: .delete))
        }

        private func insert(_ row: InsertedRow) throws {
            let source = row.source
            func fields(_ columns: [SQLColumn]) -> [SQLField] { columns.map { SQLField($0.name, $0.type) } }
            let keys = fields(source.keyColumns)
            let key =
                keys.isEmpty || row.key.allSatisfy(\.isNull)
                ? nil
                : try formats.rowEncoder(source.keyFormat, topic: source.topic, isKey: true, columns: keys).bytes(
                    row.key)
            let value = try formats.rowEncoder(
                source.valueFormat, topic: source.topic, isKey: false, columns: fields(source.valueColumns)
            ).bytes(row.value)
            logs[source.topic, default: []].append(Record(key: key, value: value, timestamp: row.timestamp))
        }

        private func codecs(_ topic: String) throws -> (key: CaseCodec, value: CaseCodec, window: WindowInfo?)? {
            guard let source = catalog.sourceNames.compactMap({ catalog[$0] }).first(where: { $0.topic == topic })
            else {
                return nil
            }
            func codec(_ format: SerdeFormat, _ columns: [SQLColumn], _ isKey: Bool) -> CaseCodec {
                CaseCodec(
                    format, columns: columns.map { SQLField($0.name, $0.type) }, topic: topic, isKey: isKey,
                    schemas: MemorySchemaStore())
            }
            return (
                codec(source.keyFormat, source.keyColumns, true), codec(source.valueFormat, source.valueColumns, false),
                source.window
            )
        }

        private func inputs() throws -> [(topic: String, record: Record)] {
            try (test["inputs"]?.elements ?? []).map { input in
                let topic = input["topic"]?.text ?? ""
                guard let codec = try codecs(topic) else { throw Unsupported() }
                var key = try codec.key.bytes(input["key"] ?? .null)
                if let window = input["window"].flatMap({ CaseWindow($0) }), let inner = key {
                    key = window.bytes(of: inner)
                }
                let headers = (input["headers"]?.elements ?? []).map { header in
                    SourceBatch.Header(
                        key: header["KEY"]?.text ?? "", value: header["VALUE"]?.text.flatMap { Base64.decode($0) })
                }
                return (
                    topic,
                    Record(
                        key: key, value: try codec.value.bytes(input["value"] ?? .null),
                        timestamp: input["timestamp"]?.integer ?? 0, headers: headers)
                )
            }
        }

        func process(_ way: Way) throws {
            let inputs = try inputs()
            let inputTopics = Set(inputs.map(\.topic))
            for input in inputs { logs[input.topic, default: []].append(input.record) }
            var offsets: [String: Int64] = [:]
            for plan in plans {
                let library = SQLFunctionLibrary(
                    context: EvaluationContext(
                        now: { 0 }, random: { 0 }, zones: Self.zones, limits: FunctionLimits(properties: properties)))
                var settings = EngineSettings(properties: properties)
                settings.capturesChanges = way == .restarting
                func made() throws -> TestTasks {
                    try TestTasks(
                        plan, functions: library, formats: SQLFormatLibrary(formats, zones: Self.zones),
                        settings: settings, isSplit: way == .inParts)
                }
                var task = try made()
                var changes: [StateChange] = []
                func feed(_ topic: String, _ record: Record) throws {
                    let offset = offsets["\(plan.id) \(topic)"] ?? 0
                    offsets["\(plan.id) \(topic)"] = offset + 1
                    let output = task.process(
                        SourceBatch(
                            topic: topic,
                            records: [(record.key, record.value, record.timestamp, offset, record.headers)]))
                    messages += output.log.map(\.message)
                    for batch in output.records {
                        for row in 0..<batch.count {
                            logs[batch.topic, default: []].append(
                                Record(
                                    key: batch.keys.array(row), value: batch.values.array(row),
                                    timestamp: batch.timestamps[row]))
                        }
                    }
                    if let failure = output.failure { throw failure }
                    guard way == .restarting else { return }
                    task.parts[0].drainChanges { changes.append($0) }
                    changes = RestoreTests.compacted(changes)
                    task = try made()
                    for change in changes { try task.parts[0].apply(change) }
                }
                let topics = plan.sourceTopics
                if topics.contains(where: { inputTopics.contains($0) }) {
                    for input in inputs where topics.contains(input.topic) { try feed(input.topic, input.record) }
                }
                for topic in topics where !inputTopics.contains(topic) {
                    for record in logs[topic] ?? [] { try feed(topic, record) }
                }
            }
        }

        func judge() throws {
            let isExact = test["compare"]?["exactNumbers"]?.flag ?? true
            var expected: [String: [JSONValue]] = [:]
            for output in test["outputs"]?.elements ?? [] {
                expected[output["topic"]?.text ?? "", default: []].append(output)
            }
            for (topic, outputs) in expected.sorted(by: { $0.key < $1.key }) {
                let actual = logs[topic] ?? []
                guard let codec = try codecs(topic) else { throw Unsupported() }
                for (index, (output, record)) in zip(outputs, actual).enumerated() {
                    func fail(_ what: String) -> Mismatch {
                        let value = record.value.map { String(decoding: $0, as: UTF8.self) } ?? "null"
                        let wanted = String(decoding: output.bytes, as: UTF8.self)
                        return Mismatch(
                            description:
                                "\(topic)[\(index)]: \(what); got \(value) @\(record.timestamp), wanted \(wanted) \(messages.prefix(2))"
                        )
                    }
                    var key = record.key
                    if let window = output["window"].flatMap({ CaseWindow($0) }) {
                        guard let bytes = key, let parts = window.split(bytes, size: codec.window?.size) else {
                            throw fail("no window")
                        }
                        if let mismatch = parts.mismatch { throw fail(mismatch) }
                        key = parts.key
                    }
                    if let mismatch = codec.key.mismatch(output["key"] ?? .null, key, isExact: isExact) {
                        throw fail("key: \(mismatch)")
                    }
                    if let mismatch = codec.value.mismatch(output["value"] ?? .null, record.value, isExact: isExact) {
                        throw fail("value: \(mismatch)")
                    }
                    if let time = output["timestamp"]?.integer, time != record.timestamp { throw fail("timestamp") }
                }
                if outputs.count != actual.count {
                    throw Mismatch(
                        description:
                            "\(topic): \(actual.count) records instead of \(outputs.count) \(messages.prefix(3))")
                }
            }
        }
    }
}

private struct NoTranslation: SchemaTranslation {
    func columns(
        of schema: RegistrySchema, references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?,
        format: SerdeFormat, isKey: Bool, keepsNames: Bool
    ) throws(PlanError) -> [RowSchema.Column] { [] }

    func schema(
        of columns: [RowSchema.Column], format: SerdeFormat, isKey: Bool
    ) throws(PlanError) -> RegistrySchema { .init(type: "AVRO", text: "") }

    func names(
        in schema: RegistrySchema, references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?
    ) -> [String] { [] }
}
