import Bytes
import KafkaMessages
import NIOCore
import Security

@testable import Broker

/// What one API needs, and how to ask for it.
struct AuthorizationCase: Sendable, CustomStringConvertible {
    struct Need: Hashable, Sendable {
        var operation: AclOperation
        var type: AclResourceType
        var name: String

        init(_ operation: AclOperation, _ type: AclResourceType, _ name: String) {
            self.operation = operation
            self.type = type
            self.name = name
        }

        static func cluster(_ operation: AclOperation) -> Need {
            Need(operation, .cluster, AclResourceType.clusterName)
        }
        static func topic(_ operation: AclOperation) -> Need { Need(operation, .topic, "t") }
        static func group(_ operation: AclOperation) -> Need { Need(operation, .group, "g") }
        static func transaction(_ operation: AclOperation) -> Need { Need(operation, .transactionalId, "x") }

        /// What Kafka answers when it is missing.
        var code: Int16 {
            switch type {
            case .topic: 29
            case .group: 30
            case .transactionalId: 53
            default: 31
            }
        }

        func rule(_ permission: AclPermission) -> AclBinding {
            AclBinding(permission, "User:ANONYMOUS", operation, on: type, name)
        }
    }

    var api: ApiKey
    /// Of the API; nil is all that are offered.
    var versions: ClosedRange<Int16>?
    /// All of them.
    var needs: [Need]
    /// Each of which would do in place of the needs.
    var alternatives: [Need] = []
    /// Sends it and returns the error codes of the answer; what is hidden or left out counts as refused.
    var ask: @Sendable (WireClient, Int16) throws -> [Int16]

    var description: String { "\(api.name) needs \(needs.map { "\($0.operation) on \($0.type)" })" }
}

/// Of every offered API what upstream's KafkaApis and ControllerApis ask for. Topic `t`, group `g`, transactional id `x`.
enum AuthorizationTable {
    /// Nobody needs a permission to find out who answers, and to say who he is.
    static let free: Set<ApiKey> = [.apiVersions, .saslHandshake, .saslAuthenticate]

    /// What nobody may ask for over the connections of these tests, whatever the rules say: `DelegationTokenTests` have
    /// others.
    static let elsewhere: Set<ApiKey> = [
        .createDelegationToken, .renewDelegationToken, .expireDelegationToken, .describeDelegationToken,
    ]

    static let cases: [AuthorizationCase] = [data, groups, transactions, topics, configs, cluster].flatMap { $0 }

    private static let batch: ByteBuffer = (try? EveryVersionTests.batch(["one"])) ?? ByteBuffer()

    private static let data: [AuthorizationCase] = [
        .init(api: .produce, versions: 3...12, needs: [.topic(.write)]) { client, version in
            var partition = ProduceRequest.PartitionProduceData()
            partition.records = .bytes(batch)
            let request = ProduceRequest(
                acks: 1, timeoutMs: 1000, topicData: [.init(name: "t", partitionData: [partition])])
            return try client.ask(request, version: version).responses[0].partitionResponses.map(\.errorCode)
        },
        .init(api: .fetch, versions: 4...12, needs: [.topic(.read)]) { client, version in
            let request = FetchRequest(
                maxWaitMs: 0, minBytes: 0, maxBytes: 1000,
                topics: [.init(topic: "t", partitions: [.init(partitionMaxBytes: 1000)])])
            return try client.ask(request, version: version).responses[0].partitions.map(\.errorCode)
        },
        .init(api: .fetch, versions: 4...12, needs: [.cluster(.clusterAction)]) { client, version in
            // A client that says to be a follower.
            let request = FetchRequest(
                replicaId: 2, maxWaitMs: 0, minBytes: 0, maxBytes: 1000,
                topics: [.init(topic: "t", partitions: [.init(partitionMaxBytes: 1000)])])
            let codes = try client.ask(request, version: version).responses[0].partitions.map(\.errorCode)
            return codes.map { $0 == 29 ? 31 : $0 }
        },
        .init(api: .listOffsets, needs: [.topic(.describe)]) { client, version in
            let request = ListOffsetsRequest(
                replicaId: -1, topics: [.init(name: "t", partitions: [.init(timestamp: -1)])])
            return try client.ask(request, version: version).topics[0].partitions.map(\.errorCode)
        },
        .init(
            api: .offsetForLeaderEpoch, needs: [.topic(.describe)], alternatives: [.cluster(.clusterAction)]
        ) { client, version in
            let request = OffsetForLeaderEpochRequest(topics: [.init(topic: "t", partitions: [.init()])])
            return try client.ask(request, version: version).topics[0].partitions.map(\.errorCode)
        },
        .init(api: .metadata, needs: [.topic(.describe)]) { client, version in
            let request = MetadataRequest(topics: [.init(name: "t")])
            return try client.ask(request, version: version).topics.map(\.errorCode)
        },
        .init(api: .metadata, versions: 1...13, needs: [.topic(.describe)]) { client, version in
            let names = try client.ask(MetadataRequest(topics: nil), version: version).topics.map(\.name)
            return [names.contains("t") ? 0 : 29]
        },
        .init(api: .describeTopicPartitions, needs: [.topic(.describe)]) { client, version in
            let request = DescribeTopicPartitionsRequest(topics: [.init(name: "t")])
            return try client.ask(request, version: version).topics.map(\.errorCode)
        },
        .init(api: .describeTopicPartitions, needs: [.topic(.describe)]) { client, version in
            let names = try client.ask(DescribeTopicPartitionsRequest(), version: version).topics.map(\.name)
            return [names.contains("t") ? 0 : 29]
        },
        .init(api: .describeProducers, needs: [.topic(.read)]) { client, version in
            let request = DescribeProducersRequest(topics: [.init(name: "t", partitionIndexes: [0])])
            return try client.ask(request, version: version).topics[0].partitions.map(\.errorCode)
        },
    ]

    private static let groups: [AuthorizationCase] = [
        .init(api: .findCoordinator, needs: [.group(.describe)]) { client, version in
            let request = FindCoordinatorRequest(
                key: version >= 4 ? "" : "g", coordinatorKeys: version >= 4 ? ["g"] : [])
            let answer = try client.ask(request, version: version)
            return [answer.errorCode] + answer.coordinators.map(\.errorCode)
        },
        .init(api: .joinGroup, needs: [.group(.read)]) { client, version in
            // A session so short is refused after the permission has been looked at.
            let request = JoinGroupRequest(groupId: "g", sessionTimeoutMs: 1, protocolType: "consumer")
            return [try client.ask(request, version: version).errorCode]
        },
        .init(api: .syncGroup, needs: [.group(.read)]) { client, version in
            let request = SyncGroupRequest(
                groupId: "g", memberId: "nobody", protocolType: version >= 5 ? "consumer" : nil,
                protocolName: version >= 5 ? "range" : nil)
            return [try client.ask(request, version: version).errorCode]
        },
        .init(api: .heartbeat, needs: [.group(.read)]) { client, version in
            [try client.ask(HeartbeatRequest(groupId: "g", memberId: "nobody"), version: version).errorCode]
        },
        .init(api: .leaveGroup, needs: [.group(.read)]) { client, version in
            let request = LeaveGroupRequest(groupId: "g", memberId: version >= 3 ? "" : "nobody")
            return [try client.ask(request, version: version).errorCode]
        },
        .init(api: .offsetCommit, versions: 2...9, needs: [.group(.read), .topic(.read)]) { client, version in
            let request = OffsetCommitRequest(groupId: "g", topics: [.init(name: "t", partitions: [.init()])])
            return try client.ask(request, version: version).topics.flatMap { $0.partitions.map(\.errorCode) }
        },
        .init(api: .offsetFetch, versions: 1...9, needs: [.group(.describe), .topic(.describe)]) { client, version in
            let request =
                version >= 8
                ? OffsetFetchRequest(
                    groups: [.init(groupId: "g", topics: [.init(name: "t", partitionIndexes: [0])])])
                : OffsetFetchRequest(groupId: "g", topics: [.init(name: "t", partitionIndexes: [0])])
            let answer = try client.ask(request, version: version)
            return [answer.errorCode] + answer.topics.flatMap { $0.partitions.map(\.errorCode) }
                + answer.groups.map(\.errorCode)
                + answer.groups.flatMap { $0.topics.flatMap { $0.partitions.map(\.errorCode) } }
        },
        .init(api: .offsetFetch, versions: 8...9, needs: [.group(.describe), .topic(.describe)]) { client, version in
            // All that the group has committed.
            let request = OffsetFetchRequest(groups: [.init(groupId: "g", topics: nil)])
            let group = try client.ask(request, version: version).groups[0]
            return [group.errorCode != 0 ? group.errorCode : group.topics.isEmpty ? 29 : 0]
        },
        .init(api: .listGroups, needs: [.group(.describe)], alternatives: [.cluster(.describe)]) { client, version in
            let groups = try client.ask(ListGroupsRequest(), version: version).groups.map(\.groupId)
            return [groups.contains("g") ? 0 : 30]
        },
        .init(api: .describeGroups, needs: [.group(.describe)]) { client, version in
            try client.ask(DescribeGroupsRequest(groups: ["g"]), version: version).groups.map(\.errorCode)
        },
        .init(api: .deleteGroups, needs: [.init(.delete, .group, "nobody")]) { client, version in
            try client.ask(DeleteGroupsRequest(groupsNames: ["nobody"]), version: version).results.map(\.errorCode)
        },
        .init(api: .offsetDelete, needs: [.init(.delete, .group, "g"), .topic(.read)]) { client, version in
            let request = OffsetDeleteRequest(
                groupId: "g", topics: [.init(name: "t", partitions: [.init(partitionIndex: 7)])])
            let answer = try client.ask(request, version: version)
            return [answer.errorCode] + answer.topics.flatMap { $0.partitions.map(\.errorCode) }
        },
        .init(api: .consumerGroupHeartbeat, needs: [.group(.read), .topic(.describe)]) { client, version in
            let request = ConsumerGroupHeartbeatRequest(
                groupId: "g", memberId: "nobody", memberEpoch: 5, subscribedTopicNames: ["t"])
            return [try client.ask(request, version: version).errorCode]
        },
        .init(api: .consumerGroupDescribe, needs: [.group(.describe)]) { client, version in
            try client.ask(ConsumerGroupDescribeRequest(groupIds: ["g"]), version: version).groups.map(\.errorCode)
        },
        .init(api: .shareGroupHeartbeat, needs: [.group(.read), .topic(.describe)]) { client, version in
            let request = ShareGroupHeartbeatRequest(
                groupId: "g", memberId: "nobody", memberEpoch: 5, subscribedTopicNames: ["t"])
            return [try client.ask(request, version: version).errorCode]
        },
        .init(api: .shareGroupDescribe, needs: [.group(.describe)]) { client, version in
            try client.ask(ShareGroupDescribeRequest(groupIds: ["g"]), version: version).groups.map(\.errorCode)
        },
        .init(api: .streamsGroupHeartbeat, needs: [.group(.read), .topic(.describe)]) { client, version in
            let request = StreamsGroupHeartbeatRequest(
                groupId: "g", memberId: "nobody", memberEpoch: 0, rebalanceTimeoutMs: 1000,
                topology: .init(
                    subtopologies: [
                        // No group comes of it.
                        .init(
                            subtopologyId: "0", sourceTopics: ["t"],
                            stateChangelogTopics: [.init(name: "t", partitions: 1)])
                    ]), activeTasks: [], standbyTasks: [], warmupTasks: [])
            return [try client.ask(request, version: version).errorCode]
        },
        .init(api: .streamsGroupDescribe, needs: [.group(.describe)]) { client, version in
            try client.ask(StreamsGroupDescribeRequest(groupIds: ["g"]), version: version).groups.map(\.errorCode)
        },
        // Topics are looked at in the session of a member, which nobody is here.
        .init(api: .shareFetch, needs: [.group(.read)]) { client, version in
            let request = ShareFetchRequest(groupId: "g", memberId: "nobody", maxBytes: 1000, maxRecords: 1)
            return [try client.ask(request, version: version).errorCode]
        },
        .init(api: .shareAcknowledge, needs: [.group(.read)]) { client, version in
            let request = ShareAcknowledgeRequest(groupId: "g", memberId: "nobody", shareSessionEpoch: 1)
            return [try client.ask(request, version: version).errorCode]
        },
        .init(api: .describeShareGroupOffsets, needs: [.group(.describe), .topic(.describe)]) { client, version in
            let request = DescribeShareGroupOffsetsRequest(
                groups: [.init(groupId: "g", topics: [.init(topicName: "t", partitions: [0])])])
            return try client.ask(request, version: version).groups.flatMap { group in
                [group.errorCode] + group.topics.flatMap { $0.partitions.map(\.errorCode) }
            }
        },
        .init(api: .alterShareGroupOffsets, needs: [.group(.read), .topic(.read)]) { client, version in
            let request = AlterShareGroupOffsetsRequest(
                groupId: "g",
                topics: [.init(topicName: "t", partitions: [.init(partitionIndex: 0, startOffset: 0)])])
            let answer = try client.ask(request, version: version)
            return [answer.errorCode] + answer.responses.flatMap { $0.partitions.map(\.errorCode) }
        },
        .init(api: .deleteShareGroupOffsets, needs: [.group(.delete), .topic(.read)]) { client, version in
            let request = DeleteShareGroupOffsetsRequest(groupId: "g", topics: [.init(topicName: "t")])
            let answer = try client.ask(request, version: version)
            return [answer.errorCode] + answer.responses.map(\.errorCode)
        },
    ]

    private static let transactions: [AuthorizationCase] = [
        .init(api: .findCoordinator, versions: 6...6, needs: [.cluster(.clusterAction)]) { client, version in
            let key = "g:\(KafkaUUID(high: 1, low: 2)):0"
            return try client.ask(FindCoordinatorRequest(keyType: 2, coordinatorKeys: [key]), version: version)
                .coordinators.map(\.errorCode)
        },
        .init(api: .findCoordinator, versions: 1...6, needs: [.transaction(.describe)]) { client, version in
            let request = FindCoordinatorRequest(
                key: version >= 4 ? "" : "x", keyType: 1, coordinatorKeys: version >= 4 ? ["x"] : [])
            let answer = try client.ask(request, version: version)
            return [answer.errorCode] + answer.coordinators.map(\.errorCode)
        },
        .init(api: .initProducerId, needs: [.transaction(.write)]) { client, version in
            let request = InitProducerIdRequest(transactionalId: "x", transactionTimeoutMs: 1000)
            return [try client.ask(request, version: version).errorCode]
        },
        .init(
            api: .initProducerId, needs: [.cluster(.idempotentWrite)], alternatives: [.init(.write, .topic, "*")]
        ) { client, version in
            [try client.ask(InitProducerIdRequest(transactionalId: nil), version: version).errorCode]
        },
        .init(
            api: .addPartitionsToTxn, versions: 0...3, needs: [.transaction(.write), .topic(.write)]
        ) { client, version in
            let request = AddPartitionsToTxnRequest(
                v3AndBelowTransactionalId: "x", v3AndBelowProducerId: 77,
                v3AndBelowTopics: [.init(name: "t", partitions: [0])])
            return try client.ask(request, version: version).resultsByTopicV3AndBelow
                .flatMap { $0.resultsByPartition.map(\.partitionErrorCode) }
        },
        .init(api: .addPartitionsToTxn, versions: 4...5, needs: [.cluster(.clusterAction)]) { client, version in
            let request = AddPartitionsToTxnRequest(
                transactions: [
                    .init(transactionalId: "x", producerId: 77, topics: [.init(name: "t", partitions: [0])])
                ])
            return [try client.ask(request, version: version).errorCode]
        },
        .init(api: .addOffsetsToTxn, needs: [.transaction(.write), .group(.read)]) { client, version in
            let request = AddOffsetsToTxnRequest(transactionalId: "x", producerId: 77, groupId: "g")
            return [try client.ask(request, version: version).errorCode]
        },
        .init(api: .endTxn, needs: [.transaction(.write)]) { client, version in
            [try client.ask(EndTxnRequest(transactionalId: "x", producerId: 77), version: version).errorCode]
        },
        .init(
            api: .txnOffsetCommit, needs: [.transaction(.write), .group(.read), .topic(.read)]
        ) { client, version in
            let request = TxnOffsetCommitRequest(
                transactionalId: "x", groupId: "g", producerId: 77,
                topics: [.init(name: "t", partitions: [.init()])])
            return try client.ask(request, version: version).topics.flatMap { $0.partitions.map(\.errorCode) }
        },
        .init(
            api: .writeTxnMarkers, needs: [.cluster(.alter)], alternatives: [.cluster(.clusterAction)]
        ) { client, version in
            let request = WriteTxnMarkersRequest(
                markers: [.init(producerId: 77, topics: [.init(name: "none", partitionIndexes: [0])])])
            return try client.ask(request, version: version).markers
                .flatMap { $0.topics.flatMap { $0.partitions.map(\.errorCode) } }
        },
        .init(api: .describeTransactions, needs: [.transaction(.describe)]) { client, version in
            try client.ask(DescribeTransactionsRequest(transactionalIds: ["x"]), version: version).transactionStates
                .map(\.errorCode)
        },
        .init(api: .listTransactions, needs: [.transaction(.describe)]) { client, version in
            let found = try client.ask(ListTransactionsRequest(), version: version).transactionStates
            return [found.contains { $0.transactionalId == "x" } ? 0 : 53]
        },
    ]

    private static let topics: [AuthorizationCase] = [
        .init(
            api: .createTopics, needs: [.init(.create, .topic, "new")], alternatives: [.cluster(.create)]
        ) { client, version in
            let request = CreateTopicsRequest(
                topics: [.init(name: "new", numPartitions: 1, replicationFactor: 1)], validateOnly: true)
            return try client.ask(request, version: version).topics.map(\.errorCode)
        },
        // A topic that nobody can delete, whoever asks.
        .init(
            api: .deleteTopics, needs: [.init(.delete, .topic, "__consumer_offsets")], alternatives: [.cluster(.delete)]
        ) { client, version in
            let name = "__consumer_offsets"
            let request =
                version >= 6
                ? DeleteTopicsRequest(topics: [.init(name: name)]) : DeleteTopicsRequest(topicNames: [name])
            return try client.ask(request, version: version).responses.map(\.errorCode)
        },
        .init(api: .deleteRecords, needs: [.topic(.delete)]) { client, version in
            let request = DeleteRecordsRequest(topics: [.init(name: "t", partitions: [.init(offset: 0)])])
            return try client.ask(request, version: version).topics[0].partitions.map(\.errorCode)
        },
        .init(api: .createPartitions, needs: [.topic(.alter)]) { client, version in
            let request = CreatePartitionsRequest(
                topics: [.init(name: "t", count: 1, assignments: nil)], validateOnly: true)
            return try client.ask(request, version: version).results.map(\.errorCode)
        },
    ]

    private static let configs: [AuthorizationCase] = [
        ofConfigs(2, "t", .topic), ofConfigs(4, "1", .cluster), ofConfigs(32, "g", .group),
    ].flatMap { $0 }

    private static func ofConfigs(_ type: Int8, _ name: String, _ resource: AclResourceType) -> [AuthorizationCase] {
        let need = { (operation: AclOperation) in
            AuthorizationCase.Need(operation, resource, resource == .cluster ? AclResourceType.clusterName : name)
        }
        return [
            .init(api: .describeConfigs, needs: [need(.describeConfigs)]) { client, version in
                let request = DescribeConfigsRequest(
                    resources: [.init(resourceType: type, resourceName: name, configurationKeys: nil)])
                return try client.ask(request, version: version).results.map(\.errorCode)
            },
            .init(api: .alterConfigs, needs: [need(.alterConfigs)]) { client, version in
                let request = AlterConfigsRequest(
                    resources: [.init(resourceType: type, resourceName: name)], validateOnly: true)
                return try client.ask(request, version: version).responses.map(\.errorCode)
            },
            .init(api: .incrementalAlterConfigs, needs: [need(.alterConfigs)]) { client, version in
                let request = IncrementalAlterConfigsRequest(
                    resources: [.init(resourceType: type, resourceName: name)], validateOnly: true)
                return try client.ask(request, version: version).responses.map(\.errorCode)
            },
        ]
    }

    private static let cluster: [AuthorizationCase] = [
        .init(api: .describeAcls, needs: [.cluster(.describe)]) { client, version in
            let request = DescribeAclsRequest(
                resourceTypeFilter: 1, resourceNameFilter: nil, patternTypeFilter: 1, principalFilter: nil,
                hostFilter: nil, operation: 1, permissionType: 1)
            return [try client.ask(request, version: version).errorCode]
        },
        .init(api: .createAcls, needs: [.cluster(.alter)]) { client, version in
            try client.ask(CreateAclsRequest(creations: [.init()]), version: version).results.map(\.errorCode)
        },
        .init(api: .deleteAcls, needs: [.cluster(.alter)]) { client, version in
            try client.ask(DeleteAclsRequest(filters: [.init()]), version: version).filterResults.map(\.errorCode)
        },
        .init(api: .describeLogDirs, needs: [.cluster(.describe)]) { client, version in
            let answer = try client.ask(DescribeLogDirsRequest(topics: nil), version: version)
            // Versions before 3 have no place for the error.
            return [version < 3 && answer.results.isEmpty ? 31 : answer.errorCode]
        },
        .init(api: .electLeaders, needs: [.cluster(.alter)]) { client, version in
            let request = ElectLeadersRequest(topicPartitions: [.init(topic: "t", partitions: [0])])
            let answer = try client.ask(request, version: version)
            return [answer.errorCode] + answer.replicaElectionResults.flatMap { $0.partitionResult.map(\.errorCode) }
        },
        .init(api: .alterReplicaLogDirs, needs: [.cluster(.alter)]) { client, version in
            let request = AlterReplicaLogDirsRequest(
                dirs: [.init(path: "/elsewhere", topics: [.init(name: "t", partitions: [0])])])
            return try client.ask(request, version: version).results.flatMap { $0.partitions.map(\.errorCode) }
        },
        .init(api: .unregisterBroker, needs: [.cluster(.alter)]) { client, version in
            [try client.ask(UnregisterBrokerRequest(brokerId: 77), version: version).errorCode]
        },
        .init(api: .alterPartitionReassignments, needs: [.cluster(.alter)]) { client, version in
            let request = AlterPartitionReassignmentsRequest(topics: [.init(name: "t", partitions: [.init()])])
            let answer = try client.ask(request, version: version)
            return [answer.errorCode] + answer.responses.flatMap { $0.partitions.map(\.errorCode) }
        },
        .init(api: .listPartitionReassignments, needs: [.cluster(.describe)]) { client, version in
            [try client.ask(ListPartitionReassignmentsRequest(), version: version).errorCode]
        },
        .init(api: .describeUserScramCredentials, needs: [.cluster(.describe)]) { client, version in
            [try client.ask(DescribeUserScramCredentialsRequest(users: nil), version: version).errorCode]
        },
        .init(api: .alterUserScramCredentials, needs: [.cluster(.alter)]) { client, version in
            let request = AlterUserScramCredentialsRequest(deletions: [.init(name: "nobody", mechanism: 1)])
            return try client.ask(request, version: version).results.map(\.errorCode)
        },
        .init(api: .describeClientQuotas, needs: [.cluster(.describeConfigs)]) { client, version in
            [try client.ask(DescribeClientQuotasRequest(), version: version).errorCode]
        },
        .init(api: .alterClientQuotas, needs: [.cluster(.alterConfigs)]) { client, version in
            let request = AlterClientQuotasRequest(
                entries: [
                    .init(
                        entity: [.init(entityType: "user", entityName: "nobody")],
                        ops: [.init(key: "producer_byte_rate", value: 1)])
                ], validateOnly: true)
            return try client.ask(request, version: version).entries.map(\.errorCode)
        },
        .init(api: .describeQuorum, needs: [.cluster(.describe)]) { client, version in
            [try client.ask(DescribeQuorumRequest(), version: version).errorCode]
        },
        .init(api: .updateFeatures, needs: [.cluster(.alter)]) { client, version in
            [try client.ask(UpdateFeaturesRequest(), version: version).errorCode]
        },
        .init(api: .describeCluster, needs: [.cluster(.describe)]) { client, version in
            // Everybody may know the brokers; what may be done is told to some.
            let request = DescribeClusterRequest(includeClusterAuthorizedOperations: true)
            return [try client.ask(request, version: version).clusterAuthorizedOperations == 0 ? 31 : 0]
        },
        .init(api: .listConfigResources, needs: [.cluster(.describeConfigs)]) { client, version in
            [try client.ask(ListConfigResourcesRequest(), version: version).errorCode]
        },
    ]
}
