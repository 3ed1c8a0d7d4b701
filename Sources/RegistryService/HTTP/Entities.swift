import JSONFormat
import SchemaRules

/// How the API writes what the registry has. Members that are empty are left out.
enum Entity {
    /// A version of a subject.
    ///
    /// - Parameter text: of the schema in the format asked for; nil for the stored one.
    static func version(
        _ registered: SchemaRegistry.Registered, text: String? = nil, referenceFormat: String = "",
        aliases: [String] = [], tags: JSONValue? = nil
    ) -> JSONValue {
        let version = registered.version
        var members: [(String, JSONValue)] = [
            ("subject", .string(registered.subject)), ("version", .number(Int64(version.number))),
            ("id", .number(Int64(version.id))), ("guid", .string(version.schema.identity.description)),
        ]
        members += content(version.schema, text, subject: registered.subject, referenceFormat)
        if let tags { members.append(("schemaTags", tags)) }
        members += times(version)
        if !aliases.isEmpty { members.append(("aliases", .array(aliases.map { .string($0) }))) }
        return .object(members)
    }

    /// The answer to a registration.
    static func registered(_ registered: SchemaRegistry.Registered, text: String? = nil) -> JSONValue {
        let version = registered.version
        let members: [(String, JSONValue)] = [
            ("id", .number(Int64(version.id))), ("version", .number(Int64(version.number))),
            ("guid", .string(version.schema.identity.description)),
        ]
        return .object(members + content(version.schema, text, subject: registered.subject, "") + times(version))
    }

    /// A schema by its id.
    ///
    /// - Parameter use: whose version it is, when that was asked for.
    static func schema(
        _ schema: StoredSchema, use: SubjectVersion?, version: RegistryState.Version?, subject: String,
        text: String?, referenceFormat: String, idMax: Int32?, tags: JSONValue?
    ) -> JSONValue {
        var members: [(String, JSONValue)] = []
        if let use {
            members += [("subject", .string(use.subject)), ("version", .number(Int64(use.version)))]
        }
        members.append(("guid", .string(schema.identity.description)))
        members += content(schema, text, subject: subject, referenceFormat)
        if let tags { members.append(("schemaTags", tags)) }
        if let idMax { members.append(("maxId", .number(Int64(idMax)))) }
        if let version { members += times(version) }
        return .object(members)
    }

    private static func content(
        _ schema: StoredSchema, _ text: String?, subject: String, _ referenceFormat: String
    ) -> [(String, JSONValue)] {
        var members: [(String, JSONValue)] = []
        if schema.type != .avro { members.append(("schemaType", .string(schema.type.rawValue))) }
        if !schema.references.isEmpty {
            let parent = SubjectName(subject)
            let references = schema.references.map { reference -> JSONValue in
                guard referenceFormat.lowercased() == "qualified" else { return reference.json }
                var copy = reference
                copy.subject = SubjectName.qualified(reference.subject, from: parent).description
                return copy.json
            }
            members.append(("references", .array(references)))
        }
        if let metadata = schema.metadata { members.append(("metadata", metadata.json)) }
        if let ruleSet = schema.ruleSet { members.append(("ruleSet", ruleSet.json)) }
        members.append(("schema", text.map { .string($0) } ?? schema.quotedText))
        return members
    }

    private static func times(_ version: RegistryState.Version) -> [(String, JSONValue)] {
        var members: [(String, JSONValue)] = []
        if version.timestamp >= 0 { members.append(("ts", .number(version.timestamp))) }
        if version.isDeleted { members.append(("deleted", .bool(true))) }
        return members
    }

    /// Settings as GET answers them.
    static func config(_ config: RegistryConfig) -> JSONValue { .object(config.members(level: "compatibilityLevel")) }

    /// Settings as PUT echoes them.
    static func updated(_ config: RegistryConfig) -> JSONValue { .object(config.members(level: "compatibility")) }

    static func mode(_ mode: RegistryMode) -> JSONValue { .object([("mode", .string(mode.rawValue))]) }
}
