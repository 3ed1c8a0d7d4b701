import Environment
import KafkaMessages

/// Honest answers to requests that only mean something with several brokers.
extension BrokerNode {
    /// The one replica leads already.
    func handleElectLeaders(_ request: ElectLeadersRequest, _ responder: Responder) {
        var response = ElectLeadersResponse()
        let snapshot = catalog.snapshot
        // Null asks for all partitions; of those only the ones that changed are listed, so none.
        for wantedTopic in request.topicPartitions ?? [] {
            var result = ElectLeadersResponse.ReplicaElectionResult()
            result.topic = wantedTopic.topic
            for index in wantedTopic.partitions {
                var entry = ElectLeadersResponse.PartitionResult()
                entry.partitionId = index
                if snapshot.topic(named: wantedTopic.topic)?.partition(index) == nil {
                    entry.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
                    entry.errorMessage = "No such topic as \(wantedTopic.topic)"
                } else {
                    entry.errorCode = ErrorCode.electionNotNeeded.rawValue
                    entry.errorMessage = "the only replica is the leader"
                }
                result.partitionResult.append(entry)
            }
            response.replicaElectionResults.append(result)
        }
        responder.send(response)
    }

    func handleAlterPartitionReassignments(_ request: AlterPartitionReassignmentsRequest, _ responder: Responder) {
        var response = AlterPartitionReassignmentsResponse()
        response.errorMessage = nil
        let snapshot = catalog.snapshot
        for wantedTopic in request.topics {
            var result = AlterPartitionReassignmentsResponse.ReassignableTopicResponse()
            result.name = wantedTopic.name
            for wanted in wantedTopic.partitions {
                var entry = AlterPartitionReassignmentsResponse.ReassignablePartitionResponse()
                entry.partitionIndex = wanted.partitionIndex
                entry.errorMessage = nil
                if snapshot.topic(named: wantedTopic.name)?.partition(wanted.partitionIndex) == nil {
                    entry.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
                    entry.errorMessage = "The topic or partition does not exist."
                } else if let replicas = wanted.replicas {
                    if replicas != [nodeId] {
                        entry.errorCode = ErrorCode.invalidReplicaAssignment.rawValue
                        entry.errorMessage = "broker \(nodeId) is the only one there is"
                    }
                } else {
                    entry.errorCode = ErrorCode.noReassignmentInProgress.rawValue
                    entry.errorMessage = "no reassignment is in progress"
                }
                result.partitions.append(entry)
            }
            response.responses.append(result)
        }
        responder.send(response)
    }

    func handleListPartitionReassignments(_ request: ListPartitionReassignmentsRequest, _ responder: Responder) {
        var response = ListPartitionReassignmentsResponse()
        response.errorMessage = nil
        responder.send(response)
    }

    /// The metadata quorum of one: this node leads, and has all that there is.
    func handleDescribeQuorum(_ request: DescribeQuorumRequest, _ responder: Responder) {
        var response = DescribeQuorumResponse()
        response.errorMessage = nil
        let now = clock.now()
        for wantedTopic in request.topics {
            var topic = DescribeQuorumResponse.TopicData()
            topic.topicName = wantedTopic.topicName
            for wanted in wantedTopic.partitions {
                var entry = DescribeQuorumResponse.PartitionData()
                entry.partitionIndex = wanted.partitionIndex
                entry.errorMessage = nil
                if wantedTopic.topicName == "__cluster_metadata" && wanted.partitionIndex == 0 {
                    var voter = DescribeQuorumResponse.ReplicaState()
                    voter.replicaId = nodeId
                    voter.logEndOffset = controller.metadataEnd
                    if responder.apiVersion >= 1 {
                        voter.lastFetchTimestamp = now
                        voter.lastCaughtUpTimestamp = now
                    }
                    entry.leaderId = nodeId
                    entry.leaderEpoch = leaderEpoch
                    entry.highWatermark = voter.logEndOffset
                    entry.currentVoters = [voter]
                } else {
                    entry.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
                    entry.errorMessage = "only __cluster_metadata-0 has a quorum"
                }
                topic.partitions.append(entry)
            }
            response.topics.append(topic)
        }
        if responder.apiVersion >= 2 {
            var node = DescribeQuorumResponse.Node()
            node.nodeId = nodeId
            node.listeners = listeners.map { running in
                var listener = DescribeQuorumResponse.Listener()
                listener.name = running.name
                listener.host = running.advertised.host
                listener.port = UInt16(clamping: running.advertised.port)
                return listener
            }
            response.nodes = [node]
        }
        responder.send(response)
    }

    /// The levels of all features are fixed: an update succeeds that asks for what is in force, others are refused.
    func handleUpdateFeatures(_ request: UpdateFeaturesRequest, _ responder: Responder) {
        var response = UpdateFeaturesResponse()
        response.errorMessage = nil
        let problems = request.featureUpdates.map { update -> String? in
            guard let feature = Features.all.first(where: { $0.name == update.feature }) else {
                return "feature '\(update.feature)' is not known"
            }
            return update.maxVersionLevel == feature.level
                ? nil : "feature '\(update.feature)' stays at level \(feature.level) on this broker"
        }
        if responder.apiVersion >= 2 {
            if let problem = problems.lazy.compactMap({ $0 }).first {
                response.errorCode = ErrorCode.invalidUpdateVersion.rawValue
                response.errorMessage =
                    "The update failed for all features since the following feature had an error: " + problem
            }
        } else {
            response.results = zip(request.featureUpdates, problems).map { update, problem in
                var result = UpdateFeaturesResponse.UpdatableFeatureResult()
                result.feature = update.feature
                result.errorCode = (problem == nil ? ErrorCode.none : .invalidUpdateVersion).rawValue
                result.errorMessage = problem
                return result
            }
        }
        responder.send(response)
    }
}
