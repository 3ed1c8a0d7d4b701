import Environment
import KafkaMessages
import LogStorage

/// Honest answers to requests that only mean something with several brokers.
extension BrokerNode {
    /// The one replica leads already.
    func handleElectLeaders(_ request: ElectLeadersRequest, _ responder: Responder) {
        var response = ElectLeadersResponse()
        let snapshot = catalog.snapshot
        // 0: the preferred replica, 1: any.
        let problem = 0...1 ~= request.electionType ? nil : "Unknown election type \(request.electionType)"
        if problem != nil, responder.apiVersion >= 1 { response.errorCode = ErrorCode.invalidRequest.rawValue }
        // Null asks for all partitions; of those only the ones that changed are listed, so none.
        for wantedTopic in request.topicPartitions ?? [] {
            var result = ElectLeadersResponse.ReplicaElectionResult()
            result.topic = wantedTopic.topic
            let topic = snapshot.topic(named: wantedTopic.topic)
            for index in wantedTopic.partitions {
                var entry = ElectLeadersResponse.PartitionResult()
                entry.partitionId = index
                if let problem {
                    entry.errorCode = ErrorCode.invalidRequest.rawValue
                    entry.errorMessage = problem
                } else if topic?.partition(index) == nil {
                    entry.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
                    entry.errorMessage =
                        topic == nil
                        ? "No such topic as \(wantedTopic.topic)" : "No such partition as \(wantedTopic.topic)-\(index)"
                } else {
                    entry.errorCode = ErrorCode.electionNotNeeded.rawValue
                    entry.errorMessage = "Leader election not needed for topic partition."
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
            let topic = snapshot.topic(named: wantedTopic.name)
            for wanted in wantedTopic.partitions {
                var entry = AlterPartitionReassignmentsResponse.ReassignablePartitionResponse()
                entry.partitionIndex = wanted.partitionIndex
                entry.errorMessage = nil
                do throws(ControlError) {
                    guard let topic else {
                        throw ControlError(
                            .unknownTopicOrPartition, "Unable to find a topic named \(wantedTopic.name).")
                    }
                    guard topic.partition(wanted.partitionIndex) != nil else {
                        throw ControlError(
                            .unknownTopicOrPartition,
                            "Unable to find partition \(wantedTopic.name):\(wanted.partitionIndex).")
                    }
                    guard let replicas = wanted.replicas else {
                        throw ControlError(
                            .noReassignmentInProgress, "No partition reassignment is in progress.")
                    }
                    try TopicRules.checkReplicas(replicas, nodeId: nodeId)
                } catch {
                    entry.errorCode = error.code.rawValue
                    entry.errorMessage = error.message
                }
                result.partitions.append(entry)
            }
            response.responses.append(result)
        }
        responder.send(response)
    }

    /// A partition is where it should be, or there is no such place: there is one log directory.
    func handleAlterReplicaLogDirs(_ request: AlterReplicaLogDirsRequest, _ responder: Responder) {
        var response = AlterReplicaLogDirsResponse()
        let snapshot = catalog.snapshot
        let path = RealDisk.absolutePath(directory.directory)
        for wanted in request.dirs {
            for wantedTopic in wanted.topics {
                let topic = snapshot.topic(named: wantedTopic.name)
                let partitions = wantedTopic.partitions.map { index in
                    let code: ErrorCode =
                        wanted.path != path
                        ? .logDirNotFound : topic?.partition(index) == nil ? .unknownTopicOrPartition : .none
                    return AlterReplicaLogDirsResponse.AlterReplicaLogDirPartitionResult(
                        partitionIndex: index, errorCode: code.rawValue)
                }
                response.results.append(.init(topicName: wantedTopic.name, partitions: partitions))
            }
        }
        responder.send(response)
    }

    /// There is no other broker to take off the list, and this one answers.
    func handleUnregisterBroker(_ request: UnregisterBrokerRequest, _ responder: Responder) {
        guard request.brokerId == nodeId else {
            return responder.send(
                UnregisterBrokerResponse(
                    errorCode: ErrorCode.brokerIdNotRegistered.rawValue,
                    errorMessage: "Broker ID \(request.brokerId) is not currently registered"))
        }
        responder.send(
            UnregisterBrokerResponse(
                errorCode: ErrorCode.invalidRequest.rawValue,
                errorMessage: "Broker ID \(nodeId) is the only one of this cluster, and is running"))
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
            // 1: upgrade, 2: safe downgrade, 3: unsafe downgrade; before version 1 a flag said what was meant.
            let type = responder.apiVersion >= 1 ? update.upgradeType : update.allowDowngrade ? 2 : 1
            return Features.problem(update.feature, level: update.maxVersionLevel, type, nodeId: nodeId).map {
                "Invalid update version \(update.maxVersionLevel) for feature \(update.feature). \($0)"
            }
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
