import Coordinators
import KafkaMessages
import LogStorage
import Security

/// The offsets that groups commit.
extension BrokerNode {
    func handleOffsetCommit(_ request: OffsetCommitRequest, _ responder: Responder) {
        let version = responder.apiVersion
        var request = request
        var responder = responder
        if let access = access(responder), access.permits(.read, .group, request.groupId, isTold: false) {
            let snapshot = catalog.snapshot
            let topics = Admitted(request.topics) { topic in
                // An unknown id is told apart by the group.
                let name = version >= 10 ? snapshot.byId[topic.topicId]?.name : topic.name
                return name.map { access.permits(.read, .topic, $0) } ?? true
            }
            if !topics.isWhole {
                let whole = request
                let merge: @Sendable (inout OffsetCommitResponse) -> Void = { answer in
                    answer.topics = topics.merged(answer.topics) {
                        whole.refused([$0], .topicAuthorizationFailed, version: version)
                    }
                }
                guard !topics.permitted.isEmpty else {
                    var answer = OffsetCommitResponse()
                    merge(&answer)
                    return responder.send(answer)
                }
                request.topics = topics.permitted
                responder = responder.mapping(OffsetCommitResponse.self, merge)
            }
        }
        commitOffsets(request, responder)
    }

    private func commitOffsets(_ request: OffsetCommitRequest, _ responder: Responder) {
        let version = responder.apiVersion
        askGroup(request.groupId, responder) {
            request.refused($0, version: version)
        } _: { shard, token, now, topics in
            shard.offsetCommit(request, version: version, token: token, at: now, topics: topics)
        }
    }

    func handleOffsetDelete(_ request: OffsetDeleteRequest, _ responder: Responder) {
        var request = request
        var responder = responder
        if let access = access(responder), access.permits(.delete, .group, request.groupId, isTold: false) {
            let topics = Admitted(request.topics) { access.permits(.read, .topic, $0.name) }
            if !topics.isWhole {
                request.topics = topics.permitted
                responder = responder.mapping(OffsetDeleteResponse.self) { answer in
                    guard answer.errorCode == ErrorCode.none.rawValue else { return }
                    answer.topics = topics.merged(answer.topics) { topic in
                        .init(
                            name: topic.name,
                            partitions: topic.partitions.map {
                                .init(
                                    partitionIndex: $0.partitionIndex,
                                    errorCode: ErrorCode.topicAuthorizationFailed.rawValue)
                            })
                    }
                }
            }
        }
        deleteOffsets(request, responder)
    }

    private func deleteOffsets(_ request: OffsetDeleteRequest, _ responder: Responder) {
        askGroup(request.groupId, responder, .delete) {
            request.refused($0)
        } _: { shard, token, now, topics in
            shard.offsetDelete(request, version: responder.apiVersion, token: token, at: now, topics: topics)
        }
    }

    /// Offsets that are told are durable: the answer waits for commits that are on their way to the disk.
    func handleOffsetFetch(_ request: OffsetFetchRequest, _ responder: Responder) {
        let version = responder.apiVersion
        let topics = catalog.snapshot
        let access = access(responder)
        var hosts: [ShardHost<GroupShard>] = []
        let found = request.groups(version: version).map { wanted in
            guard access.permits(.describe, .group, wanted.groupId) else {
                return wanted.refused(.groupAuthorizationFailed, version: version)
            }
            var group = wanted
            let admitted = wanted.topics.map { wantedTopics in
                Admitted(wantedTopics) { topic in
                    let name = version >= 10 ? topics.byId[topic.topicId]?.name : topic.name
                    return name.map { access.permits(.describe, .topic, $0) } ?? true
                }
            }
            if let admitted, !admitted.isWhole { group.topics = admitted.permitted }
            guard let host = groups.host(of: group.groupId) else {
                return group.refused(.notCoordinator, version: version)
            }
            hosts.append(host)
            var answer = host.submitRead { shard, now in
                shard.offsetFetch(
                    group, requireStable: request.requireStable, version: version, at: now, topics: topics)
            } refusal: {
                group.refused($0, version: version)
            }
            guard let access, answer.errorCode == ErrorCode.none.rawValue else { return answer }
            if let admitted {
                answer.topics = admitted.merged(answer.topics) { $0.refused(.topicAuthorizationFailed) }
            } else {
                // Of all offsets those of topics that may not be described are left out.
                answer.topics.removeAll { topic in
                    let name = version >= 10 ? topics.byId[topic.topicId]?.name : topic.name
                    return name.map { !access.permits(.describe, .topic, $0, isTold: false) } ?? false
                }
            }
            return answer
        }
        send(OffsetFetchResponse(found, version: version), responder, whenDurable: hosts)
    }

    /// Sends what was read from `hosts` once it is on disk.
    func send<Shard: CoordinatorShard>(
        _ response: some KafkaMessage, _ responder: Responder, whenDurable hosts: [ShardHost<Shard>]
    ) {
        whenDurable(hosts, responder) { responder.send(response) }
    }

    /// Goes on once all that `hosts` have written is on disk.
    func whenDurable<Shard: CoordinatorShard>(
        _ hosts: [ShardHost<Shard>], _ responder: Responder, _ body: @escaping @Sendable () -> Void,
        orElse: @escaping @Sendable () -> Void = {}
    ) {
        guard syncsBeforeAnswer else { return body() }
        let syncs = hosts.compactMap { host -> (partition: Partition, offset: Int64)? in
            let offsets = host.partition.log.offsets
            return offsets.durableEnd < offsets.logEnd ? (host.partition, offsets.logEnd) : nil
        }
        whenForced(syncs, responder, body, orElse: orElse)
    }

    /// Goes on once these are on disk. If the disk fails the client sees its connection end, after `orElse`.
    func whenForced(
        _ syncs: [(partition: Partition, offset: Int64)], _ responder: Responder,
        _ body: @escaping @Sendable () -> Void, orElse: @escaping @Sendable () -> Void = {}
    ) {
        guard !syncs.isEmpty else { return body() }
        markers.force(syncs) { isDurable in
            guard isDurable else {
                orElse()
                return responder.close(because: "the disk failed")
            }
            body()
        }
    }
}

extension ShardHost {
    /// Reads from the shard, or gives the answer for a shard that cannot be read now.
    func submitRead<T: Sendable>(_ body: (Shard, EventTime) -> T, refusal: (ErrorCode) -> T) -> T {
        read(body) ?? refusal(unavailability ?? .coordinatorLoadInProgress)
    }
}

extension OffsetCommitRequest {
    fileprivate func refused(
        _ topic: [OffsetCommitRequestTopic], _ code: ErrorCode, version: Int16
    ) -> OffsetCommitResponse.OffsetCommitResponseTopic {
        OffsetCommitRequest(topics: topic).refused(code, version: version).topics.first ?? .init()
    }
}

extension OffsetFetchRequest.OffsetFetchRequestTopics {
    fileprivate func refused(_ code: ErrorCode) -> OffsetFetchResponse.OffsetFetchResponseTopics {
        .init(
            name: name, topicId: topicId,
            partitions: partitionIndexes.map {
                .init(partitionIndex: $0, committedOffset: -1, errorCode: code.rawValue)
            })
    }
}
