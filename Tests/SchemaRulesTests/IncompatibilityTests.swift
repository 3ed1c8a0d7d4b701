import SchemaRules
import Testing

@Suite struct IncompatibilityTests {
    @Test(
        arguments: [
            ("a", "{errorType:'KIND', description:'words', additionalInfo:'a'}"),
            (nil, "{errorType:'KIND', description:'words'}"),
        ] as [(String?, String)])
    func `is listed like the original lists it`(info: String?, message: String) {
        let difference = Incompatibility(kind: "KIND", path: "/", description: "words", additionalInfo: info)
        #expect(difference.message == message)
    }
}
