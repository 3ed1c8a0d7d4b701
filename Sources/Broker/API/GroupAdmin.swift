import Coordinators
import KafkaMessages
import Security

/// What administrators ask of groups.
extension BrokerNode {
    func handleListGroups(_ request: ListGroupsRequest, _ responder: Responder) {
        var response = ListGroupsResponse()
        let access = access(responder)
        // Who may describe the cluster sees all groups, others those that they may describe.
        let seesAll = access.permitsCluster(.describe, isTold: false)
        let hosts = groups.hosts
        for host in hosts {
            let found = host.read { shard, _ in shard.list(states: request.statesFilter, types: request.typesFilter) }
            guard let listed = found else {
                response.errorCode = (host.unavailability ?? .coordinatorLoadInProgress).rawValue
                response.groups = []
                return responder.send(response)
            }
            response.groups += listed.filter {
                seesAll || access.permits(.describe, .group, $0.groupId, isTold: false)
            }
        }
        response.groups.sort { $0.groupId < $1.groupId }
        send(response, responder, whenDurable: hosts)
    }

    func handleDescribeGroups(_ request: DescribeGroupsRequest, _ responder: Responder) {
        var response = DescribeGroupsResponse()
        let access = access(responder)
        var hosts: [ShardHost<GroupShard>] = []
        response.groups = request.groups.map { group in
            func refused(_ code: ErrorCode) -> DescribeGroupsResponse.DescribedGroup {
                var answer = DescribeGroupsResponse.DescribedGroup()
                answer.groupId = group
                answer.errorCode = code.rawValue
                return answer
            }
            guard access.permits(.describe, .group, group) else { return refused(.groupAuthorizationFailed) }
            guard let host = groups.host(of: group) else { return refused(.notCoordinator) }
            hosts.append(host)
            return host.submitRead { shard, _ in
                shard.describe(group, version: responder.apiVersion)
            } refusal: {
                refused($0)
            }
        }
        if request.includeAuthorizedOperations {
            for index in response.groups.indices where response.groups[index].errorCode == ErrorCode.none.rawValue {
                response.groups[index].authorizedOperations = access.operations(
                    .group, response.groups[index].groupId)
            }
        }
        send(response, responder, whenDurable: hosts)
    }

    func handleDeleteGroups(_ request: DeleteGroupsRequest, _ responder: Responder) {
        let access = access(responder)
        let permitted = Set(request.groupsNames.filter { access.permits(.delete, .group, $0) })
        deleteShareStates(request.groupsNames.filter(permitted.contains)) { [self] failures in
            deleteGroups(request, responder, permitted, failures)
        }
    }

    private func deleteGroups(
        _ request: DeleteGroupsRequest, _ responder: Responder, _ permitted: Set<String>,
        _ failures: [String: ErrorCode]
    ) {
        var response = DeleteGroupsResponse()
        var hosts: [ShardHost<GroupShard>] = []
        response.results = request.groupsNames.map { group in
            var result = DeleteGroupsResponse.DeletableGroupResult()
            result.groupId = group
            guard permitted.contains(group) else {
                result.errorCode = ErrorCode.groupAuthorizationFailed.rawValue
                return result
            }
            if let failure = failures[group] {
                result.errorCode = failure.rawValue
                return result
            }
            guard let host = groups.host(of: group) else {
                result.errorCode = ErrorCode.notCoordinator.rawValue
                return result
            }
            hosts.append(host)
            let done = host.perform { shard, now, _ in
                let (decision, code) = shard.delete(group, at: now)
                return (code, decision, [])
            }
            let code = done.map { $0.failure ?? $0.value } ?? host.unavailability ?? .coordinatorLoadInProgress
            result.errorCode = code.rawValue
            return result
        }
        send(response, responder, whenDurable: hosts)
    }
}
