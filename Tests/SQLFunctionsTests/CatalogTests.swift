import SQLFunctions
import SQLTypes
import Testing

@Suite struct CatalogTests {
    @Test func `has every function`() {
        let catalog = FunctionCatalog.builtIn
        #expect(catalog.scalars.count == 129)
        #expect(catalog.aggregates.count == 18)
        #expect(catalog.tables.count == 2)
    }
}
