import SQLFormats
import SQLPlan
import SQLTypes

/// The registry of a test, as statements see it.
struct StoreRegistry: SchemaRegistryAccess {
    private let store: MemorySchemaStore
    /// Nothing is registered: whoever asks only looks.
    private let isReadOnly: Bool

    init(_ store: MemorySchemaStore, isReadOnly: Bool = false) {
        self.store = store
        self.isReadOnly = isReadOnly
    }

    func latest(of subject: String) throws(PlanError) -> (id: Int32, schema: RegistrySchema)? {
        do throws(FormatError) { return try store.latest(of: subject) } catch {
            throw PlanError(.schema, error.message)
        }
    }

    func schema(id: Int32) throws(PlanError) -> RegistrySchema? {
        do throws(FormatError) { return try store.schema(id: id) } catch { throw PlanError(.schema, error.message) }
    }

    func schema(of subject: String, version: Int32) throws(PlanError) -> RegistrySchema? {
        do throws(FormatError) { return try store.schema(of: subject, version: version) } catch {
            throw PlanError(.schema, error.message)
        }
    }

    func register(_ schema: RegistrySchema, under subject: String) throws(PlanError) -> Int32 {
        if isReadOnly { return 0 }
        do throws(FormatError) { return try store.register(schema, under: subject) } catch {
            throw PlanError(.schema, error.message)
        }
    }

    func delete(_ subject: String) throws(PlanError) { if !isReadOnly { store.delete(subject) } }
}
