import Testing

@testable import Security

@Suite struct PrincipalTests {
    @Test(
        arguments: [
            ("User:alice", "User", "alice"), ("User:CN=a:b,O=c", "User", "CN=a:b,O=c"), ("User:", "User", ""),
            ("Group:g", "Group", "g"),
        ])
    func `a principal is read and written`(text: String, type: String, name: String) throws {
        let principal = try #require(Principal(text))
        #expect(principal == Principal(type: type, name: name))
        #expect(principal.description == text)
    }

    @Test(arguments: ["", "alice", ":alice"])
    func `what has no type is no principal`(text: String) { #expect(Principal(text) == nil) }
}
