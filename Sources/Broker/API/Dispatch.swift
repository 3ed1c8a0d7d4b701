import Bytes
import KafkaMessages

extension BrokerNode {
    /// Reads one request's body and answers it, now or later. On the connection's event loop.
    ///
    /// - Throws: when the body cannot be read; the connection must then be closed.
    func handle(
        _ reader: inout WireReader, _ version: Int16, _ apiKey: ApiKey, _ connection: Connection, _ responder: Responder
    ) throws(WireError) {
        if apiKey == .produce {
            return handleProduce(try ProduceRequest(from: &reader, version: version), connection, responder)
        }
        connection.willAnswer(responder)
        if try refuses(&reader, version, apiKey, responder) { return }
        switch apiKey {
        case .fetch: handleFetch(try FetchRequest(from: &reader, version: version), connection, responder)
        case .shareFetch:
            handleShareFetch(try ShareFetchRequest(from: &reader, version: version), connection, responder)
        case .apiVersions:
            handleApiVersions(try ApiVersionsRequest(from: &reader, version: version), connection, responder)
        default: try handle(&reader, version, apiKey, responder)
        }
    }

    /// Reads and answers a request that may also come from this process, without a connection.
    func handle(
        _ reader: inout WireReader, _ version: Int16, _ apiKey: ApiKey, _ responder: Responder
    ) throws(WireError) {
        switch apiKey {
        case .listOffsets: handleListOffsets(try ListOffsetsRequest(from: &reader, version: version), responder)
        case .metadata: handleMetadata(try MetadataRequest(from: &reader, version: version), responder)
        case .findCoordinator:
            handleFindCoordinator(try FindCoordinatorRequest(from: &reader, version: version), responder)
        case .offsetCommit: handleOffsetCommit(try OffsetCommitRequest(from: &reader, version: version), responder)
        case .offsetFetch: handleOffsetFetch(try OffsetFetchRequest(from: &reader, version: version), responder)
        case .joinGroup: handleJoinGroup(try JoinGroupRequest(from: &reader, version: version), responder)
        case .heartbeat: handleHeartbeat(try HeartbeatRequest(from: &reader, version: version), responder)
        case .leaveGroup: handleLeaveGroup(try LeaveGroupRequest(from: &reader, version: version), responder)
        case .syncGroup: handleSyncGroup(try SyncGroupRequest(from: &reader, version: version), responder)
        case .describeGroups:
            handleDescribeGroups(try DescribeGroupsRequest(from: &reader, version: version), responder)
        case .listGroups: handleListGroups(try ListGroupsRequest(from: &reader, version: version), responder)
        case .consumerGroupHeartbeat:
            handleConsumerGroupHeartbeat(
                try ConsumerGroupHeartbeatRequest(from: &reader, version: version), responder)
        case .consumerGroupDescribe:
            handleConsumerGroupDescribe(
                try ConsumerGroupDescribeRequest(from: &reader, version: version), responder)
        case .shareGroupHeartbeat:
            handleShareGroupHeartbeat(try ShareGroupHeartbeatRequest(from: &reader, version: version), responder)
        case .shareGroupDescribe:
            handleShareGroupDescribe(try ShareGroupDescribeRequest(from: &reader, version: version), responder)
        case .describeShareGroupOffsets:
            handleDescribeShareGroupOffsets(
                try DescribeShareGroupOffsetsRequest(from: &reader, version: version), responder)
        case .alterShareGroupOffsets:
            handleAlterShareGroupOffsets(
                try AlterShareGroupOffsetsRequest(from: &reader, version: version), responder)
        case .deleteShareGroupOffsets:
            handleDeleteShareGroupOffsets(
                try DeleteShareGroupOffsetsRequest(from: &reader, version: version), responder)
        case .streamsGroupHeartbeat:
            handleStreamsGroupHeartbeat(try StreamsGroupHeartbeatRequest(from: &reader, version: version), responder)
        case .streamsGroupDescribe:
            handleStreamsGroupDescribe(try StreamsGroupDescribeRequest(from: &reader, version: version), responder)
        case .shareAcknowledge:
            handleShareAcknowledge(try ShareAcknowledgeRequest(from: &reader, version: version), responder)
        case .addPartitionsToTxn:
            handleAddPartitionsToTxn(try AddPartitionsToTxnRequest(from: &reader, version: version), responder)
        case .addOffsetsToTxn:
            handleAddOffsetsToTxn(try AddOffsetsToTxnRequest(from: &reader, version: version), responder)
        case .endTxn: handleEndTxn(try EndTxnRequest(from: &reader, version: version), responder)
        case .writeTxnMarkers:
            handleWriteTxnMarkers(try WriteTxnMarkersRequest(from: &reader, version: version), responder)
        case .txnOffsetCommit:
            handleTxnOffsetCommit(try TxnOffsetCommitRequest(from: &reader, version: version), responder)
        case .deleteGroups: handleDeleteGroups(try DeleteGroupsRequest(from: &reader, version: version), responder)
        case .offsetDelete: handleOffsetDelete(try OffsetDeleteRequest(from: &reader, version: version), responder)
        case .describeTransactions:
            handleDescribeTransactions(try DescribeTransactionsRequest(from: &reader, version: version), responder)
        case .listTransactions:
            handleListTransactions(try ListTransactionsRequest(from: &reader, version: version), responder)
        case .saslHandshake:
            handleSaslHandshake(try SaslHandshakeRequest(from: &reader, version: version), responder)
        case .saslAuthenticate:
            handleSaslAuthenticate(try SaslAuthenticateRequest(from: &reader, version: version), responder)
        case .createTopics: handleCreateTopics(try CreateTopicsRequest(from: &reader, version: version), responder)
        case .deleteTopics: handleDeleteTopics(try DeleteTopicsRequest(from: &reader, version: version), responder)
        case .deleteRecords: handleDeleteRecords(try DeleteRecordsRequest(from: &reader, version: version), responder)
        case .initProducerId:
            handleInitProducerId(try InitProducerIdRequest(from: &reader, version: version), responder)
        case .offsetForLeaderEpoch:
            handleOffsetForLeaderEpoch(try OffsetForLeaderEpochRequest(from: &reader, version: version), responder)
        case .describeConfigs:
            handleDescribeConfigs(try DescribeConfigsRequest(from: &reader, version: version), responder)
        case .alterConfigs: handleAlterConfigs(try AlterConfigsRequest(from: &reader, version: version), responder)
        case .incrementalAlterConfigs:
            handleIncrementalAlterConfigs(
                try IncrementalAlterConfigsRequest(from: &reader, version: version), responder)
        case .describeLogDirs:
            handleDescribeLogDirs(try DescribeLogDirsRequest(from: &reader, version: version), responder)
        case .createPartitions:
            handleCreatePartitions(try CreatePartitionsRequest(from: &reader, version: version), responder)
        case .electLeaders: handleElectLeaders(try ElectLeadersRequest(from: &reader, version: version), responder)
        case .alterPartitionReassignments:
            handleAlterPartitionReassignments(
                try AlterPartitionReassignmentsRequest(from: &reader, version: version), responder)
        case .listPartitionReassignments:
            handleListPartitionReassignments(
                try ListPartitionReassignmentsRequest(from: &reader, version: version), responder)
        case .alterReplicaLogDirs:
            handleAlterReplicaLogDirs(try AlterReplicaLogDirsRequest(from: &reader, version: version), responder)
        case .unregisterBroker:
            handleUnregisterBroker(try UnregisterBrokerRequest(from: &reader, version: version), responder)
        case .describeAcls: handleDescribeAcls(try DescribeAclsRequest(from: &reader, version: version), responder)
        case .createAcls: handleCreateAcls(try CreateAclsRequest(from: &reader, version: version), responder)
        case .deleteAcls: handleDeleteAcls(try DeleteAclsRequest(from: &reader, version: version), responder)
        case .describeClientQuotas:
            handleDescribeClientQuotas(try DescribeClientQuotasRequest(from: &reader, version: version), responder)
        case .alterClientQuotas:
            handleAlterClientQuotas(try AlterClientQuotasRequest(from: &reader, version: version), responder)
        case .describeUserScramCredentials:
            handleDescribeUserScramCredentials(
                try DescribeUserScramCredentialsRequest(from: &reader, version: version), responder)
        case .alterUserScramCredentials:
            handleAlterUserScramCredentials(
                try AlterUserScramCredentialsRequest(from: &reader, version: version), responder)
        case .createDelegationToken:
            handleCreateDelegationToken(
                try CreateDelegationTokenRequest(from: &reader, version: version), responder)
        case .renewDelegationToken:
            handleRenewDelegationToken(try RenewDelegationTokenRequest(from: &reader, version: version), responder)
        case .expireDelegationToken:
            handleExpireDelegationToken(
                try ExpireDelegationTokenRequest(from: &reader, version: version), responder)
        case .describeDelegationToken:
            handleDescribeDelegationToken(
                try DescribeDelegationTokenRequest(from: &reader, version: version), responder)
        case .describeQuorum:
            handleDescribeQuorum(try DescribeQuorumRequest(from: &reader, version: version), responder)
        case .updateFeatures:
            handleUpdateFeatures(try UpdateFeaturesRequest(from: &reader, version: version), responder)
        case .describeCluster:
            handleDescribeCluster(try DescribeClusterRequest(from: &reader, version: version), responder)
        case .describeProducers:
            handleDescribeProducers(try DescribeProducersRequest(from: &reader, version: version), responder)
        case .listConfigResources:
            handleListConfigResources(try ListConfigResourcesRequest(from: &reader, version: version), responder)
        case .describeTopicPartitions:
            handleDescribeTopicPartitions(
                try DescribeTopicPartitionsRequest(from: &reader, version: version), responder)
        default: throw .unsupported("\(apiKey.name) is not offered")
        }
    }
}
