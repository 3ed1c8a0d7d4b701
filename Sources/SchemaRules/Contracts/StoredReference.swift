package import JSONFormat

/// One entry of a schema's list of references: how the text calls it, and where the registry has it.
package struct StoredReference: Hashable, Sendable {
    package static let latest: Int32 = -1

    package var name: String
    /// As it was given: unqualified names are in the context of the referring schema.
    package var subject: String
    /// `latest` until it is resolved.
    package var version: Int32

    package init(name: String, subject: String, version: Int32) {
        self.name = name
        self.subject = subject
        self.version = version
    }

    /// What a reference may have in it, whether or not it is there.
    package struct Parts: Sendable {
        var name: String?
        var subject: String?
        var version: Int32?

        /// - Throws: `SchemaFailure` when `json` has another shape.
        package init(_ json: JSONValue) throws(SchemaFailure) {
            guard json.members != nil else { throw SchemaFailure("a reference must be an object") }
            name = try json["name"]?.lenientText("name")
            subject = try json["subject"]?.lenientText("subject")
            version = try json["version"]?.lenientInteger("version")
        }
    }

    /// - Throws: `SchemaFailure` when `json` has another shape, or lacks something.
    package init(_ json: JSONValue) throws(SchemaFailure) { try self.init(Parts(json)) }

    /// - Throws: `SchemaFailure` when something is missing.
    package init(_ parts: Parts) throws(SchemaFailure) {
        guard let name = parts.name, !name.isEmpty, let subject = parts.subject, !subject.isEmpty else {
            throw SchemaFailure("Invalid reference: a reference has a name, a subject and a version")
        }
        guard let version = parts.version, version >= 1 || version == Self.latest else {
            throw SchemaFailure("Invalid reference: '\(name)' has no version (1 or more, or -1 for the latest)")
        }
        self.init(name: name, subject: subject, version: version)
    }

    package var json: JSONValue {
        .object([("name", .string(name)), ("subject", .string(subject)), ("version", .number(Int64(version)))])
    }
}
