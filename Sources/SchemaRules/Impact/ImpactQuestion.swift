package import JSONFormat

/// What the registry asks the other parts of the platform: a schema that is not registered yet, with the subject that it is
/// to become a version of. It has all that the schemas refer to, so that nobody has to ask back.
package struct ImpactQuestion: Sendable, Hashable {
    package struct Schema: Sendable, Hashable {
        package var type: SchemaType
        package var text: String
        /// All that the text refers to, directly or through others; what is referred to comes first.
        package var references: [ReferencedSchema]

        package init(_ type: SchemaType, _ text: String, references: [ReferencedSchema] = []) {
            self.type = type
            self.text = text
            self.references = references
        }
    }

    package struct Version: Sendable, Hashable {
        package var number: Int32
        package var id: Int32
        package var schema: Schema

        package init(_ number: Int32, id: Int32, _ schema: Schema) {
            self.number = number
            self.id = id
            self.schema = schema
        }
    }

    /// With its context.
    package var subject: String
    package var candidate: Schema
    /// The versions there are, oldest first, without deleted ones.
    package var versions: [Version]

    package init(subject: String, candidate: Schema, versions: [Version]) {
        self.subject = subject
        self.candidate = candidate
        self.versions = versions
    }

    /// Whether it is about keys, by the strategy that names subjects after topics.
    package var isKey: Bool { SubjectName(subject).name.hasSuffix("-key") }

    /// The topic whose keys or values the subject is about, by the strategy that names subjects after topics; nil when the
    /// subject is not named so.
    package var topic: String? {
        let name = SubjectName(subject).name
        guard isKey || name.hasSuffix("-value") else { return nil }
        return String(name.dropLast(isKey ? 4 : 6))
    }
}

// MARK: Between processes

extension ImpactQuestion {
    /// - Throws: `SchemaFailure` when `json` has another shape.
    package init(_ json: JSONValue) throws(SchemaFailure) {
        guard let subject = json["subject"]?.text, let candidate = json["candidate"].flatMap({ Schema($0) }),
            let elements = json["versions"]?.elements
        else { throw SchemaFailure("a question about a schema has a subject, a candidate and versions") }
        var versions: [Version] = []
        for element in elements {
            guard let number = (element["version"]?.integer).flatMap(Int32.init(exactly:)),
                let id = (element["id"]?.integer).flatMap(Int32.init(exactly:)), let schema = Schema(element)
            else { throw SchemaFailure("a version has a number, an id and a schema") }
            versions.append(Version(number, id: id, schema))
        }
        self.init(subject: subject, candidate: candidate, versions: versions)
    }

    package var json: JSONValue {
        .object([
            ("subject", .string(subject)), ("candidate", candidate.json),
            (
                "versions",
                .array(
                    versions.map { version in
                        .object(
                            [("version", .number(Int64(version.number))), ("id", .number(Int64(version.id)))]
                                + version.schema.members)
                    })
            ),
        ])
    }
}

extension ImpactQuestion.Schema {
    init?(_ json: JSONValue) {
        guard let type = (json["schemaType"]?.text).flatMap(SchemaType.init(rawValue:)), let text = json["schema"]?.text
        else { return nil }
        var references: [ReferencedSchema] = []
        for element in json["references"]?.elements ?? [] {
            guard let name = element["name"]?.text, let subject = element["subject"]?.text,
                let version = (element["version"]?.integer).flatMap(Int32.init(exactly:)),
                let text = element["schema"]?.text
            else { return nil }
            references.append(ReferencedSchema(name: name, subject: subject, version: version, text: text))
        }
        self.init(type, text, references: references)
    }

    var json: JSONValue { .object(members) }

    var members: [(String, JSONValue)] {
        [
            ("schemaType", .string(type.rawValue)), ("schema", .string(text)),
            (
                "references",
                .array(
                    references.map { reference in
                        .object([
                            ("name", .string(reference.name)), ("subject", .string(reference.subject)),
                            ("version", .number(Int64(reference.version))), ("schema", .string(reference.text)),
                        ])
                    })
            ),
        ]
    }
}
