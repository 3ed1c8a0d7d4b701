import KafkaMessages
import LogStorage
import Security

extension BrokerNode {
    /// Tells up to which offset an epoch reached, by which a client notices that a log was cut (KIP-320).
    func handleOffsetForLeaderEpoch(_ request: OffsetForLeaderEpochRequest, _ responder: Responder) {
        var response = OffsetForLeaderEpochResponse()
        let access = access(responder)
        // Brokers ask for all topics; others for those that they may describe.
        let asksAsBroker = access.permitsCluster(.clusterAction, isTold: false)
        for wantedTopic in request.topics {
            var topicResult = OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult()
            topicResult.topic = wantedTopic.topic
            let isPermitted = asksAsBroker || access.permits(.describe, .topic, wantedTopic.topic)
            let topic = catalog.topic(named: wantedTopic.topic)
            for wanted in wantedTopic.partitions {
                var answer = OffsetForLeaderEpochResponse.EpochEndOffset()
                answer.partition = wanted.partition
                if !isPermitted {
                    answer.errorCode = ErrorCode.topicAuthorizationFailed.rawValue
                } else if let partition = topic?.partition(wanted.partition), !partition.isDeleted {
                    if let mismatch = epochMismatch(wanted.currentLeaderEpoch, partition) {
                        answer.errorCode = mismatch.rawValue
                    } else if let end = partition.log.endOffset(forLeaderEpoch: wanted.leaderEpoch) {
                        answer.leaderEpoch = end.epoch
                        answer.endOffset = end.endOffset
                    }
                } else {
                    answer.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
                }
                topicResult.partitions.append(answer)
            }
            response.topics.append(topicResult)
        }
        responder.send(response)
    }
}
