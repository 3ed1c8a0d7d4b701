import Bytes
import Compression
package import LogStorage
package import RecordBatches

/// The configuration keys of a topic, with Kafka's names, types and defaults (Kafka documentation, "Topic Configs").
package enum TopicConfigs {
    package static let definitions: [ConfigDefinition] = [
        .init(
            name: "cleanup.policy", type: .list, defaultValue: "delete", rule: .subset(["compact", "delete"]),
            serverName: "log.cleanup.policy",
            documentation: "What happens to old segments: delete them by time or size, compact them by key, or both."),
        .init(
            name: "compression.gzip.level", type: .int, defaultValue: "-1", rule: .range(-1...9),
            serverName: "compression.gzip.level", documentation: "Level for compression.type=gzip; -1 is zlib's own."),
        .init(
            name: "compression.lz4.level", type: .int, defaultValue: "9", rule: .range(1...17),
            serverName: "compression.lz4.level", documentation: "Level for compression.type=lz4."),
        .init(
            name: "compression.type", type: .string, defaultValue: "producer",
            rule: .oneOf(["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), serverName: "compression.type",
            documentation: "Codec that stored batches have; producer keeps what the client chose."),
        .init(
            name: "compression.zstd.level", type: .int, defaultValue: "3", rule: .range(-131_072...22),
            serverName: "compression.zstd.level", documentation: "Level for compression.type=zstd."),
        .init(
            name: "delete.retention.ms", type: .long, defaultValue: "86400000", rule: .range(0 ... .max),
            serverName: "log.cleaner.delete.retention.ms",
            documentation: "How long compaction keeps tombstones, in milliseconds."),
        .init(
            name: "file.delete.delay.ms", type: .long, defaultValue: "60000", rule: .range(0 ... .max),
            serverName: "log.segment.delete.delay.ms",
            documentation: "Kept for tools that set it; a deleted segment leaves the file system at once."),
        .init(
            name: "flush.messages", type: .long, defaultValue: "9223372036854775807", rule: .range(1 ... .max),
            serverName: "log.flush.interval.messages",
            documentation: "Records after which the log is forced to disk even when no producer waits for it."),
        .init(
            name: "flush.ms", type: .long, defaultValue: "9223372036854775807", rule: .range(0 ... .max),
            serverName: "log.flush.interval.ms",
            documentation: "Milliseconds after which the log is forced to disk even when no producer waits for it."),
        .init(
            name: "follower.replication.throttled.replicas", type: .list, defaultValue: "", rule: .throttledReplicas,
            serverName: nil, documentation: "Kept for tools that set it; there is no replication to throttle."),
        .init(
            name: "index.interval.bytes", type: .int, defaultValue: "4096", rule: .range(0...Int64(Int32.max)),
            serverName: "log.index.interval.bytes", documentation: "Log bytes between two entries of the offset index."),
        .init(
            name: "internal.segment.bytes", type: .int, defaultValue: "", rule: .range(14...Int64(Int32.max)),
            serverName: nil, documentation: "Like segment.bytes, for tests, which need small segments.",
            hasNoDefault: true, isHidden: true),
        .init(
            name: "leader.replication.throttled.replicas", type: .list, defaultValue: "", rule: .throttledReplicas,
            serverName: nil, documentation: "Kept for tools that set it; there is no replication to throttle."),
        .init(
            name: "local.retention.bytes", type: .long, defaultValue: "-2", rule: .range(-2 ... .max),
            serverName: nil, documentation: "Kept for tools that set it; nothing of a log is stored elsewhere."),
        .init(
            name: "local.retention.ms", type: .long, defaultValue: "-2", rule: .range(-2 ... .max),
            serverName: nil, documentation: "Kept for tools that set it; nothing of a log is stored elsewhere."),
        .init(
            name: "max.compaction.lag.ms", type: .long, defaultValue: "9223372036854775807", rule: .range(1 ... .max),
            serverName: "log.cleaner.max.compaction.lag.ms",
            documentation: "Longest time a record may stay uncompacted, in milliseconds."),
        .init(
            name: "max.message.bytes", type: .int, defaultValue: "1048588", rule: .range(0...Int64(Int32.max)),
            serverName: "message.max.bytes", documentation: "Largest record batch that is accepted, in bytes."),
        .init(
            name: "message.timestamp.after.max.ms", type: .long, defaultValue: "3600000", rule: .range(0 ... .max),
            serverName: "log.message.timestamp.after.max.ms",
            documentation: "How far a record's timestamp may lie after the broker's clock, in milliseconds."),
        .init(
            name: "message.timestamp.before.max.ms", type: .long, defaultValue: "9223372036854775807",
            rule: .range(0 ... .max), serverName: "log.message.timestamp.before.max.ms",
            documentation: "How far a record's timestamp may lie before the broker's clock, in milliseconds."),
        .init(
            name: "message.timestamp.type", type: .string, defaultValue: "CreateTime",
            rule: .oneOf(["CreateTime", "LogAppendTime"]), serverName: "log.message.timestamp.type",
            documentation: "Whether records keep the producer's time or get the time of the append."),
        .init(
            name: "min.cleanable.dirty.ratio", type: .double, defaultValue: "0.5", rule: .fraction,
            serverName: "log.cleaner.min.cleanable.ratio",
            documentation: "Share of a compacted log that must be uncompacted before it is compacted again."),
        .init(
            name: "min.compaction.lag.ms", type: .long, defaultValue: "0", rule: .range(0 ... .max),
            serverName: "log.cleaner.min.compaction.lag.ms",
            documentation: "Shortest time a record stays uncompacted, in milliseconds."),
        .init(
            name: "min.insync.replicas", type: .int, defaultValue: "1", rule: .range(1...Int64(Int32.max)),
            serverName: "min.insync.replicas",
            documentation: "Replicas that acks=all needs. There is one replica: above 1 such a produce is refused."),
        .init(
            name: "preallocate", type: .boolean, defaultValue: "false", rule: .anything, serverName: "log.preallocate",
            documentation: "Kept for tools that set it; files grow as they are written."),
        .init(
            name: "remote.log.copy.disable", type: .boolean, defaultValue: "false", rule: .anything,
            serverName: nil, documentation: "Kept for tools that set it; nothing of a log is stored elsewhere."),
        .init(
            name: "remote.log.delete.on.disable", type: .boolean, defaultValue: "false", rule: .anything,
            serverName: nil, documentation: "Kept for tools that set it; nothing of a log is stored elsewhere."),
        .init(
            name: "remote.storage.enable", type: .boolean, defaultValue: "false",
            rule: .never(
                "true",
                because: "Tiered Storage functionality is disabled in the broker. "
                    + "Topic cannot be configured with remote log storage."), serverName: nil,
            documentation: "Whether segments are also stored elsewhere (KIP-405), which this broker does not do."),
        .init(
            name: "retention.bytes", type: .long, defaultValue: "-1", rule: .anything,
            serverName: "log.retention.bytes",
            documentation: "Size above which a partition's oldest segments are deleted; negative is no limit."),
        .init(
            name: "retention.ms", type: .long, defaultValue: "604800000", rule: .range(-1 ... .max),
            serverName: "log.retention.ms",
            documentation: "Age above which a partition's oldest segments are deleted, in milliseconds; -1 is no limit."
        ),
        .init(
            name: "segment.bytes", type: .int, defaultValue: "1073741824", rule: .range(1_048_576...Int64(Int32.max)),
            serverName: "log.segment.bytes", documentation: "Size at which a new segment begins, in bytes."),
        .init(
            name: "segment.index.bytes", type: .int, defaultValue: "10485760", rule: .range(4...Int64(Int32.max)),
            serverName: "log.index.size.max.bytes", documentation: "Largest size of a segment's offset index, in bytes."
        ),
        .init(
            name: "segment.jitter.ms", type: .long, defaultValue: "0", rule: .range(0 ... .max),
            serverName: "log.roll.jitter.ms",
            documentation:
                "Random time taken from segment.ms so that segments do not roll all at once, in milliseconds."),
        .init(
            name: "segment.ms", type: .long, defaultValue: "604800000", rule: .range(1 ... .max),
            serverName: "log.roll.ms", documentation: "Age at which a new segment begins, in milliseconds."),
        .init(
            name: "unclean.leader.election.enable", type: .boolean, defaultValue: "false", rule: .anything,
            serverName: "unclean.leader.election.enable",
            documentation: "Kept for tools that set it; one replica is always in sync."),
    ]

    private static let byName = Dictionary(uniqueKeysWithValues: definitions.map { ($0.name, $0) })

    package static func definition(_ name: String) -> ConfigDefinition? { byName[name] }

    /// The reason why a topic cannot have this setting; nil when it can. The words are Kafka's where clients show them.
    package static func problem(_ name: String, _ value: String) -> String? {
        guard let definition = byName[name] else {
            let hint = nearestName(to: name, among: definitions.lazy.map(\.name)).map { "; did you mean \($0)?" } ?? ""
            return "Unknown topic config name: \(name)\(hint)"
        }
        return definition.refusal(of: value)
    }

    /// The reason why settings that are each permitted cannot stand together; nil when they can.
    static func conflict(_ overrides: [String: String], server: ServerProperties) -> String? {
        let log = EffectiveTopicConfig(overrides: overrides, server: server).log
        guard log.minCompactionLagMs > log.maxCompactionLagMs else { return nil }
        return
            "conflict topic config setting min.compaction.lag.ms (\(log.minCompactionLagMs)) > max.compaction.lag.ms "
            + "(\(log.maxCompactionLagMs))"
    }
}

/// The settings of one topic as the data path reads them: overrides of the topic over the server's properties over
/// Kafka's defaults, parsed once.
package struct EffectiveTopicConfig: Sendable, Equatable {
    package var log: LogConfig
    /// What Produce asks of a batch for this topic.
    package var rules: ProduceRules
    package var isDeletedByRetention: Bool
    package var minInsyncReplicas: Int
    package var flushMessages: Int64
    package var flushMs: Int64

    /// What a compressed batch may become: much more than honest records ever do, and little enough that a batch made to
    /// fill memory cannot.
    private static let decompressedByteCountMin = 64 << 20
    private static let compressionRatioMax = 32

    /// Values that do not parse cannot get here: they were refused when they were set. Should one be in an old data
    /// folder all the same, the default stands in for it.
    package init(overrides: [String: String], server: ServerProperties) {
        func text(_ name: String) -> String {
            (overrides[name] ?? server.topicDefault(name)).trimmingSpaces
        }
        func number(_ name: String) -> Int64 {
            Int64(text(name)) ?? TopicConfigs.definition(name).flatMap { Int64($0.defaultValue) } ?? 0
        }
        let policies = ConfigDefinition.items(of: text("cleanup.policy"))
        var log = LogConfig()
        let testBytes = overrides["internal.segment.bytes"].flatMap { Int64($0.trimmingSpaces) }
        log.segmentBytes = Int32(clamping: testBytes ?? number("segment.bytes"))
        log.segmentMs = number("segment.ms")
        log.segmentJitterMs = number("segment.jitter.ms")
        log.segmentIndexBytes = Int32(clamping: number("segment.index.bytes"))
        log.indexIntervalBytes = Int32(clamping: number("index.interval.bytes"))
        let deletes = policies.contains("delete")
        isDeletedByRetention = deletes
        log.deletes = deletes
        log.compacts = policies.contains("compact")
        log.minCleanableDirtyRatio = Double(text("min.cleanable.dirty.ratio")) ?? log.minCleanableDirtyRatio
        log.deleteRetentionMs = number("delete.retention.ms")
        log.minCompactionLagMs = number("min.compaction.lag.ms")
        log.maxCompactionLagMs = number("max.compaction.lag.ms")
        log.retentionMs = deletes ? number("retention.ms") : -1
        log.retentionBytes = deletes ? number("retention.bytes") : -1
        self.log = log
        let before = number("message.timestamp.before.max.ms")
        let after = number("message.timestamp.after.max.ms")
        let codec = text("compression.type")
        let byteCountMax = Int(number("max.message.bytes"))
        rules = ProduceRules(
            byteCountMax: byteCountMax,
            decompressedByteCountMax: min(
                ProduceRules.decompressedByteCountLimit,
                max(Self.decompressedByteCountMin, Self.compressionRatioMax * byteCountMax)),
            isCompacted: log.compacts,
            usesLogAppendTime: text("message.timestamp.type") == "LogAppendTime",
            timestampBeforeMax: before == .max ? nil : before, timestampAfterMax: after == .max ? nil : after,
            codec: codec == "producer" ? nil : Codec(name: codec),
            level: ["gzip", "lz4", "zstd"].contains(codec) ? Int(number("compression.\(codec).level")) : nil)
        minInsyncReplicas = Int(number("min.insync.replicas"))
        flushMessages = number("flush.messages")
        flushMs = number("flush.ms")
    }
}
