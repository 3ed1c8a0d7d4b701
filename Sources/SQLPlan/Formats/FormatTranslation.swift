package import SQLFormats
import SQLTypes

/// The rules of the formats, for statements.
package struct FormatTranslation: SchemaTranslation {
    package init() {}

    package func columns(
        of schema: RegistrySchema, references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?,
        format: SerdeFormat, isKey: Bool, keepsNames: Bool
    ) throws(PlanError) -> [RowSchema.Column] {
        do {
            return try RegistrySchemas.columns(
                of: schema, references: { reference throws(FormatError) in try Self.found(reference, references) },
                format: format, isKey: isKey, keepsNames: keepsNames
            ).map { RowSchema.Column($0.name, $0.type) }
        } catch {
            throw PlanError(.schema, error.message)
        }
    }

    package func schema(
        of columns: [RowSchema.Column], format: SerdeFormat, isKey: Bool
    ) throws(PlanError) -> RegistrySchema {
        do {
            return try RegistrySchemas.schema(of: columns.map { SQLField($0.name, $0.type) }, format: format)
        } catch {
            throw PlanError(.schema, error.message)
        }
    }

    package func names(
        in schema: RegistrySchema, references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?
    ) -> [String] {
        RegistrySchemas.names(in: schema) { reference throws(FormatError) in try Self.found(reference, references) }
    }

    package func hasMessage(
        named name: String, in schema: RegistrySchema,
        references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?
    ) -> Bool {
        RegistrySchemas.hasMessage(named: name, in: schema) { reference throws(FormatError) in
            try Self.found(reference, references)
        }
    }

    private static func found(
        _ reference: RegistrySchema.Reference,
        _ references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?
    ) throws(FormatError) -> RegistrySchema? {
        do { return try references(reference) } catch { throw FormatError(.registry, error.message) }
    }
}
