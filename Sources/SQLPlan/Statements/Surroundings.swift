package import SQLFormats
import SQLTypes

/// The topics of the cluster, as far as statements need them.
package protocol TopicAccess {
    /// nil when there is no such topic.
    func partitionCount(of topic: String) -> Int?
    func replicaCount(of topic: String) -> Int?
    func retention(of topic: String) -> Int64?
    /// - Throws: `.unavailable`.
    func create(_ topic: TopicSpecification) throws(PlanError)
    func delete(_ topic: String) throws(PlanError)
    /// Whether a statement is executed once more that was accepted before, maybe by rules that were not as strict.
    var isReplayed: Bool { get }
}

extension TopicAccess {
    package var isReplayed: Bool { false }
}

package struct TopicSpecification: Hashable, Sendable {
    package enum Cleanup: String, Hashable, Sendable {
        case compact, delete
        case compactAndDelete = "compact,delete"
    }

    package var name: String
    package var partitionCount: Int
    /// nil: the cluster's.
    package var replicaCount: Int?
    package var cleanup: Cleanup
    /// Milliseconds; nil: the cluster's.
    package var retention: Int64?

    package init(name: String, partitionCount: Int, replicaCount: Int?, cleanup: Cleanup, retention: Int64? = nil) {
        self.name = name
        self.partitionCount = partitionCount
        self.replicaCount = replicaCount
        self.cleanup = cleanup
        self.retention = retention
    }
}

/// Topics that are only remembered: for tests and for tools without a cluster.
package final class MemoryTopics: TopicAccess {
    package private(set) var topics: [String: TopicSpecification] = [:]
    /// In the order in which they were made.
    package private(set) var names: [String] = []

    package init() {}

    package func partitionCount(of topic: String) -> Int? { topics[topic]?.partitionCount }
    package func replicaCount(of topic: String) -> Int? { topics[topic]?.replicaCount }
    package func retention(of topic: String) -> Int64? { topics[topic]?.retention }

    package func create(_ topic: TopicSpecification) throws(PlanError) {
        if topics.updateValue(topic, forKey: topic.name) == nil { names.append(topic.name) }
    }

    package func delete(_ topic: String) throws(PlanError) {
        topics[topic] = nil
        names.removeAll { $0 == topic }
    }
}

/// The schema registry, as far as statements need it.
package protocol SchemaRegistryAccess {
    /// - Throws: `.unavailable`; nil when there is none.
    func latest(of subject: String) throws(PlanError) -> (id: Int32, schema: RegistrySchema)?
    /// nil when there is none.
    func schema(id: Int32) throws(PlanError) -> RegistrySchema?
    /// - Returns: its id.
    /// - Throws: `.schema` when it is not compatible with what is there.
    func register(_ schema: RegistrySchema, under subject: String) throws(PlanError) -> Int32
    /// A reference's schema; nil when there is none.
    func schema(of subject: String, version: Int32) throws(PlanError) -> RegistrySchema?
    func delete(_ subject: String) throws(PlanError)
    /// Whether a version of a subject has this id; where only the latest ones are known, whether that has.
    func has(id: Int32, under subject: String) throws(PlanError) -> Bool
    /// Whether a statement is executed once more that was accepted before, maybe by rules that were not as strict.
    var isReplayed: Bool { get }
}

extension SchemaRegistryAccess {
    package var isReplayed: Bool { false }
    package func has(id: Int32, under subject: String) throws(PlanError) -> Bool {
        try latest(of: subject)?.id == id
    }
}

/// A registry that only remembers and never refuses: for tests and for tools without one.
package final class MemorySchemaRegistry: SchemaRegistryAccess {
    package private(set) var schemas: [Int32: RegistrySchema] = [:]
    /// Ids by subject, in the order of the versions.
    package private(set) var subjects: [String: [Int32]] = [:]
    private var nextID: Int32 = 1

    package init() {}

    package func latest(of subject: String) throws(PlanError) -> (id: Int32, schema: RegistrySchema)? {
        guard let id = subjects[subject]?.last, let schema = schemas[id] else { return nil }
        return (id, schema)
    }

    package func schema(id: Int32) throws(PlanError) -> RegistrySchema? { schemas[id] }

    package func register(_ schema: RegistrySchema, under subject: String) throws(PlanError) -> Int32 {
        if let id = subjects[subject]?.first(where: { schemas[$0] == schema }) { return id }
        if let id = schemas.filter({ $0.value == schema }).keys.min() {
            if subjects[subject]?.contains(id) != true { subjects[subject, default: []].append(id) }
            return id
        }
        while schemas[nextID] != nil { nextID += 1 }
        put(schema, id: nextID, under: subject)
        return nextID
    }

    package func schema(of subject: String, version: Int32) throws(PlanError) -> RegistrySchema? {
        guard let ids = subjects[subject], ids.indices.contains(Int(version) - 1) else { return nil }
        return schemas[ids[Int(version) - 1]]
    }

    package func has(id: Int32, under subject: String) throws(PlanError) -> Bool {
        subjects[subject]?.contains(id) == true
    }

    /// With an id of the caller's choice.
    package func put(_ schema: RegistrySchema, id: Int32, under subject: String) {
        schemas[id] = schema
        subjects[subject, default: []].append(id)
    }

    package func delete(_ subject: String) throws(PlanError) { subjects[subject] = nil }
}

/// Registered schemas and SQL columns: what each is in terms of the other.
package protocol SchemaTranslation: Sendable {
    /// The columns of a schema.
    ///
    /// - Parameter keepsNames: names stay as they are instead of becoming upper-case.
    /// - Throws: `.schema`: why they cannot be read from it.
    func columns(
        of schema: RegistrySchema, references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?,
        format: SerdeFormat, isKey: Bool, keepsNames: Bool
    ) throws(PlanError) -> [RowSchema.Column]

    /// The schema that a format writes columns with.
    ///
    /// - Throws: `.schema`: why the format cannot have them.
    func schema(of columns: [RowSchema.Column], format: SerdeFormat, isKey: Bool) throws(PlanError) -> RegistrySchema

    /// The full names of the records or messages that a schema defines.
    func names(
        in schema: RegistrySchema, references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?
    ) -> [String]

    /// Whether records of a schema can be of the message of that name.
    func hasMessage(
        named name: String, in schema: RegistrySchema,
        references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?
    ) -> Bool
}

extension SchemaTranslation {
    package func hasMessage(
        named name: String, in schema: RegistrySchema,
        references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?
    ) -> Bool { true }
}
