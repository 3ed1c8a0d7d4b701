import JSONFormat
import Patterns
import SQLFormats
import SQLPlan
import SQLSyntax
import SQLTypes

/// What must hold of catalog and topics in the end.
struct PostChecks {
    private let pipeline: TestPipeline

    init(_ pipeline: TestPipeline) { self.pipeline = pipeline }

    /// nil when all is as expected.
    func difference(_ post: PostConditions) -> String? {
        for source in post.sources { if let difference = difference(source: source) { return difference } }
        for topic in post.topics { if let difference = difference(topic: topic) { return difference } }
        guard let forbidden = post.forbiddenTopics else { return nil }
        do throws(PatternError) {
            let pattern = try JavaPattern("\\A(?:\(forbidden))\\z")
            for name in pipeline.topics.names + internalTopics.map(\.name) {
                if try pattern.firstMatch(in: Array(name.utf8)) != nil { return "a topic '\(name)', which must not be" }
            }
        } catch { return "topics.blacklist: \(error.message)" }
        return nil
    }

    // MARK: Sources

    func difference(source expected: JSONValue) -> String? {
        let name = expected["name"]?.text ?? ""
        guard let actual = pipeline.catalog[name] else { return "no source '\(name)'" }
        func differs(_ what: String, _ wanted: String, _ got: String) -> String {
            "source '\(name)': expected \(what) \(wanted), got \(got)"
        }
        if let kind = expected["type"]?.text?.uppercased(), kind != actual.kind.rawValue {
            return differs("the type", kind, actual.kind.rawValue)
        }
        if let schema = expected["schema"]?.text {
            guard let columns = Self.columns(schema) else { return "source '\(name)': unreadable schema: \(schema)" }
            if columns != actual.columns { return differs("the schema", schema, actual.schemaText) }
        }
        if let format = expected["keyFormat"] {
            if let wanted = format["format"]?.text, wanted != actual.keyFormat.info.format.rawValue {
                return differs("the key format", wanted, actual.keyFormat.info.format.rawValue)
            }
            let kind = format["windowType"]?.text
            if kind != actual.window?.kind.rawValue {
                return differs("the window", kind ?? "none", actual.window?.kind.rawValue ?? "none")
            }
            if let size = format["windowSize"]?.integer, size != actual.window?.size {
                return differs("the window size", "\(size)", actual.window?.size.map(String.init) ?? "none")
            }
        }
        if let wanted = expected["valueFormat"]?.text, wanted != actual.valueFormat.info.format.rawValue {
            return differs("the value format", wanted, actual.valueFormat.info.format.rawValue)
        }
        for (side, format) in [("keyFeatures", actual.keyFormat), ("valueFeatures", actual.valueFormat)] {
            guard let features = expected[side]?.elements?.compactMap(\.text) else { continue }
            let own = format.features.sorted().map(\.rawValue)
            if Set(features) != Set(own) { return differs(side, "\(features)", "\(own)") }
        }
        if let isSource = expected["isSource"]?.flag, isSource != actual.isReadOnly {
            return differs("isSource", "\(isSource)", "\(actual.isReadOnly)")
        }
        return nil
    }

    private static func columns(_ text: String) -> [SQLColumn]? {
        // Which of the two it is follows from stream or table.
        let normal = text.replacing(" PRIMARY KEY", with: " KEY")
        do throws(SQLTypesError) { return try SchemaText.columns(normal) } catch { return nil }
    }

    // MARK: Topics

    /// A topic that only a query itself reads, as the original names it.
    struct InternalTopic {
        var name: String
        var formats: InternalFormats
        var schema: RowSchema
    }

    var internalTopics: [InternalTopic] {
        var topics: [InternalTopic] = []
        for query in pipeline.queries {
            let application = "_confluent-ksql-\(TestPipeline.serviceID)query_\(query.plan.id)"
            query.plan.root.forEach { step in
                for topic in step.repartitionTopics {
                    topics.append(
                        InternalTopic(
                            name: "\(application)-\(topic.name)-repartition", formats: topic.formats,
                            schema: step.schema))
                }
                for store in step.stores {
                    topics.append(
                        InternalTopic(
                            name: "\(application)-\(store.name)-changelog", formats: store.formats,
                            schema: step.schema))
                }
            }
        }
        return topics
    }

    func difference(topic expected: JSONValue) -> String? {
        let name = expected["name"]?.text ?? ""
        let key: SerdeFormat
        let value: SerdeFormat
        let window: WindowInfo?
        if name.hasPrefix("_confluent-") {
            guard let topic = internalTopics.first(where: { $0.name == name }) else {
                // Some state of the original has no store of its own here.
                return name.hasSuffix("-repartition") ? "no topic '\(name)'" : nil
            }
            (key, value, window) = (topic.formats.key, topic.formats.value, topic.schema.window)
            if let wanted = expected["keySchema"] {
                let columns = topic.schema.keys.map { SQLField($0.name, $0.type) }
                if let reason = difference(schema: wanted, of: columns, key) {
                    return "topic '\(name)': key schema: \(reason)"
                }
            }
        } else {
            guard pipeline.topics.topics[name] != nil else { return "no topic '\(name)'" }
            guard let source = pipeline.catalog.sources.values.first(where: { $0.topic == name }) else { return nil }
            (key, value, window) = (source.keyFormat, source.valueFormat, source.window)
        }
        if let wanted = expected["keyFormat"], let reason = Self.difference(wanted, key, window) {
            return "topic '\(name)': key format: \(reason)"
        }
        if let wanted = expected["valueFormat"], let reason = Self.difference(wanted, value, nil) {
            return "topic '\(name)': value format: \(reason)"
        }
        if let wanted = expected["partitions"]?.integer, let actual = pipeline.topics.partitionCount(of: name),
            wanted != Int64(actual)
        {
            return "topic '\(name)': expected \(wanted) partitions, got \(actual)"
        }
        for side in ["key", "value"] where !name.hasPrefix("_confluent-") {
            guard let wanted = expected[side + "Schema"] else { continue }
            if let reason = difference(schema: wanted, subject: "\(name)-\(side)") { return reason }
        }
        return nil
    }

    private static func difference(_ expected: JSONValue, _ actual: SerdeFormat, _ window: WindowInfo?) -> String? {
        if let format = expected["format"]?.text, format != actual.info.format.rawValue {
            return "expected \(format), got \(actual.info.format.rawValue)"
        }
        let features = expected["features"]?.elements?.compactMap(\.text) ?? []
        if Set(features) != Set(actual.features.map(\.rawValue)) {
            return "expected the features \(features), got \(actual.features.sorted().map(\.rawValue))"
        }
        let properties = Dictionary(
            (expected["properties"]?.members ?? []).map { ($0.0, $0.1.text ?? "") }, uniquingKeysWith: { $1 })
        if properties != actual.info.properties {
            return "expected the properties \(properties.sorted { $0.key < $1.key }), got \(actual.info)"
        }
        guard let wanted = expected["windowInfo"] else {
            return window.map { "expected no window, got \($0.kind.rawValue)" }
        }
        guard let window else { return "expected a window, got none" }
        if let kind = wanted["type"]?.text, kind != window.kind.rawValue {
            return "expected the window \(kind), got \(window.kind.rawValue)"
        }
        // In seconds here, with a fraction.
        if let size = wanted["size"]?.decimal?.double, Int64((size * 1000).rounded()) != window.size {
            return "expected the window size \(size) s, got \(window.size.map(String.init) ?? "none") ms"
        }
        if let emit = wanted["emitStrategy"]?.text, (emit == "FINAL") != window.isFinal {
            return "expected EMIT \(emit)"
        }
        return nil
    }

    private func difference(schema expected: JSONValue, subject: String) -> String? {
        guard let id = pipeline.schemas.subjects[subject]?.last, let actual = pipeline.schemas.schemas[id] else {
            return "no schema of '\(subject)'"
        }
        return Self.difference(expected, actual).map { "schema of '\(subject)': \($0)" }
    }

    /// Of a topic that only a query itself reads: its schemas follow from its columns.
    private func difference(schema expected: JSONValue, of columns: [SQLField], _ format: SerdeFormat) -> String? {
        do throws(FormatError) {
            return Self.difference(expected, try RegistrySchemas.schema(of: columns, format: format))
        } catch { return error.message }
    }

    private static func difference(_ expected: JSONValue, _ actual: RegistrySchema) -> String? {
        if case .string(let text) = expected {
            // A schema as text, or the name of an Avro type.
            if isSameText(actual.text, text) || isSameJSON(actual.text, text) { return nil }
            if let json = JSONValue.parse(Array(actual.text.utf8)), json.text == text || json["type"]?.text == text {
                return nil
            }
        } else if let json = JSONValue.parse(Array(actual.text.utf8)), json.isSame(as: expected) {
            return nil
        }
        let wanted = expected.text ?? String(decoding: expected.bytes, as: UTF8.self)
        return "expected \(wanted.singleLine), got \(actual.text.singleLine)"
    }

    /// Whether texts of Protobuf differ in spaces only.
    private static func isSameText(_ a: String, _ b: String) -> Bool {
        a.filter { !$0.isWhitespace } == b.filter { !$0.isWhitespace }
    }

    private static func isSameJSON(_ a: String, _ b: String) -> Bool {
        guard let a = JSONValue.parse(Array(a.utf8)), let b = JSONValue.parse(Array(b.utf8)) else { return false }
        return a.isSame(as: b)
    }
}

extension PlanStep {
    fileprivate var repartitionTopics: [RepartitionTopic] {
        switch operation {
        case .repartition(let step): [step.topic]
        case .group(let step): step.repartition.map { [$0] } ?? []
        case .selectKey(let step): step.repartition.map { [$0] } ?? []
        default: []
        }
    }

    fileprivate var stores: [StateStore] {
        switch operation {
        case .source(let step): step.store.map { [$0] } ?? []
        case .selectKey(let step): step.store.map { [$0] } ?? []
        case .aggregate(let step): [step.store]
        case .suppress(let step): [step.store]
        case .streamStreamJoin(let step): [step.leftStore, step.rightStore]
        default: []
        }
    }
}
