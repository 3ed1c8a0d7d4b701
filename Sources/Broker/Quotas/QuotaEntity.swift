import KafkaMessages

/// What a quota bounds, by Kafka's keys.
///
/// - SeeAlso: upstream `QuotaConfig`.
enum QuotaKind: String, CaseIterable, Sendable {
    /// Bytes of Produce requests in a second.
    case producerByteRate = "producer_byte_rate"
    /// Bytes of records in answers to Fetch in a second.
    case consumerByteRate = "consumer_byte_rate"
    /// Time that event loops spend on requests, in percent of one thread (KIP-124).
    case requestPercentage = "request_percentage"
    /// Partitions created and deleted in a second (KIP-599).
    case controllerMutationRate = "controller_mutation_rate"
    /// Connections from one address in a second (KIP-612).
    case connectionCreationRate = "connection_creation_rate"

    /// Of users and client ids; the one that is left is of addresses.
    static let ofClients: [Self] = [
        .producerByteRate, .consumerByteRate, .requestPercentage, .controllerMutationRate,
    ]

    /// The reason why `value` is none, in the words of `ClientQuotaControlManager`; nil when it is one.
    func problem(with value: Double) -> String? {
        guard value.isFinite, value > 0 else { return "Quota \(rawValue) must be greater than 0" }
        switch self {
        case .requestPercentage, .controllerMutationRate: return nil
        case .connectionCreationRate where value > Double(Int32.max):
            return "Proposed value for \(rawValue) is too large for an INT."
        case .producerByteRate, .consumerByteRate, .connectionCreationRate:
            if value > Double(Int64.max) { return "Proposed value for \(rawValue) is too large for a LONG." }
            // The rest of a division by 1 as Java has it, with the same tolerance.
            return value.truncatingRemainder(dividingBy: 1) > 1e-6 ? "\(rawValue) cannot be a fractional value." : nil
        }
    }
}

/// Whom a quota is for (KIP-55, KIP-546, KIP-612): a user, a client id, a user with a client id, or an address.
struct QuotaEntity: Hashable, Sendable {
    /// One of those by its name, or all that have no quota of their own.
    enum Part: Hashable, Sendable {
        case named(String)
        case `default`

        /// As the protocol has it: no name stands for the default.
        init(name: String?) { self = name.map { .named($0) } ?? .default }

        var name: String? { if case .named(let name) = self { name } else { nil } }
    }

    var user: Part?
    var clientId: Part?
    var ip: Part?

    static let userType = "user"
    static let clientIdType = "client-id"
    static let ipType = "ip"
    /// Longest name, in bytes.
    static let nameByteCountMax = 1024

    /// The parts that there are, with the protocol's names of their types, in their order.
    var parts: [(type: String, part: Part)] {
        [(Self.clientIdType, clientId), (Self.ipType, ip), (Self.userType, user)].compactMap { type, part in
            part.map { (type, $0) }
        }
    }

    func part(_ type: String) -> Part? {
        switch type {
        case Self.userType: user
        case Self.clientIdType: clientId
        case Self.ipType: ip
        default: nil
        }
    }

    /// - Returns: whether there is such a type.
    mutating func set(_ type: String, _ part: Part) -> Bool {
        switch type {
        case Self.userType: user = part
        case Self.clientIdType: clientId = part
        case Self.ipType: ip = part
        default: return false
        }
        return true
    }

    var kinds: [QuotaKind] { ip == nil ? QuotaKind.ofClients : [.connectionCreationRate] }
}

extension QuotaEntity: Comparable {
    /// By users, then client ids, then addresses; defaults go before names.
    static func < (a: Self, b: Self) -> Bool {
        for (left, right) in [(a.user, b.user), (a.clientId, b.clientId), (a.ip, b.ip)] where left != right {
            guard let left else { return false }
            guard let right else { return true }
            guard let leftName = left.name else { return true }
            guard let rightName = right.name else { return false }
            return leftName < rightName
        }
        return false
    }
}

extension QuotaEntity: CustomStringConvertible {
    /// As upstream's `ClientQuotaEntity` is printed.
    var description: String {
        let entries = parts.map { "\($0.type)=\($0.part.name ?? "null")" }
        return "ClientQuotaEntity(entries={\(entries.joined(separator: ", "))})"
    }
}
