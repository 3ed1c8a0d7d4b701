package import KafkaMessages

// How each request of the group coordinator is answered when it as a whole has failed: by the shard, and by its caller
// while the shard is loading or somewhere else.

extension JoinGroupRequest {
    package func refused(_ error: ErrorCode, version: Int16) -> JoinGroupResponse {
        var response = JoinGroupResponse(error: error, memberId: memberId)
        response.settle(version: version)
        return response
    }
}

extension SyncGroupRequest {
    package func refused(_ error: ErrorCode) -> SyncGroupResponse { SyncGroupResponse(errorCode: error.rawValue) }
}

extension HeartbeatRequest {
    package func refused(_ error: ErrorCode) -> HeartbeatResponse { HeartbeatResponse(errorCode: error.rawValue) }
}

extension LeaveGroupRequest {
    package func refused(_ error: ErrorCode) -> LeaveGroupResponse { LeaveGroupResponse(errorCode: error.rawValue) }
}

extension OffsetCommitRequest {
    package func refused(_ error: ErrorCode, version: Int16) -> OffsetCommitResponse {
        OffsetCommitResponse(
            topics: topics.map { topic in
                OffsetCommitResponse.OffsetCommitResponseTopic(
                    name: version >= 10 ? "" : topic.name, topicId: version >= 10 ? topic.topicId : .zero,
                    partitions: topic.partitions.map {
                        .init(partitionIndex: $0.partitionIndex, errorCode: error.rawValue)
                    })
            })
    }
}

extension TxnOffsetCommitRequest {
    package func refused(_ error: ErrorCode) -> TxnOffsetCommitResponse {
        TxnOffsetCommitResponse(
            topics: topics.map { topic in
                TxnOffsetCommitResponse.TxnOffsetCommitResponseTopic(
                    name: topic.name,
                    partitions: topic.partitions.map {
                        .init(partitionIndex: $0.partitionIndex, errorCode: error.rawValue)
                    })
            })
    }
}

extension OffsetDeleteRequest {
    package func refused(_ error: ErrorCode) -> OffsetDeleteResponse { OffsetDeleteResponse(errorCode: error.rawValue) }
}

extension OffsetFetchRequest {
    /// The groups that are asked for; versions before 8 ask for one in fields of their own.
    package func groups(version: Int16) -> [OffsetFetchRequestGroup] {
        if version >= 8 { return groups }
        let topics = topics?.map {
            OffsetFetchRequestTopics(name: $0.name, partitionIndexes: $0.partitionIndexes)
        }
        return [OffsetFetchRequestGroup(groupId: groupId, topics: topics)]
    }
}

extension OffsetFetchRequest.OffsetFetchRequestGroup {
    /// The error stands at the group, where clients look from version 2 on, and at every partition that is asked for:
    /// aiokafka looks only there, and would take no answer for no offset and read everything again.
    package func refused(_ error: ErrorCode, version: Int16) -> OffsetFetchResponse.OffsetFetchResponseGroup {
        .init(
            groupId: groupId,
            topics: (topics ?? []).map { topic in
                .init(
                    name: topic.name, topicId: topic.topicId,
                    partitions: topic.partitionIndexes.map {
                        .init(partitionIndex: $0, committedOffset: -1, errorCode: error.rawValue)
                    })
            },
            errorCode: version < 2 ? 0 : error.rawValue)
    }
}

extension OffsetFetchResponse {
    /// The answers for all groups of a request; before version 8 there is one, in fields of its own.
    package init(_ groups: [OffsetFetchResponseGroup], version: Int16) {
        self.init()
        guard version < 8, let group = groups.first else {
            self.groups = groups
            return
        }
        errorCode = version >= 2 ? group.errorCode : 0
        topics = group.topics.map { topic in
            OffsetFetchResponseTopic(
                name: topic.name,
                partitions: topic.partitions.map {
                    .init(
                        partitionIndex: $0.partitionIndex, committedOffset: $0.committedOffset,
                        committedLeaderEpoch: $0.committedLeaderEpoch, metadata: $0.metadata, errorCode: $0.errorCode)
                })
        }
    }
}

extension ErrorCode {
    /// What a member is told when the log refused its group's record: errors that its client retries, with the same
    /// coordinator or after looking for it.
    ///
    /// - SeeAlso: upstream `appendGroupMetadataErrorToResponseError`.
    package var ofGroupAppend: ErrorCode {
        switch self {
        case .unknownTopicOrPartition, .notEnoughReplicas, .notEnoughReplicasAfterAppend, .requestTimedOut:
            .coordinatorNotAvailable
        case .notLeaderOrFollower, .kafkaStorageError: .notCoordinator
        case .messageTooLarge, .recordListTooLarge, .invalidFetchSize: .unknownServerError
        default: self
        }
    }

    /// The same for offsets: too many of them for one batch have a code of their own.
    package var ofOffsetAppend: ErrorCode {
        switch self {
        case .messageTooLarge, .recordListTooLarge, .invalidFetchSize: .invalidCommitOffsetSize
        default: ofGroupAppend
        }
    }
}
