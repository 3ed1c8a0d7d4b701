import JSONFormat
import SQLFormats
import SQLPlan

/// What a statement was told of the world when it was checked, so that executing it again comes to the same result: on
/// other nodes, and after a restart, when topics and schemas may be others.
struct Surroundings: Sendable, Equatable {
    struct Topic: Sendable, Equatable {
        var partitions: Int
        var replicas: Int?
        var retention: Int64?
    }

    struct Subject: Sendable, Equatable {
        var id: Int32
        var schema: RegistrySchema
    }

    /// nil: there was none.
    var topics: [String: Topic?] = [:]
    var latest: [String: Subject?] = [:]
    var schemas: [Int32: RegistrySchema?] = [:]
    /// By subject and version, "subject/1".
    var versions: [String: RegistrySchema?] = [:]
    /// Ids that registering gave, in order, by subject.
    var registered: [String: [Int32]] = [:]
    /// Whether there was a registry at all.
    var hasRegistry = false
    /// The rules by which the statement was checked.
    var rules = RuleVersion.current

    init() {}

    /// Members that are something else are taken for not there: whoever wrote them was not this program.
    init(_ json: JSONValue) {
        for (name, value) in json["topics"]?.members ?? [] {
            if let partitions = value["partitions"]?.integer {
                topics[name] = Topic(
                    partitions: Int(partitions), replicas: value["replicas"]?.integer.map { Int($0) },
                    retention: value["retention"]?.integer)
            } else {
                topics[name] = .some(nil)
            }
        }
        for (name, value) in json["latest"]?.members ?? [] {
            if let id = value["id"]?.integer, let schema = Self.schema(value) {
                latest[name] = Subject(id: Int32(truncatingIfNeeded: id), schema: schema)
            } else {
                latest[name] = .some(nil)
            }
        }
        for (name, value) in json["schemas"]?.members ?? [] {
            if let id = Int32(name) { schemas[id] = .some(Self.schema(value)) }
        }
        for (name, value) in json["versions"]?.members ?? [] { versions[name] = .some(Self.schema(value)) }
        for (name, value) in json["registered"]?.members ?? [] {
            registered[name] = (value.elements ?? []).compactMap { $0.integer.map { Int32(truncatingIfNeeded: $0) } }
        }
        hasRegistry = json["hasRegistry"]?.flag ?? false
        // Programs that wrote no version had the first. Of a later one than ours, `Command` is not read at all.
        rules = Self.rules(json).flatMap { RuleVersion(rawValue: $0) } ?? .first
    }

    /// The version that is written there; nil when there is none.
    static func rules(_ json: JSONValue) -> Int? { json["rules"]?.integer.map { Int($0) } }

    var json: JSONValue {
        func sorted<Value>(_ values: [String: Value], _ json: (Value) -> JSONValue) -> JSONValue {
            .object(values.sorted { $0.key < $1.key }.map { ($0.key, json($0.value)) })
        }
        var result: [(String, JSONValue)] = [
            (
                "topics",
                sorted(topics) { topic in
                    guard let topic else { return .null }
                    var members: [(String, JSONValue)] = [("partitions", .number(Int64(topic.partitions)))]
                    if let replicas = topic.replicas { members.append(("replicas", .number(Int64(replicas)))) }
                    if let retention = topic.retention { members.append(("retention", .number(retention))) }
                    return .object(members)
                }
            ),
            (
                "latest",
                sorted(latest) { subject in
                    guard let subject else { return .null }
                    return .object([("id", .number(Int64(subject.id)))] + Self.members(subject.schema))
                }
            ),
            (
                "schemas",
                sorted(Dictionary(uniqueKeysWithValues: schemas.map { (String($0.key), $0.value) })) { schema in
                    schema.map { .object(Self.members($0)) } ?? .null
                }
            ),
            ("versions", sorted(versions) { schema in schema.map { .object(Self.members($0)) } ?? .null }),
            ("registered", sorted(registered) { ids in .array(ids.map { .number(Int64($0)) }) }),
            ("hasRegistry", .bool(hasRegistry)),
        ]
        // Of the first version there was no member yet.
        if rules != .first { result.append(("rules", .number(Int64(rules.rawValue)))) }
        return .object(result)
    }

    private static func members(_ schema: RegistrySchema) -> [(String, JSONValue)] {
        [
            ("type", .string(schema.type)), ("schema", .string(schema.text)),
            (
                "references",
                .array(
                    schema.references.map { reference in
                        .object([
                            ("name", .string(reference.name)), ("subject", .string(reference.subject)),
                            ("version", .number(Int64(reference.version))),
                        ])
                    })
            ),
        ]
    }

    private static func schema(_ json: JSONValue) -> RegistrySchema? {
        guard let type = json["type"]?.text, let text = json["schema"]?.text else { return nil }
        let references = (json["references"]?.elements ?? []).compactMap { element -> RegistrySchema.Reference? in
            guard let name = element["name"]?.text, let subject = element["subject"]?.text,
                let version = element["version"]?.integer
            else { return nil }
            return .init(name: name, subject: subject, version: Int32(truncatingIfNeeded: version))
        }
        return RegistrySchema(type: type, text: text, references: references)
    }
}

// MARK: Writing down

/// Surroundings of a first execution: the real ones, each answer written down. What is to be deleted is only noted, for
/// after the command. For one thread.
final class RecordedSurroundings {
    private(set) var answers = Surroundings()
    private(set) var deletedTopics: [String] = []
    private(set) var deletedSubjects: [String] = []
    fileprivate let topicAccess: any TopicAccess
    fileprivate let registryAccess: (any SchemaRegistryAccess)?

    init(_ topics: any TopicAccess, _ registry: (any SchemaRegistryAccess)?) {
        topicAccess = topics
        registryAccess = registry
        answers.hasRegistry = registry != nil
    }

    var topics: any TopicAccess { Topics(surroundings: self) }
    var registry: (any SchemaRegistryAccess)? { registryAccess.map { Registry(surroundings: self, real: $0) } }

    /// What the cluster says of a topic; later answers follow from what was made.
    private var known: [String: Surroundings.Topic?] = [:]

    private func topic(_ name: String) -> Surroundings.Topic? {
        if let topic = known[name] { return topic }
        let topic = topicAccess.partitionCount(of: name).map { count in
            Surroundings.Topic(
                partitions: count, replicas: topicAccess.replicaCount(of: name),
                retention: topicAccess.retention(of: name))
        }
        known[name] = .some(topic)
        if answers.topics[name] == nil { answers.topics[name] = .some(topic) }
        return topic
    }

    private struct Topics: TopicAccess {
        let surroundings: RecordedSurroundings

        func partitionCount(of topic: String) -> Int? { surroundings.topic(topic)?.partitions }
        func replicaCount(of topic: String) -> Int? { surroundings.topic(topic)?.replicas }
        func retention(of topic: String) -> Int64? { surroundings.topic(topic)?.retention }

        func create(_ topic: TopicSpecification) throws(PlanError) {
            _ = surroundings.topic(topic.name)
            try surroundings.topicAccess.create(topic)
            surroundings.known[topic.name] = Surroundings.Topic(
                partitions: topic.partitionCount, replicas: topic.replicaCount, retention: topic.retention)
        }

        func delete(_ topic: String) throws(PlanError) { surroundings.deletedTopics.append(topic) }
    }

    private struct Registry: SchemaRegistryAccess {
        let surroundings: RecordedSurroundings
        let real: any SchemaRegistryAccess

        func latest(of subject: String) throws(PlanError) -> (id: Int32, schema: RegistrySchema)? {
            let found = try real.latest(of: subject)
            if surroundings.answers.latest[subject] == nil {
                surroundings.answers.latest[subject] = .some(
                    found.map { Surroundings.Subject(id: $0.id, schema: $0.schema) })
            }
            return found
        }

        func schema(id: Int32) throws(PlanError) -> RegistrySchema? {
            let found = try real.schema(id: id)
            surroundings.answers.schemas[id] = .some(found)
            return found
        }

        func schema(of subject: String, version: Int32) throws(PlanError) -> RegistrySchema? {
            let found = try real.schema(of: subject, version: version)
            surroundings.answers.versions["\(subject)/\(version)"] = .some(found)
            return found
        }

        func register(_ schema: RegistrySchema, under subject: String) throws(PlanError) -> Int32 {
            let id = try real.register(schema, under: subject)
            surroundings.answers.registered[subject, default: []].append(id)
            return id
        }

        func delete(_ subject: String) throws(PlanError) { surroundings.deletedSubjects.append(subject) }
    }
}

// MARK: Again

/// Surroundings that answer as they did the first time and change nothing. For one thread.
final class ReplayedSurroundings: TopicAccess, SchemaRegistryAccess {
    private var answers: Surroundings

    init(_ answers: Surroundings) { self.answers = answers }

    var registry: (any SchemaRegistryAccess)? { answers.hasRegistry ? self : nil }
    var isReplayed: Bool { true }
    var rules: RuleVersion { answers.rules }

    func partitionCount(of topic: String) -> Int? { (answers.topics[topic] ?? nil)?.partitions }
    func replicaCount(of topic: String) -> Int? { (answers.topics[topic] ?? nil)?.replicas }
    func retention(of topic: String) -> Int64? { (answers.topics[topic] ?? nil)?.retention }

    func create(_ topic: TopicSpecification) throws(PlanError) {
        answers.topics[topic.name] = Surroundings.Topic(
            partitions: topic.partitionCount, replicas: topic.replicaCount, retention: topic.retention)
    }

    func delete(_ topicOrSubject: String) throws(PlanError) {}

    func latest(of subject: String) throws(PlanError) -> (id: Int32, schema: RegistrySchema)? {
        (answers.latest[subject] ?? nil).map { ($0.id, $0.schema) }
    }

    func schema(id: Int32) throws(PlanError) -> RegistrySchema? { answers.schemas[id] ?? nil }

    func schema(of subject: String, version: Int32) throws(PlanError) -> RegistrySchema? {
        answers.versions["\(subject)/\(version)"] ?? nil
    }

    func register(_ schema: RegistrySchema, under subject: String) throws(PlanError) -> Int32 {
        guard var ids = answers.registered[subject], !ids.isEmpty else { return 0 }
        let id = ids.removeFirst()
        answers.registered[subject] = ids
        return id
    }
}

// MARK: Trying

/// Surroundings that answer as the real ones would after what was asked of them, and change nothing: for checking a whole
/// script before its first statement is executed, and for executing the original's commands. For one thread.
final class TriedSurroundings {
    private let realTopics: any TopicAccess
    private let realRegistry: (any SchemaRegistryAccess)?
    private let isReplayed: Bool
    private var made: [String: TopicSpecification] = [:]
    private var deleted: Set<String> = []
    private let remembered = MemorySchemaRegistry()
    /// Schemas that were asked for by their ids.
    private var named: [Int32: RegistrySchema] = [:]
    private var deletedSubjects: Set<String> = []

    /// - Parameter isReplayed: whether what is tried was accepted before, by the original.
    init(_ topics: any TopicAccess, _ registry: (any SchemaRegistryAccess)?, isReplayed: Bool = false) {
        realTopics = topics
        realRegistry = registry
        self.isReplayed = isReplayed
    }

    var topics: any TopicAccess { Topics(tried: self) }
    var registry: (any SchemaRegistryAccess)? { realRegistry.map { Registry(tried: self, real: $0) } }

    private struct Topics: TopicAccess {
        let tried: TriedSurroundings
        var isReplayed: Bool { tried.isReplayed }

        func partitionCount(of topic: String) -> Int? {
            if let made = tried.made[topic] { return made.partitionCount }
            return tried.deleted.contains(topic) ? nil : tried.realTopics.partitionCount(of: topic)
        }
        func replicaCount(of topic: String) -> Int? {
            if let made = tried.made[topic] { return made.replicaCount }
            return tried.deleted.contains(topic) ? nil : tried.realTopics.replicaCount(of: topic)
        }
        func retention(of topic: String) -> Int64? {
            if let made = tried.made[topic] { return made.retention }
            return tried.deleted.contains(topic) ? nil : tried.realTopics.retention(of: topic)
        }
        func create(_ topic: TopicSpecification) throws(PlanError) { tried.made[topic.name] = topic }
        func delete(_ topic: String) throws(PlanError) {
            tried.made[topic] = nil
            tried.deleted.insert(topic)
        }
    }

    private struct Registry: SchemaRegistryAccess {
        let tried: TriedSurroundings
        let real: any SchemaRegistryAccess
        var isReplayed: Bool { tried.isReplayed }

        func latest(of subject: String) throws(PlanError) -> (id: Int32, schema: RegistrySchema)? {
            if let found = try tried.remembered.latest(of: subject) { return found }
            return tried.deletedSubjects.contains(subject) ? nil : try real.latest(of: subject)
        }
        func schema(id: Int32) throws(PlanError) -> RegistrySchema? {
            // Ids of what is only remembered are no real ones, and nobody can have them in a statement.
            let found = try real.schema(id: id)
            if let found { tried.named[id] = found }
            return found
        }
        func schema(of subject: String, version: Int32) throws(PlanError) -> RegistrySchema? {
            try real.schema(of: subject, version: version)
        }
        func register(_ schema: RegistrySchema, under subject: String) throws(PlanError) -> Int32 {
            if let there = try latest(of: subject), there.schema == schema { return there.id }
            // A schema that the statement named by its id keeps it.
            if let id = tried.named.filter({ $0.value == schema }).keys.min() {
                tried.remembered.put(schema, id: id, under: subject)
                return id
            }
            return try tried.remembered.register(schema, under: subject)
        }
        func delete(_ subject: String) throws(PlanError) {
            try tried.remembered.delete(subject)
            tried.deletedSubjects.insert(subject)
        }
    }
}
