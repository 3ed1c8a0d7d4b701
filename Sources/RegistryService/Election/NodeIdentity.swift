package import JSONFormat

/// A node of the registry as the group knows it: what members bring along, and what the decision names.
///
/// As metadata: `{"host":"h","port":8081,"master_eligibility":true,"scheme":"http","version":1,"leader":false}`.
///
/// - SeeAlso: upstream `SchemaRegistryIdentity`.
package struct NodeIdentity: Hashable, Sendable {
    package var host: String
    package var port: Int
    package var isEligible: Bool
    package var scheme: String
    /// Whether the node leads at the moment, and so is to go on.
    package var isLeader: Bool

    package init(host: String, port: Int, isEligible: Bool = true, scheme: String = "http", isLeader: Bool = false) {
        self.host = host
        self.port = port
        self.isEligible = isEligible
        self.scheme = scheme
        self.isLeader = isLeader
    }

    /// - Returns: nil when a member has written something else.
    package init?(_ json: JSONValue) {
        guard let host = json["host"]?.text, let port = json["port"]?.integer, 0...65535 ~= port else { return nil }
        self.init(
            host: host, port: Int(port), isEligible: json["master_eligibility"]?.flag ?? true,
            scheme: json["scheme"]?.text ?? "http", isLeader: json["leader"]?.flag ?? false)
    }

    package var json: JSONValue {
        .object([
            ("host", .string(host)), ("port", .number(Int64(port))), ("master_eligibility", .bool(isEligible)),
            ("scheme", .string(scheme)), ("version", .number(1)), ("leader", .bool(isLeader)),
        ])
    }

    package var url: String { "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(port)" }

    /// Whether both are one node, whoever leads.
    package func isSameNode(as other: NodeIdentity) -> Bool { url == other.url }
}

/// What the group decides on: who leads.
///
/// `{"version":1,"error":0,"master":"<member id>","master_identity":{...}}`; error 1: two nodes have the same address.
///
/// - SeeAlso: upstream `SchemaRegistryProtocol.Assignment`.
package struct LeaderDecision: Hashable, Sendable {
    package static let duplicateAddresses: Int64 = 1

    package var error: Int64
    package var memberId: String?
    package var leader: NodeIdentity?

    package init(error: Int64 = 0, memberId: String?, leader: NodeIdentity?) {
        self.error = error
        self.memberId = memberId
        self.leader = leader
    }

    package init?(_ json: JSONValue) {
        guard json.members != nil else { return nil }
        self.init(
            error: json["error"]?.integer ?? 0, memberId: json["master"]?.text,
            leader: json["master_identity"].flatMap(NodeIdentity.init))
    }

    package var json: JSONValue {
        var members: [(String, JSONValue)] = [("error", .number(error))]
        if let memberId { members.append(("master", .string(memberId))) }
        if let leader { members.append(("master_identity", leader.json)) }
        members.append(("version", .number(1)))
        return .object(members)
    }

    /// Decides for a group: who leads goes on, else the eligible node with the smallest address.
    package static func decide(_ members: [(id: String, identity: NodeIdentity)]) -> LeaderDecision {
        let eligible = members.filter(\.identity.isEligible)
        let leading = eligible.filter(\.identity.isLeader)
        let chosen = leading.count == 1 ? leading.first : eligible.min { $0.identity.url < $1.identity.url }
        let hasDuplicates = Set(members.map(\.identity.url)).count != members.count
        return LeaderDecision(
            error: hasDuplicates ? duplicateAddresses : 0, memberId: chosen?.id, leader: chosen?.identity)
    }
}
