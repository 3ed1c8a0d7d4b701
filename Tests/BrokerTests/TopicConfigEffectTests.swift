import Testing

@testable import Broker

/// Whether what is said of a topic's settings is so: each is read, or is said to have nothing behind it.
@Suite struct TopicConfigEffectTests {
    /// Another value than the default of each setting that has an effect, and what has to be set with it.
    private static let others: [String: (value: String, with: [String: String])] = [
        "cleanup.policy": ("compact", [:]), "compression.gzip.level": ("2", ["compression.type": "gzip"]),
        "compression.lz4.level": ("2", ["compression.type": "lz4"]), "compression.type": ("zstd", [:]),
        "compression.zstd.level": ("2", ["compression.type": "zstd"]), "delete.retention.ms": ("5", [:]),
        "flush.messages": ("5", [:]), "flush.ms": ("5", [:]), "index.interval.bytes": ("5", [:]),
        "internal.segment.bytes": ("500", [:]), "max.compaction.lag.ms": ("5", [:]), "max.message.bytes": ("5", [:]),
        "message.timestamp.after.max.ms": ("5", [:]), "message.timestamp.before.max.ms": ("5", [:]),
        "message.timestamp.type": ("LogAppendTime", [:]), "min.cleanable.dirty.ratio": ("0.1", [:]),
        "min.compaction.lag.ms": ("5", [:]), "min.insync.replicas": ("2", [:]), "retention.bytes": ("5", [:]),
        "retention.ms": ("5", [:]), "segment.bytes": ("2000000", [:]), "segment.index.bytes": ("500", [:]),
        "segment.jitter.ms": ("5", [:]), "segment.ms": ("5", [:]),
    ]

    private static func isWithoutEffect(_ definition: ConfigDefinition) -> Bool {
        definition.documentation.hasPrefix("Kept for tools that set it")
    }

    @Test func `each setting of a topic changes something, or says that it does not`() throws {
        let server = ServerProperties()
        // Refused with any value but its default.
        for definition in TopicConfigs.definitions where definition.name != "remote.storage.enable" {
            guard !Self.isWithoutEffect(definition) else {
                #expect(Self.others[definition.name] == nil, "\(definition.name)")
                continue
            }
            let (value, with) = try #require(Self.others[definition.name], "\(definition.name)")
            #expect(TopicConfigs.problem(definition.name, value) == nil, "\(definition.name)")
            let changed = EffectiveTopicConfig(
                overrides: with.merging([definition.name: value]) { $1 }, server: server)
            #expect(changed != EffectiveTopicConfig(overrides: with, server: server), "\(definition.name)")
        }
    }

    @Test(arguments: [
        ("file.delete.delay.ms", "5"), ("preallocate", "true"), ("unclean.leader.election.enable", "true"),
        ("local.retention.ms", "5"), ("local.retention.bytes", "5"), ("remote.log.copy.disable", "true"),
        ("remote.log.delete.on.disable", "true"), ("leader.replication.throttled.replicas", "*"),
        ("follower.replication.throttled.replicas", "*"),
    ])
    func `settings with nothing behind them change nothing`(name: String, value: String) throws {
        let definition = try #require(TopicConfigs.definition(name))
        #expect(Self.isWithoutEffect(definition) && definition.refusal(of: value) == nil)
        let server = ServerProperties()
        #expect(
            EffectiveTopicConfig(overrides: [name: value], server: server)
                == EffectiveTopicConfig(overrides: [:], server: server))
    }
}
