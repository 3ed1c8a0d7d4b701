import KafkaMessages
import NIOCore

/// Checks of changes to quotas, with the words and codes of `ClientQuotaControlManager`.
enum QuotaRules {
    /// Quotas that one request may change; Kafka's controller has the same bound.
    static let changeCountMax = 10_000

    /// What comes of one entry of a request.
    struct Outcome {
        /// The entity as the client named it, for the answer.
        var entity: [AlterClientQuotasRequest.EntityData]
        /// nil when the changes are taken.
        var problem: ControlError?
    }

    /// What a request comes to: an entry that is wrong does not hinder the others.
    ///
    /// As upstream an entity that comes twice is taken the first time, and its one result tells of the second.
    ///
    /// - Throws: POLICY_VIOLATION for too many changes at once.
    static func changes(
        _ request: AlterClientQuotasRequest, _ present: QuotaTable
    ) throws(ControlError) -> (records: [MetadataRecord], outcomes: [Outcome]) {
        var records: [MetadataRecord] = []
        var outcomes: [Outcome] = []
        var places: [QuotaEntity: Int] = [:]
        for entry in request.entries {
            do throws(ControlError) {
                let entity = try entity(entry.entity)
                if let place = places[entity] {
                    outcomes[place].problem = ControlError(.invalidRequest, "Ignoring duplicate entity \(entity)")
                    continue
                }
                places[entity] = outcomes.count
                records += try changes(entry.ops, of: entity, present.values[entity] ?? [:])
                outcomes.append(Outcome(entity: entry.entity))
            } catch {
                outcomes.append(Outcome(entity: entry.entity, problem: error))
            }
        }
        guard records.count <= changeCountMax else {
            throw ControlError(
                .policyViolation,
                "Unable to perform excessively large batch operation: \(records.count) quotas, and \(changeCountMax) are "
                    + "the most at once.")
        }
        return (records, outcomes)
    }

    static func entity(_ parts: [AlterClientQuotasRequest.EntityData]) throws(ControlError) -> QuotaEntity {
        var entity = QuotaEntity()
        guard !parts.isEmpty else { throw ControlError(.invalidRequest, "Invalid empty client quota entity") }
        for part in parts {
            let type = part.entityType
            guard entity.part(type) == nil else {
                throw ControlError(.invalidRequest, "Invalid client quota entity, duplicate entity entry \(type)")
            }
            guard entity.set(type, QuotaEntity.Part(name: part.entityName)) else {
                throw ControlError(.invalidRequest, "Unhandled client quota entity type: \(type)")
            }
            guard let name = part.entityName else { continue }
            guard !name.isEmpty else { throw ControlError(.invalidRequest, "Empty \(type) not supported") }
            guard name.utf8.count <= QuotaEntity.nameByteCountMax else {
                throw ControlError(
                    .invalidRequest, "The name of a \(type) has at most \(QuotaEntity.nameByteCountMax) bytes")
            }
        }
        guard entity.ip != nil else { return entity }
        guard entity.user == nil, entity.clientId == nil else {
            throw ControlError(
                .invalidRequest,
                "Invalid quota entity combination, IP entity should not be combined with User or ClientId")
        }
        if let name = entity.ip?.name, address(name) == nil {
            throw ControlError(
                .invalidRequest,
                "\(name) is not a valid IP address; names of hosts are not looked up, name each of their addresses")
        }
        return entity
    }

    private static func changes(
        _ operations: [AlterClientQuotasRequest.OpData], of entity: QuotaEntity, _ present: [QuotaKind: Double]
    ) throws(ControlError) -> [MetadataRecord] {
        var seen: Set<String> = []
        var records: [MetadataRecord] = []
        for operation in operations {
            guard seen.insert(operation.key).inserted else {
                throw ControlError(
                    .invalidRequest,
                    "Duplicate quota key \(operation.key) not updating quota for this entity \(entity)")
            }
            let kind = QuotaKind(rawValue: operation.key)
            if operation.remove {
                // What is not there need not be removed, whatever its name.
                if let kind, present[kind] != nil { records.append(.clientQuota(entity, kind, nil)) }
                continue
            }
            guard let kind, entity.kinds.contains(kind) else {
                throw ControlError(
                    .invalidRequest,
                    "Invalid configuration key \(operation.key); there are "
                        + entity.kinds.map(\.rawValue).joined(separator: ", "))
            }
            if let problem = kind.problem(with: operation.value) { throw ControlError(.invalidRequest, problem) }
            if present[kind] != operation.value { records.append(.clientQuota(entity, kind, operation.value)) }
        }
        return records
    }

    /// One spelling for each address, that of the addresses of sockets.
    ///
    /// - Returns: nil for what is no IP address.
    static func address(_ text: String) -> String? {
        guard let canonical = (try? SocketAddress(ipAddress: text, port: 0))?.ipAddress else { return nil }
        let mapped = "::ffff:"
        return canonical.hasPrefix(mapped) && canonical.contains(".")
            ? String(canonical.dropFirst(mapped.count)) : canonical
    }
}

/// Which quotas a DescribeClientQuotas asks for.
///
/// - SeeAlso: upstream `ClientQuotasImage.describe`.
struct QuotaFilter {
    private enum Match {
        case exactly(QuotaEntity.Part)
        /// Any name, or the default.
        case any
    }
    private var matches: [String: Match] = [:]
    /// Entities with further parts are not meant.
    private let isStrict: Bool

    /// - Throws: INVALID_REQUEST, or UNSUPPORTED_VERSION for a type that there is not.
    init(_ request: DescribeClientQuotasRequest) throws(ControlError) {
        isStrict = request.strict
        for component in request.components {
            let type = component.entityType
            guard !type.isEmpty else { throw ControlError(.invalidRequest, "Invalid empty entity type.") }
            guard matches[type] == nil else {
                throw ControlError(
                    .invalidRequest, "Entity type \(type) cannot appear more than once in the filter.")
            }
            guard [QuotaEntity.userType, QuotaEntity.clientIdType, QuotaEntity.ipType].contains(type) else {
                throw ControlError(.unsupportedVersion, "Unsupported entity type \(type)")
            }
            matches[type] = try Self.match(component)
        }
        if matches[QuotaEntity.ipType] != nil, matches.count > 1 {
            throw ControlError(
                .invalidRequest,
                "Invalid entity filter component combination. IP filter component should not be used with user or "
                    + "clientId filter component.")
        }
    }

    private static func match(
        _ component: DescribeClientQuotasRequest.ComponentData
    ) throws(ControlError) -> Match {
        let name = component.match
        switch component.matchType {
        case 0:
            guard let name else {
                throw ControlError(
                    .invalidRequest, "Request specified MATCH_TYPE_EXACT, but set match string to null.")
            }
            return .exactly(.named(name))
        case 1, 2:
            guard name == nil else {
                throw ControlError(
                    .invalidRequest,
                    "Request specified MATCH_TYPE_\(component.matchType == 1 ? "DEFAULT" : "SPECIFIED"), but also "
                        + "specified a match string.")
            }
            return component.matchType == 1 ? .exactly(.default) : .any
        default: throw ControlError(.invalidRequest, "Unknown match type \(component.matchType)")
        }
    }

    func matches(_ entity: QuotaEntity) -> Bool {
        if isStrict, entity.parts.count != matches.count { return false }
        return matches.allSatisfy { type, match in
            guard let part = entity.part(type) else { return false }
            switch match {
            case .exactly(let wanted): return part == wanted
            case .any: return true
            }
        }
    }
}
