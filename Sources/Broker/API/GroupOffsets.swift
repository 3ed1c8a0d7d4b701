import Coordinators
import KafkaMessages
import LogStorage

/// The offsets that groups commit.
extension BrokerNode {
    func handleOffsetCommit(_ request: OffsetCommitRequest, _ responder: Responder) {
        func refusal(_ code: ErrorCode) -> OffsetCommitResponse {
            var response = OffsetCommitResponse()
            response.topics = request.topics.map { topic in
                var answer = OffsetCommitResponse.OffsetCommitResponseTopic()
                answer.name = topic.name
                answer.topicId = topic.topicId
                answer.partitions = topic.partitions.map { partition in
                    var entry = OffsetCommitResponse.OffsetCommitResponsePartition()
                    entry.partitionIndex = partition.partitionIndex
                    entry.errorCode = code.rawValue
                    return entry
                }
                return answer
            }
            return response
        }
        guard let host = groups.host(of: request.groupId) else { return responder.send(refusal(.notCoordinator)) }
        host.submit(responder, refusal: refusal) { shard, token, now, topics in
            let decision = shard.offsetCommit(
                request, version: responder.apiVersion, token: token, at: now, topics: topics)
            return (decision, [])
        }
    }

    func handleOffsetDelete(_ request: OffsetDeleteRequest, _ responder: Responder) {
        func refusal(_ code: ErrorCode) -> OffsetDeleteResponse {
            var response = OffsetDeleteResponse()
            response.errorCode = code.rawValue
            return response
        }
        guard let host = groups.host(of: request.groupId) else { return responder.send(refusal(.notCoordinator)) }
        host.submit(responder, refusal: refusal) { shard, token, now, topics in
            let decision = shard.offsetDelete(
                request, version: responder.apiVersion, token: token, at: now, topics: topics)
            return (decision, [])
        }
    }

    /// Offsets that are told are durable: the answer waits for commits that are on their way to the disk.
    func handleOffsetFetch(_ request: OffsetFetchRequest, _ responder: Responder) {
        let version = responder.apiVersion
        var response = OffsetFetchResponse()
        var hosts: [ShardHost<GroupShard>] = []
        func fetch(_ group: OffsetFetchRequest.OffsetFetchRequestGroup) -> OffsetFetchResponse.OffsetFetchResponseGroup
        {
            guard let host = groups.host(of: group.groupId) else { return Self.refused(group, .notCoordinator) }
            hosts.append(host)
            return host.submitRead { shard, now in
                shard.offsetFetch(
                    group, requireStable: request.requireStable, version: version, at: now, topics: catalog.snapshot)
            } refusal: {
                Self.refused(group, $0)
            }
        }
        if version >= 8 {
            response.groups = request.groups.map(fetch)
        } else {
            Self.copy(fetch(Self.group(of: request)), to: &response, version)
        }
        send(response, responder, whenDurable: hosts)
    }

    /// The one group of the versions before several could be asked for.
    private static func group(of request: OffsetFetchRequest) -> OffsetFetchRequest.OffsetFetchRequestGroup {
        var group = OffsetFetchRequest.OffsetFetchRequestGroup()
        group.groupId = request.groupId
        group.topics = request.topics.map { topics in
            topics.map { topic in
                var wanted = OffsetFetchRequest.OffsetFetchRequestTopics()
                wanted.name = topic.name
                wanted.partitionIndexes = topic.partitionIndexes
                return wanted
            }
        }
        return group
    }

    private static func copy(
        _ group: OffsetFetchResponse.OffsetFetchResponseGroup, to response: inout OffsetFetchResponse, _ version: Int16
    ) {
        response.topics = group.topics.map { topic in
            var answer = OffsetFetchResponse.OffsetFetchResponseTopic()
            answer.name = topic.name
            answer.partitions = topic.partitions.map { partition in
                var entry = OffsetFetchResponse.OffsetFetchResponsePartition()
                entry.partitionIndex = partition.partitionIndex
                entry.committedOffset = partition.committedOffset
                entry.committedLeaderEpoch = version >= 5 ? partition.committedLeaderEpoch : -1
                entry.metadata = partition.metadata
                entry.errorCode = partition.errorCode
                return entry
            }
            return answer
        }
        if version >= 2 { response.errorCode = group.errorCode }
    }

    private static func refused(
        _ group: OffsetFetchRequest.OffsetFetchRequestGroup, _ code: ErrorCode
    ) -> OffsetFetchResponse.OffsetFetchResponseGroup {
        var answer = OffsetFetchResponse.OffsetFetchResponseGroup()
        answer.groupId = group.groupId
        answer.errorCode = code.rawValue
        // Version 1 has no place for the error but the partitions.
        answer.topics = (group.topics ?? []).map { topic in
            var refused = OffsetFetchResponse.OffsetFetchResponseTopics()
            refused.name = topic.name
            refused.topicId = topic.topicId
            refused.partitions = topic.partitionIndexes.map { index in
                var entry = OffsetFetchResponse.OffsetFetchResponsePartitions()
                entry.partitionIndex = index
                entry.committedOffset = -1
                entry.errorCode = code.rawValue
                return entry
            }
            return refused
        }
        return answer
    }

    /// Sends what was read from `hosts` once it is on disk.
    func send<Shard: CoordinatorShard>(
        _ response: some KafkaMessage, _ responder: Responder, whenDurable hosts: [ShardHost<Shard>]
    ) {
        var syncs: [(partition: Partition, offset: Int64)] = []
        if syncsBeforeAnswer {
            for host in hosts {
                let offsets = host.partition.log.offsets
                if offsets.durableEnd < offsets.logEnd { syncs.append((host.partition, offsets.logEnd)) }
            }
        }
        guard !syncs.isEmpty else { return responder.send(response) }
        markers.force(syncs) { isDurable in
            if isDurable {
                responder.send(response)
            } else {
                responder.close(because: "the disk failed")
            }
        }
    }
}

extension ShardHost {
    /// Reads from the shard, or gives the answer for a shard that cannot be read now.
    func submitRead<T: Sendable>(_ body: (Shard, EventTime) -> T, refusal: (ErrorCode) -> T) -> T {
        read(body) ?? refusal(unavailability ?? .coordinatorLoadInProgress)
    }
}
