import SQLFormats
import SQLPlan
import SQLTypes

/// Registered schemas and SQL columns, as statements see them.
struct FormatTranslation: SchemaTranslation {
    private let store: MemorySchemaStore

    init(_ store: MemorySchemaStore) { self.store = store }

    func columns(
        of schema: RegistrySchema, references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?,
        format: SerdeFormat, isKey: Bool, keepsNames: Bool
    ) throws(PlanError) -> [RowSchema.Column] {
        do throws(FormatError) {
            let fields = try RegistrySchemas.columns(
                of: schema,
                references: { reference throws(FormatError) in
                    do throws(PlanError) { return try references(reference) } catch {
                        throw FormatError(.registry, error.message)
                    }
                }, format: format, isKey: isKey, keepsNames: keepsNames)
            return fields.map { RowSchema.Column($0.name, $0.type) }
        } catch { throw PlanError(.schema, error.message) }
    }

    func schema(of columns: [RowSchema.Column], format: SerdeFormat, isKey: Bool) throws(PlanError) -> RegistrySchema {
        do throws(FormatError) {
            return try RegistrySchemas.schema(of: columns.map { SQLField($0.name, $0.type) }, format: format)
        } catch { throw PlanError(.schema, error.message) }
    }

    func names(in schema: RegistrySchema) -> [String] {
        RegistrySchemas.names(in: schema) { reference throws(FormatError) in
            try store.schema(of: reference.subject, version: reference.version)
        }
    }
}
