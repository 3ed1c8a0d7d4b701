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
        var seen: Set<String> = []
        let names = request.groupsNames.filter { seen.insert($0).inserted }
        // A state that cannot be forgotten now would be that of a new group by the same name.
        let canForget = shares.topic.hosts.allSatisfy { $0.isReady || $0.isFailed }
        /// The share groups among those that are deleted.
        var forgotten: Set<String> = []
        var results: [DeleteGroupsResponse.DeletableGroupResult] = []
        var hosts: [ShardHost<GroupShard>] = []
        for name in names {
            var code = ErrorCode.groupAuthorizationFailed
            if access.permits(.delete, .group, name) {
                guard let host = groups.host(of: name) else {
                    results.append(.init(groupId: name, errorCode: ErrorCode.notCoordinator.rawValue))
                    continue
                }
                hosts.append(host)
                let done = host.perform {
                    shard, now, _ -> ((code: ErrorCode, isForgotten: Bool), Decision, [Never]) in
                    let isShareGroup = shard.isShareGroup(name)
                    guard !isShareGroup || canForget else {
                        return ((.coordinatorLoadInProgress, false), Decision(), [])
                    }
                    let (decision, code) = shard.delete(name, at: now)
                    let isForgotten = isShareGroup && code == .none
                    // Here, so that none by its name comes before.
                    if isForgotten { shares.beginForgetting([name]) }
                    return ((code, isForgotten), decision, [])
                }
                code = done.map { $0.failure ?? $0.value.code } ?? host.unavailability ?? .coordinatorLoadInProgress
                if done?.value.isForgotten == true {
                    if code == .none { forgotten.insert(name) } else { shares.endForgetting([name]) }
                }
            }
            results.append(.init(groupId: name, errorCode: code.rawValue))
        }
        let response = DeleteGroupsResponse(results: results)
        guard !forgotten.isEmpty else { return send(response, responder, whenDurable: hosts) }
        let deleted = forgotten
        // What share groups keep goes behind the groups' own ends, also that of topics which they list no more. Where a crash
        // comes in between, the next start does it.
        whenDurable(hosts, responder) { [self] in
            forgetShareStates(of: deleted) {
                deleted.contains($0.group)
            } _: { code in
                guard code != .none else { return responder.send(response) }
                let results = response.results.map { result in
                    var result = result
                    if deleted.contains(result.groupId) { result.errorCode = code.rawValue }
                    return result
                }
                responder.send(DeleteGroupsResponse(results: results))
            }
        } orElse: { [self] in
            shares.endForgetting(deleted)
        }
    }
}
