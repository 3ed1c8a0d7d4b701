import Testing

@testable import Security

@Suite struct AclFilterTests {
    private static let rules = [
        AclBinding(.allow, "User:ann", .read, on: .topic, "ratings"),
        AclBinding(.allow, "User:ann", .write, on: .topic, "rat", .prefixed),
        AclBinding(.deny, "User:bob", .read, on: .topic, "*", from: "10.0.0.1"),
        AclBinding(.allow, "User:ann", .read, on: .group, "ratings"),
    ]

    /// By hand from upstream's ResourcePatternFilter.matches and AccessControlEntryFilter.matches.
    @Test(
        arguments: [
            (.init(), [0, 1, 2, 3]),
            (.init(resourceType: .topic), [0, 1, 2]),
            (.init(resourceName: "ratings"), [0, 3]),
            (.init(resourceType: .topic, resourceName: "ratings", pattern: .exactly(.literal)), [0]),
            (.init(resourceType: .topic, resourceName: "rat", pattern: .exactly(.prefixed)), [1]),
            (.init(resourceType: .topic, resourceName: "ratings", pattern: .exactly(.prefixed)), []),
            (.init(resourceType: .topic, resourceName: "ratings", pattern: .match), [0, 1, 2]),
            (.init(resourceType: .topic, resourceName: "users", pattern: .match), [2]),
            (.init(resourceType: .topic, resourceName: "rat", pattern: .any), [1]),
            (.init(resourceName: "*"), [2]),
            (.init(pattern: .exactly(.prefixed)), [1]),
            (.init(principal: "User:ann"), [0, 1, 3]),
            (.init(host: "10.0.0.1"), [2]),
            (.init(host: "*", operation: .read), [0, 3]),
            (.init(permission: .deny), [2]),
        ] as [(AclFilter, [Int])])
    func `finds what it asks for`(filter: AclFilter, found: [Int]) {
        #expect(Self.rules.indices.filter { filter.matches(Self.rules[$0]) } == found)
    }

    @Test(
        arguments: [
            (AclBinding(.allow, "User:ann", .read, on: .topic, "ratings"), nil),
            (AclBinding(.allow, "User:ann", .alter, on: .cluster, "kafka-cluster"), nil),
            (AclBinding(.allow, "User:ann", .alter, on: .cluster, "cluster"), "kafka-cluster"),
            (AclBinding(.allow, "User:ann", .read, on: .topic, ""), "empty"),
            (AclBinding(.allow, "ann", .read, on: .topic, "a"), "principal"),
            (AclBinding(.allow, "User:ann", .read, on: .topic, "a", from: ""), "host"),
            (AclBinding(.allow, "User:ann", .read, on: .group, String(repeating: "a", count: 1025)), "1024"),
        ] as [(AclBinding, String?)])
    func `checks new rules`(binding: AclBinding, problem: String?) {
        let found = AclRules.problem(with: binding)
        if let problem { #expect(found?.contains(problem) == true) } else { #expect(found == nil) }
    }

    @Test func `names are read in both spellings`() {
        for operation in AclOperation.allCases {
            #expect(AclOperation(named: operation.name) == operation)
            #expect(AclOperation(named: operation.constant) == operation)
            #expect(AclOperation(named: operation.name.lowercased()) == operation)
        }
        #expect(AclOperation.describeConfigs.constant == "DESCRIBE_CONFIGS")
        #expect(AclResourceType(named: "transactional_id") == .transactionalId)
        #expect(AclOperation(named: "Reed") == nil)
    }
}
