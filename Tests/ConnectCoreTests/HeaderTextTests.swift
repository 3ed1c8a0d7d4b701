import Testing

@testable import ConnectCore

@Suite struct HeaderTextTests {
    /// The short way for what most headers are.
    @Test(
        arguments: [
            "0", "-0", "007", "127", "128", "-129", "32768", "-2147483649", "999999999999999999", "-", "--1", "1-2",
            "1.0",
            "+5", " 7", "12345678901234567890", "2024-01-02",
        ])
    func `integers are what the parser makes of them`(text: String) throws {
        var parser = ValueParser(text)
        let wanted = parser.value(isEmbedded: false, depth: 0)
        if let found = ValueText.integer(text.utf8) { #expect(found == wanted) }
        let header = try SimpleHeaderConverter().header("h", Array(text.utf8), topic: "t")
        #expect(SchemaAndValue(header.schema, header.value) == wanted)
    }
}
