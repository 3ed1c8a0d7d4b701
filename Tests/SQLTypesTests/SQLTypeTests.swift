import SQLTypes
import Testing

@Suite struct SQLTypeTests {
    @Test(
        arguments: [
            ("varchar", "STRING"), ("INT", "INTEGER"), ("decimal(4,2)", "DECIMAL(4, 2)"),
            ("ARRAY<MAP<STRING, DOUBLE>>", "ARRAY<MAP<STRING, DOUBLE>>"),
            ("STRUCT<a INT, `b` ARRAY<BYTES>>", "STRUCT<`A` INTEGER, `b` ARRAY<BYTES>>"),
            ("INTEGER ARRAY", "ARRAY<INTEGER>"), ("VARCHAR(40)", "STRING"),
        ] as [(String, String)])
    func `types are read and printed`(text: String, printed: String) throws {
        let type = try SchemaText.type(text)
        #expect(type.description == printed)
        let again = try SchemaText.type(printed)
        #expect(again == type)
    }

    @Test(arguments: [
        "", "INT INT", "ARRAY<INT", "DECIMAL(2,3)", "DECIMAL(0,0)", "DECIMAL(99999999,1)", "FOO", "STRUCT<A>", "`A",
    ])
    func `what is no type is refused`(text: String) {
        #expect(throws: SQLTypesError.self) { try SchemaText.type(text) }
    }
}
