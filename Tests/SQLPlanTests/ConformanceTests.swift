import Foundation
import SQLFunctions
import SQLPlan
import SQLSyntax
import SQLTypes
import Testing

/// Statements of the conformance cases through parser and planner: those that must fail fail with the text, others plan,
/// and the catalog is what the original has.
@Suite struct ConformanceTests {
    @Test(.enabled(if: SharedCases.folder != nil, "the conformance cases were not found"))
    func `statements of all cases plan or fail as the original's`() throws {
        var passed = 0
        var skipped = 0
        var failures: [String] = []
        for test in try SharedCases.cases() {
            if test.requirements.contains("test-udf") || test.requirements.contains("java-class")
                || test.exception?["stage"] as? String == "parse"
            {
                skipped += 1
                continue
            }
            if let failure = Self.run(test) { failures.append("\(test.name): \(failure)") } else { passed += 1 }
        }
        print("planner: \(passed) passed, \(failures.count) failed, \(skipped) skipped")
        for failure in failures { print("FAIL", failure) }
        #expect(Double(passed) > 0.95 * Double(passed + failures.count))
    }

    private static func run(_ test: SharedCases.Case) -> String? {
        let world: PlanningWorld
        let statements: [ParsedStatement]
        do {
            statements = try SQLParser.script(test.statements.joined(separator: "\n"))
            world = try PlanningWorld(test, statements)
        } catch {
            return "preparation: \(error)"
        }
        let expected = test.exception?["stage"] as? String == "statement" ? test.exception : nil
        for (index, statement) in statements.enumerated() {
            do {
                try world.execute(statement)
            } catch {
                guard let expected, index == statements.count - 1 else { return "statement \(index + 1): \(error)" }
                let message = expected["message"] as? String ?? ""
                if expected["messageIsJavaSpecific"] as? Bool == true || "\(error)".contains(message) { return nil }
                return "wrong message: \(error)\n    expected: \(message)"
            }
        }
        if let expected { return "does not fail: \(expected["message"] ?? "")" }
        return world.difference(
            from: test.sources.isEmpty ? test.observed["sources"] as? [[String: Any]] ?? [] : test.sources)
    }
}

/// A catalog with its surroundings as the cases want them before the first statement.
private final class PlanningWorld {
    var catalog = Catalog()
    let topics = MemoryTopics()
    let registry = MemorySchemaRegistry()
    var properties: [String: String]

    init(_ test: SharedCases.Case, _ statements: [ParsedStatement]) throws {
        properties = test.properties
        for topic in test.topics { try create(topic.name, topic.partitions, topic.replicas) }
        for topic in test.topics { try registerSchemas(topic.object) }
        for statement in statements {
            guard case .createSource(let create) = statement.statement else { continue }
            func text(_ name: String) -> String? {
                guard let entry = create.properties.entries.first(where: { $0.name.text.uppercased() == name }) else {
                    return nil
                }
                if case .string(let text) = entry.value { return text }
                return entry.value.sql
            }
            guard let topic = text("KAFKA_TOPIC"), topics.partitionCount(of: topic) == nil else { continue }
            try self.create(
                topic, text("PARTITIONS").flatMap { Int($0) } ?? 4, text("REPLICAS").flatMap { Int($0) } ?? 1)
        }
        for topic in test.inputTopics where topics.partitionCount(of: topic) == nil { try create(topic, 4, 1) }
    }

    private func create(_ name: String, _ partitions: Int, _ replicas: Int) throws {
        try topics.create(
            TopicSpecification(name: name, partitionCount: partitions, replicaCount: replicas, cleanup: .delete))
    }

    private func registerSchemas(_ topic: [String: Any]) throws {
        let name = topic["name"] as? String ?? ""
        for side in ["key", "value"] {
            guard let schema = topic[side + "Schema"] else { continue }
            let format = topic[side + "Format"] as? String ?? "AVRO"
            let text: String
            if let string = schema as? String {
                text = string
            } else {
                text = String(
                    decoding: try JSONSerialization.data(withJSONObject: schema, options: [.fragmentsAllowed]),
                    as: UTF8.self)
            }
            let registered = RegistrySchema(type: format == "JSON_SR" ? "JSON" : format, text: text)
            if let id = topic[side + "SchemaId"] as? Int {
                registry.put(registered, id: Int32(id), under: "\(name)-\(side)")
            } else {
                _ = try registry.register(registered, under: "\(name)-\(side)")
            }
        }
    }

    func execute(_ statement: ParsedStatement) throws {
        let executor = StatementExecutor(
            StatementEnvironment(
                functions: .builtIn, topics: topics, registry: registry, translation: ColumnListTranslation(),
                configuration: SQLConfiguration(properties), now: 0, random: { 0 }))
        let outcome = try executor.execute(statement.statement, text: statement.text, in: &catalog)
        for case .set(let name, let value) in outcome.effects { properties[name] = value }
        for case .unset(let name) in outcome.effects { properties[name] = nil }
    }

    func difference(from expected: [[String: Any]]) -> String? {
        for source in expected {
            let name = source["name"] as? String ?? ""
            guard let actual = catalog[name] else { return "no source \(name)" }
            let kind = (source["type"] as? String ?? "").uppercased()
            if kind != actual.kind.rawValue { return "\(name) is a \(actual.kind.rawValue), not a \(kind)" }
            if let schema = source["schema"] as? String {
                let normal = schema.replacing(" PRIMARY KEY", with: " KEY")
                let columns = (try? SchemaText.columns(normal)) ?? []
                if columns != actual.columns { return "\(name) has \(actual.schemaText)\n    expected \(schema)" }
            }
            if let format = source["keyFormat"] as? [String: Any] {
                if let wanted = format["format"] as? String, wanted != actual.keyFormat.info.format.rawValue {
                    return "\(name): key format \(actual.keyFormat.info), expected \(wanted)"
                }
                if format["windowType"] as? String != actual.window?.kind.rawValue {
                    return "\(name): window \(actual.window.debugDescription), expected \(format)"
                }
                if let size = format["windowSize"] as? Int, Int64(size) != actual.window?.size {
                    return "\(name): window \(actual.window.debugDescription), expected \(format)"
                }
            }
            if let wanted = source["valueFormat"] as? String, wanted != actual.valueFormat.info.format.rawValue {
                return "\(name): value format \(actual.valueFormat.info), expected \(wanted)"
            }
            for (side, format) in [("keyFeatures", actual.keyFormat), ("valueFeatures", actual.valueFormat)] {
                guard let features = source[side] as? [String] else { continue }
                if Set(features) != Set(format.features.map(\.rawValue)) {
                    return "\(name): \(side) \(format.features), expected \(features)"
                }
            }
        }
        return nil
    }
}

/// Stands for the formats: a schema is the list of its columns.
private struct ColumnListTranslation: SchemaTranslation {
    func columns(
        of schema: RegistrySchema, references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?,
        format: SerdeFormat, isKey: Bool, keepsNames: Bool
    ) throws(PlanError) -> [RowSchema.Column] {
        do { return try SchemaText.columns(schema.text).map { RowSchema.Column($0.name, $0.type) } } catch {
            throw PlanError(.schema, error.message)
        }
    }

    func schema(of columns: [RowSchema.Column], format: SerdeFormat, isKey: Bool) throws(PlanError) -> RegistrySchema {
        RegistrySchema(
            type: format.info.format == .jsonSR ? "JSON" : format.info.format.rawValue,
            text: columns.map { "\(SQLIdentifier.quoted($0.name)) \($0.type)" }.joined(separator: ", "))
    }

    func names(in schema: RegistrySchema) -> [String] { [] }
}
