import Environment
import KafkaMessages
import LogStorage
import Logging
import Synchronization

/// The topics of a data folder at the start.
extension Controller {
    func openTopics() throws {
        try state.withLock { state in
            var topics: [Topic] = []
            for topic in state.image.topics.values.sorted(by: { $0.name < $1.name }) {
                let config = EffectiveTopicConfig(overrides: topic.overrides, server: state.server)
                let partitions = try openPartitions(topic.name, topic.id, 0..<topic.partitionCount, config)
                topics.append(
                    Topic(
                        name: topic.name, id: topic.id, partitions: partitions, overrides: topic.overrides,
                        config: config))
            }
            // A folder without a topic is the rest of a creation or deletion that a crash cut short; or the metadata
            // came from elsewhere. Records are never deleted because something does not know them.
            for orphan in directory.unopened {
                let kept = try directory.setAside(orphan)
                logger.warning(
                    "no topic has this partition; its folder is kept aside",
                    metadata: ["partition": "\(orphan)", "folder": "\(kept)"])
            }
            catalog.publish(topics)
        }
    }

    /// - Parameter areNew: nothing that the folder knows by their names is theirs.
    func openPartitions(
        _ name: String, _ id: KafkaUUID, _ indexes: Range<Int32>, _ config: EffectiveTopicConfig, areNew: Bool = false
    ) throws(LogError) -> [Partition] {
        var partitions: [Partition] = []
        partitions.reserveCapacity(indexes.count)
        for index in indexes {
            let partition = PartitionName(topic: name, partition: index)
            if areNew { try directory.forget(partition) }
            if !areNew, !directory.has(partition) {
                // It was there before the topic was.
                logger.error(
                    "the folder of a partition is gone; it begins anew, empty", metadata: ["partition": "\(partition)"])
            }
            let log = try openLog(partition, id, config.log)
            partitions.append(Partition(topicName: name, index: index, log: log))
        }
        return partitions
    }

    private func openLog(_ name: PartitionName, _ id: KafkaUUID, _ config: LogConfig) throws(LogError) -> PartitionLog {
        let topicId = (id.high, id.low)
        let log: PartitionLog
        do throws(LogError) {
            log = try directory.open(name, topicId: topicId, config: config, now: clock.now())
        } catch  where error.code == .inconsistentTopicId {
            // Left by a topic of the same name whose deletion a crash cut short.
            let kept = try directory.setAside(name)
            logger.warning(
                "the folder belongs to a deleted topic of the same name; it is kept aside",
                metadata: ["partition": "\(name)", "folder": "\(kept)"])
            log = try directory.open(name, topicId: topicId, config: config, now: clock.now())
        }
        report(log.recovery, of: name)
        return log
    }

    /// Tells what was found damaged: it is gone for good, and the operator may have a backup or a failing disk.
    private func report(_ recovery: RecoveryReport, of name: PartitionName) {
        if !recovery.missing.isEmpty {
            let ranges = recovery.missing.prefix(10).map { "\($0.lowerBound)-\($0.upperBound - 1)" }
            logger.error(
                """
                records of a partition are gone or damaged: files of closed segments were removed, cut or changed; \
                readers pass over what is gone. Stop the server and restore the partition's folder from a backup
                """,
                metadata: [
                    "partition": "\(name)", "folder": "\(directory.folder(of: name))",
                    "missingOffsets": "\(ranges.joined(separator: ", "))\(recovery.missing.count > 10 ? ", ..." : "")",
                ])
        }
        guard recovery.truncatedByteCount > 0 || recovery.lostRecordCount > 0 else { return }
        var metadata: Logger.Metadata = [
            "partition": "\(name)", "cutBytes": "\(recovery.truncatedByteCount)", "reason": "\(recovery.reason ?? "")",
        ]
        // Only what is known: a number that is 0 would be a promise.
        if recovery.cutRecordCount > 0 { metadata["cutRecords"] = "\(recovery.cutRecordCount)" }
        if recovery.lostRecordCount > 0 { metadata["lostDurableRecords"] = "\(recovery.lostRecordCount)" }
        let isDamage = recovery.cutRecordCount > 0 || recovery.lostRecordCount > 0
        logger.log(
            level: isDamage ? .error : .warning,
            isDamage
                ? "records of a partition are gone: the machine stopped before all was on disk, or its files were changed"
                : "the end of a partition was not whole after an unclean stop and was cut off",
            metadata: metadata)
    }
}
