import JSONFormat
import SchemaRules

/// One change of the registry, as it is written to the schemas topic; the state is what they add up to.
package enum RegistryRecord: Sendable {
    case schema(SchemaRecord)
    /// A version is gone for good.
    case tombstone(subject: String, version: Int32)
    /// nil: the settings are gone.
    case config(subject: String?, RegistryConfig?)
    case mode(subject: String?, RegistryMode?)
    /// All versions up to this one are deleted, though still readable by id.
    case deleteSubject(String, version: Int32)
    /// Deleted versions of a subject, a context (`:.c:`) or all of them (nil) are gone for good.
    case clearSubject(String?)
    case noop
    case context(String, exists: Bool)

    package var key: RegistryKey {
        switch self {
        case .schema(let record): .schema(subject: record.subject, version: record.version)
        case .tombstone(let subject, let version): .schema(subject: subject, version: version)
        case .config(let subject, _): .config(subject: subject)
        case .mode(let subject, _): .mode(subject: subject)
        case .deleteSubject(let subject, _): .deleteSubject(subject)
        case .clearSubject(let subject): .clearSubject(subject)
        case .noop: .noop
        case .context(let context, _): .context(context)
        }
    }

    /// The value's bytes; nil for a null value.
    package var value: [UInt8]? {
        switch self {
        case .schema(let record): record.json.bytes
        case .tombstone, .noop, .config(_, nil), .mode(_, nil), .context(_, false): nil
        case .config(let subject, .some(let config)): Self.object(subject, config.members(level: "compatibilityLevel"))
        case .mode(let subject, .some(let mode)): Self.object(subject, [("mode", .string(mode.rawValue))])
        case .deleteSubject(let subject, let version):
            Self.object(subject, [("version", .number(Int64(version)))])
        case .clearSubject(let subject): Self.object(subject, [])
        case .context(let context, true):
            JSONValue.object([("tenant", .string("default")), ("context", .string(context))]).bytes
        }
    }

    private static func object(_ subject: String?, _ members: [(String, JSONValue)]) -> [UInt8] {
        JSONValue.object((subject.map { [("subject", .string($0))] } ?? []) + members).bytes
    }

    /// Why a record of the topic is passed over.
    package enum Unreadable: Error, Hashable, Sendable {
        /// Another implementation's, or a newer version's: nothing is wrong with it.
        case unknownKeyType(String)
        case damaged(String)
    }

    /// Reads a record, whatever version of the original wrote it.
    ///
    /// - Throws: `Unreadable`; the state goes on without the record.
    package static func parse(key: [UInt8]?, value: [UInt8]?) throws(Unreadable) -> RegistryRecord {
        guard let key else { throw .damaged("a record without a key") }
        switch RegistryKey.parse(key) {
        case nil: throw .damaged("a key that is none")
        case .unknown(let type): throw .unknownKeyType(type)
        case .key(let key): return try parse(key, value)
        }
    }

    private static func parse(_ key: RegistryKey, _ bytes: [UInt8]?) throws(Unreadable) -> RegistryRecord {
        guard let bytes else {
            switch key {
            case .schema(let subject, let version): return .tombstone(subject: subject, version: version)
            case .config(let subject): return .config(subject: subject, nil)
            case .mode(let subject): return .mode(subject: subject, nil)
            case .context(let context): return .context(context, exists: false)
            // A null value takes back what was deleted or cleared, which has happened already.
            case .deleteSubject, .clearSubject, .noop: return .noop
            }
        }
        guard let json = JSONValue.parse(bytes), json.members != nil else {
            throw .damaged("a value that is no object")
        }
        switch key {
        case .schema(let subject, let version):
            return .schema(try SchemaRecord(json, subject: subject, version: version))
        case .config(let subject):
            do { return .config(subject: subject, try RegistryConfig(record: json)) } catch {
                throw .damaged(error.message)
            }
        case .mode(let subject):
            guard let mode = json["mode"]?.text.flatMap({ RegistryMode($0) }) else { throw .damaged("an unknown mode") }
            return .mode(subject: subject, mode)
        case .deleteSubject(let subject):
            guard let version = json["version"]?.integer.flatMap(Int32.init(exactly:)) else {
                throw .damaged("a deletion without a version")
            }
            return .deleteSubject(subject, version: version)
        case .clearSubject(let subject): return .clearSubject(subject)
        case .noop: return .noop
        case .context(let context): return .context(context, exists: true)
        }
    }
}

/// The value of a SCHEMA record.
package struct SchemaRecord: Sendable {
    package var subject: String
    package var version: Int32
    package var id: Int32
    package var schema: StoredSchema
    package var isDeleted: Bool

    package init(subject: String, version: Int32, id: Int32, schema: StoredSchema, isDeleted: Bool) {
        self.subject = subject
        self.version = version
        self.id = id
        self.schema = schema
        self.isDeleted = isDeleted
    }

    /// Members in the original's order, without what is empty.
    var json: JSONValue {
        var members: [(String, JSONValue)] = [
            ("subject", .string(subject)), ("version", .number(Int64(version))), ("id", .number(Int64(id))),
            ("md5", .string(Base64.text(schema.identity.bytes))),
        ]
        if schema.type != .avro { members.append(("schemaType", .string(schema.type.rawValue))) }
        if !schema.references.isEmpty { members.append(("references", .array(schema.references.map(\.json)))) }
        if let metadata = schema.metadata { members.append(("metadata", metadata.json)) }
        if let ruleSet = schema.ruleSet { members.append(("ruleSet", ruleSet.json)) }
        members.append(("schema", schema.quotedText))
        members.append(("deleted", .bool(isDeleted)))
        return .object(members)
    }

    /// The key says what the record is about; the value's own subject and version are not looked at.
    init(_ json: JSONValue, subject: String, version: Int32) throws(RegistryRecord.Unreadable) {
        guard let id = json["id"]?.integer.flatMap(Int32.init(exactly:)), id >= 0 else {
            throw .damaged("a schema without an id")
        }
        guard let text = json["schema"]?.text else { throw .damaged("a schema without a text") }
        let typeName = json["schemaType"]?.text ?? SchemaType.avro.rawValue
        guard let type = SchemaType(rawValue: typeName) else {
            throw .damaged("a schema of the unknown type \(typeName)")
        }
        func present(_ name: String) -> JSONValue? { json[name].flatMap { $0 == .null ? nil : $0 } }
        do throws(SchemaFailure) {
            var references: [StoredReference] = []
            for element in present("references")?.elements ?? [] { references.append(try StoredReference(element)) }
            var metadata: SchemaMetadata?
            if let value = present("metadata") { metadata = try SchemaMetadata(value) }
            var ruleSet: SchemaRuleSet?
            if let value = present("ruleSet") { ruleSet = try SchemaRuleSet(value) }
            self.init(
                subject: subject, version: version, id: id,
                schema: StoredSchema(
                    type: type, text: Array(text.utf8), references: references, metadata: metadata, ruleSet: ruleSet),
                isDeleted: json["deleted"]?.flag ?? false)
        } catch {
            throw .damaged(error.message)
        }
    }
}

/// Base64 with padding (RFC 4648, 4).
enum Base64 {
    static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        var at = 0
        while at < bytes.count {
            let group = bytes[at..<min(at + 3, bytes.count)]
            let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for place in 0..<4 {
                text.append(
                    place <= group.count ? digits[Int(bits >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "="))
            }
            at += 3
        }
        return String(decoding: text, as: UTF8.self)
    }
}
