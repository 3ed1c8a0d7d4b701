import KafkaMessages

/// A group of a shard, of whichever protocol. Offsets are kept beside it.
enum Group: Sendable {
    case classic(ClassicGroup)

    /// As in ListGroups' types filter.
    var typeName: String {
        switch self {
        case .classic: "classic"
        }
    }

    /// As in Kafka's responses.
    var stateName: String {
        switch self {
        case .classic(let group): group.state.rawValue
        }
    }

    /// Empty for a group that only has offsets.
    var protocolType: String {
        switch self {
        case .classic(let group): group.protocolType ?? ""
        }
    }

    var isEmpty: Bool {
        switch self {
        case .classic(let group): group.state == .empty
        }
    }

    /// Whether it can be forgotten when it has no offsets: nobody is in it or has been told to come.
    var isAbandoned: Bool {
        switch self {
        case .classic(let group): group.state == .empty && group.pendingMembers.isEmpty
        }
    }

    var nextDeadline: Int64? {
        switch self {
        case .classic(let group): group.nextDeadline
        }
    }

    func isSubscribed(to topic: String) -> Bool {
        switch self {
        case .classic(let group): group.isSubscribed(to: topic)
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
        }
    }
}
