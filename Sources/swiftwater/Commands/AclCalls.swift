import Cluster
import KafkaMessages
import Security

/// Rules of any Kafka cluster, by its protocol (KIP-140).
struct AclCalls {
    private static let versions: ClosedRange<Int16> = 1...3
    private let requests: any RequestChannel

    init(_ cluster: any Cluster) { requests = cluster.requests }

    func create(_ bindings: [AclBinding]) async throws {
        let creations = bindings.map { binding in
            CreateAclsRequest.AclCreation(
                resourceType: binding.resourceType.rawValue, resourceName: binding.resourceName,
                resourcePatternType: binding.patternType.rawValue, principal: binding.principal, host: binding.host,
                operation: binding.operation.rawValue, permissionType: binding.permission.rawValue)
        }
        let answer = try await call(CreateAclsRequest(creations: creations))
        for (binding, result) in zip(bindings, answer.results) {
            let what =
                "add a rule about \(binding.principal) and \(binding.resourceType.name) '\(binding.resourceName)'"
            try Self.check(result.errorCode, what, result.errorMessage)
        }
    }

    func list(_ filter: AclFilter) async throws -> [AclBinding] {
        let request = DescribeAclsRequest(
            resourceTypeFilter: filter.resourceType?.rawValue ?? Self.any, resourceNameFilter: filter.resourceName,
            patternTypeFilter: Self.code(filter.pattern), principalFilter: filter.principal, hostFilter: filter.host,
            operation: filter.operation?.rawValue ?? Self.any, permissionType: filter.permission?.rawValue ?? Self.any)
        let answer = try await call(request)
        try Self.check(answer.errorCode, "list rules", answer.errorMessage)
        return try answer.resources.flatMap { resource in
            try resource.acls.map { acl in
                try Self.binding(
                    resource.resourceType, resource.resourceName, resource.patternType, acl.principal, acl.host,
                    acl.operation, acl.permissionType)
            }
        }
    }

    func remove(_ filters: [AclFilter]) async throws -> [AclBinding] {
        let wanted = filters.map { filter in
            DeleteAclsRequest.DeleteAclsFilter(
                resourceTypeFilter: filter.resourceType?.rawValue ?? Self.any, resourceNameFilter: filter.resourceName,
                patternTypeFilter: Self.code(filter.pattern), principalFilter: filter.principal,
                hostFilter: filter.host, operation: filter.operation?.rawValue ?? Self.any,
                permissionType: filter.permission?.rawValue ?? Self.any)
        }
        var removed: [AclBinding] = []
        for result in try await call(DeleteAclsRequest(filters: wanted)).filterResults {
            try Self.check(result.errorCode, "remove rules", result.errorMessage)
            for acl in result.matchingAcls {
                try Self.check(acl.errorCode, "remove a rule about \(acl.principal)", acl.errorMessage)
                removed.append(
                    try Self.binding(
                        acl.resourceType, acl.resourceName, acl.patternType, acl.principal, acl.host, acl.operation,
                        acl.permissionType))
            }
        }
        return removed
    }

    private func call<Request: KafkaRequest>(_ request: Request) async throws -> Request.Response {
        try await requests.call(to: .anyBroker, versions: Self.versions, timeout: requests.timeout) { _ in request }
    }

    private static let any: Int8 = 1

    private static func code(_ pattern: AclFilter.Pattern) -> Int8 {
        switch pattern {
        case .any: any
        case .match: 2
        case .exactly(let type): type.rawValue
        }
    }

    private static func check(_ code: Int16, _ attempt: String, _ detail: String?) throws {
        guard code != ErrorCode.none.rawValue else { return }
        var error = ClusterError(code: ErrorCode(rawValue: code), attempt, detail: detail)
        if code == ErrorCode.securityDisabled.rawValue {
            error = ClusterError(
                error.code, error.message, hint: "a broker has rules once its setting authorizer.class.name is set")
        }
        throw error
    }

    /// A rule of a cluster; one of a newer kind than this program knows is told, not left out.
    private static func binding(
        _ resourceType: Int8, _ name: String, _ patternType: Int8, _ principal: String, _ host: String,
        _ operation: Int8, _ permission: Int8
    ) throws -> AclBinding {
        guard let knownType = AclResourceType(rawValue: resourceType),
            let knownPattern = AclPatternType(rawValue: patternType),
            let knownOperation = AclOperation(rawValue: operation),
            let knownPermission = AclPermission(rawValue: permission)
        else {
            throw CommandFailure(
                "the cluster has a rule about '\(name)' that this program does not know: resource type \(resourceType), "
                    + "pattern type \(patternType), operation \(operation), permission \(permission)")
        }
        return AclBinding(knownPermission, principal, knownOperation, on: knownType, name, knownPattern, from: host)
    }
}
