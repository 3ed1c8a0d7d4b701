/// The topics in which coordinators keep their state.
enum InternalTopic: String, CaseIterable, Sendable {
    case consumerOffsets = "__consumer_offsets"
    case transactionState = "__transaction_state"
    case shareGroupState = "__share_group_state"

    private var prefix: String {
        switch self {
        case .consumerOffsets: "offsets.topic"
        case .transactionState: "transaction.state.log"
        case .shareGroupState: "share.coordinator.state.topic"
        }
    }

    /// The topic as it is made when it is first needed: compacted, its partitions fixed for good, as they are where a group, a
    /// transactional id or a share partition is looked for.
    func creation(_ server: ServerProperties) -> TopicCreation {
        TopicCreation(
            name: rawValue, partitionCount: Int32(clamping: server.number(prefix + ".num.partitions")),
            configs: [
                ("cleanup.policy", "compact"), ("segment.bytes", server.text(prefix + ".segment.bytes")),
                ("compression.type", "producer"),
            ])
    }

    /// How topic `name` is made when somebody asks for it without saying how.
    static func creation(named name: String, _ server: ServerProperties) -> TopicCreation {
        InternalTopic(rawValue: name)?.creation(server) ?? TopicCreation(name: name)
    }
}
