/// All quotas, and which of them counts for a client.
///
/// - SeeAlso: upstream `ClientQuotaManager.DefaultQuotaCallback`.
struct QuotaTable: Sendable, Equatable {
    private(set) var values: [QuotaEntity: [QuotaKind: Double]] = [:]

    /// - Parameter value: nil removes it.
    mutating func set(_ entity: QuotaEntity, _ kind: QuotaKind, to value: Double?) {
        values[entity, default: [:]][kind] = value
        if values[entity]?.isEmpty == true { values[entity] = nil }
    }

    /// Who shares one quota. A quota of a user is for all of the user's clients together, that of a client id for all users
    /// who come with it; a default is for each that it stands in for by itself.
    struct Scope: Hashable, Sendable {
        /// Empty where it does not matter who comes.
        var user: String
        /// Empty where it does not matter by which client.
        var clientId: String
    }

    /// The quota of the highest precedence, which is for this kind alone: each kind is looked up by itself.
    ///
    /// | | user | client id |
    /// |--:|------|-----------|
    /// | 1 | its name | its name |
    /// | 2 | its name | default |
    /// | 3 | its name | |
    /// | 4 | default | its name |
    /// | 5 | default | default |
    /// | 6 | default | |
    /// | 7 | | its name |
    /// | 8 | | default |
    ///
    /// - Parameters:
    ///   - user: the name of the principal; empty for none, whom no quota of users is for.
    ///   - clientId: empty for a client that has none, which no quota of client ids is for.
    func limit(_ kind: QuotaKind, user: String, clientId: String) -> (value: Double, scope: Scope)? {
        guard !values.isEmpty else { return nil }
        func find(_ user: QuotaEntity.Part?, _ clientId: QuotaEntity.Part?) -> Double? {
            values[QuotaEntity(user: user, clientId: clientId)]?[kind]
        }
        let hasId = !clientId.isEmpty
        for part in user.isEmpty ? [] : [QuotaEntity.Part.named(user), .default] {
            if hasId, let value = find(part, .named(clientId)) ?? find(part, .default) {
                return (value, Scope(user: user, clientId: clientId))
            }
            if let value = find(part, nil) { return (value, Scope(user: user, clientId: "")) }
        }
        guard hasId, let value = find(nil, .named(clientId)) ?? find(nil, .default) else { return nil }
        return (value, Scope(user: "", clientId: clientId))
    }

    /// What those of a scope may have by now; nil when there is no such quota any more.
    func limit(_ kind: QuotaKind, of scope: Scope) -> Double? {
        guard let found = limit(kind, user: scope.user, clientId: scope.clientId), found.scope == scope else {
            return nil
        }
        return found.value
    }

    /// The quotas of addresses, by name, and that of all others.
    var connectionRates: (named: [String: Double], default: Double?) {
        var named: [String: Double] = [:]
        var byDefault: Double?
        for (entity, kinds) in values {
            guard let part = entity.ip, let value = kinds[.connectionCreationRate] else { continue }
            if let name = part.name { named[name] = value } else { byDefault = value }
        }
        return (named, byDefault)
    }
}
