/// What a rule is about, by the codes of Kafka's ResourceType.
package enum AclResourceType: Int8, CaseIterable, Sendable {
    case topic = 2
    case group = 3
    case cluster = 4
    case transactionalId = 5
    case delegationToken = 6
    case user = 7

    /// The one name that the resource of type `cluster` has.
    package static let clusterName = "kafka-cluster"

    /// As `kafka-acls` and logs write it: `TransactionalId`.
    package var name: String {
        switch self {
        case .topic: "Topic"
        case .group: "Group"
        case .cluster: "Cluster"
        case .transactionalId: "TransactionalId"
        case .delegationToken: "DelegationToken"
        case .user: "User"
        }
    }

    /// The operations that mean something for a resource of this type.
    ///
    /// - SeeAlso: upstream `AclEntry.supportedOperations`.
    package var operations: AclOperations {
        switch self {
        case .topic: [.read, .write, .create, .describe, .delete, .alter, .describeConfigs, .alterConfigs]
        case .group: [.read, .describe, .delete, .describeConfigs, .alterConfigs]
        case .cluster:
            [.create, .clusterAction, .describeConfigs, .alterConfigs, .idempotentWrite, .alter, .describe]
        case .transactionalId: [.describe, .write, .twoPhaseCommit]
        case .delegationToken: [.describe]
        case .user: [.createTokens, .describeTokens]
        }
    }
}

/// How the name of a rule's resource is meant (KIP-290).
package enum AclPatternType: Int8, CaseIterable, Sendable {
    /// The resource of this name; all of the type for the name `*`.
    case literal = 3
    /// All resources whose names begin so.
    case prefixed = 4

    package var name: String { self == .literal ? "LITERAL" : "PREFIXED" }
}

/// What somebody does with a resource, by the codes of Kafka's AclOperation.
package enum AclOperation: Int8, CaseIterable, Sendable {
    /// All operations; in rules only.
    case all = 2
    case read = 3
    case write = 4
    case create = 5
    case delete = 6
    case alter = 7
    case describe = 8
    case clusterAction = 9
    case describeConfigs = 10
    case alterConfigs = 11
    case idempotentWrite = 12
    case createTokens = 13
    case describeTokens = 14
    case twoPhaseCommit = 15

    /// As `kafka-acls` takes it: `DescribeConfigs`.
    package var name: String {
        switch self {
        case .all: "All"
        case .read: "Read"
        case .write: "Write"
        case .create: "Create"
        case .delete: "Delete"
        case .alter: "Alter"
        case .describe: "Describe"
        case .clusterAction: "ClusterAction"
        case .describeConfigs: "DescribeConfigs"
        case .alterConfigs: "AlterConfigs"
        case .idempotentWrite: "IdempotentWrite"
        case .createTokens: "CreateTokens"
        case .describeTokens: "DescribeTokens"
        case .twoPhaseCommit: "TwoPhaseCommit"
        }
    }

    /// What a rule for this operation is about: a rule that allows says more than its word, one that denies does not.
    ///
    /// - SeeAlso: upstream `StandardAuthorizerData.findResult`.
    package func covered(by permission: AclPermission) -> AclOperations {
        switch (self, permission) {
        case (.all, _): .everything
        case (.read, .allow), (.write, .allow), (.delete, .allow), (.alter, .allow): [AclOperations(self), .describe]
        case (.alterConfigs, .allow): [.alterConfigs, .describeConfigs]
        default: AclOperations(self)
        }
    }
}

package enum AclPermission: Int8, CaseIterable, Sendable {
    case deny = 2
    case allow = 3

    package var name: String { self == .deny ? "Deny" : "Allow" }
}

/// A set of operations, as bits by their codes, which is also how responses tell it (KIP-430).
package struct AclOperations: OptionSet, Hashable, Sendable {
    package let rawValue: Int32

    package init(rawValue: Int32) { self.rawValue = rawValue }
    package init(_ operation: AclOperation) { rawValue = 1 << Int32(operation.rawValue) }

    package static let read = Self(.read)
    package static let write = Self(.write)
    package static let create = Self(.create)
    package static let delete = Self(.delete)
    package static let alter = Self(.alter)
    package static let describe = Self(.describe)
    package static let clusterAction = Self(.clusterAction)
    package static let describeConfigs = Self(.describeConfigs)
    package static let alterConfigs = Self(.alterConfigs)
    package static let idempotentWrite = Self(.idempotentWrite)
    package static let createTokens = Self(.createTokens)
    package static let describeTokens = Self(.describeTokens)
    package static let twoPhaseCommit = Self(.twoPhaseCommit)
    /// All but `all`, which is a word for rules.
    package static let everything = Self(
        rawValue: AclOperation.allCases.reduce(0) { $1 == .all ? $0 : $0 | 1 << Int32($1.rawValue) })
}

extension AclResourceType {
    /// By the name that Kafka's protocol and tools have, in any case and with or without underscores.
    package init?(named name: some StringProtocol) {
        guard let found = Self.allCases.first(where: { AclNames.plain($0.name) == AclNames.plain(name) }) else {
            return nil
        }
        self = found
    }
}

extension AclOperation {
    /// By the name that Kafka's protocol and tools have, in any case and with or without underscores.
    package init?(named name: some StringProtocol) {
        guard let found = Self.allCases.first(where: { AclNames.plain($0.name) == AclNames.plain(name) }) else {
            return nil
        }
        self = found
    }

    /// As the protocol's documentation and logs write it: `DESCRIBE_CONFIGS`.
    package var constant: String { AclNames.constant(name) }
}

extension AclResourceType {
    package var constant: String { AclNames.constant(name) }
}

/// The two ways of writing names: `DescribeConfigs` and `DESCRIBE_CONFIGS`.
enum AclNames {
    static func plain(_ name: some StringProtocol) -> String {
        String(name).filter { $0 != "_" && $0 != "-" }.lowercased()
    }

    static func constant(_ name: String) -> String {
        var text = ""
        for character in name {
            if character.isUppercase, !text.isEmpty { text += "_" }
            text += character.uppercased()
        }
        return text
    }
}
