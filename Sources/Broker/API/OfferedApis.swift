package import KafkaMessages

/// What the broker offers: the answer to ApiVersions, and the only requests it reads.
package enum OfferedApis {
    /// Versions per request. Produce lists 0-2 although they are refused: librdkafka before 2.8 compresses only for a
    /// broker that lists Produce 0 (KAFKA-18659), and Kafka 4 does the same.
    private static let ranges: [ApiKey: ClosedRange<Int16>] = [
        .produce: 0...13,
        .fetch: 4...18,
        .listOffsets: 1...11,
        .metadata: 0...13,
        .offsetCommit: 2...10,
        .offsetFetch: 1...10,
        .findCoordinator: 0...6,
        .joinGroup: 0...9,
        .heartbeat: 0...4,
        .leaveGroup: 0...5,
        .syncGroup: 0...5,
        .describeGroups: 0...6,
        .listGroups: 0...5,
        .saslHandshake: 0...1,
        .apiVersions: 0...4,
        .createTopics: 2...7,
        .deleteTopics: 1...6,
        .deleteRecords: 0...2,
        .initProducerId: 0...5,
        .offsetForLeaderEpoch: 2...4,
        .addPartitionsToTxn: 0...5,
        .addOffsetsToTxn: 0...4,
        .endTxn: 0...5,
        .writeTxnMarkers: 1...2,
        .txnOffsetCommit: 0...5,
        .describeAcls: 1...3,
        .createAcls: 1...3,
        .deleteAcls: 1...3,
        .describeConfigs: 1...4,
        .alterConfigs: 0...2,
        .alterReplicaLogDirs: 1...2,
        .describeLogDirs: 1...5,
        .createPartitions: 0...3,
        .createDelegationToken: 1...3,
        .renewDelegationToken: 1...2,
        .expireDelegationToken: 1...2,
        .describeDelegationToken: 1...3,
        .deleteGroups: 0...2,
        .electLeaders: 0...2,
        .incrementalAlterConfigs: 0...1,
        .alterPartitionReassignments: 0...1,
        .listPartitionReassignments: 0...0,
        .offsetDelete: 0...0,
        .saslAuthenticate: 0...2,
        .describeClientQuotas: 0...1,
        .alterClientQuotas: 0...1,
        .describeUserScramCredentials: 0...0,
        .alterUserScramCredentials: 0...0,
        .describeQuorum: 0...2,
        .updateFeatures: 0...2,
        .describeCluster: 0...2,
        .describeProducers: 0...0,
        .unregisterBroker: 0...0,
        .describeTransactions: 0...0,
        .listTransactions: 0...2,
        .consumerGroupHeartbeat: 0...1,
        .consumerGroupDescribe: 0...1,
        .listConfigResources: 0...1,
        .describeTopicPartitions: 0...0,
        .shareGroupHeartbeat: 1...1,
        .shareGroupDescribe: 1...1,
        .shareFetch: 1...2,
        .shareAcknowledge: 1...2,
        .describeShareGroupOffsets: 0...1,
        .alterShareGroupOffsets: 0...0,
        .deleteShareGroupOffsets: 0...0,
        .streamsGroupHeartbeat: 0...0,
        .streamsGroupDescribe: 0...0,
    ]

    /// Those of Produce that are served: below, records are in formats that Kafka 4 has no more.
    package static let servedProduce: ClosedRange<Int16> = 3...13

    package static func versions(of api: ApiKey) -> ClosedRange<Int16>? { ranges[api] }

    /// In the order of keys.
    package static let list: [ApiVersionsResponse.ApiVersion] = ranges.sorted { $0.key.rawValue < $1.key.rawValue }.map
    {
        var entry = ApiVersionsResponse.ApiVersion()
        entry.apiKey = $0.key.rawValue
        entry.minVersion = $0.value.lowerBound
        entry.maxVersion = $0.value.upperBound
        return entry
    }
}
