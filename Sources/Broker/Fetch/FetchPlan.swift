import Compression
import KafkaMessages
import LogStorage
import Logging
import RecordBatches
import Security

/// One partition that a fetch asks for.
struct FetchTarget: Sendable {
    /// As the client names it: by id from version 13 on, else by name.
    struct Key: Hashable, Sendable {
        var topicId: KafkaUUID
        var topicName: String
        var partition: Int32
    }
    var key: Key
    var fetchOffset: Int64
    var maxBytes: Int32
    var currentLeaderEpoch: Int32
    var lastFetchedEpoch: Int32

    init(_ topic: FetchRequest.FetchTopic, _ partition: FetchRequest.FetchPartition) {
        key = Key(topicId: topic.topicId, topicName: topic.topic, partition: partition.partition)
        fetchOffset = partition.fetchOffset
        maxBytes = partition.partitionMaxBytes
        currentLeaderEpoch = partition.currentLeaderEpoch
        lastFetchedEpoch = partition.lastFetchedEpoch
    }
}

/// What one partition has for a fetch.
struct FetchedPartition {
    var key: FetchTarget.Key
    var error: ErrorCode = .none
    var highWatermark: Int64 = -1
    var lastStable: Int64 = -1
    /// Aborted transactions with records in the slice, for a reader of committed records only; else nil.
    var abortedTransactions: [AbortedTransaction]?
    var logStart: Int64 = -1
    var slice: LogSlice?
    var divergingEpoch: (epoch: Int32, endOffset: Int64)?

    var byteCount: Int { slice?.byteCount ?? 0 }
}

/// The limits of one fetch.
struct FetchLimits: Sendable {
    var version: Int16
    /// Only what lies before the last stable offset is read (KIP-98).
    var isReadCommitted: Bool
    var maxBytes: Int
    var minBytes: Int
    /// What the reader may read; nil is everything.
    var access: Access?
}

extension BrokerNode {
    /// The partition that a fetch means, or the error for it.
    func partition(_ key: FetchTarget.Key, version: Int16) -> Result<(Topic, Partition), ControlError> {
        let topic = version >= 13 ? catalog.topic(id: key.topicId) : catalog.topic(named: key.topicName)
        guard let topic else {
            return .failure(ControlError(version >= 13 ? .unknownTopicId : .unknownTopicOrPartition))
        }
        guard let partition = topic.partition(key.partition), !partition.isDeleted else {
            return .failure(ControlError(.unknownTopicOrPartition))
        }
        return .success((topic, partition))
    }

    /// Looks what the partitions have within the limits. The first batch is taken even if it is larger than they allow,
    /// so that a client always gets on.
    ///
    /// - Returns: one result per target, their bytes together, and whether the answer must not wait for more.
    func collect(_ targets: [FetchTarget], _ limits: FetchLimits) -> (
        parts: [FetchedPartition], byteCount: Int, isUrgent: Bool
    ) {
        var parts: [FetchedPartition] = []
        parts.reserveCapacity(targets.count)
        var byteCount = 0
        var isUrgent = false
        for target in targets {
            let part = look(target, limits, byteCountLeft: limits.maxBytes - byteCount, isFirst: byteCount == 0)
            byteCount += part.byteCount
            if part.error != .none || part.divergingEpoch != nil { isUrgent = true }
            parts.append(part)
        }
        return (parts, byteCount, isUrgent)
    }

    /// By the topic's name, so that nobody learns which topics there are; an unknown id tells nothing.
    private func mayRead(_ key: FetchTarget.Key, _ access: Access, version: Int16) -> Bool {
        let name = version >= 13 ? catalog.topic(id: key.topicId)?.name : key.topicName
        return name.map { access.permits(.read, .topic, $0) } ?? true
    }

    private func look(
        _ target: FetchTarget, _ limits: FetchLimits, byteCountLeft: Int, isFirst: Bool
    ) -> FetchedPartition {
        var part = FetchedPartition(key: target.key)
        if let access = limits.access, !mayRead(target.key, access, version: limits.version) {
            part.error = .topicAuthorizationFailed
            return part
        }
        let topic: Topic
        let partition: Partition
        switch self.partition(target.key, version: limits.version) {
        case .success(let found): (topic, partition) = found
        case .failure(let error):
            part.error = error.code
            return part
        }
        if limits.version < 10 && topic.config.rules.codec == .zstd {
            // KIP-110. A batch that a producer compressed with zstd is served all the same: only a topic that turns all
            // batches into zstd is kept from clients that may not know it, as in Kafka.
            part.error = .unsupportedCompressionType
            return part
        }
        if let mismatch = epochMismatch(target.currentLeaderEpoch, partition) {
            part.error = mismatch
            return part
        }
        let offsets = partition.log.offsets
        if target.lastFetchedEpoch >= 0, let end = partition.log.endOffset(forLeaderEpoch: target.lastFetchedEpoch),
            end.endOffset < target.fetchOffset || end.epoch < target.lastFetchedEpoch
        {
            part.divergingEpoch = end
            part.highWatermark = offsets.logEnd
            part.lastStable = offsets.lastStable
            part.logStart = offsets.logStart
            return part
        }
        do throws(LogError) {
            // At the end there is nothing to look up; beyond either end the log tells the error.
            if target.fetchOffset != offsets.logEnd && (byteCountLeft > 0 || isFirst) {
                let slice = try partition.log.read(
                    from: target.fetchOffset, maxBytes: max(0, min(Int(target.maxBytes), byteCountLeft)),
                    upTo: limits.isReadCommitted ? offsets.lastStable : offsets.logEnd, minOneBatch: isFirst)
                if !slice.isEmpty {
                    part.slice = slice
                    if limits.isReadCommitted {
                        part.abortedTransactions = try partition.log.abortedTransactions(
                            from: target.fetchOffset, upTo: slice.nextOffset)
                    }
                }
            }
            if limits.isReadCommitted, part.abortedTransactions == nil { part.abortedTransactions = [] }
            part.highWatermark = offsets.logEnd
            part.lastStable = offsets.lastStable
            part.logStart = offsets.logStart
        } catch {
            part.error = ErrorCode(rawValue: error.kafkaCode)
            // An offset outside the log is the client's affair; anything else is ours to know.
            if error.code != .offsetOutOfRange {
                alarm.note(
                    error, reading: "\(partition.topicName)-\(partition.index)", folder: partition.log.directory)
            }
        }
        return part
    }
}
