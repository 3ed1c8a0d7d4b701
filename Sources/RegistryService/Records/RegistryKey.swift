import JSONFormat

/// What a record of the schemas topic is about.
///
/// The bytes of a key are what compaction compares, so they are written in exactly one way, the original's:
///
/// | keytype | key |
/// |---|---|
/// | SCHEMA | `{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}` |
/// | CONFIG, MODE | `{"keytype":"CONFIG","subject":"s","magic":0}`, of all subjects `"subject":null` |
/// | DELETE_SUBJECT, CLEAR_SUBJECT | `{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}` |
/// | NOOP | `{"keytype":"NOOP","magic":0}` |
/// | CONTEXT | `{"keytype":"CONTEXT","tenant":"default","context":".c"}` |
package enum RegistryKey: Hashable, Sendable {
    case schema(subject: String, version: Int32)
    /// nil: the settings of the default context.
    case config(subject: String?)
    case mode(subject: String?)
    case deleteSubject(String)
    case clearSubject(String?)
    case noop
    case context(String)

    package var bytes: [UInt8] { json.bytes }

    private var json: JSONValue {
        func key(_ type: String, _ members: [(String, JSONValue)], magic: Int64?) -> JSONValue {
            .object(
                [("keytype", .string(type))] + members + (magic.map { [("magic", .number($0))] } ?? []))
        }
        return switch self {
        case .schema(let subject, let version):
            key("SCHEMA", [("subject", .string(subject)), ("version", .number(Int64(version)))], magic: 1)
        case .config(let subject): key("CONFIG", [("subject", .string(subject))], magic: 0)
        case .mode(let subject): key("MODE", [("subject", .string(subject))], magic: 0)
        case .deleteSubject(let subject): key("DELETE_SUBJECT", [("subject", .string(subject))], magic: 0)
        case .clearSubject(let subject): key("CLEAR_SUBJECT", [("subject", .string(subject))], magic: 0)
        case .noop: key("NOOP", [], magic: 0)
        case .context(let context):
            key("CONTEXT", [("tenant", .string("default")), ("context", .string(context))], magic: nil)
        }
    }

    /// Reads a key, its members in any order.
    ///
    /// - Returns: nil when the bytes are no key at all; `.unknown` for a key type that this version does not have.
    package static func parse(_ bytes: [UInt8]) -> Parsed? {
        guard let json = JSONValue.parse(bytes), json.members != nil, let type = json["keytype"]?.text else {
            return nil
        }
        // A missing subject is that of all subjects, as newer versions leave empty members out.
        let subject = json["subject"]?.text
        switch type {
        case "SCHEMA":
            guard let subject, let version = json["version"]?.integer.flatMap(Int32.init(exactly:)), version >= 1,
                (0...1).contains(json["magic"]?.integer ?? 0)
            else { return nil }
            return .key(.schema(subject: subject, version: version))
        case "CONFIG": return .key(.config(subject: subject))
        case "MODE": return .key(.mode(subject: subject))
        case "DELETE_SUBJECT": return subject.map { .key(.deleteSubject($0)) }
        case "CLEAR_SUBJECT": return .key(.clearSubject(subject))
        case "NOOP": return .key(.noop)
        case "CONTEXT": return json["context"]?.text.map { .key(.context($0)) }
        default: return .unknown(type)
        }
    }

    package enum Parsed: Hashable, Sendable {
        case key(RegistryKey)
        case unknown(String)
    }
}
