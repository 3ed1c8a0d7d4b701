package import Logging
package import SQLFormats

/// A schema registry as the SQL server needs it; owned here, implemented by whoever wires the registry of this process
/// or of another one.
package protocol SchemaSource: Sendable {
    /// nil when there is none.
    func schema(id: Int32) async throws(SchemaSourceError) -> RegistrySchema?
    /// nil when the subject has no version.
    func latest(of subject: String) async throws(SchemaSourceError) -> (id: Int32, schema: RegistrySchema)?
    /// nil when there is none.
    func schema(of subject: String, version: Int32) async throws(SchemaSourceError) -> RegistrySchema?
    /// - Returns: its id, which it may have had before.
    /// - Throws: `.refused`.
    func register(_ schema: RegistrySchema, under subject: String) async throws(SchemaSourceError) -> Int32
    /// Whether a version of the subject has this id.
    func has(id: Int32, under subject: String) async throws(SchemaSourceError) -> Bool
    /// Deletes a subject for good; nothing happens when there is none.
    func delete(_ subject: String) async throws(SchemaSourceError)
}

extension SchemaSource {
    /// Deletes subjects of topics that are gone. What stays is told, and nobody is the worse for it.
    package func delete(_ subjects: [String], _ logger: Logger) async {
        for subject in subjects {
            do { try await delete(subject) } catch {
                logger.warning(
                    "cannot delete a subject of a topic that is gone",
                    metadata: ["subject": "\(subject)", "error": "\(error.message)"])
            }
        }
    }
}

package struct SchemaSourceError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        /// The registry did not answer.
        case unavailable
        /// The registry does not take the schema: not compatible, or no schema at all.
        case refused
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
