import Environment
import KafkaMessages
import LogStorage
import Logging
import Security

extension BrokerNode {
    func handleDescribeLogDirs(_ request: DescribeLogDirsRequest, _ responder: Responder) {
        onDiskThread(responder) { [self] in
            var response = DescribeLogDirsResponse()
            var result = DescribeLogDirsResponse.DescribeLogDirsResult()
            result.logDir = RealDisk.absolutePath(directory.directory)
            do throws(DiskError) {
                let space = try disk.space(directory.directory)
                result.totalBytes = space.total
                result.usableBytes = space.free
            } catch {
                logger.warning("size of the file system is unknown", metadata: ["error": "\(error)"])
            }
            let wanted = request.topics.map { topics in
                Dictionary(topics.map { ($0.topic, Set($0.partitions)) }, uniquingKeysWith: { $0.union($1) })
            }
            for topic in catalog.snapshot.sorted {
                let indexes = wanted?[topic.name]
                guard wanted == nil || indexes != nil else { continue }
                var entry = DescribeLogDirsResponse.DescribeLogDirsTopic()
                entry.name = topic.name
                for partition in topic.partitions where indexes?.contains(partition.index) ?? true {
                    var described = DescribeLogDirsResponse.DescribeLogDirsPartition()
                    described.partitionIndex = partition.index
                    described.partitionSize = partition.log.byteCount
                    entry.partitions.append(described)
                }
                result.topics.append(entry)
            }
            response.results = [result]
            responder.send(response)
        }
    }

    func handleDescribeProducers(_ request: DescribeProducersRequest, _ responder: Responder) {
        var response = DescribeProducersResponse()
        let access = access(responder)
        for wantedTopic in request.topics {
            var topicResponse = DescribeProducersResponse.TopicResponse()
            topicResponse.name = wantedTopic.name
            let isPermitted = access.permits(.read, .topic, wantedTopic.name)
            let topic = catalog.topic(named: wantedTopic.name)
            for index in wantedTopic.partitionIndexes {
                var entry = DescribeProducersResponse.PartitionResponse()
                entry.partitionIndex = index
                if !isPermitted {
                    entry.errorCode = ErrorCode.topicAuthorizationFailed.rawValue
                } else if let partition = topic?.partition(index) {
                    entry.activeProducers = partition.log.producers().map { producer in
                        var state = DescribeProducersResponse.ProducerState()
                        state.producerId = producer.producerId
                        state.producerEpoch = Int32(producer.epoch)
                        state.lastSequence = producer.lastSequence
                        state.lastTimestamp = producer.lastTimestamp
                        state.coordinatorEpoch = producer.coordinatorEpoch
                        state.currentTxnStartOffset = producer.currentTxnFirstOffset
                        return state
                    }
                } else {
                    entry.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
                }
                topicResponse.partitions.append(entry)
            }
            response.topics.append(topicResponse)
        }
        responder.send(response)
    }
}
