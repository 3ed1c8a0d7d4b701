package import Bytes
import KafkaMessages
package import NIOCore

/// How a shard comes to know what is in its partition.
extension GroupShard {
    /// Takes in a record of the log.
    ///
    /// - Parameters:
    ///   - value: nil for a tombstone.
    ///   - producerId: of the batch if it is transactional; nil otherwise.
    /// - Throws: for a record that is not well formed; the shard is as before. Types that we do not know are skipped: a
    ///   later release may have written them.
    package mutating func replay(key: ByteBuffer, value: ByteBuffer?, producerId: Int64?) throws(WireError) {
        var keyReader = WireReader(key)
        let type = try keyReader.readInt16()
        switch type {
        case GroupRecords.offsetKeyVersions:
            let key = try OffsetCommitKey(from: &keyReader, version: type)
            let partition = TopicPartition(topic: key.topic, partition: key.partition)
            guard let value else {
                return apply(nil, group: key.group, partition, producerId: nil)
            }
            var reader = WireReader(value)
            let version = try reader.readInt16()
            let record = try OffsetCommitValue(from: &reader, version: version)
            let offset = CommittedOffset(
                offset: record.offset, leaderEpoch: record.leaderEpoch, metadata: record.metadata,
                commitTimestamp: record.commitTimestamp,
                expireTimestamp: record.expireTimestamp == -1 ? nil : record.expireTimestamp)
            apply(offset, group: key.group, partition, producerId: producerId)
        case GroupRecords.groupKeyVersion:
            let id = try GroupMetadataKey(from: &keyReader, version: type).group
            guard let value else {
                if case .classic = groups[id] { groups[id] = nil }
                return
            }
            var reader = WireReader(value)
            let version = try reader.readInt16()
            groups[id] = .classic(ClassicGroup(id: id, record: try GroupMetadataValue(from: &reader, version: version)))
        case let type where ConsumerGroupRecord.isKeyType(type):
            let (id, record) = try ConsumerGroupRecord.decoded(key: key, value: value)
            replay(record, of: id)
        case ShareGroupRecord.keyTypes:
            let (id, record) = try ShareGroupRecord.decoded(key: key, value: value)
            replay(record, of: id)
        case let type where StreamsGroupRecord.isKeyType(type):
            let (id, record) = try StreamsGroupRecord.decoded(key: key, value: value)
            replay(record, of: id)
        default:
            return
        }
    }

    /// A group of the consumer protocol begins with its first record, also where a group that only has offsets was; it
    /// ends with the tombstone of its epoch.
    private mutating func replay(_ record: ConsumerGroupRecord, of id: String) {
        if record == .groupEpoch(nil) {
            if case .consumer = groups[id] { groups[id] = nil }
            return
        }
        if withConsumerGroup(id, { $0.apply(record) }) != nil || record.isTombstone { return }
        var group = ConsumerGroup(groupId: id)
        group.apply(record)
        groups[id] = .consumer(group)
    }

    /// Takes in a transaction marker of the log.
    package mutating func replayMarker(producerId: Int64, isCommit: Bool) {
        offsets.complete(producerId: producerId, isCommit: isCommit)
    }

    /// All records are in. Members get a whole session to show that they are still there.
    package mutating func finishLoading(at: EventTime) {
        begin(at: at)
        let context = ClassicGroup.Context(configuration: configuration, at: at)
        for id in groups.keys.sorted() {
            defer { arm(id) }
            // Most are classic, and do not ask for settings, which are built from texts.
            guard withClassicGroup(id, { $0.restart(context) }) == nil else { continue }
            let settings = configuration.settings(of: id)
            let consumerSettings = configuration.withClassicSize(settings.consumer)
            _ = withConsumerGroup(id) { $0.finishLoading(consumerSettings, at: at) }
            _ = withShareGroup(id) {
                $0.finishLoading(ShareGroupContext(settings: settings.share, topics: NoTopics(), time: at))
            }
            _ = withStreamsGroup(id) {
                $0.finishLoading(StreamsGroupContext(settings: settings.streams, topics: NoTopics(), time: at))
            }
        }
        armSweep()
    }
}

extension ClassicGroup {
    /// After a start: nobody waits yet, so this neither answers nor writes anything. A group that a smaller `group.max.size`
    /// has made too large rebalances, and shrinks as its members rejoin.
    mutating func restart(_ context: Context) {
        for position in members.all.indices { members.all[position].keepAlive(at: context.at.monotonic) }
        guard members.count > context.configuration.maxSize else { return }
        var effects = GroupEffects()
        prepareRebalance(context, &effects)
    }
}
