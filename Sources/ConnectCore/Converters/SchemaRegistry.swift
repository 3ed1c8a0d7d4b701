package import SchemaRules
import SchemaSerdes

/// A schema as a registry has it.
package struct RegistrySchema: Sendable, Hashable {
    package var id: Int32
    package var type: SchemaType
    package var text: String
    /// All that the text refers to, directly or through others; what is referred to comes first.
    package var references: [ReferencedSchema]

    package init(id: Int32, type: SchemaType, text: String, references: [ReferencedSchema] = []) {
        self.id = id
        self.type = type
        self.text = text
        self.references = references
    }
}

/// What converters need of a schema registry. Failures are `.retriable` when asking again may help, `.config` when the
/// registry lets nobody do what was asked, else `.data`; the message is the registry's alone.
package protocol ConverterRegistry: Sendable {
    /// - Returns: the id; the same one when the subject has the schema already.
    func register(
        _ text: String, _ type: SchemaType, subject: String, normalize: Bool
    ) async throws(ConnectError) -> Int32
    /// The id of a schema that the subject has.
    func id(of text: String, _ type: SchemaType, subject: String, normalize: Bool) async throws(ConnectError) -> Int32
    func latest(subject: String) async throws(ConnectError) -> RegistrySchema
    func schema(id: Int32) async throws(ConnectError) -> RegistrySchema
    func schema(guid: String) async throws(ConnectError) -> RegistrySchema
    /// The subjects that have a schema, each with the version that it is there, deleted ones among them.
    func versions(id: Int32) async throws(ConnectError) -> [(subject: String, version: Int32)]
}

extension ConverterRegistry {
    package func versions(id: Int32) async throws(ConnectError) -> [(subject: String, version: Int32)] { [] }
}

/// What is made of a schema for the values of one topic, where it has a version.
struct TopicSchema: Hashable, Sendable {
    var frame: SchemaFrame
    var topic: String
}

/// How a record's topic and schema name the subject.
package enum SubjectNameStrategy: String, Sendable, CaseIterable {
    case topic = "TopicNameStrategy"
    case record = "RecordNameStrategy"
    case topicRecord = "TopicRecordNameStrategy"

    /// - Parameter className: with or without its package, `io.confluent.kafka.serializers.subject`.
    package init?(className: String) {
        let name = className.split(separator: ".").last.map(String.init) ?? className
        self.init(rawValue: name)
    }

    /// - Parameter recordName: the full name of the record, message or title.
    /// - Throws: `.data` when the strategy needs a name and there is none.
    package func subject(topic: String, isKey: Bool, recordName: String?) throws(ConnectError) -> String {
        if self == .topic { return topic + (isKey ? "-key" : "-value") }
        guard let recordName, !recordName.isEmpty else {
            throw .data(
                "In configuration \(isKey ? "key" : "value").subject.name.strategy = \(rawValue), the message "
                    + "\(isKey ? "key" : "value") must only be a record schema")
        }
        return self == .record ? recordName : topic + "-" + recordName
    }
}

/// The options that all converters with a registry share.
package struct RegistryOptions: Sendable {
    package var isKey = false
    package var registers = true
    package var usesLatest = false
    package var normalizes = false
    package var strategy = SubjectNameStrategy.topic
    /// `use.schema.id`.
    package var fixedID: Int32?
    /// `latest.compatibility.strict` and `id.compatibility.strict`: whether a schema of the subject's own has to be able
    /// to read what the values' schemas write.
    package var checksLatest = true
    package var checksFixed = true

    package init() {}

    /// Reads `auto.register.schemas`, `use.latest.version`, `normalize.schemas`, `use.schema.id` and the strategies.
    ///
    /// - Parameter properties: a converter's options without the prefix `key.converter.` or `value.converter.`.
    package init(_ properties: [String: String], isKey: Bool) throws(ConnectError) {
        self.isKey = isKey
        registers = try ConfigItem.flag("auto.register.schemas", properties, true)
        usesLatest = try ConfigItem.flag("use.latest.version", properties, false)
        normalizes = try ConfigItem.flag("normalize.schemas", properties, false)
        checksLatest = try ConfigItem.flag("latest.compatibility.strict", properties, true)
        checksFixed = try ConfigItem.flag("id.compatibility.strict", properties, true)
        if let text = properties["use.schema.id"],
            case .integer(let id) = try ConfigItem.parse(text, .int, "use.schema.id"),
            id >= 0
        {
            fixedID = Int32(truncatingIfNeeded: id)
        }
        let option = (isKey ? "key" : "value") + ".subject.name.strategy"
        if let name = properties[option] {
            guard let known = SubjectNameStrategy(className: name) else {
                throw .config(option, name, "Class \(name) could not be found.")
            }
            strategy = known
        }
    }
}

/// A schema's way to its id and back, with memory of both.
final class RegistryLink: Sendable {
    let registry: any ConverterRegistry
    let options: RegistryOptions
    private let ids = ConnectCache<String, RegistrySchema>(countMax: 1000)
    private let schemas = ConnectCache<SchemaFrame, RegistrySchema>(countMax: 1000)
    private let checked = ConnectCache<Pair, Bool>(countMax: 1000)

    init(_ registry: any ConverterRegistry, _ options: RegistryOptions) {
        self.registry = registry
        self.options = options
    }

    /// Whether what `writing` answers stays true; the latest version of a subject may be another one at any time.
    var remembers: Bool { options.fixedID != nil || options.registers || !options.usesLatest }

    /// The schema to write with, registered or looked up: the given one or, with `use.latest.version` or
    /// `use.schema.id`, the subject's own.
    ///
    /// - Throws: in the words of the original's converters.
    func writing(
        _ text: String, _ type: SchemaType, topic: String, recordName: String?
    ) async throws(ConnectError) -> RegistrySchema {
        let subject = try options.strategy.subject(topic: topic, isKey: options.isKey, recordName: recordName)
        // The subject's own schema is checked against each one that is given.
        let key = subject + "\u{0}" + text
        if let known = ids[key] { return known }
        let words = RegistryFailureWords(type: type, isKey: options.isKey)
        let step: RegistryFailureWords.Step =
            options.fixedID != nil ? .byID : options.registers ? .register : options.usesLatest ? .latest : .lookUp
        let schema: RegistrySchema
        do throws(ConnectError) {
            switch step {
            case .byID: schema = try await registry.schema(id: options.fixedID ?? 0)
            case .register:
                let id = try await registry.register(text, type, subject: subject, normalize: options.normalizes)
                schema = RegistrySchema(id: id, type: type, text: text)
            case .latest: schema = try await registry.latest(subject: subject)
            case .lookUp:
                let id = try await registry.id(of: text, type, subject: subject, normalize: options.normalizes)
                schema = RegistrySchema(id: id, type: type, text: text)
            }
        } catch {
            throw words.unwritten(topic, step, text, error)
        }
        if step == .byID, options.checksFixed {
            try check(schema, reads: text, topic, words, option: "id.compatibility.strict")
        }
        if step == .latest, options.checksLatest {
            try check(schema, reads: text, topic, words, option: "latest.compatibility.strict")
        }
        // The subject may get a new version at any time.
        if step != .latest { ids[key] = schema }
        return schema
    }

    /// Whether the subject's own schema can read what the given one writes. Like the original, not the other way round.
    private func check(
        _ own: RegistrySchema, reads text: String, _ topic: String, _ words: RegistryFailureWords, option: String
    ) throws(ConnectError) {
        let pair = Pair(own: own.id, text: text)
        if checked[pair] != nil { return }
        var reasons = [Incompatibility.differentType.message]
        if own.type == words.type {
            do throws(SchemaFailure) {
                let reader = try own.type.read(own.text, references: own.references)
                reasons = reader.incompatibilities(reading: try own.type.read(text), policy: .strict).map(\.message)
            } catch {
                reasons = [error.message]
            }
        }
        guard reasons.isEmpty else {
            throw words.incompatible(topic, own.text, text, option: option, reasons)
        }
        checked[pair] = true
    }

    private struct Pair: Hashable, Sendable {
        var own: Int32
        var text: String
    }

    /// The schema that bytes were written with and where the payload begins.
    ///
    /// - Throws: in the words of the original's converters.
    func reading(
        _ bytes: [UInt8], _ type: SchemaType, topic: String
    ) async throws(ConnectError) -> (schema: RegistrySchema, frame: SchemaFrame, start: Int) {
        let words = RegistryFailureWords(type: type, isKey: options.isKey)
        guard let (frame, count) = SchemaFrame.read(bytes) else { throw words.damaged(topic, "Unknown magic byte!") }
        if let known = schemas[frame] { return (known, frame, count) }
        let schema: RegistrySchema
        do throws(ConnectError) {
            schema =
                switch frame {
                case .id(let id): try await registry.schema(id: id)
                case .guid(let guid): try await registry.schema(guid: guid)
                }
        } catch {
            throw words.unread(topic, frame, error)
        }
        guard schema.type == type else {
            throw words.damaged(topic, "schema \(frame) is \(schema.type.rawValue)", in: frame)
        }
        schemas[frame] = schema
        return (schema, frame, count)
    }

    /// The schema that values of another one are read as: with `use.latest.version` the subject's newest, as it is when the
    /// first of them is read, else their own.
    ///
    /// - Throws: in the words of the original's converters.
    func target(
        of schema: RegistrySchema, _ frame: SchemaFrame, topic: String, recordName: String?
    ) async throws(ConnectError) -> RegistrySchema {
        guard options.usesLatest else { return schema }
        let words = RegistryFailureWords(type: schema.type, isKey: options.isKey)
        let subject = try options.strategy.subject(topic: topic, isKey: options.isKey, recordName: recordName)
        let latest: RegistrySchema
        do throws(ConnectError) { latest = try await registry.latest(subject: subject) } catch {
            throw words.unread(topic, frame, error)
        }
        guard latest.type == schema.type else {
            throw words.damaged(topic, "the latest schema of \(subject) is \(latest.type.rawValue)", in: frame)
        }
        return latest
    }

    /// The version of a schema in the subject of a topic's values, which Connect's schema has then. nil where the subject
    /// does not have it, as where topics were copied (the original fails there), and where nobody knows.
    ///
    /// - Throws: `.retriable` only.
    func version(
        of schema: RegistrySchema, _ frame: SchemaFrame, topic: String, recordName: String?
    ) async throws(ConnectError) -> Int32? {
        guard schema.id >= 0,
            let subject = try? options.strategy.subject(topic: topic, isKey: options.isKey, recordName: recordName)
        else { return nil }
        do throws(ConnectError) {
            return try await registry.versions(id: schema.id).filter { $0.subject == subject }.map(\.version).max()
        } catch {
            // What is refused is not mended by asking again, and values can be read without it.
            guard error.isRetriable else { return nil }
            throw RegistryFailureWords(type: schema.type, isKey: options.isKey).unread(topic, frame, error)
        }
    }

    /// Bytes behind a frame that are not of its schema.
    func damaged(_ topic: String, _ type: SchemaType, _ frame: SchemaFrame, _ reason: String) -> ConnectError {
        RegistryFailureWords(type: type, isKey: options.isKey).damaged(topic, reason, in: frame)
    }
}
