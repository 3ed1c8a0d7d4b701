package import JSONFormat
package import SchemaRules

/// How one schema names another: by subject and version; `name` is what the referring text calls it.
package struct SchemaReference: Sendable, Hashable {
    package var name: String
    package var subject: String
    package var version: Int32

    package init(name: String, subject: String, version: Int32) {
        self.name = name
        self.subject = subject
        self.version = version
    }

    var json: JSONValue {
        .object([("name", .string(name)), ("subject", .string(subject)), ("version", .number(Int64(version)))])
    }

    init?(_ value: JSONValue) {
        guard let name = value["name"]?.text, let subject = value["subject"]?.text,
            let version = value["version"]?.integer.flatMap({ Int32(exactly: $0) })
        else { return nil }
        self.init(name: name, subject: subject, version: version)
    }
}

/// A schema on its way to the registry: to be registered, looked up or checked.
package struct SchemaRequest: Sendable {
    package var type: SchemaType
    package var text: String
    package var references: [SchemaReference]
    /// The data contract's parts as JSON objects; nil leaves them to the registry.
    package var metadata: JSONValue?
    package var ruleSet: JSONValue?
    /// Only for a registry in the mode IMPORT.
    package var id: Int32?
    package var version: Int32?

    package init(
        type: SchemaType, text: String, references: [SchemaReference] = [], metadata: JSONValue? = nil,
        ruleSet: JSONValue? = nil, id: Int32? = nil, version: Int32? = nil
    ) {
        self.type = type
        self.text = text
        self.references = references
        self.metadata = metadata
        self.ruleSet = ruleSet
        self.id = id
        self.version = version
    }

    var json: JSONValue {
        var members: [(String, JSONValue)] = [("schema", .string(text))]
        if type != .avro { members.append(("schemaType", .string(type.rawValue))) }
        if !references.isEmpty { members.append(("references", .array(references.map(\.json)))) }
        if let metadata { members.append(("metadata", metadata)) }
        if let ruleSet { members.append(("ruleSet", ruleSet)) }
        if let id { members.append(("id", .number(Int64(id)))) }
        if let version { members.append(("version", .number(Int64(version)))) }
        return .object(members)
    }
}

/// A schema as the registry answers it. What an endpoint does not tell is nil.
package struct RegisteredSchema: Sendable {
    package var subject: String?
    package var version: Int32?
    package var id: Int32?
    package var guid: String?
    package var type: SchemaType
    package var text: String
    package var references: [SchemaReference]
    package var metadata: JSONValue?
    package var ruleSet: JSONValue?
    package var isDeleted: Bool

    init?(_ value: JSONValue) {
        guard let text = value["schema"]?.text else { return nil }
        let typeName = value["schemaType"]?.text ?? SchemaType.avro.rawValue
        guard let type = SchemaType(rawValue: typeName) else { return nil }
        var references: [SchemaReference] = []
        for element in value["references"]?.elements ?? [] {
            guard let reference = SchemaReference(element) else { return nil }
            references.append(reference)
        }
        func number(_ name: String) -> Int32? { value[name]?.integer.flatMap { Int32(exactly: $0) } }
        func object(_ name: String) -> JSONValue? { value[name]?.members == nil ? nil : value[name] }
        self.subject = value["subject"]?.text
        self.version = number("version")
        self.id = number("id")
        self.guid = value["guid"]?.text
        self.type = type
        self.text = text
        self.references = references
        self.metadata = object("metadata")
        self.ruleSet = object("ruleSet") ?? object("ruleset")
        self.isDeleted = value["deleted"]?.flag ?? false
    }
}

/// Which version of a subject.
package enum SchemaVersion: Sendable, Hashable, CustomStringConvertible {
    case latest
    case number(Int32)

    /// As in a path of the API.
    package var description: String {
        switch self {
        case .latest: "latest"
        case .number(let number): String(number)
        }
    }
}

/// What a candidate schema was told.
package struct CompatibilityReport: Sendable {
    package var isCompatible: Bool
    /// Why not, one reason each; empty when the registry gives none.
    package var messages: [String]
    /// What would break or change, when the registry looked for it.
    package var impact: [Impact]
    /// Parts of the platform that were not asked, or did not answer.
    package var notAsked: [NotAsked]

    /// One thing that works with the subject's data now and would not with the candidate.
    package struct Impact: Sendable, Hashable {
        /// `consumer-group`, `connector`, `query`, `stream`, `table`, `schema`.
        package var kind: String
        package var name: String
        /// `breaks` or `changes`.
        package var severity: String
        package var reason: String
    }

    /// A part of the platform, `sql` or `connect`, and why nothing is known of it.
    package struct NotAsked: Sendable, Hashable {
        package var part: String
        package var reason: String
    }

    init?(_ value: JSONValue) {
        guard let isCompatible = value["is_compatible"]?.flag else { return nil }
        self.isCompatible = isCompatible
        messages = (value["messages"]?.elements ?? []).compactMap(\.text)
        impact = (value["impact"]?.elements ?? []).compactMap { element in
            guard let kind = element["kind"]?.text, let name = element["name"]?.text else { return nil }
            return Impact(
                kind: kind, name: name, severity: element["severity"]?.text ?? "",
                reason: element["reason"]?.text ?? "")
        }
        notAsked = (value["notAsked"]?.elements ?? []).compactMap { element in
            guard let part = element["part"]?.text else { return nil }
            return NotAsked(part: part, reason: element["reason"]?.text ?? "")
        }
    }
}
