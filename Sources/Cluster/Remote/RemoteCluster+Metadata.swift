import CRdKafka
import KafkaMessages

extension RemoteCluster {
    /// Internal topics are known by their names. Ids are not told: librdkafka 2.0 does not know them; see `topicIds`.
    package func topics() async throws(ClusterError) -> [TopicDescription] {
        try await calls.run { [self] () throws(ClusterError) in
            try metadata(of: nil, "list topics") { metadata throws(ClusterError) in
                try Self.topics(metadata, "list topics").sorted { $0.name < $1.name }
            }
        }
    }

    package func topic(_ name: String) async throws(ClusterError) -> TopicDescription {
        try await calls.run { [self] () throws(ClusterError) in try topicBlocking(name) }
    }

    /// `topic` on the calling thread, which must not be one of the cooperative pool.
    ///
    /// - Parameter handle: the client that asks, and comes to know the topic as it is; the admin client by default.
    func topicBlocking(_ name: String, by handle: ClientHandle? = nil) throws(ClusterError) -> TopicDescription {
        let attempt = "topic '\(name)'"
        guard !name.isEmpty else { throw ClusterError(.invalidTopic, "a topic has a name") }
        return try metadata(of: name, attempt, by: handle) { metadata throws(ClusterError) in
            guard let topic = try Self.topics(metadata, attempt).first(where: { $0.name == name }) else {
                throw ClusterError(.unknownTopicOrPartition, "\(attempt) does not exist")
            }
            return topic
        }
    }

    package func describeCluster() async throws(ClusterError) -> ClusterDescription {
        let admin = admin
        return try await calls.run { [self] () throws(ClusterError) in
            let brokers = try metadata(of: nil, "describe the cluster") { metadata throws(ClusterError) in
                (0..<Int(metadata.broker_cnt)).map { index in
                    let broker = metadata.brokers[index]
                    return BrokerDescription(
                        id: broker.id, host: String(cString: broker.host), port: Int32(clamping: broker.port))
                }
            }
            // Both are known from the metadata that came just now, so these do not wait.
            let id = rd_kafka_clusterid(admin.client, 0)
            defer { if let id { rd_kafka_mem_free(admin.client, id) } }
            let controller = rd_kafka_controllerid(admin.client, 0)
            return ClusterDescription(
                id: id.map { String(cString: $0) }, controller: controller < 0 ? nil : controller,
                brokers: brokers.sorted { $0.id < $1.id })
        }
    }

    package func offsets(
        _ wanted: [TopicPartition: LogPosition], isolation: Isolation
    ) async throws(ClusterError) -> [TopicPartition: Int64] {
        let handle = try client(isolation: isolation)
        // By the client that is asked next, for which the partitions may be new.
        try await check(Array(wanted.keys), by: handle)
        return try await offsets(wanted, isolation: isolation, by: handle)
    }

    /// `offsets` of partitions that `handle` knows to be there.
    func offsets(
        _ wanted: [TopicPartition: LogPosition], isolation: Isolation, by handle: ClientHandle
    ) async throws(ClusterError) -> [TopicPartition: Int64] {
        let timeout = requestTimeoutMilliseconds
        let end: Int64 = -1, beginning: Int64 = -2  // ListOffsets' special timestamps
        let newest = try await offsetsOfMaxTimestamp(
            wanted.filter { $0.value == .maxTimestamp }.keys.sorted(), isolation)
        let found = try await calls.run { () throws(ClusterError) in
            var found = newest
            var asked: [TopicPartition: Int64] = [:]
            for (partition, position) in wanted {
                switch position {
                case .offset(let offset): found[partition] = offset
                case .beginning: asked[partition] = beginning
                case .end, .beforeEnd: asked[partition] = end
                case .maxTimestamp: break
                case .timestamp(let time): asked[partition] = max(0, time)
                }
            }
            for (partition, offset) in try Self.listOffsets(handle, asked, timeout) {
                // The broker answers -1 when no record is that young; we promise the end then.
                found[partition] = offset < 0 ? nil : offset
            }
            let ends = try Self.listOffsets(
                handle, wanted.filter { found[$0.key] == nil }.mapValues { _ in end }, timeout)
            found.merge(ends) { first, _ in first }
            let starts = try Self.listOffsets(
                handle,
                wanted.filter { if case .beforeEnd = $0.value { true } else { false } }
                    .mapValues { _ in beginning }, timeout)
            for (partition, start) in starts {
                guard case .beforeEnd(let count)? = wanted[partition], let end = found[partition] else { continue }
                found[partition] = max(start, end.subtractingReportingOverflow(max(0, count)).partialValue)
            }
            return found
        }
        return found
    }

    /// Where the record with the largest timestamp is in each of `partitions`, without those that have no records. By
    /// connections of our own: librdkafka 2.0 asks in versions that do not know this (KIP-734).
    private func offsetsOfMaxTimestamp(
        _ partitions: [TopicPartition], _ isolation: Isolation
    ) async throws(ClusterError) -> [TopicPartition: Int64] {
        let attempt = "look for the largest timestamps"
        do throws(ClusterError) {
            return try await Self.askingTwice(partitions, attempt) { [self] partitions throws(ClusterError) in
                try await maxTimestampRound(partitions, isolation, attempt)
            }
        } catch { throw error.during(attempt) }
    }

    /// Of partitions of which `ask` gives an error, those whose leader has moved, or is being chosen, are asked for once
    /// more, after a pause.
    static func askingTwice(
        _ partitions: [TopicPartition], _ attempt: String, pause: Duration = .milliseconds(100),
        _ ask: ([TopicPartition]) async throws(ClusterError) -> (
            found: [TopicPartition: Int64], failures: [TopicPartition: ErrorCode]
        )
    ) async throws(ClusterError) -> [TopicPartition: Int64] {
        guard !partitions.isEmpty else { return [:] }
        var (found, failures) = try await ask(partitions)
        let passing: Set<ErrorCode> = [.leaderNotAvailable, .notLeaderOrFollower]
        if !failures.isEmpty, failures.values.allSatisfy(passing.contains) {
            try? await Task.sleep(for: pause)  // who is cancelled does not wait
            let second = try await ask(failures.keys.sorted())
            found.merge(second.found) { $1 }
            failures = second.failures
        }
        if let (partition, code) = failures.min(by: { $0.key < $1.key }) {
            throw ClusterError(code: code, "\(attempt) of \(partition)")
        }
        return found
    }

    /// Asks the leaders that the metadata of this moment names.
    private func maxTimestampRound(
        _ partitions: [TopicPartition], _ isolation: Isolation, _ attempt: String
    ) async throws(ClusterError) -> (found: [TopicPartition: Int64], failures: [TopicPartition: ErrorCode]) {
        typealias Request = ListOffsetsRequest
        var found: [TopicPartition: Int64] = [:]
        var failures: [TopicPartition: ErrorCode] = [:]
        var byLeader: [Int32: [Request.ListOffsetsTopic]] = [:]
        for (name, partitions) in Dictionary(grouping: partitions, by: \.topic) {
            let topic = try await calls.run { [self] () throws(ClusterError) in try topicBlocking(name) }
            for (leader, led) in Dictionary(grouping: topic.partitions, by: \.leader) {
                let asked = partitions.filter { wanted in led.contains { $0.partition == wanted.partition } }
                guard !asked.isEmpty else { continue }
                guard let leader else {
                    for partition in asked { failures[partition] = .leaderNotAvailable }
                    continue
                }
                byLeader[leader, default: []].append(
                    .init(name: name, partitions: asked.map { .init(partitionIndex: $0.partition, timestamp: -3) }))
            }
        }
        for (leader, topics) in byLeader {
            let request = Request(
                replicaId: -1, isolationLevel: isolation == .readCommitted ? 1 : 0, topics: topics)
            let answer = try await requests.call(
                to: .broker(leader), versions: 7...9, timeout: requests.timeout
            ) { _ in request }
            for topic in answer.topics {
                for partition in topic.partitions {
                    let place = TopicPartition(topic.name, partition.partitionIndex)
                    if partition.errorCode != 0 {
                        failures[place] = ErrorCode(rawValue: partition.errorCode)
                    } else if partition.offset >= 0 {
                        found[place] = partition.offset
                    }
                }
            }
        }
        return (found, failures)
    }

    /// One ListOffsets round: a timestamp, or one of the special ones, per partition.
    private static func listOffsets(
        _ handle: ClientHandle, _ asked: [TopicPartition: Int64], _ timeout: Int32
    ) throws(ClusterError) -> [TopicPartition: Int64] {
        guard !asked.isEmpty else { return [:] }
        let list = rd_kafka_topic_partition_list_new(Int32(asked.count))
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for (partition, time) in asked {
            rd_kafka_topic_partition_list_add(list, partition.topic, partition.partition).pointee.offset = time
        }
        let error = rd_kafka_offsets_for_times(handle.client, list, timeout)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR, let list else {
            throw ClusterError(rdkafka: error, "list offsets")
        }
        var found: [TopicPartition: Int64] = [:]
        for index in 0..<Int(list.pointee.cnt) {
            let answer = list.pointee.elems[index]
            let partition = TopicPartition(String(cString: answer.topic), answer.partition)
            guard answer.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
                throw ClusterError(rdkafka: answer.err, "list offsets of \(partition)")
            }
            found[partition] = answer.offset
        }
        return found
    }

    /// Makes sure that the partitions exist: librdkafka would wait for unknown ones until the timeout.
    ///
    /// - Parameter handle: the client that asks; the admin client by default.
    func check(_ partitions: [TopicPartition], by handle: ClientHandle? = nil) async throws(ClusterError) {
        for (topic, partitions) in Dictionary(grouping: partitions, by: \.topic) {
            let count = try await calls.run { [self] () throws(ClusterError) in
                try topicBlocking(topic, by: handle).partitions.count
            }
            for partition in partitions where !(0..<count ~= Int(partition.partition)) {
                throw Self.unknown(partition, partitionCount: count)
            }
        }
    }

    /// One Metadata round. Blocks.
    ///
    /// - Parameter topic: nil for all topics.
    private func metadata<Value>(
        of topic: String?, _ attempt: String, by handle: ClientHandle? = nil,
        _ read: (rd_kafka_metadata) throws(ClusterError) -> Value
    ) throws(ClusterError) -> Value {
        let handle = handle ?? admin
        var topicHandle: OpaquePointer?
        if let topic {
            // Not kept: the client would go on asking for the metadata of every name it was ever given.
            topicHandle = rd_kafka_topic_new(handle.client, topic, nil)
            guard topicHandle != nil else { throw ClusterError(rdkafka: rd_kafka_last_error(), attempt) }
        }
        defer { if let topicHandle { rd_kafka_topic_destroy(topicHandle) } }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let error = rd_kafka_metadata(
            handle.client, topic == nil ? 1 : 0, topicHandle, &metadata, requestTimeoutMilliseconds)
        defer { if let metadata { rd_kafka_metadata_destroy(metadata) } }
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else {
            throw explained(ClusterError(rdkafka: error, attempt), by: handle)
        }
        handle.connectionError = nil  // what was wrong with the connection is over
        return try read(metadata.pointee)
    }

    private static func topics(
        _ metadata: rd_kafka_metadata, _ attempt: String
    ) throws(ClusterError) -> [TopicDescription] {
        var topics: [TopicDescription] = []
        for index in 0..<Int(metadata.topic_cnt) {
            let topic = metadata.topics[index]
            let name = String(cString: topic.topic)
            switch topic.err {
            case RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE: break
            case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: continue
            default: throw ClusterError(rdkafka: topic.err, attempt)
            }
            let partitions = (0..<Int(topic.partition_cnt)).map { index in
                let partition = topic.partitions[index]
                return PartitionDescription(
                    partition: partition.id, leader: partition.leader < 0 ? nil : partition.leader,
                    replicas: Array(UnsafeBufferPointer(start: partition.replicas, count: Int(partition.replica_cnt))),
                    inSyncReplicas: Array(UnsafeBufferPointer(start: partition.isrs, count: Int(partition.isr_cnt))))
            }
            topics.append(
                TopicDescription(
                    name: name, isInternal: internalTopics.contains(name),
                    partitions: partitions.sorted { $0.partition < $1.partition }))
        }
        return topics
    }

    private static let internalTopics: Set<String> = [
        "__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata",
    ]
}
