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
        switch apiKey {
        case .fetch: handleFetch(try FetchRequest(from: &reader, version: version), connection, responder)
        case .listOffsets: handleListOffsets(try ListOffsetsRequest(from: &reader, version: version), responder)
        case .metadata: handleMetadata(try MetadataRequest(from: &reader, version: version), responder)
        case .findCoordinator:
            handleFindCoordinator(try FindCoordinatorRequest(from: &reader, version: version), responder)
        case .apiVersions:
            handleApiVersions(try ApiVersionsRequest(from: &reader, version: version), connection, responder)
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
