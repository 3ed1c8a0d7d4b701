/// One rule: who may or may not do what with which resources, and from where (KIP-11, KIP-290).
package struct AclBinding: Hashable, Sendable {
    package var resourceType: AclResourceType
    /// The name or its beginning; `*` in a literal pattern is every name.
    package var resourceName: String
    package var patternType: AclPatternType
    /// `TYPE:NAME`; `User:*` is everybody.
    package var principal: String
    /// An IP address, or `*` for all.
    package var host: String
    package var operation: AclOperation
    package var permission: AclPermission

    package static let wildcard = "*"

    package init(
        _ permission: AclPermission, _ principal: String, _ operation: AclOperation, on resourceType: AclResourceType,
        _ resourceName: String, _ patternType: AclPatternType = .literal, from host: String = wildcard
    ) {
        self.resourceType = resourceType
        self.resourceName = resourceName
        self.patternType = patternType
        self.principal = principal
        self.host = host
        self.operation = operation
        self.permission = permission
    }
}

extension AclBinding: Comparable {
    /// By resource, then by principal: the order of lists.
    package static func < (a: Self, b: Self) -> Bool {
        if a.resourceType != b.resourceType { return a.resourceType.rawValue < b.resourceType.rawValue }
        if a.resourceName != b.resourceName { return a.resourceName < b.resourceName }
        if a.patternType != b.patternType { return a.patternType.rawValue < b.patternType.rawValue }
        if a.principal != b.principal { return a.principal < b.principal }
        if a.permission != b.permission { return a.permission.rawValue < b.permission.rawValue }
        if a.operation != b.operation { return a.operation.rawValue < b.operation.rawValue }
        return a.host < b.host
    }
}

extension AclBinding: CustomStringConvertible {
    /// As Kafka's authorizer log tells the rule that decided.
    package var description: String {
        "StandardAcl(resourceType=\(resourceType.constant), resourceName=\(resourceName), "
            + "patternType=\(patternType.name), principal=\(principal), host=\(host), "
            + "operation=\(operation.constant), permissionType=\(permission == .deny ? "DENY" : "ALLOW"))"
    }
}

/// Which rules somebody asks for: nil is any.
package struct AclFilter: Hashable, Sendable {
    /// How `resourceName` is meant.
    package enum Pattern: Hashable, Sendable {
        /// Rules of any pattern type whose name is exactly this.
        case any
        /// Rules that concern the resource of this name: by it, by `*` or by a prefix.
        case match
        case exactly(AclPatternType)
    }
    package var resourceType: AclResourceType?
    package var resourceName: String?
    package var pattern: Pattern
    package var principal: String?
    package var host: String?
    package var operation: AclOperation?
    package var permission: AclPermission?

    /// Any rule, unless properties are set.
    package init(
        resourceType: AclResourceType? = nil, resourceName: String? = nil, pattern: Pattern = .any,
        principal: String? = nil, host: String? = nil, operation: AclOperation? = nil, permission: AclPermission? = nil
    ) {
        self.resourceType = resourceType
        self.resourceName = resourceName
        self.pattern = pattern
        self.principal = principal
        self.host = host
        self.operation = operation
        self.permission = permission
    }

    /// - SeeAlso: upstream `ResourcePatternFilter.matches`, `AccessControlEntryFilter.matches`.
    package func matches(_ binding: AclBinding) -> Bool {
        func fits<T: Equatable>(_ wanted: T?, _ found: T) -> Bool { wanted == nil || wanted == found }
        return fits(resourceType, binding.resourceType) && fits(principal, binding.principal)
            && fits(host, binding.host) && fits(operation, binding.operation) && fits(permission, binding.permission)
            && matchesName(binding)
    }

    private func matchesName(_ binding: AclBinding) -> Bool {
        if case .exactly(let type) = pattern, type != binding.patternType { return false }
        guard let resourceName else { return true }
        guard pattern == .match else { return resourceName == binding.resourceName }
        switch binding.patternType {
        case .literal: return binding.resourceName == resourceName || binding.resourceName == AclBinding.wildcard
        case .prefixed: return resourceName.utf8.starts(with: binding.resourceName.utf8)
        }
    }
}
