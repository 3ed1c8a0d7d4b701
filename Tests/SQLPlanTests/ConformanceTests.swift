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
        #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
        #expect(passed > 1000)
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
            ?? world.topicDifference(from: test.observed["topics"] as? [[String: Any]] ?? [])
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
        // The original goes through topics in the order of its hash table, which the numbers of schemas follow from.
        var steps: [(bucket: UInt32, body: () throws -> Void)] = []
        for topic in test.topics {
            steps.append(
                (
                    Self.bucket(topic.name),
                    { [self] in
                        try create(topic.name, topic.partitions, topic.replicas)
                        try registerSchemas(topic.object)
                    }
                ))
        }
        let executor = executor
        for statement in statements {
            guard case .createSource(let create) = statement.statement,
                let topic = create.properties.text("KAFKA_TOPIC")
            else { continue }
            // What is wrong with it shows when it is executed.
            steps.append(
                (
                    Self.bucket(topic),
                    { try? executor.prepare(create, in: Catalog(), defaultPartitionCount: 4) }
                ))
        }
        for bucket in UInt32(0)..<16 { for step in steps where step.bucket == bucket { try step.body() } }
        for topic in test.inputTopics where topics.partitionCount(of: topic) == nil { try create(topic, 4, 1) }
    }

    /// Where a Java hash table with 16 places keeps a text.
    private static func bucket(_ text: String) -> UInt32 {
        let hash = text.utf16.reduce(into: UInt32(0)) { $0 = $0 &* 31 &+ UInt32($1) }
        return (hash ^ (hash >> 16)) & 15
    }

    private var executor: StatementExecutor {
        StatementExecutor(
            StatementEnvironment(
                functions: .builtIn, topics: topics, registry: registry, translation: FormatTranslation(),
                configuration: SQLConfiguration(properties), now: 0, random: { 0 }))
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
                    decoding: try JSONSerialization.data(
                        withJSONObject: schema, options: [.fragmentsAllowed, .sortedKeys]),
                    as: UTF8.self)
            }
            var references: [RegistrySchema.Reference] = []
            for reference in topic[side + "SchemaReferences"] as? [[String: Any]] ?? [] {
                let subject = reference["name"] as? String ?? ""
                let text = reference["schema"] as? String ?? ""
                let type = reference["format"] as? String ?? format
                // Ids of references do not count.
                registry.put(RegistrySchema(type: type, text: text), id: Int32(1000 + references.count), under: subject)
                references.append(RegistrySchema.Reference(name: subject, subject: subject, version: 1))
            }
            let registered = RegistrySchema(
                type: format == "JSON_SR" ? "JSON" : format, text: text, references: references)
            if let id = topic[side + "SchemaId"] as? Int {
                registry.put(registered, id: Int32(id), under: "\(name)-\(side)")
            } else {
                _ = try registry.register(registered, under: "\(name)-\(side)")
            }
        }
    }

    func execute(_ statement: ParsedStatement) throws {
        let outcome = try executor.execute(statement.statement, text: statement.text, in: &catalog)
        for case .set(let name, let value) in outcome.effects { properties[name] = value }
        for case .unset(let name) in outcome.effects { properties[name] = nil }
    }

    /// Formats and partitions of the topics of sources, and which internal topics there are.
    func topicDifference(from expected: [[String: Any]]) -> String? {
        var formats: [String: (SerdeFormat, SerdeFormat, WindowInfo?)] = [:]
        for name in catalog.sourceNames {
            guard let source = catalog[name] else { continue }
            formats[source.topic] = (source.keyFormat, source.valueFormat, source.window)
        }
        for query in catalog.allQueries {
            let prefix = "_confluent-ksql-some.ksql.service.idquery_\(query.id)-"
            query.plan.root.forEach { step in
                let schema = step.schema
                func add(_ topic: RepartitionTopic?) {
                    guard let topic else { return }
                    formats[prefix + topic.name + "-repartition"] = (
                        topic.formats.key, topic.formats.value, schema.window
                    )
                }
                switch step.operation {
                case .selectKey(let select): add(select.repartition)
                case .repartition(let repartition): add(repartition.topic)
                case .group(let group): add(group.repartition)
                case .aggregate(let aggregate):
                    formats[prefix + aggregate.store.name + "-changelog"] = (
                        aggregate.store.formats.key, aggregate.store.formats.value, schema.window
                    )
                default: break
                }
            }
        }
        var names = Set(formats.keys.filter { $0.hasPrefix("_confluent") })
        for topic in expected {
            let name = topic["name"] as? String ?? ""
            let isInternal = name.hasPrefix("_confluent")
            names.remove(name)
            if isInternal, !name.hasSuffix("-repartition"), !name.hasSuffix("Aggregate-Materialize-changelog") {
                continue
            }
            guard let (key, value, window) = formats[name] else {
                // Groups by all columns of the key need none.
                if isInternal, !name.hasSuffix("Aggregate-GroupBy-repartition") {
                    return "no topic \(name), but \(formats.keys.sorted())"
                }
                continue
            }
            for (side, format) in [("keyFormat", key), ("valueFormat", value)] {
                let wanted = topic[side] as? [String: Any] ?? [:]
                let properties = wanted["properties"] as? [String: String] ?? [:]
                let features = wanted["features"] as? [String] ?? []
                if properties != format.info.properties || Set(features) != Set(format.features.map(\.rawValue))
                    || wanted["format"] as? String != format.info.format.rawValue
                {
                    return "\(name): \(side) \(format.info) \(format.features), expected \(wanted)"
                }
            }
            let wanted = (topic["keyFormat"] as? [String: Any])?["windowInfo"] as? [String: Any]
            if wanted?["type"] as? String != window?.kind.rawValue
                || (wanted?["size"] as? NSNumber)?.doubleValue != (window?.size).map({ Double($0) / 1000 })
                || (wanted?["emitStrategy"] as? String == "FINAL") != (window?.isFinal ?? false)
            {
                return "\(name): window \(window.debugDescription), expected \(wanted ?? [:])"
            }
            // All topics have four partitions at run time, whatever is declared.
            if !isInternal, let count = topic["partitions"] as? Int, let actual = topics.partitionCount(of: name),
                actual > 1,
                count != actual, count != 4, count != 1
            {
                return "\(name): \(actual) partitions, expected \(count)"
            }
        }
        return names.isEmpty || expected.isEmpty ? nil : "unexpected topics \(names.sorted())"
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

extension Properties {
    /// The value of a property as text.
    fileprivate func text(_ name: String) -> String? {
        guard let entry = entries.first(where: { $0.name.text.uppercased() == name }) else { return nil }
        if case .string(let text) = entry.value { return text }
        return entry.value.sql
    }
}
