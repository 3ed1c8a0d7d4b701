import KafkaMessages
import Security

/// The rules about who may do what, as administrators see and change them (KIP-140).
///
/// - SeeAlso: upstream `AclApis`, `AclControlManager`.
extension BrokerNode {
    private static let noAuthorizer = "No Authorizer is configured."

    func handleDescribeAcls(_ request: DescribeAclsRequest, _ responder: Responder) {
        guard controller.authorizer != nil else {
            return responder.send(
                DescribeAclsResponse(errorCode: ErrorCode.securityDisabled.rawValue, errorMessage: Self.noAuthorizer))
        }
        let filter: AclFilter
        do throws(ControlError) {
            filter = try AclFilter(
                type: request.resourceTypeFilter, name: request.resourceNameFilter, pattern: request.patternTypeFilter,
                principal: request.principalFilter, host: request.hostFilter, operation: request.operation,
                permission: request.permissionType)
        } catch {
            return responder.send(
                DescribeAclsResponse(errorCode: error.code.rawValue, errorMessage: error.message))
        }
        controller.perform { controller in
            var response = DescribeAclsResponse(errorMessage: nil)
            for binding in controller.image({ $0.acls.values.filter(filter.matches) }).sorted() {
                let last = response.resources.indices.last
                let isSame =
                    last.map {
                        response.resources[$0].resourceType == binding.resourceType.rawValue
                            && response.resources[$0].resourceName == binding.resourceName
                            && response.resources[$0].patternType == binding.patternType.rawValue
                    } ?? false
                if !isSame {
                    response.resources.append(
                        .init(
                            resourceType: binding.resourceType.rawValue, resourceName: binding.resourceName,
                            patternType: binding.patternType.rawValue))
                }
                response.resources[response.resources.count - 1].acls.append(
                    .init(
                        principal: binding.principal, host: binding.host, operation: binding.operation.rawValue,
                        permissionType: binding.permission.rawValue))
            }
            responder.send(response)
        }
    }

    func handleCreateAcls(_ request: CreateAclsRequest, _ responder: Responder) {
        guard controller.authorizer != nil else {
            let refusal = CreateAclsResponse.AclCreationResult(
                errorCode: ErrorCode.securityDisabled.rawValue, errorMessage: Self.noAuthorizer)
            return responder.send(CreateAclsResponse(results: request.creations.map { _ in refusal }))
        }
        controller.perform { controller in
            let read = request.creations.map { creation in
                Result { () throws(ControlError) in try AclBinding(creation) }
            }
            let bindings = read.compactMap { try? $0.get() }  // the failures are told below
            do throws(ControlError) {
                var problems = try controller.createAcls(bindings)[...]
                let results = read.map { binding -> CreateAclsResponse.AclCreationResult in
                    switch binding {
                    case .failure(let error):
                        return .init(errorCode: error.code.rawValue, errorMessage: error.message)
                    case .success:
                        guard let problem = problems.popFirst() ?? nil else { return .init(errorMessage: nil) }
                        return .init(errorCode: ErrorCode.invalidRequest.rawValue, errorMessage: problem)
                    }
                }
                responder.send(CreateAclsResponse(results: results))
            } catch {
                let result = CreateAclsResponse.AclCreationResult(
                    errorCode: error.code.rawValue, errorMessage: error.message)
                responder.send(CreateAclsResponse(results: request.creations.map { _ in result }))
            }
        }
    }

    func handleDeleteAcls(_ request: DeleteAclsRequest, _ responder: Responder) {
        guard controller.authorizer != nil else {
            let refusal = DeleteAclsResponse.DeleteAclsFilterResult(
                errorCode: ErrorCode.securityDisabled.rawValue, errorMessage: Self.noAuthorizer)
            return responder.send(DeleteAclsResponse(filterResults: request.filters.map { _ in refusal }))
        }
        controller.perform { controller in
            let read = request.filters.map { filter in
                Result { () throws(ControlError) in
                    try AclFilter(
                        type: filter.resourceTypeFilter, name: filter.resourceNameFilter,
                        pattern: filter.patternTypeFilter, principal: filter.principalFilter, host: filter.hostFilter,
                        operation: filter.operation, permission: filter.permissionType)
                }
            }
            do throws(ControlError) {
                var matched = try controller.deleteAcls(read.compactMap { try? $0.get() })[...]  // failures: below
                let results = read.map { filter -> DeleteAclsResponse.DeleteAclsFilterResult in
                    switch filter {
                    case .failure(let error):
                        return .init(errorCode: error.code.rawValue, errorMessage: error.message)
                    case .success:
                        return .init(errorMessage: nil, matchingAcls: (matched.popFirst() ?? []).map(Self.deleted))
                    }
                }
                responder.send(DeleteAclsResponse(filterResults: results))
            } catch {
                let result = DeleteAclsResponse.DeleteAclsFilterResult(
                    errorCode: error.code.rawValue, errorMessage: error.message)
                responder.send(DeleteAclsResponse(filterResults: request.filters.map { _ in result }))
            }
        }
    }

    private static func deleted(_ binding: AclBinding) -> DeleteAclsResponse.DeleteAclsMatchingAcl {
        .init(
            errorMessage: nil, resourceType: binding.resourceType.rawValue, resourceName: binding.resourceName,
            patternType: binding.patternType.rawValue, principal: binding.principal, host: binding.host,
            operation: binding.operation.rawValue, permissionType: binding.permission.rawValue)
    }
}

extension AclBinding {
    /// - Throws: INVALID_REQUEST for what only filters may say, in the words of `AclControlManager.validateNewAcl`.
    fileprivate init(_ creation: CreateAclsRequest.AclCreation) throws(ControlError) {
        guard let resourceType = AclResourceType(rawValue: creation.resourceType) else {
            throw ControlError(.invalidRequest, "Invalid resourceType \(AclCodes.text(creation.resourceType))")
        }
        guard let patternType = AclPatternType(rawValue: creation.resourcePatternType) else {
            let code = creation.resourcePatternType
            throw ControlError(.invalidRequest, "Invalid patternType \(code == 2 ? "MATCH" : AclCodes.text(code))")
        }
        guard let operation = AclOperation(rawValue: creation.operation) else {
            throw ControlError(.invalidRequest, "Invalid operation \(AclCodes.text(creation.operation))")
        }
        guard let permission = AclPermission(rawValue: creation.permissionType) else {
            throw ControlError(.invalidRequest, "Invalid permissionType \(AclCodes.text(creation.permissionType))")
        }
        self.init(
            permission, creation.principal, operation, on: resourceType, creation.resourceName, patternType,
            from: creation.host)
    }
}

/// Codes that stand for no value of their own in all of the protocol's enumerations of rules.
private enum AclCodes {
    static let any: Int8 = 1

    static func text(_ code: Int8) -> String { code == any ? "ANY" : "UNKNOWN" }

    /// - Returns: nil for ANY.
    static func value<T: RawRepresentable<Int8>>(
        _ type: T.Type, _ code: Int8, _ what: String
    ) throws(ControlError) -> T? {
        if code == any { return nil }
        guard let value = T(rawValue: code) else {
            throw ControlError(.invalidRequest, "The filter contains an unknown element: \(what) \(code)")
        }
        return value
    }
}

extension AclFilter {
    /// - Throws: INVALID_REQUEST for a code that is not known.
    fileprivate init(
        type: Int8, name: String?, pattern: Int8, principal: String?, host: String?, operation: Int8, permission: Int8
    ) throws(ControlError) {
        let meant: Pattern
        if pattern == 2 {
            meant = .match
        } else {
            meant = try AclCodes.value(AclPatternType.self, pattern, "pattern type").map { Pattern.exactly($0) } ?? .any
        }
        self.init(
            resourceType: try AclCodes.value(AclResourceType.self, type, "resource type"), resourceName: name,
            pattern: meant, principal: principal, host: host,
            operation: try AclCodes.value(AclOperation.self, operation, "operation"),
            permission: try AclCodes.value(AclPermission.self, permission, "permission type"))
    }
}
