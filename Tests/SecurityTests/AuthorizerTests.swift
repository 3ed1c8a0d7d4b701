import Testing

@testable import Security

/// Expected values are by hand from KIP-11, KIP-290 and upstream's StandardAuthorizerData.
@Suite struct AuthorizerTests {
    private static let ann = Principal(name: "ann")
    private static let host = "10.0.0.1"

    private static func authorizer(_ bindings: [AclBinding], isOpen: Bool = false) -> Authorizer {
        Authorizer(superUsers: [Principal(name: "admin")], isOpenWithoutRules: isOpen, bindings)
    }

    struct Case: Sendable, CustomStringConvertible {
        var description: String
        var rules: [AclBinding]
        /// Of User:ann from 10.0.0.1 with topic `ratings`.
        var permitted: AclOperations
    }

    static let cases: [Case] = [
        .init(description: "no rule", rules: [], permitted: []),
        .init(
            description: "read implies describe", rules: [.init(.allow, "User:ann", .read, on: .topic, "ratings")],
            permitted: [.read, .describe]),
        .init(
            description: "write implies describe", rules: [.init(.allow, "User:ann", .write, on: .topic, "ratings")],
            permitted: [.write, .describe]),
        .init(
            description: "delete implies describe", rules: [.init(.allow, "User:ann", .delete, on: .topic, "ratings")],
            permitted: [.delete, .describe]),
        .init(
            description: "alter implies describe", rules: [.init(.allow, "User:ann", .alter, on: .topic, "ratings")],
            permitted: [.alter, .describe]),
        .init(
            description: "create implies nothing", rules: [.init(.allow, "User:ann", .create, on: .topic, "ratings")],
            permitted: [.create]),
        .init(
            description: "alter configs implies describe configs",
            rules: [.init(.allow, "User:ann", .alterConfigs, on: .topic, "ratings")],
            permitted: [.alterConfigs, .describeConfigs]),
        .init(
            description: "all", rules: [.init(.allow, "User:ann", .all, on: .topic, "ratings")], permitted: .everything),
        .init(
            description: "deny stands over allow",
            rules: [
                .init(.allow, "User:ann", .all, on: .topic, "ratings"),
                .init(.deny, "User:ann", .write, on: .topic, "ratings"),
            ], permitted: AclOperations.everything.subtracting(.write)),
        .init(
            description: "a denied read leaves describe",
            rules: [
                .init(.allow, "User:ann", .read, on: .topic, "ratings"),
                .init(.deny, "User:ann", .read, on: .topic, "ratings"),
            ], permitted: .describe),
        .init(
            description: "a denial by wildcard name stands over an exact allowance",
            rules: [
                .init(.allow, "User:ann", .read, on: .topic, "ratings"), .init(.deny, "User:*", .all, on: .topic, "*"),
            ], permitted: []),
        .init(
            description: "a denial by prefix stands over an exact allowance",
            rules: [
                .init(.allow, "User:ann", .read, on: .topic, "ratings"),
                .init(.deny, "User:ann", .read, on: .topic, "rat", .prefixed),
            ], permitted: .describe),
        .init(
            description: "everybody", rules: [.init(.allow, "User:*", .read, on: .topic, "ratings")],
            permitted: [.read, .describe]),
        .init(
            description: "only User:* is everybody", rules: [.init(.allow, "Group:*", .read, on: .topic, "ratings")],
            permitted: []),
        .init(
            description: "another type of principal",
            rules: [.init(.allow, "Group:ann", .read, on: .topic, "ratings")], permitted: []),
        .init(
            description: "somebody else", rules: [.init(.allow, "User:bob", .read, on: .topic, "ratings")],
            permitted: []),
        .init(
            description: "every name", rules: [.init(.allow, "User:ann", .write, on: .topic, "*")],
            permitted: [.write, .describe]),
        .init(
            description: "a prefixed star is a name that begins with a star",
            rules: [.init(.allow, "User:ann", .write, on: .topic, "*", .prefixed)], permitted: []),
        .init(
            description: "prefixes of all lengths",
            rules: [
                .init(.allow, "User:ann", .read, on: .topic, "r", .prefixed),
                .init(.allow, "User:ann", .write, on: .topic, "rati", .prefixed),
                .init(.allow, "User:ann", .create, on: .topic, "ratings", .prefixed),
                .init(.allow, "User:ann", .delete, on: .topic, "ratings-", .prefixed),
                .init(.allow, "User:ann", .alter, on: .topic, "ratio", .prefixed),
                .init(.allow, "User:ann", .alterConfigs, on: .topic, "rata", .prefixed),
            ], permitted: [.read, .write, .create, .describe]),
        .init(
            description: "a literal name is no prefix", rules: [.init(.allow, "User:ann", .read, on: .topic, "rat")],
            permitted: []),
        .init(
            description: "another type of resource", rules: [.init(.allow, "User:ann", .read, on: .group, "ratings")],
            permitted: []),
        .init(
            description: "from this host",
            rules: [.init(.allow, "User:ann", .read, on: .topic, "ratings", from: "10.0.0.1")],
            permitted: [.read, .describe]),
        .init(
            description: "from another host",
            rules: [.init(.allow, "User:ann", .read, on: .topic, "ratings", from: "10.0.0.2")], permitted: []),
        .init(
            description: "denied from this host",
            rules: [
                .init(.allow, "User:ann", .read, on: .topic, "ratings"),
                .init(.deny, "User:ann", .all, on: .topic, "ratings", from: "10.0.0.1"),
            ], permitted: []),
    ]

    @Test(arguments: cases)
    func `decides as Kafka's authorizer`(entry: Case) {
        let authorizer = Self.authorizer(entry.rules)
        let grants = authorizer.grants(Self.ann, host: Self.host)
        #expect(grants.operations(.topic, "ratings") == entry.permitted)
        for operation in AclOperation.allCases where operation != .all {
            let isPermitted = entry.permitted.contains(AclOperations(operation))
            #expect(grants.permits(operation, .topic, "ratings") == isPermitted)
            let rule = grants.rule(operation, .topic, "ratings")
            #expect(rule.hasPrefix("MatchingAcl") && rule.contains("=ALLOW") || !isPermitted, "\(rule)")
        }
    }

    @Test func `super users may do everything, whatever the rules`() {
        let authorizer = Self.authorizer([.init(.deny, "User:*", .all, on: .topic, "*")])
        let grants = authorizer.grants(Principal(name: "admin"), host: Self.host)
        #expect(grants.permits(.write, .topic, "ratings"))
        #expect(grants.permitsAny(.write, .topic))
        #expect(grants.rule(.write, .topic, "ratings") == "SuperUser")
    }

    @Test func `a resource without rules may be open, and any rule closes it`() {
        let rule = AclBinding(.allow, "User:bob", .read, on: .topic, "rat", .prefixed)
        let grants = Self.authorizer([rule], isOpen: true).grants(Self.ann, host: Self.host)
        #expect(grants.permits(.write, .topic, "users"))
        #expect(grants.rule(.write, .topic, "users") == "DefaultAllow")
        #expect(!grants.permits(.write, .topic, "ratings"))
        #expect(grants.rule(.write, .topic, "ratings") == "DefaultDeny")
        #expect(grants.permitsAny(.write, .topic))
    }

    @Test func `changes count at once, and for those that were asked before`() {
        let authorizer = Self.authorizer([])
        let rule = AclBinding(.allow, "User:ann", .read, on: .topic, "ratings", from: Self.host)
        #expect(!authorizer.grants(Self.ann, host: Self.host).permits(.read, .topic, "ratings"))
        authorizer.change(adding: [rule], removing: [])
        #expect(authorizer.grants(Self.ann, host: Self.host).permits(.read, .topic, "ratings"))
        #expect(!authorizer.grants(Self.ann, host: "10.0.0.2").permits(.read, .topic, "ratings"))
        #expect(authorizer.ruleCount == 1)
        authorizer.change(adding: [], removing: [rule, rule])
        #expect(!authorizer.grants(Self.ann, host: Self.host).permits(.read, .topic, "ratings"))
        #expect(authorizer.ruleCount == 0)
    }

    /// By hand from upstream's Authorizer.authorizeByResourceType.
    @Test(
        arguments: [
            ([], false),
            ([.init(.allow, "User:ann", .write, on: .topic, "ratings")], true),
            ([.init(.allow, "User:ann", .read, on: .topic, "ratings")], false),
            ([.init(.allow, "User:ann", .all, on: .topic, "rat", .prefixed)], true),
            ([.init(.allow, "User:bob", .write, on: .topic, "ratings")], false),
            ([.init(.allow, "User:ann", .write, on: .group, "ratings")], false),
            ([.init(.allow, "User:ann", .write, on: .topic, "*")], true),
            (
                [
                    .init(.allow, "User:ann", .write, on: .topic, "ratings"),
                    .init(.deny, "User:ann", .write, on: .topic, "ratings"),
                ], false
            ),
            (
                [
                    .init(.allow, "User:ann", .write, on: .topic, "ratings"),
                    .init(.deny, "User:ann", .write, on: .topic, "rat", .prefixed),
                ], false
            ),
            (
                [
                    .init(.allow, "User:ann", .write, on: .topic, "rat", .prefixed),
                    .init(.deny, "User:ann", .write, on: .topic, "ratings"),
                ], true
            ),
            (
                [
                    .init(.allow, "User:ann", .write, on: .topic, "rat", .prefixed),
                    .init(.deny, "User:ann", .all, on: .topic, "rating", .prefixed),
                ], true
            ),
            (
                [
                    .init(.allow, "User:ann", .write, on: .topic, "*"),
                    .init(.deny, "User:ann", .write, on: .topic, "ratings"),
                ], true
            ),
            (
                [
                    .init(.allow, "User:ann", .write, on: .topic, "ratings"),
                    .init(.deny, "User:*", .write, on: .topic, "*"),
                ], false
            ),
        ] as [([AclBinding], Bool)])
    func `knows whether there can be a resource that may be used`(rules: [AclBinding], isPermitted: Bool) {
        let grants = Self.authorizer(rules).grants(Self.ann, host: Self.host)
        #expect(grants.permitsAny(.write, .topic) == isPermitted)
    }

    /// Against the plain way: every rule looked at. Names of few letters, so that they are often prefixes of each other.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `thousands of rules decide like each by itself`(seed: UInt64) {
        var random = Numbers(state: seed)
        func name() -> String {
            String((0..<Int(random.next() % 6)).map { _ in Character(random.next() % 2 == 0 ? "a" : "b") })
        }
        var rules: Set<AclBinding> = []
        let operations: [AclOperation] = [.all, .read, .write, .describe, .alterConfigs]
        for _ in 0..<300 {
            let isPrefixed = random.next() % 2 == 0
            rules.insert(
                AclBinding(
                    random.next() % 4 == 0 ? .deny : .allow, random.next() % 3 == 0 ? "User:*" : "User:ann",
                    operations[Int(random.next() % 5)], on: .topic,
                    random.next() % 20 == 0 ? "*" : name() + "a", isPrefixed ? .prefixed : .literal,
                    from: random.next() % 3 == 0 ? "10.0.0.9" : "*"))
        }
        let authorizer = Self.authorizer([])
        authorizer.change(adding: Array(rules), removing: [])
        let removed = rules.filter { _ in random.next() % 4 != 0 }
        authorizer.change(adding: [], removing: Array(removed))
        rules.subtract(removed)
        let grants = authorizer.grants(Self.ann, host: Self.host)
        for _ in 0..<100 {
            let topic = name() + name()
            var expected: AclOperations = []
            for rule in rules where rule.permission == .allow && Self.concerns(rule, topic) {
                expected.formUnion(rule.operation.covered(by: .allow))
            }
            for rule in rules where rule.permission == .deny && Self.concerns(rule, topic) {
                expected.subtract(rule.operation.covered(by: .deny))
            }
            #expect(grants.operations(.topic, topic) == expected, "\(topic)")
        }
    }

    /// The rest of the process, whose groups and the like are held by their names, takes them for one.
    @Test(
        arguments: [
            ("K", "\u{212A}", "secret"), ("caf\u{E9}", "cafe\u{301}", "-1"), ("\u{212A}", "K", "secret"),
            ("cafe\u{301}", "caf\u{E9}", ""),
        ])
    func `rules hold for every spelling of a name`(prefix: String, spelling: String, rest: String) {
        let rules: [AclBinding] = [
            .init(.allow, "User:ann", .all, on: .group, "*"),
            .init(.deny, "User:*", .all, on: .group, prefix, .prefixed),
        ]
        for names in [[spelling + rest, prefix + rest], [prefix + rest, spelling + rest]] {
            let grants = Self.authorizer(rules).grants(Self.ann, host: Self.host)
            for name in names { #expect(!grants.permits(.read, .group, name)) }
        }
        let authorizer = Self.authorizer(rules)
        authorizer.change(adding: [], removing: [rules[1]])
        #expect(authorizer.grants(Self.ann, host: Self.host).permits(.read, .group, spelling + rest))
        #expect(authorizer.ruleCount == 1)
    }

    @Test func `a beginning of another letter is none`() {
        let rule = AclBinding(.allow, "User:ann", .read, on: .group, "cafe", .prefixed)
        let grants = Self.authorizer([rule]).grants(Self.ann, host: Self.host)
        #expect(!grants.permits(.read, .group, "cafe\u{301}-1"))
        #expect(!grants.permits(.read, .group, "caf\u{E9}-1"))
        #expect(grants.permits(.read, .group, "cafe-\u{E9}"))
    }

    @Test func `a user's name of another spelling is another user`() {
        let authorizer = Self.authorizer([.init(.allow, "User:Kim", .read, on: .topic, "ratings")])
        #expect(authorizer.grants(Principal(name: "Kim"), host: Self.host).permits(.read, .topic, "ratings"))
        #expect(!authorizer.grants(Principal(name: "\u{212A}im"), host: Self.host).permits(.read, .topic, "ratings"))
    }

    private static func concerns(_ rule: AclBinding, _ topic: String) -> Bool {
        let fits =
            rule.patternType == .prefixed
            ? topic.hasPrefix(rule.resourceName) : rule.resourceName == "*" || rule.resourceName == topic
        return fits && rule.host == "*"
    }

    /// SplitMix64.
    private struct Numbers {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    /// Kafka compares addresses as Java writes them.
    @Test(arguments: [
        ("10.0.0.1", "10.0.0.1"), ("::1", "0:0:0:0:0:0:0:1"), ("2001:DB8::ff", "2001:db8:0:0:0:0:0:ff"),
        ("::ffff:10.0.0.1", "10.0.0.1"), ("no:address", "no:address"), ("", ""),
    ])
    func `addresses have one spelling`(text: String, canonical: String) {
        #expect(HostAddress.canonical(text) == canonical)
    }

    @Test func `hosts of rules are compared as addresses`() {
        let authorizer = Self.authorizer([
            .init(.allow, "User:ann", .read, on: .topic, "ratings", from: "2001:db8::1")
        ])
        #expect(authorizer.grants(Self.ann, host: "2001:db8:0:0:0:0:0:1").permits(.read, .topic, "ratings"))
        #expect(!authorizer.grants(Self.ann, host: "2001:db8::2").permits(.read, .topic, "ratings"))
    }
}
