import Security

extension ServerProperties {
    private static let authorizerName = "authorizer.class.name"
    private static let superUsersName = "super.users"
    private static let openName = "allow.everyone.if.no.acl.found"
    /// Kafka's authorizer of today, and the one of old files, which decides alike.
    private static let authorizerNames = [
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "kafka.security.authorizer.AclAuthorizer",
    ]

    static let authorization = [
        ConfigDefinition(
            name: authorizerName, type: .string, defaultValue: "", rule: .oneOf([""] + authorizerNames),
            serverName: nil,
            documentation: "Who decides who may do what: org.apache.kafka.metadata.authorizer.StandardAuthorizer, by "
                + "rules that are made with CreateAcls; nobody where it is empty."),
        ConfigDefinition(
            name: superUsersName, type: .string, defaultValue: "", rule: .anything, serverName: nil,
            documentation: "Principals that may do everything, such as User:admin, separated by semicolons."),
        ConfigDefinition(
            name: openName, type: .boolean, defaultValue: "false", rule: .anything, serverName: nil,
            documentation: "Whether a resource that no rule is about is open to everybody."),
    ]

    /// The authorizer with the rules; nil where none is set.
    func authorizer(_ bindings: some Sequence<AclBinding>) -> Authorizer? {
        guard hasAuthorizer else { return nil }
        return Authorizer(
            superUsers: Set(superUserTexts.compactMap { Principal($0) }), isOpenWithoutRules: flag(Self.openName),
            bindings)
    }

    private var hasAuthorizer: Bool { !text(Self.authorizerName).isEmpty }

    private var superUserTexts: [String] {
        text(Self.superUsersName).split(separator: ";").map { String($0).trimmingSpaces }.filter { !$0.isEmpty }
    }

    /// What is wrong with the settings together.
    var authorizationConflict: String? {
        if let text = superUserTexts.first(where: { Principal($0) == nil }) {
            return "super.users: '\(text)' is no principal: TYPE:NAME, such as User:admin; several are separated by ';'"
        }
        if !hasAuthorizer, let name = [Self.superUsersName, Self.openName].first(where: isSet) {
            return "\(name) is set, but authorizer.class.name is not, and everybody might do everything; set it to "
                + "\(Self.authorizerNames[0]), or remove \(name)"
        }
        return nil
    }
}
