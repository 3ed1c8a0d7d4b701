import Cluster
import NIOCore
import RegistryClient
import SchemaRules
import SchemaSerdes

/// Serializes JSON text by one schema of the registry.
struct RegistryEncoder: Sendable {
    private let serde: JSONSerde
    private let prefix: [UInt8]

    private init(_ serde: JSONSerde, id: Int32) {
        self.serde = serde
        prefix = SchemaFrame.prefix(id: id)
    }

    /// The latest schema of a subject.
    ///
    /// - Throws: `RegistryFailure`, `SchemaFailure`, `CommandFailure` when it is of another type.
    static func latest(
        of subject: String, _ type: SchemaType, message: String?, in registry: RegistryClient
    ) async throws -> RegistryEncoder {
        let schema = try await registry.schema(subject)
        guard schema.type == type else {
            throw CommandFailure(
                "the schema of '\(subject)' is of the format \(SchemaTypeName(schema.type).rawValue), not "
                    + SchemaTypeName(type).rawValue)
        }
        guard let id = schema.id else { throw CommandFailure("the registry did not tell the id of '\(subject)'") }
        let document = try type.read(schema.text, references: try await registry.references(of: schema))
        return RegistryEncoder(try JSONSerde(document, message: message), id: id)
    }

    /// A schema of the user, registered under the subject when it is not there yet.
    ///
    /// - Throws: as `latest`.
    static func registering(
        _ text: String, under subject: String, _ type: SchemaType, message: String?, in registry: RegistryClient
    ) async throws -> RegistryEncoder {
        let serde = try JSONSerde(type.read(text, isNew: true), message: message)
        let id = try await registry.register(SchemaRequest(type: type, text: text), under: subject)
        return RegistryEncoder(serde, id: id)
    }

    /// The bytes to write for a JSON text.
    ///
    /// - Throws: `SchemaFailure` when it does not fit the schema.
    func bytes(json: [UInt8]) throws(SchemaFailure) -> [UInt8] { prefix + (try serde.payload(json: json)) }
}
