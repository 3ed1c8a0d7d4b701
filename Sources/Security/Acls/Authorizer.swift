import Synchronization

/// Decides who may do what, with the semantics of Kafka's StandardAuthorizer (KIP-801).
///
/// Super users may do everything. For all others rules that deny stand over rules that allow; who is not allowed is
/// denied, except that a resource which no rule at all is about may be open to everybody.
package final class Authorizer: Sendable {
    /// Principals and hosts whose rights are remembered at a time.
    private static let grantsCountMax = 256

    private struct Asker: Hashable {
        var principal: Principal
        /// Empty for all that no rule names.
        var host: String
    }

    private struct State {
        var index: AclIndex
        var grants: [Asker: Grants] = [:]
    }

    private let superUsers: Set<Principal>
    private let isOpenWithoutRules: Bool
    private let state: Mutex<State>

    /// - Parameters:
    ///   - superUsers: `super.users`.
    ///   - isOpenWithoutRules: `allow.everyone.if.no.acl.found`.
    package init(
        superUsers: Set<Principal>, isOpenWithoutRules: Bool = false, _ bindings: some Sequence<AclBinding> = []
    ) {
        self.superUsers = superUsers
        self.isOpenWithoutRules = isOpenWithoutRules
        state = Mutex(State(index: AclIndex(bindings)))
    }

    package var ruleCount: Int { state.withLock { $0.index.count } }

    /// Puts changed rules into force: what is asked for from now on goes by them.
    ///
    /// - Parameter added: rules that are not there yet.
    package func change(adding added: [AclBinding], removing removed: [AclBinding]) {
        state.withLock { state in
            state.index.remove(removed)
            for binding in added { state.index.add(binding) }
            state.grants = [:]
        }
    }

    /// What `principal` may do from `host`, by the rules of this moment: one request goes by one set of rules.
    ///
    /// - Parameter host: an IP address.
    package func grants(_ principal: Principal, host: String) -> Grants {
        let canonical = HostAddress.canonical(host)
        return state.withLock { state in
            let asker = Asker(principal: principal, host: state.index.names(host: canonical) ? canonical : "")
            if let found = state.grants[asker] { return found }
            let made = Grants(
                principal, host: asker.host, isSuperUser: superUsers.contains(principal),
                isOpenWithoutRules: isOpenWithoutRules, state.index)
            if state.grants.count >= Self.grantsCountMax { state.grants = [:] }
            state.grants[asker] = made
            return made
        }
    }
}

/// What one principal may do from one host. Remembers what it was asked.
package final class Grants: Sendable {
    /// Resources whose operations are remembered at a time, and the longest of their names, in bytes: names come from
    /// clients.
    private static let resourceCountMax = 1024
    private static let nameByteCountMax = 249

    private struct Resource: Hashable {
        var type: AclResourceType
        var name: String
    }

    package let principal: Principal
    package let isSuperUser: Bool
    private let host: String
    private let isOpenWithoutRules: Bool
    private let index: AclIndex
    private let known = Mutex<[Resource: AclOperations]>([:])

    init(_ principal: Principal, host: String, isSuperUser: Bool, isOpenWithoutRules: Bool, _ index: AclIndex) {
        self.principal = principal
        self.host = host
        self.isSuperUser = isSuperUser
        self.isOpenWithoutRules = isOpenWithoutRules
        self.index = index
    }

    package func permits(_ operation: AclOperation, _ type: AclResourceType, _ name: String) -> Bool {
        isSuperUser || operations(type, name).contains(AclOperations(operation))
    }

    /// All that is permitted with a resource.
    package func operations(_ type: AclResourceType, _ name: String) -> AclOperations {
        if isSuperUser { return .everything }
        guard name.utf8.count <= Self.nameByteCountMax else { return decide(type, name) }
        let resource = Resource(type: type, name: name)
        if let found = known.withLock({ $0[resource] }) { return found }
        let decided = decide(type, name)
        known.withLock { known in
            if known.count >= Self.resourceCountMax { known = [:] }
            known[resource] = decided
        }
        return decided
    }

    private func decide(_ type: AclResourceType, _ name: String) -> AclOperations {
        var allowed: AclOperations = []
        var denied: AclOperations = []
        var hasRules = false
        index.each(type, name) { entry in
            // A rule about others closes the resource, too.
            hasRules = true
            guard entry.concerns(principal, host) else { return }
            if entry.binding.permission == .allow {
                allowed.formUnion(entry.operations)
            } else {
                denied.formUnion(entry.operations)
            }
        }
        guard hasRules else { return isOpenWithoutRules ? .everything : [] }
        return allowed.subtracting(denied)
    }

    /// Whether there can be a resource of the type with which the operation is permitted (KIP-679).
    ///
    /// - SeeAlso: upstream `Authorizer.authorizeByResourceType`.
    package func permitsAny(_ operation: AclOperation, _ type: AclResourceType) -> Bool {
        if permits(operation, type, "hardcode") { return true }
        var allowed: (literal: Set<String>, prefixed: Set<String>) = ([], [])
        var denied: (literal: Set<String>, prefixed: Set<String>) = ([], [])
        index.each(type) { entry in
            let binding = entry.binding
            guard entry.concerns(principal, host), binding.operation == operation || binding.operation == .all
            else { return }
            switch (binding.permission, binding.patternType) {
            case (.allow, .literal): allowed.literal.insert(binding.resourceName)
            case (.allow, .prefixed): allowed.prefixed.insert(binding.resourceName)
            case (.deny, .literal): denied.literal.insert(binding.resourceName)
            case (.deny, .prefixed): denied.prefixed.insert(binding.resourceName)
            }
        }
        if denied.literal.contains(AclBinding.wildcard) { return false }
        if allowed.literal.contains(AclBinding.wildcard) { return true }
        /// Whether a denied prefix covers all that `name` stands for.
        func isDenied(_ name: String) -> Bool { denied.prefixed.contains { name.hasPrefix($0) } }
        return allowed.literal.contains { !denied.literal.contains($0) && !isDenied($0) }
            || allowed.prefixed.contains { !isDenied($0) }
    }

    /// Why an operation is permitted or not, in the words of Kafka's authorizer log. Slow: for denials.
    package func rule(_ operation: AclOperation, _ type: AclResourceType, _ name: String) -> String {
        if isSuperUser { return "SuperUser" }
        var allowing: AclBinding?
        var denying: AclBinding?
        var hasRules = false
        index.each(type, name) { entry in
            hasRules = true
            guard entry.concerns(principal, host), entry.operations.contains(AclOperations(operation)) else { return }
            if entry.binding.permission == .allow { allowing = entry.binding } else { denying = entry.binding }
        }
        if let found = denying ?? allowing { return "MatchingAcl(acl=\(found))" }
        return !hasRules && isOpenWithoutRules ? "DefaultAllow" : "DefaultDeny"
    }
}
