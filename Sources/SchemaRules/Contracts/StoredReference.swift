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

    /// - Throws: `SchemaFailure` when `json` has another shape.
    package init(_ json: JSONValue) throws(SchemaFailure) {
        guard let name = json["name"]?.text, !name.isEmpty, let subject = json["subject"]?.text, !subject.isEmpty else {
            throw SchemaFailure("Invalid reference: a reference has a name, a subject and a version")
        }
        // A number that is written as a string is one to the original.
        let number = json["version"].flatMap { $0.integer ?? $0.text.flatMap { Int64($0) } }
        guard let version = number.flatMap(Int32.init(exactly:)), version >= 1 || version == Self.latest else {
            throw SchemaFailure("Invalid reference: '\(name)' has no version (1 or more, or -1 for the latest)")
        }
        self.init(name: name, subject: subject, version: version)
    }

    package var json: JSONValue {
        .object([("name", .string(name)), ("subject", .string(subject)), ("version", .number(Int64(version)))])
    }
}
