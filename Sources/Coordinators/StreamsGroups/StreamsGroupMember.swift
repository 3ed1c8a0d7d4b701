/// One member of a streams group: a thread of a Kafka Streams application, what it told of itself, and how far it has
/// come with its tasks.
///
/// - SeeAlso: upstream `StreamsGroupMember`; KIP-1071, "Reconciliation".
package struct StreamsGroupMember: ReconcilingMember, Hashable {
    /// Where the member stands between its current and its target assignment.
    package enum State: Int8, Sendable {
        /// It has what the target assignment gave it at its epoch.
        case stable = 1
        /// It still has tasks to give up and stays at its epoch until it reports that it has.
        case unrevokedTasks = 2
        /// It is at the target epoch, but some of its tasks are still with others.
        case unreleasedTasks = 3
        /// Written by a newer version; the member has to begin anew.
        case unknown = 127
    }

    /// Where others reach the state that a member holds (interactive queries).
    package struct Endpoint: Hashable, Sendable {
        package var host: String
        package var port: UInt16

        package init(host: String, port: UInt16) {
            self.host = host
            self.port = port
        }
    }

    package static let groupKind = "streams"

    package var memberId: String
    package var instanceId: String?
    package var rackId: String?
    package var clientId = ""
    /// With a slash before it, as Kafka writes it.
    package var clientHost = ""
    /// -1 while not known.
    package var rebalanceTimeoutMs: Int32 = -1
    package var topologyEpoch: Int32 = 0
    /// The process of which the member is a thread: a task and its standby are never in one.
    package var processId = ""
    package var userEndpoint: Endpoint?
    package var clientTags: [String: String] = [:]

    /// Grows while the member stays; 0 while it joins, -2 while a static member is away.
    package var memberEpoch: Int32 = 0
    package var previousMemberEpoch: Int32 = 0
    package var state = State.stable
    package var assigned = StreamsTasks()
    /// What it has to give up, and nobody else may have before it did.
    package var pendingRevocation = StreamsTasks()

    package init(memberId: String) { self.memberId = memberId }

    /// Whether the member has nothing left to do for the assignment of `epoch`.
    package func isReconciled(to epoch: Int32) -> Bool { state == .stable && memberEpoch == epoch }
}

/// The settings of streams groups, `group.streams.*`. Those that a group overrides are put in by the caller.
package struct StreamsGroupSettings: Sendable, Equatable {
    package var sessionTimeoutMs: Int32 = 45_000
    package var heartbeatIntervalMs: Int32 = 5000
    /// How long the first members of a group wait for more before tasks are assigned.
    package var initialRebalanceDelayMs: Int32 = 0
    /// The least time between two assignments: changes in between are taken together (KIP-1263). 0 for none.
    package var assignmentIntervalMs: Int32 = 0
    /// Copies of the state of each stateful task, besides the one that is processed.
    package var standbyReplicaCount: Int32 = 0
    package var maxSize = Int(Int32.max)

    package init() {}

    /// What assignments depend on; a change of it is a reason for a new one.
    var assignmentConfigs: [String: String] { ["num.standby.replicas": String(standbyReplicaCount)] }
}
