import Bytes
import KafkaMessages
import Security

/// What a request needs before it is looked at.
///
/// - SeeAlso: upstream `KafkaApis`, `ControllerApis`.
enum RequiredPermission: Equatable {
    /// Nothing: clients need it to learn who answers, and to say who they are.
    case none
    /// One of these on the cluster; else the whole request is refused.
    case cluster([AclOperation])
    /// What its topics, groups and transactional ids need, each by itself, or what its handler asks for otherwise.
    case resources

    /// - Returns: nil for an API that nobody has thought of here: it is not served where there is an authorizer.
    static func of(_ apiKey: ApiKey, version: Int16) -> RequiredPermission? {
        switch apiKey {
        case .apiVersions, .saslHandshake, .saslAuthenticate: RequiredPermission.none
        case .describeAcls, .describeLogDirs, .describeQuorum, .listPartitionReassignments,
            .describeUserScramCredentials:
            .cluster([.describe])
        case .createAcls, .deleteAcls, .electLeaders, .alterPartitionReassignments, .updateFeatures,
            .alterUserScramCredentials, .alterReplicaLogDirs, .unregisterBroker:
            .cluster([.alter])
        case .listConfigResources, .describeClientQuotas: .cluster([.describeConfigs])
        case .alterClientQuotas: .cluster([.alterConfigs])
        case .writeTxnMarkers: .cluster([.alter, .clusterAction])
        // From version 4 on it comes from brokers, which have asked their clients for permissions.
        case .addPartitionsToTxn: version >= 4 ? .cluster([.clusterAction]) : .resources
        case .produce, .fetch, .listOffsets, .metadata, .offsetForLeaderEpoch, .describeTopicPartitions,
            .createTopics, .deleteTopics, .deleteRecords, .createPartitions, .describeProducers,
            .describeConfigs, .alterConfigs, .incrementalAlterConfigs, .describeCluster,
            .findCoordinator, .joinGroup, .syncGroup, .heartbeat, .leaveGroup, .offsetCommit, .offsetFetch,
            .offsetDelete, .listGroups, .describeGroups, .deleteGroups, .consumerGroupHeartbeat,
            .consumerGroupDescribe, .shareGroupHeartbeat, .shareGroupDescribe, .shareFetch,
            .shareAcknowledge, .describeShareGroupOffsets,
            .alterShareGroupOffsets, .deleteShareGroupOffsets, .streamsGroupHeartbeat, .streamsGroupDescribe,
            .initProducerId, .addOffsetsToTxn, .endTxn, .txnOffsetCommit, .describeTransactions, .listTransactions,
            .createDelegationToken, .renewDelegationToken, .expireDelegationToken, .describeDelegationToken:
            .resources
        default: nil
        }
    }
}

extension BrokerNode {
    /// Refuses a request whose sender lacks a permission that it needs as a whole. Called for every request that comes
    /// over a connection, before its handler.
    ///
    /// - Returns: whether the request is answered.
    /// - Throws: when its body cannot be read.
    func refuses(
        _ reader: inout WireReader, _ version: Int16, _ apiKey: ApiKey, _ responder: Responder
    ) throws(WireError) -> Bool {
        switch RequiredPermission.of(apiKey, version: version) {
        case RequiredPermission.none?, .resources?: return false
        case .cluster(let operations)?:
            let access = access(responder)
            // The last of several is the one that is told of.
            for (index, operation) in operations.enumerated()
            where access.permitsCluster(operation, isTold: index == operations.count - 1) {
                return false
            }
            try answerRefused(&reader, version, apiKey, responder)
        case nil:
            guard access(responder) != nil else { return false }
            responder.close(because: "\(apiKey.name): the authorizer does not know what it needs")
        }
        return true
    }

    /// The answer to a request for which a permission on the cluster is missing, as upstream's
    /// `AbstractRequest.getErrorResponse` has it.
    private func answerRefused(
        _ reader: inout WireReader, _ version: Int16, _ apiKey: ApiKey, _ responder: Responder
    ) throws(WireError) {
        let code = ErrorCode.clusterAuthorizationFailed.rawValue
        let message = Self.notAuthorizedForCluster
        switch apiKey {
        case .describeAcls: responder.send(DescribeAclsResponse(errorCode: code, errorMessage: message))
        case .createAcls:
            let request = try CreateAclsRequest(from: &reader, version: version)
            responder.send(
                CreateAclsResponse(
                    results: request.creations.map { _ in .init(errorCode: code, errorMessage: message) }))
        case .deleteAcls:
            let request = try DeleteAclsRequest(from: &reader, version: version)
            responder.send(
                DeleteAclsResponse(
                    filterResults: request.filters.map { _ in .init(errorCode: code, errorMessage: message) }))
        case .describeLogDirs: responder.send(DescribeLogDirsResponse(errorCode: version >= 3 ? code : 0))
        case .describeQuorum:
            responder.send(DescribeQuorumResponse(errorCode: code, errorMessage: version >= 2 ? message : nil))
        case .listPartitionReassignments:
            responder.send(ListPartitionReassignmentsResponse(errorCode: code, errorMessage: message))
        case .describeUserScramCredentials:
            responder.send(DescribeUserScramCredentialsResponse(errorCode: code, errorMessage: message))
        case .alterUserScramCredentials:
            let request = try AlterUserScramCredentialsRequest(from: &reader, version: version)
            let users = Set(request.deletions.map(\.name)).union(request.upsertions.map(\.name))
            responder.send(
                AlterUserScramCredentialsResponse(
                    results: users.sorted().map { .init(user: $0, errorCode: code, errorMessage: message) }))
        case .electLeaders:
            let request = try ElectLeadersRequest(from: &reader, version: version)
            responder.send(request.refused(code, message, version: version))
        case .alterPartitionReassignments:
            let request = try AlterPartitionReassignmentsRequest(from: &reader, version: version)
            responder.send(request.refused(code, message))
        case .alterReplicaLogDirs:
            responder.send(try AlterReplicaLogDirsRequest(from: &reader, version: version).refused(code))
        case .unregisterBroker: responder.send(UnregisterBrokerResponse(errorCode: code, errorMessage: message))
        case .updateFeatures:
            responder.send(UpdateFeaturesResponse(errorCode: code, errorMessage: message))
        case .listConfigResources: responder.send(ListConfigResourcesResponse(errorCode: code))
        case .describeClientQuotas:
            responder.send(DescribeClientQuotasResponse(errorCode: code, errorMessage: message, entries: nil))
        case .alterClientQuotas:
            let request = try AlterClientQuotasRequest(from: &reader, version: version)
            responder.send(
                AlterClientQuotasResponse(
                    entries: request.entries.map {
                        .init(errorCode: code, errorMessage: message, entity: $0.entity.map(\.answered))
                    }))
        case .writeTxnMarkers:
            responder.send(try WriteTxnMarkersRequest(from: &reader, version: version).refused(code))
        case .addPartitionsToTxn: responder.send(AddPartitionsToTxnResponse(errorCode: code))
        default: responder.close(because: "\(apiKey.name): not authorized")
        }
    }

    static let notAuthorizedForCluster = "Cluster authorization failed."
}

extension ElectLeadersRequest {
    fileprivate func refused(_ code: Int16, _ message: String, version: Int16) -> ElectLeadersResponse {
        ElectLeadersResponse(
            errorCode: version >= 1 ? code : 0,
            replicaElectionResults: (topicPartitions ?? []).map { topic in
                .init(
                    topic: topic.topic,
                    partitionResult: topic.partitions.map {
                        .init(partitionId: $0, errorCode: code, errorMessage: message)
                    })
            })
    }
}

extension AlterPartitionReassignmentsRequest {
    fileprivate func refused(_ code: Int16, _ message: String) -> AlterPartitionReassignmentsResponse {
        AlterPartitionReassignmentsResponse(
            errorCode: code, errorMessage: message,
            responses: topics.map { topic in
                .init(
                    name: topic.name,
                    partitions: topic.partitions.map {
                        .init(partitionIndex: $0.partitionIndex, errorCode: code, errorMessage: message)
                    })
            })
    }
}

extension AlterReplicaLogDirsRequest {
    fileprivate func refused(_ code: Int16) -> AlterReplicaLogDirsResponse {
        AlterReplicaLogDirsResponse(
            results: dirs.flatMap(\.topics).map { topic in
                .init(
                    topicName: topic.name,
                    partitions: topic.partitions.map { .init(partitionIndex: $0, errorCode: code) })
            })
    }
}

extension WriteTxnMarkersRequest {
    fileprivate func refused(_ code: Int16) -> WriteTxnMarkersResponse {
        WriteTxnMarkersResponse(
            markers: markers.map { marker in
                .init(
                    producerId: marker.producerId,
                    topics: marker.topics.map { topic in
                        .init(
                            name: topic.name,
                            partitions: topic.partitionIndexes.map { .init(partitionIndex: $0, errorCode: code) })
                    })
            })
    }
}
