import Testing

@testable import Broker

@Suite struct PrincipalMappingTests {
    /// The examples of KIP-371 and of Kafka's documentation, "Customizing SSL User Name".
    @Test(
        arguments: [
            ("DEFAULT", "CN=ann,O=x", "CN=ann,O=x"),
            ("", "CN=ann", "CN=ann"),
            ("RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/", "CN=serviceuser,OU=ServiceUsers,O=Unknown", "serviceuser"),
            (
                "RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L",
                "CN=adminUser,OU=Admin,O=Unknown,L=Unknown,ST=Unknown,C=Unknown", "adminuser@admin"
            ),
            ("RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U", "CN=ann.b,O=x", "ANN.B"),
            ("RULE:^CN=other$/x/, RULE:^CN=(a.*)$/$1-$4/, DEFAULT", "CN=ann", "ann-$4"),
            ("RULE:^CN=a\\/b$/\\/c/", "CN=a/b", "/c"),
        ] as [(String, String, String)])
    func `rules make names`(rules: String, name: String, principal: String) throws {
        #expect(try PrincipalMapping(rules).name(of: name) == principal)
    }

    @Test func `no rule, no name`() throws {
        #expect(try PrincipalMapping("RULE:^CN=ann$/x/").name(of: "CN=annabel") == nil)
    }

    @Test(arguments: ["RULE:", "RULE:a", "RULE:a/b", "RULE:(/b/", "other", "DEFAULT other", "RULE:a/b/X"])
    func `what is no rule is refused`(rules: String) {
        #expect(throws: (any Error).self) { try PrincipalMapping(rules) }
    }
}
