import Coordinators
import KafkaMessages
import LogStorage

/// The offsets that groups commit.
extension BrokerNode {
    func handleOffsetCommit(_ request: OffsetCommitRequest, _ responder: Responder) {
        let version = responder.apiVersion
        askGroup(request.groupId, responder) {
            request.refused($0, version: version)
        } _: { shard, token, now, topics in
            shard.offsetCommit(request, version: version, token: token, at: now, topics: topics)
        }
    }

    func handleOffsetDelete(_ request: OffsetDeleteRequest, _ responder: Responder) {
        askGroup(request.groupId, responder) {
            request.refused($0)
        } _: { shard, token, now, topics in
            shard.offsetDelete(request, version: responder.apiVersion, token: token, at: now, topics: topics)
        }
    }

    /// Offsets that are told are durable: the answer waits for commits that are on their way to the disk.
    func handleOffsetFetch(_ request: OffsetFetchRequest, _ responder: Responder) {
        let version = responder.apiVersion
        let topics = catalog.snapshot
        var hosts: [ShardHost<GroupShard>] = []
        let found = request.groups(version: version).map { group in
            guard let host = groups.host(of: group.groupId) else {
                return group.refused(.notCoordinator, version: version)
            }
            hosts.append(host)
            return host.submitRead { shard, now in
                shard.offsetFetch(
                    group, requireStable: request.requireStable, version: version, at: now, topics: topics)
            } refusal: {
                group.refused($0, version: version)
            }
        }
        send(OffsetFetchResponse(found, version: version), responder, whenDurable: hosts)
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
