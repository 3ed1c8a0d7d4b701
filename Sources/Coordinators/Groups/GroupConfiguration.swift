/// The broker's settings for groups. Names and defaults are Kafka's, but for the initial delay: on one machine a group
/// does not gain by waiting for members that are about to start.
package struct GroupConfiguration: Sendable {
    /// `group.min.session.timeout.ms`
    package var minSessionTimeoutMs: Int32 = 6_000
    /// `group.max.session.timeout.ms`
    package var maxSessionTimeoutMs: Int32 = 1_800_000
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members after the first.
    package var initialRebalanceDelayMs: Int32 = 0
    /// `group.max.size`
    package var maxSize: Int = .max
    /// `offset.metadata.max.bytes`
    package var offsetMetadataMaxBytes: Int = 4_096
    /// `offsets.retention.minutes`
    package var offsetsRetentionMinutes: Int64 = 7 * 24 * 60
    /// `offsets.retention.check.interval.ms`
    package var offsetsRetentionCheckIntervalMs: Int64 = 600_000

    /// `group.consumer.*`: groups of the new consumer protocol.
    package var consumer = ConsumerGroupSettings()
    /// `group.share.*`: share groups.
    package var share = ShareMembershipSettings()
    /// `group.streams.*`: streams groups.
    package var streams = StreamsGroupSettings()

    /// What holds for a group that may have settings of its own, by its id; nil where these are the broker's. Heartbeats
    /// bring it along; this is asked when members are loaded, leave or run out of time, under the lock of the shard.
    package var settingsOfGroup: @Sendable (_ group: String) -> GroupSettings? = { _ in nil }

    package init() {}

    /// How long a member without a heartbeat of its own may wait for its first rebalance to end: it cannot be told apart
    /// from a client that gave up. Upstream has the same five minutes as a constant.
    static let newMemberJoinTimeoutMs: Int32 = 5 * 60 * 1_000

    /// Bytes of records that one retention sweep writes at most; the next one continues soon.
    static let sweepByteCountMax = 256 << 10

    /// Pause after a timer's records could not be appended.
    static let retryPauseMs: Int64 = 500

    /// What holds for a group.
    func settings(of group: String) -> GroupSettings {
        settingsOfGroup(group) ?? GroupSettings(consumer: consumer, share: share, streams: streams)
    }

    /// The settings of consumer groups with those of classic groups that matter when a group becomes one.
    var consumerSettings: ConsumerGroupSettings { withClassicSize(consumer) }

    func withClassicSize(_ settings: ConsumerGroupSettings) -> ConsumerGroupSettings {
        var settings = settings
        settings.classicMaxSize = maxSize
        return settings
    }

    var offsetsRetentionMs: Int64 { max(0, min(offsetsRetentionMinutes, 1 << 40)) * 60_000 }
}

/// What holds for one group, whatever its kind turns out to be.
package struct GroupSettings: Sendable {
    package var consumer: ConsumerGroupSettings
    package var share: ShareMembershipSettings
    package var streams: StreamsGroupSettings

    package init(
        consumer: ConsumerGroupSettings, share: ShareMembershipSettings, streams: StreamsGroupSettings
    ) {
        self.consumer = consumer
        self.share = share
        self.streams = streams
    }
}
