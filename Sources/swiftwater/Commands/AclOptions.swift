import ArgumentParser
import Bytes
import Security

/// Which resources rules are about, in the manner of `kafka-acls`.
struct AclResourceOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, help: ArgumentHelp("A topic, or * for all; may be repeated.", valueName: "name"))
    var topic: [String] = []
    @Option(name: .shortAndLong, help: ArgumentHelp("A group, or * for all; may be repeated.", valueName: "name"))
    var group: [String] = []
    @Option(help: ArgumentHelp("A transactional id, or * for all; may be repeated.", valueName: "id"))
    var transactionalId: [String] = []
    @Flag(help: "The cluster itself.") var cluster = false
    @Option(help: ArgumentHelp("A delegation token, or * for all; may be repeated.", valueName: "id"))
    var delegationToken: [String] = []
    @Option(
        help: ArgumentHelp(
            "A user whose delegation tokens are meant, TYPE:NAME, or * for all; may be repeated.",
            valueName: "principal"))
    var userPrincipal: [String] = []

    var isEmpty: Bool { resources.isEmpty }

    struct Resource {
        var type: AclResourceType
        var name: String
    }

    var resources: [Resource] {
        var all = topic.map { Resource(type: .topic, name: $0) }
        all += group.map { Resource(type: .group, name: $0) }
        all += transactionalId.map { Resource(type: .transactionalId, name: $0) }
        if cluster { all.append(Resource(type: .cluster, name: AclResourceType.clusterName)) }
        all += delegationToken.map { Resource(type: .delegationToken, name: $0) }
        all += userPrincipal.map { Resource(type: .user, name: $0) }
        return all
    }
}

/// Who, from where, and what.
struct AclEntryOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Who may: TYPE:NAME as User:ann, or User:* for everybody; may be repeated.", valueName: "principal"))
    var allowPrincipal: [String] = []
    @Option(help: ArgumentHelp("Who may not; may be repeated.", valueName: "principal"))
    var denyPrincipal: [String] = []
    @Option(
        help: ArgumentHelp("IP address from which it is allowed; may be repeated. (default: *)", valueName: "address"))
    var allowHost: [String] = []
    @Option(
        help: ArgumentHelp("IP address from which it is denied; may be repeated. (default: *)", valueName: "address"))
    var denyHost: [String] = []
    @Option(
        help: ArgumentHelp(
            "What: Read, Write, Create, Delete, Alter, Describe, ...; may be repeated.", valueName: "operation"))
    var operation: [String] = []
    @Flag(help: "What a producer needs: to write to, describe and create topics, and to use transactional ids.")
    var producer = false
    @Flag(help: "With --producer: what idempotent producers of old versions need besides.") var idempotent = false
    @Flag(help: "What a consumer needs: to read topics and be in groups.") var consumer = false

    func operations() throws -> [AclOperation] { try operation.map(AclNaming.operation) }

    struct Entry {
        var permission: AclPermission
        var principal: String
        /// None where none was named.
        var hosts: [String]
    }

    var entries: [Entry] {
        var all = allowPrincipal.map { Entry(permission: .allow, principal: $0, hosts: allowHost) }
        all += denyPrincipal.map { Entry(permission: .deny, principal: $0, hosts: denyHost) }
        return all
    }

    struct Target {
        var type: AclResourceType
        var name: String
        var operation: AclOperation
    }

    func validate() throws {
        for principal in allowPrincipal + denyPrincipal where Principal(principal) == nil {
            throw ValidationError("'\(principal)' is no principal: TYPE:NAME, as User:\(principal)")
        }
        if allowPrincipal.isEmpty, !allowHost.isEmpty { throw ValidationError("--allow-host needs --allow-principal") }
        if denyPrincipal.isEmpty, !denyHost.isEmpty { throw ValidationError("--deny-host needs --deny-principal") }
        if idempotent, !producer { throw ValidationError("--idempotent needs --producer") }
        if producer || consumer {
            guard operation.isEmpty else {
                throw ValidationError(
                    "--producer and --consumer stand for operations of their own: leave --operation out")
            }
            guard denyPrincipal.isEmpty else {
                throw ValidationError("--producer and --consumer are about what is allowed: leave --deny-principal out")
            }
        }
        _ = try operations()
    }

    /// What `--producer` and `--consumer` stand for.
    ///
    /// - SeeAlso: upstream `AclCommand.getProducerResourceFilterToAcls`, `getConsumerResourceFilterToAcls`.
    func conveniences(
        _ resources: AclResourceOptions
    ) throws -> [Target] {
        var found: [Target] = []
        for (option, isNamed, isUsed) in [
            ("--group", !resources.group.isEmpty, consumer),
            ("--transactional-id", !resources.transactionalId.isEmpty, producer),
            ("--cluster", resources.cluster, false),
        ] where isNamed && !isUsed {
            throw ValidationError(
                "\(option) has no use with \(producer ? "--producer" : "--consumer"): give it with --operation, by itself"
            )
        }
        func add(_ type: AclResourceType, _ name: String, _ operations: AclOperation...) {
            found += operations.map { Target(type: type, name: name, operation: $0) }
        }
        if producer {
            guard !resources.topic.isEmpty else { throw ValidationError("--producer needs --topic") }
            for topic in resources.topic { add(.topic, topic, .write, .describe, .create) }
            for id in resources.transactionalId { add(.transactionalId, id, .write, .describe) }
            if idempotent { add(.cluster, AclResourceType.clusterName, .idempotentWrite) }
        }
        if consumer {
            guard !resources.topic.isEmpty, !resources.group.isEmpty else {
                throw ValidationError("--consumer needs --topic and --group")
            }
            for topic in resources.topic { add(.topic, topic, .read, .describe) }
            for group in resources.group { add(.group, group, .read) }
        }
        return found
    }
}

/// Names that people type.
enum AclNaming {
    static func operation(_ text: String) throws -> AclOperation {
        if let found = AclOperation(named: text) { return found }
        let names = AclOperation.allCases.map(\.name)
        throw ValidationError(
            "there is no operation '\(text)'"
                + (nearestName(to: text.lowercased(), among: names.map { $0.lowercased() })
                    .flatMap { near in names.first { $0.lowercased() == near } }.map { ": did you mean '\($0)'?" }
                    ?? ": there are \(names.joined(separator: ", "))"))
    }

    /// - Parameter searches: `any` and `match` are permitted, too.
    static func pattern(_ text: String, searches: Bool) throws -> AclFilter.Pattern {
        switch text.lowercased() {
        case "literal": return .exactly(.literal)
        case "prefixed": return .exactly(.prefixed)
        case "any" where searches: return .any
        case "match" where searches: return .match
        default:
            let names = searches ? ["literal", "prefixed", "any", "match"] : ["literal", "prefixed"]
            throw ValidationError(
                "there is no resource pattern type '\(text)'"
                    + (nearestName(to: text.lowercased(), among: names).map { ": did you mean '\($0)'?" }
                        ?? ": there are \(names.joined(separator: ", "))"))
        }
    }
}
