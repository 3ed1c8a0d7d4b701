import Bytes
import KafkaMessages
import NIOCore
import RecordBatches
import Testing

@testable import Broker

/// The requests of groups and transactions in every version that is offered, one round each.
@Suite struct CoordinationVersionTests {
    private static let topic = "ratings"

    private static func versions(_ api: ApiKey) -> ClosedRange<Int16> { OfferedApis.versions(of: api) ?? 0...0 }

    /// A client of a broker with a topic of two partitions whose coordinators exist.
    private static func client(_ server: BrokerServer) throws -> (WireClient, topicId: KafkaUUID) {
        let client = try WireClient(port: server.port)
        var create = CreateTopicsRequest()
        var wanted = CreateTopicsRequest.CreatableTopic()
        wanted.name = topic
        wanted.numPartitions = 2
        wanted.replicationFactor = 1
        create.topics = [wanted]
        let id = try client.ask(create, version: 7).topics[0].topicId
        for type in [0, 1] as [Int8] {
            var find = FindCoordinatorRequest()
            find.keyType = type
            find.coordinatorKeys = ["x"]
            let node = try client.ask(find, version: 4).coordinators[0].nodeId
            #expect(node == 1)
        }
        return (client, id)
    }

    /// As upstream `KafkaApis.getCoordinator` and `SharePartitionKey`.
    @Test func `coordinators of share partitions are found from version 6 on`() async throws {
        let id = KafkaUUID(high: 1, low: 2).description
        let cases: [(key: String, version: Int16, code: Int16)] = [
            ("g:\(id):0", 6, 0), ("g:with:colons:\(id):3", 6, 0), ("g:\(id):0", 5, 42), ("", 6, 42), ("g", 6, 42),
            (":\(id):0", 6, 42), (" :\(id):0", 6, 42), ("g:\(id)", 6, 42), ("g:x:0", 6, 42), ("g:\(id):", 6, 42),
            ("g:\(id):x", 6, 42), ("g:\(id):2147483648", 6, 42),
        ]
        try await withBroker { server in
            let client = try WireClient(port: server.port)
            for (key, version, code) in cases {
                let request = FindCoordinatorRequest(keyType: 2, coordinatorKeys: [key])
                let found = try client.ask(request, version: version).coordinators[0]
                #expect(found.errorCode == code, "\(key)")
                #expect(found.key == key)
                #expect(found.nodeId == (code == 0 ? 1 : -1))
                #expect(found.port == (code == 0 ? Int32(server.port) : -1))
            }
            let both = FindCoordinatorRequest(keyType: 2, coordinatorKeys: ["g", "g:\(id):0"])
            #expect(try client.ask(both, version: 6).coordinators.map(\.errorCode) == [42, 0])
        }
    }

    /// Joins and syncs a lone member with the newest versions.
    private static func member(
        _ client: WireClient, _ group: String
    ) throws -> (id: String, generation: Int32) {
        var join = JoinGroupRequest()
        join.groupId = group
        join.sessionTimeoutMs = 10_000
        join.rebalanceTimeoutMs = 10_000
        join.protocolType = "own"
        var way = JoinGroupRequest.JoinGroupRequestProtocol()
        way.name = "way"
        way.metadata = ByteBuffer(bytes: [1, 2, 3])
        join.protocols = [way]
        join.memberId = try client.ask(join, version: 9).memberId
        let joined = try client.ask(join, version: 9)
        #expect(joined.errorCode == 0)
        #expect(joined.leader == joined.memberId)
        var sync = SyncGroupRequest()
        sync.groupId = group
        sync.memberId = joined.memberId
        sync.generationId = joined.generationId
        sync.protocolType = "own"
        sync.protocolName = "way"
        sync.assignments = [.init(memberId: joined.memberId, assignment: ByteBuffer(bytes: [9]))]
        let synced = try client.ask(sync, version: 5)
        #expect(synced.assignment == ByteBuffer(bytes: [9]))
        return (joined.memberId, joined.generationId)
    }

    @Test func `a member joins, syncs, beats and leaves`() async throws {
        try await withBroker { server in
            let (client, _) = try Self.client(server)
            for version in Self.versions(.joinGroup) {
                let group = "join-\(version)"
                var join = JoinGroupRequest()
                join.groupId = group
                join.sessionTimeoutMs = 10_000
                join.rebalanceTimeoutMs = version >= 1 ? 10_000 : -1
                join.protocolType = "own"
                var way = JoinGroupRequest.JoinGroupRequestProtocol()
                way.name = "way"
                way.metadata = ByteBuffer(bytes: [1])
                join.protocols = [way]
                var joined = try client.ask(join, version: version)
                if version >= 4 {
                    #expect(joined.errorCode == ErrorCode.memberIdRequired.rawValue)
                    join.memberId = joined.memberId
                    joined = try client.ask(join, version: version)
                }
                #expect(joined.errorCode == 0)
                #expect(joined.members.map(\.metadata) == [ByteBuffer(bytes: [1])])
                let syncVersion = min(version, Self.versions(.syncGroup).upperBound)
                var sync = SyncGroupRequest()
                sync.groupId = group
                sync.memberId = joined.memberId
                sync.generationId = joined.generationId
                if syncVersion >= 5 {
                    sync.protocolType = "own"
                    sync.protocolName = "way"
                }
                sync.assignments = [.init(memberId: joined.memberId, assignment: ByteBuffer(bytes: [7]))]
                let assignment = try client.ask(sync, version: syncVersion).assignment
                #expect(assignment == ByteBuffer(bytes: [7]))
                var beat = HeartbeatRequest()
                beat.groupId = group
                beat.memberId = joined.memberId
                beat.generationId = joined.generationId
                let beaten = try client.ask(beat, version: min(version, Self.versions(.heartbeat).upperBound))
                #expect(beaten.errorCode == 0)
                let leaveVersion = min(version, Self.versions(.leaveGroup).upperBound)
                var leave = LeaveGroupRequest()
                leave.groupId = group
                if leaveVersion >= 3 {
                    leave.members = [.init(memberId: joined.memberId)]
                } else {
                    leave.memberId = joined.memberId
                }
                let left = try client.ask(leave, version: leaveVersion)
                #expect(left.errorCode == 0)
            }
        }
    }

    @Test func `offsets are committed, fetched and deleted`() async throws {
        try await withBroker { server in
            let (client, topicId) = try Self.client(server)
            for version in Self.versions(.offsetCommit) {
                let group = "offsets-\(version)"
                var commit = OffsetCommitRequest()
                commit.groupId = group
                var topic = OffsetCommitRequest.OffsetCommitRequestTopic()
                if version >= 10 { topic.topicId = topicId } else { topic.name = Self.topic }
                topic.partitions = [.init(partitionIndex: 0, committedOffset: Int64(version), committedMetadata: "m")]
                commit.topics = [topic]
                let committed = try client.ask(commit, version: version).topics[0].partitions.map(\.errorCode)
                #expect(committed == [0])
            }
            for version in Self.versions(.offsetFetch) {
                var fetch = OffsetFetchRequest()
                let found: [Int64]
                if version >= 8 {
                    var group = OffsetFetchRequest.OffsetFetchRequestGroup()
                    group.groupId = "offsets-5"
                    var topic = OffsetFetchRequest.OffsetFetchRequestTopics()
                    if version >= 10 { topic.topicId = topicId } else { topic.name = Self.topic }
                    topic.partitionIndexes = [0, 1]
                    group.topics = [topic]
                    fetch.groups = [group]
                    found = try client.ask(fetch, version: version).groups[0].topics[0].partitions.map(
                        \.committedOffset)
                } else {
                    fetch.groupId = "offsets-5"
                    fetch.topics = [.init(name: Self.topic, partitionIndexes: [0, 1])]
                    found = try client.ask(fetch, version: version).topics[0].partitions.map(\.committedOffset)
                }
                #expect(found == [5, -1])
            }
            var delete = OffsetDeleteRequest()
            delete.groupId = "offsets-5"
            delete.topics = [.init(name: Self.topic, partitions: [.init(partitionIndex: 0)])]
            let deleted = try client.ask(delete, version: 0)
            #expect(deleted.errorCode == 0)
            #expect(deleted.topics[0].partitions.map(\.errorCode) == [0])
        }
    }

    @Test func `before anybody looked for a coordinator there is none`() async throws {
        try await withBroker { server in
            let client = try WireClient(port: server.port)
            let notCoordinator = ErrorCode.notCoordinator.rawValue
            for version in Self.versions(.offsetFetch) {
                var fetch = OffsetFetchRequest()
                if version >= 8 {
                    fetch.groups = [.init(groupId: "g", topics: [.init(name: Self.topic, partitionIndexes: [0])])]
                } else {
                    fetch.groupId = "g"
                    fetch.topics = [.init(name: Self.topic, partitionIndexes: [0])]
                }
                let response = try client.ask(fetch, version: version)
                let code =
                    switch version {
                    case ..<2: response.topics[0].partitions[0].errorCode
                    case ..<8: response.errorCode
                    default: response.groups[0].errorCode
                    }
                #expect(code == notCoordinator)
                // Also where clients look that do not know the error of the group.
                let partitions =
                    version < 8
                    ? response.topics[0].partitions.map(\.errorCode)
                    : response.groups[0].topics[0].partitions.map(\.errorCode)
                #expect(partitions == [notCoordinator])
            }
            for version in Self.versions(.joinGroup) {
                let code = try client.ask(JoinGroupRequest(groupId: "g"), version: version).errorCode
                #expect(code == notCoordinator)
            }
            for version in Self.versions(.heartbeat) {
                let code = try client.ask(HeartbeatRequest(groupId: "g"), version: version).errorCode
                #expect(code == notCoordinator)
            }
            let listed = try client.ask(ListGroupsRequest(), version: 5)
            #expect(listed.errorCode == 0 && listed.groups.isEmpty)
        }
    }

    @Test func `groups are listed, described and deleted`() async throws {
        try await withBroker { server in
            let (client, _) = try Self.client(server)
            let member = try Self.member(client, "told")
            for version in Self.versions(.listGroups) {
                let groups = try client.ask(ListGroupsRequest(), version: version).groups
                #expect(groups.map(\.groupId) == ["told"])
                #expect(groups.map(\.groupState) == [version >= 4 ? "Stable" : ""])
            }
            for version in Self.versions(.describeGroups) {
                var request = DescribeGroupsRequest()
                request.groups = ["told", "unknown"]
                let groups = try client.ask(request, version: version).groups
                #expect(groups.map(\.groupState) == ["Stable", "Dead"])
                #expect(groups[0].members.map(\.memberId) == [member.id])
                #expect(groups[0].members.map(\.memberAssignment) == [ByteBuffer(bytes: [9])])
                #expect(groups[1].errorCode == (version >= 6 ? ErrorCode.groupIdNotFound.rawValue : 0))
            }
            for version in Self.versions(.deleteGroups) {
                var request = DeleteGroupsRequest()
                request.groupsNames = ["told", "unknown"]
                let codes = try client.ask(request, version: version).results.map(\.errorCode)
                #expect(codes == [ErrorCode.nonEmptyGroup.rawValue, ErrorCode.groupIdNotFound.rawValue])
            }
        }
    }

    @Test func `transactions begin, take offsets and end`() async throws {
        try await withBroker { server in
            let (client, topicId) = try Self.client(server)
            for version in 0...5 as ClosedRange<Int16> {
                let id = "transaction-\(version)"
                var initialize = InitProducerIdRequest()
                initialize.transactionalId = id
                initialize.transactionTimeoutMs = 10_000
                let producer = try client.ask(initialize, version: version)
                #expect(producer.errorCode == 0)

                let addVersion = min(version, 3)  // later versions are for brokers among themselves
                var add = AddPartitionsToTxnRequest()
                add.v3AndBelowTransactionalId = id
                add.v3AndBelowProducerId = producer.producerId
                add.v3AndBelowProducerEpoch = producer.producerEpoch
                add.v3AndBelowTopics = [.init(name: Self.topic, partitions: [0])]
                let added = try client.ask(add, version: addVersion)
                #expect(added.resultsByTopicV3AndBelow[0].resultsByPartition.map(\.partitionErrorCode) == [0])
                let written = try client.ask(
                    try Self.produce(id, producer, version: 11, topicId), version: 11)
                #expect(written.responses[0].partitionResponses[0].errorCode == 0)

                var addOffsets = AddOffsetsToTxnRequest()
                addOffsets.transactionalId = id
                addOffsets.producerId = producer.producerId
                addOffsets.producerEpoch = producer.producerEpoch
                addOffsets.groupId = "g-\(version)"
                let offsetsAdded = try client.ask(addOffsets, version: min(version, 4))
                #expect(offsetsAdded.errorCode == 0)
                var commit = TxnOffsetCommitRequest()
                commit.transactionalId = id
                commit.groupId = "g-\(version)"
                commit.producerId = producer.producerId
                commit.producerEpoch = producer.producerEpoch
                commit.topics = [
                    .init(
                        name: Self.topic,
                        partitions: [.init(partitionIndex: 0, committedOffset: 77, committedMetadata: "")])
                ]
                let committed = try client.ask(commit, version: version)
                #expect(committed.topics[0].partitions.map(\.errorCode) == [0])
                let before = try Self.committed(client, "g-\(version)")
                #expect(before == -1)

                var describe = DescribeTransactionsRequest()
                describe.transactionalIds = [id, "unknown"]
                let described = try client.ask(describe, version: 0).transactionStates
                #expect(described.map(\.transactionState) == ["Ongoing", ""])
                #expect(described[1].errorCode == ErrorCode.transactionalIdNotFound.rawValue)

                var end = EndTxnRequest()
                end.transactionalId = id
                end.producerId = producer.producerId
                end.producerEpoch = producer.producerEpoch
                end.committed = true
                let ended = try client.ask(end, version: version)
                #expect(ended.errorCode == 0)
                if version >= 5 { #expect(ended.producerEpoch == producer.producerEpoch + 1) }
                let after = try Self.committed(client, "g-\(version)")
                #expect(after == 77)
            }
            for version in Self.versions(.listTransactions) {
                let listed = try client.ask(ListTransactionsRequest(), version: version).transactionStates
                #expect(listed.map(\.transactionState) == Array(repeating: "CompleteCommit", count: 6))
            }
        }
    }

    @Test func `offsets of a transaction need their partition in it, and a producer that was not fenced`() async throws
    {
        try await withBroker { server in
            let (client, _) = try Self.client(server)
            var initialize = InitProducerIdRequest()
            initialize.transactionalId = "t"
            initialize.transactionTimeoutMs = 10_000
            let producer = try client.ask(initialize, version: 5)
            func commit(_ version: Int16) throws -> Int16 {
                let request = TxnOffsetCommitRequest(
                    transactionalId: "t", groupId: "g", producerId: producer.producerId,
                    producerEpoch: producer.producerEpoch,
                    topics: [
                        .init(
                            name: Self.topic,
                            partitions: [.init(partitionIndex: 0, committedOffset: 1, committedMetadata: "")])
                    ])
                return try client.ask(request, version: version).topics[0].partitions[0].errorCode
            }
            let missing = [try commit(3), try commit(4)]
            #expect(missing == [ErrorCode.invalidTxnState.rawValue, ErrorCode.transactionAbortable.rawValue])
            _ = try client.ask(initialize, version: 5)
            let fenced = [try commit(3), try commit(4), try commit(5)]
            #expect(fenced == Array(repeating: ErrorCode.invalidProducerEpoch.rawValue, count: 3))
        }
    }

    @Test func `the newest producers leave adding partitions to the broker`() async throws {
        try await withBroker { server in
            let (client, topicId) = try Self.client(server)
            var initialize = InitProducerIdRequest()
            initialize.transactionalId = "new"
            initialize.transactionTimeoutMs = 10_000
            let producer = try client.ask(initialize, version: 5)
            // Before version 12 the partition must have been added.
            let refused = try client.ask(try Self.produce("new", producer, version: 11, topicId), version: 11)
            #expect(
                refused.responses[0].partitionResponses[0].errorCode == ErrorCode.transactionAbortable.rawValue)
            let written = try client.ask(try Self.produce("new", producer, version: 12, topicId), version: 12)
            #expect(written.responses[0].partitionResponses[0].errorCode == 0)

            let open = try Self.fetch(client, isCommitted: true)
            #expect(open.lastStableOffset == 0)
            #expect(open.highWatermark == 2)
            var end = EndTxnRequest()
            end.transactionalId = "new"
            end.producerId = producer.producerId
            end.producerEpoch = producer.producerEpoch
            end.committed = false
            let ended = try client.ask(end, version: 5)
            #expect(ended.errorCode == 0)
            let aborted = try Self.fetch(client, isCommitted: true)
            #expect(aborted.lastStableOffset == 3)
            #expect(aborted.abortedTransactions?.map(\.firstOffset) == [0])
            let all = try Self.fetch(client, isCommitted: false)
            #expect(all.abortedTransactions == nil)
        }
    }

    @Test func `internal topics are not written, shortened or deleted by clients`() async throws {
        try await withBroker { server in
            let (client, _) = try Self.client(server)
            var delete = DeleteTopicsRequest()
            delete.topicNames = ["__consumer_offsets"]
            let deleted = try client.ask(delete, version: 5).responses.map(\.errorCode)
            #expect(deleted == [ErrorCode.invalidTopicException.rawValue])
            var records = DeleteRecordsRequest()
            records.topics = [.init(name: "__consumer_offsets", partitions: [.init(partitionIndex: 0, offset: 0)])]
            let cut = try client.ask(records, version: 2).topics[0].partitions.map(\.errorCode)
            #expect(cut == [ErrorCode.invalidTopicException.rawValue])
            var produce = ProduceRequest()
            produce.acks = -1
            produce.topicData = [
                .init(
                    name: "__consumer_offsets",
                    partitionData: [.init(index: 0, records: .bytes(try EveryVersionTests.batch(["x"])))])
            ]
            let written = try client.ask(produce, version: 9).responses[0].partitionResponses.map(\.errorCode)
            #expect(written == [ErrorCode.invalidTopicException.rawValue])
        }
    }

    @Test func `a group has settings of its own, within the broker's bounds`() async throws {
        try await withBroker { server in
            let (client, _) = try Self.client(server)
            func alter(_ name: String, _ value: String) throws -> Int16 {
                var request = IncrementalAlterConfigsRequest()
                request.resources = [
                    .init(
                        resourceType: 32, resourceName: "g",
                        configs: [.init(name: name, configOperation: 0, value: value)])
                ]
                return try client.ask(request, version: 1).responses[0].errorCode
            }
            let codes = [
                try alter("consumer.session.timeout.ms", "50000"), try alter("consumer.session.timeout.ms", "1"),
                try alter("consumer.session.timeout.ms", "x"), try alter("consumer.sesion.timeout.ms", "50000"),
            ]
            let invalid = ErrorCode.invalidConfig.rawValue
            #expect(codes == [0, invalid, invalid, invalid])
            var describe = DescribeConfigsRequest()
            describe.resources = [.init(resourceType: 32, resourceName: "g", configurationKeys: nil)]
            let configs = try client.ask(describe, version: 4).results[0].configs
            #expect(configs.filter { $0.name.hasPrefix("consumer.") }.map(\.value) == ["0", "5000", "50000"])
            #expect(
                configs.filter { $0.name.hasPrefix("share.") }.map(\.value) == [
                    "0", "latest", "5", "5000", "read_uncommitted", "2000", "30000", "true", "45000",
                ])
            var list = ListConfigResourcesRequest()
            list.resourceTypes = [32]
            let listed = try client.ask(list, version: 1).configResources.map(\.resourceName)
            #expect(listed == ["g"])
            var twice = IncrementalAlterConfigsRequest()
            twice.resources = ["g", "h", "g"].map { name in
                .init(
                    resourceType: 32, resourceName: name,
                    configs: [.init(name: "consumer.session.timeout.ms", configOperation: 0, value: "55000")])
            }
            let answers = try client.ask(twice, version: 1).responses
            let refused = ErrorCode.invalidRequest.rawValue
            #expect(answers.map(\.errorCode) == [refused, 0, refused])
            #expect(answers[0].errorMessage == "Each resource must appear at most once.")
        }
    }

    /// Upstream's `GroupConfig.validateValues`.
    @Test func `a group's session is longer than the pause between two heartbeats`() async throws {
        let properties = [
            "group.consumer.min.session.timeout.ms": "1000", "group.consumer.min.heartbeat.interval.ms": "1000",
        ]
        try await withBroker(properties) { server in
            let node = server.node
            for (values, isGood) in [
                (["consumer.session.timeout.ms": "5000"], false), (["consumer.session.timeout.ms": "5001"], true),
                (["consumer.session.timeout.ms": "2000", "consumer.heartbeat.interval.ms": "1999"], true),
                (["consumer.session.timeout.ms": "2000", "consumer.heartbeat.interval.ms": "2000"], false),
            ] {
                let outcome = await node.controller.value { _ in
                    Result { () throws(ControlError) in
                        let changes = values.map { ConfigAlteration(name: $0.key, operation: .set, value: $0.value) }
                        try node.alter(32, "g", changes, isIncremental: false, validateOnly: true)
                    }
                }
                switch outcome {
                case .success: #expect(isGood, "\(values)")
                case .failure(let error): #expect(!isGood && error.code == .invalidConfig, "\(values)")
                }
            }
        }
    }

    // MARK: Parts

    private static func produce(
        _ id: String, _ producer: InitProducerIdResponse, version: Int16, _ topicId: KafkaUUID
    ) throws -> ProduceRequest {
        var builder = BatchBuilder()
        builder.producerId = producer.producerId
        builder.producerEpoch = producer.producerEpoch
        builder.baseSequence = 0
        builder.isTransactional = true
        try builder.append(timestamp: 1_000, key: nil, value: Array("one".utf8))
        try builder.append(timestamp: 1_001, key: nil, value: Array("two".utf8))
        var request = ProduceRequest()
        request.transactionalId = id
        request.acks = -1
        request.timeoutMs = 1_000
        request.topicData = [
            .init(
                name: topic, partitionData: [.init(index: 0, records: .bytes(ByteBuffer(bytes: try builder.build())))])
        ]
        return request
    }

    private static func committed(_ client: WireClient, _ group: String) throws -> Int64 {
        var fetch = OffsetFetchRequest()
        fetch.groupId = group
        fetch.topics = [.init(name: topic, partitionIndexes: [0])]
        return try client.ask(fetch, version: 5).topics[0].partitions[0].committedOffset
    }

    private static func fetch(_ client: WireClient, isCommitted: Bool) throws -> FetchResponse.PartitionData {
        var request = FetchRequest()
        request.maxWaitMs = 0
        request.maxBytes = 1 << 20
        request.isolationLevel = isCommitted ? 1 : 0
        request.topics = [
            .init(topic: topic, partitions: [.init(partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20)])
        ]
        return try client.ask(request, version: 11).responses[0].partitions[0]
    }
}
