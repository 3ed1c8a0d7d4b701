import SQLFormats
import SQLPlan
import SQLTypes

/// Registered schemas and SQL columns, as statements see them.
struct FormatTranslation: SchemaTranslation {
    init(_ store: MemorySchemaStore) {}
    func columns(
        of schema: RegistrySchema, references: (RegistrySchema.Reference) throws(PlanError) -> RegistrySchema?,
        format: SerdeFormat, isKey: Bool, keepsNames: Bool
    ) throws(PlanError) -> [RowSchema.Column] { throw PlanError(.schema, "no registry yet") }
    func schema(of columns: [RowSchema.Column], format: SerdeFormat, isKey: Bool) throws(PlanError) -> RegistrySchema {
        throw PlanError(.schema, "no registry yet")
    }
    func names(in schema: RegistrySchema) -> [String] { [] }
}
