import KafkaMessages
import LogStorage
import RecordBatches
import Security

extension BrokerNode {
    /// Special timestamps of ListOffsets (KIP-79, KIP-734, KIP-405, KIP-1005, KIP-1023).
    private enum Wanted {
        static let latest: Int64 = -1
        static let earliest: Int64 = -2
        static let maxTimestamp: Int64 = -3
        static let earliestLocal: Int64 = -4
        static let latestTiered: Int64 = -5
        static let earliestPendingUpload: Int64 = -6

        /// The first version of the request that knows a special timestamp; nil for one that none knows.
        static func firstVersion(of timestamp: Int64) -> Int16? {
            switch timestamp {
            case 0..., latest, earliest: 0
            case maxTimestamp: 7
            case earliestLocal: 8
            case latestTiered: 9
            case earliestPendingUpload: 11
            default: nil
            }
        }
    }

    func handleListOffsets(_ request: ListOffsetsRequest, _ responder: Responder) {
        // Searching by time reads the disk and may decompress, so it leaves the event loop.
        let needsSearch = request.topics.contains { topic in
            topic.partitions.contains { $0.timestamp >= 0 || $0.timestamp == Wanted.maxTimestamp }
        }
        if needsSearch {
            onDiskThread(responder) { responder.send(self.listOffsets(request, responder)) }
        } else {
            responder.send(listOffsets(request, responder))
        }
    }

    private func listOffsets(_ request: ListOffsetsRequest, _ responder: Responder) -> ListOffsetsResponse {
        let access = access(responder)
        var response = ListOffsetsResponse()
        let repeated = request.repeatedPartitions
        for wantedTopic in request.topics {
            var topicResponse = ListOffsetsResponse.ListOffsetsTopicResponse()
            topicResponse.name = wantedTopic.name
            guard access.permits(.describe, .topic, wantedTopic.name) else {
                topicResponse.partitions = wantedTopic.partitions.map { wanted in
                    var refused = ListOffsetsResponse.ListOffsetsPartitionResponse()
                    refused.partitionIndex = wanted.partitionIndex
                    refused.errorCode = ErrorCode.topicAuthorizationFailed.rawValue
                    return refused
                }
                response.topics.append(topicResponse)
                continue
            }
            let topic = catalog.topic(named: wantedTopic.name)
            for wanted in wantedTopic.partitions {
                // For which of the times it is asked nobody could tell by the answer.
                if repeated.contains(.init(topic: wantedTopic.name, index: wanted.partitionIndex)) {
                    topicResponse.partitions.append(
                        .init(partitionIndex: wanted.partitionIndex, errorCode: ErrorCode.invalidRequest.rawValue))
                    continue
                }
                topicResponse.partitions.append(
                    listOffset(wanted, topic, responder.apiVersion, isReadCommitted: request.isolationLevel == 1))
            }
            response.topics.append(topicResponse)
        }
        return response
    }

    private func listOffset(
        _ wanted: ListOffsetsRequest.ListOffsetsPartition, _ topic: Topic?, _ version: Int16,
        isReadCommitted: Bool
    ) -> ListOffsetsResponse.ListOffsetsPartitionResponse {
        var answer = ListOffsetsResponse.ListOffsetsPartitionResponse()
        answer.partitionIndex = wanted.partitionIndex
        guard let first = Wanted.firstVersion(of: wanted.timestamp), version >= first else {
            answer.errorCode = ErrorCode.unsupportedVersion.rawValue
            return answer
        }
        guard let topic, let partition = topic.partition(wanted.partitionIndex), !partition.isDeleted else {
            answer.errorCode = ErrorCode.unknownTopicOrPartition.rawValue
            return answer
        }
        if let mismatch = epochMismatch(wanted.currentLeaderEpoch, partition) {
            answer.errorCode = mismatch.rawValue
            return answer
        }
        let offsets = partition.log.offsets
        let limit = topic.config.rules.decompressedByteCountMax
        do throws(LogError) {
            switch wanted.timestamp {
            case Wanted.earliest, Wanted.earliestLocal: answer.offset = offsets.logStart
            case Wanted.latestTiered, Wanted.earliestPendingUpload: return answer
            case Wanted.maxTimestamp:
                guard let found = try partition.log.offsetOfMaxTimestamp(limit: limit),
                    !isReadCommitted || found.offset < offsets.lastStable
                else { return answer }
                answer.offset = found.offset
                answer.timestamp = found.timestamp
            case 0...:
                let found = try partition.log.offset(
                    forTimestamp: wanted.timestamp, upTo: isReadCommitted ? offsets.lastStable : .max, limit: limit)
                guard let found else { return answer }
                answer.offset = found.offset
                answer.timestamp = found.timestamp
            default: answer.offset = isReadCommitted ? offsets.lastStable : offsets.logEnd
            }
            guard version >= 4 else { return answer }
            answer.leaderEpoch =
                wanted.timestamp == Wanted.latest
                ? partition.log.leaderEpoch : partition.log.leaderEpoch(ofRecordAt: answer.offset) ?? -1
        } catch {
            answer.errorCode = error.kafkaCode
        }
        return answer
    }

    /// The error for a client whose view of the leadership is older or newer than ours (KIP-320); nil when it fits.
    func epochMismatch(_ clientEpoch: Int32, _ partition: Partition) -> ErrorCode? {
        guard clientEpoch >= 0 else { return nil }
        let epoch = partition.log.leaderEpoch
        if clientEpoch < epoch { return .fencedLeaderEpoch }
        if clientEpoch > epoch { return .unknownLeaderEpoch }
        return nil
    }
}

extension ListOffsetsRequest {
    fileprivate struct Place: Hashable {
        var topic: String
        var index: Int32
    }

    /// Partitions that are asked for more than once.
    fileprivate var repeatedPartitions: Set<Place> {
        var seen: Set<Place> = []
        var repeated: Set<Place> = []
        for topic in topics {
            for partition in topic.partitions {
                let place = Place(topic: topic.name, index: partition.partitionIndex)
                if !seen.insert(place).inserted { repeated.insert(place) }
            }
        }
        return repeated
    }
}
