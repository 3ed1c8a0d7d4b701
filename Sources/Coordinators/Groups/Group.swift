import KafkaMessages

/// A group of a shard, of whichever protocol. Offsets are kept beside it.
enum Group: Sendable, Equatable {
    case classic(ClassicGroup)
    case consumer(ConsumerGroup)
    case share(ShareGroup)
    case streams(StreamsGroup)

    /// As in ListGroups' types filter.
    var typeName: String {
        switch self {
        case .classic: "classic"
        case .consumer: "consumer"
        case .share: "share"
        case .streams: "streams"
        }
    }

    /// As in Kafka's responses.
    var stateName: String {
        switch self {
        case .classic(let group): group.state.rawValue
        case .consumer(let group): group.state.rawValue
        case .share(let group): group.stateName
        case .streams(let group): group.state.rawValue
        }
    }

    /// Empty for a group that only has offsets.
    var protocolType: String {
        switch self {
        case .classic(let group): group.protocolType ?? ""
        case .consumer: ConsumerProtocol.type
        case .share: "share"
        case .streams: "streams"
        }
    }

    var isEmpty: Bool {
        switch self {
        case .classic(let group): group.state == .empty
        case .consumer(let group): group.isEmpty
        case .share(let group): group.isEmpty
        case .streams(let group): group.isEmpty
        }
    }

    /// Whether it can be forgotten when it has no offsets: nobody is in it or has been told to come.
    var isAbandoned: Bool {
        switch self {
        case .classic(let group): group.state == .empty && group.pendingMembers.isEmpty
        case .consumer(let group): group.isEmpty
        // What it has delivered is kept with the partitions: it goes when it is deleted.
        case .share: false
        case .streams(let group): group.isEmpty
        }
    }

    var nextDeadline: Int64? {
        switch self {
        case .classic(let group): group.nextDeadline
        case .consumer(let group): group.nextDeadline == .max ? nil : group.nextDeadline
        case .share(let group): group.nextDeadline == .max ? nil : group.nextDeadline
        case .streams(let group): group.nextDeadline == .max ? nil : group.nextDeadline
        }
    }

    func isSubscribed(to topic: String) -> Bool {
        switch self {
        case .classic(let group): group.isSubscribed(to: topic)
        case .consumer(let group): group.isSubscribed(to: topic)
        case .share(let group): group.isSubscribed(to: topic)
        case .streams(let group): group.isSubscribed(to: topic)
        }
    }

    /// Since when an offset counts as unused, in wall clock milliseconds; nil while none expires.
    ///
    /// - SeeAlso: KIP-211; upstream `offsetExpirationCondition`.
    func unused(since offset: CommittedOffset) -> Int64? {
        switch self {
        case .classic(let group):
            guard group.protocolType != nil else { return offset.commitTimestamp }
            if group.state == .empty { return group.stateTimestamp ?? offset.commitTimestamp }
            // Topics that a working consumer group no longer reads.
            if group.state == .stable, group.isConsumerType, group.subscribedTopics != nil {
                return offset.commitTimestamp
            }
            return nil
        case .consumer, .share, .streams: return offset.commitTimestamp
        }
    }
}
