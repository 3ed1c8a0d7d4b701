import HTTPKit
import HTTPTypes
import SchemaRules

/// Why the registry does not do what it is asked, by its API's codes and in its words.
///
/// - SeeAlso: upstream `Errors`.
package struct RegistryError: Error, Sendable, CustomStringConvertible {
    /// Three digits of HTTP status, then two of detail; or a bare HTTP status.
    package var code: Int
    package var message: String

    package init(_ code: Int, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { "\(code): \(message)" }

    package var status: Int { code >= 1000 ? code / 100 : code }

    // MARK: Not found

    static func subjectNotFound(_ subject: String) -> Self { .init(40401, "Subject '\(subject)' not found.") }
    static func versionNotFound(_ version: Int32) -> Self { .init(40402, "Version \(version) not found.") }
    static let schemaNotFound = Self(40403, "Schema not found")
    static func schemaNotFound(_ what: String) -> Self { .init(40403, "Schema \(what) not found") }
    static func subjectSoftDeleted(_ subject: String) -> Self {
        .init(40404, "Subject '\(subject)' was soft deleted.Set permanent=true to delete permanently")
    }
    static func subjectNotSoftDeleted(_ subject: String) -> Self {
        .init(40405, "Subject '\(subject)' was not deleted first before being permanently deleted")
    }
    static func versionSoftDeleted(_ subject: String, _ version: String) -> Self {
        .init(
            40406, "Subject '\(subject)' Version \(version) was soft deleted.Set permanent=true to delete permanently")
    }
    static func versionNotSoftDeleted(_ subject: String, _ version: Int32) -> Self {
        .init(
            40407, "Subject '\(subject)' Version \(version) was not deleted first before being permanently deleted")
    }
    static func noSubjectConfig(_ subject: String) -> Self {
        .init(40408, "Subject '\(subject)' does not have subject-level compatibility configured")
    }
    static func noSubjectMode(_ subject: String) -> Self {
        .init(40409, "Subject '\(subject)' does not have subject-level mode configured")
    }

    static func keyNotFound(_ name: String) -> Self { .init(40470, "Key '\(name)' not found") }
    static func keyNotSoftDeleted(_ name: String) -> Self {
        .init(40471, "Key '\(name)' was not deleted first before being permanently deleted")
    }
    static func keySoftDeleted(_ name: String) -> Self { .init(40472, "Key '\(name)' must be undeleted first") }

    // MARK: Conflicts and what cannot be processed

    static func incompatible(_ subject: String, _ messages: [String]) -> Self {
        .init(
            40901,
            "Schema being registered is incompatible with an earlier schema for subject \"\(subject)\", details: "
                + "[\(messages.joined(separator: ", "))]")
    }
    static func keyExists(_ name: String) -> Self {
        .init(40971, "Key '\(name)' already exists; use a different value")
    }
    static func tooManyKeys(_ count: Int) -> Self { .init(40972, "A maximum of \(count) keys already exist") }
    static func invalidSchema(_ message: String) -> Self { .init(42201, message) }
    static func invalidSchema(type: SchemaType, _ failure: SchemaFailure) -> Self {
        .init(42201, "Invalid schema of type \(type.rawValue), details: \(failure.message)")
    }
    static let emptySchema = Self(42201, "Empty schema")
    static func invalidVersion(_ version: String) -> Self {
        .init(
            42202,
            "The specified version '\(version)' is not a valid version id. Allowed values are between [1, 2^31-1] and "
                + "the string \"latest\"")
    }
    static let invalidLevel = Self(
        42203,
        "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, "
            + "forward_transitive, and full_transitive")
    static let invalidMode = Self(
        42204, "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT, and FORWARD")
    static func notPermitted(_ message: String) -> Self { .init(42205, message) }
    static func referenceExists(_ place: SubjectVersion) -> Self {
        .init(
            42206,
            "One or more references exist to the schema "
                + "{magic=1,keytype=SCHEMA,subject=\(place.subject),version=\(place.version)}.")
    }
    static func invalidSubject(_ subject: String) -> Self {
        .init(42208, "The specified subject '\(subject)' is not a valid.")
    }
    static let schemaTooLarge = Self(42209, "Register operation failed because schema is too large")
    static func invalidRuleSet(_ message: String) -> Self { .init(42210, message) }
    static func contextNotEmpty(_ context: String) -> Self {
        .init(42211, "The specified context '\(context)' is not empty.")
    }
    static func invalidKey(_ field: String) -> Self {
        .init(42271, "Invalid or missing value for field '\(field)' of key")
    }
    static func keyIsUsed(_ name: String) -> Self { .init(42272, "One or more references exist to the key \(name)") }
    static func unprocessable(_ message: String) -> Self { .init(422, message) }
    /// A body that is no JSON, or whose members are of other types than the API's.
    static func malformed(_ message: String) -> Self { .init(400, message) }

    // MARK: The registry's own trouble

    static func store(_ message: String) -> Self { .init(50001, message) }
    static func timeout(_ message: String) -> Self { .init(50002, message) }
    static func forwardingFailed(_ message: String) -> Self { .init(50003, message) }
    /// For keys that the original's registry would make itself.
    static func keyNotGenerated(_ subject: String, _ kmsType: String) -> Self {
        .init(
            50070,
            "Could not generate encrypted dek for \(subject): this registry has no access to '\(kmsType)', as to any "
                + "key management service; send encryptedKeyMaterial, or use a kek with \"shared\": false, whose keys "
                + "clients encrypt themselves")
    }
    static let unknownLeader = Self(50004, "Leader not known.")

    /// A mode that keeps a subject from being changed, in the original's words.
    static func wrongMode(_ subject: String, _ what: String) -> Self {
        .notPermitted("Subject \(subject) in context \(SubjectName(subject).prefix) is \(what)")
    }
}
