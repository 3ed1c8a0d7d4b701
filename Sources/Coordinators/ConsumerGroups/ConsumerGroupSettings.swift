/// The settings of consumer groups, `group.consumer.*`. Those that a group overrides are put in by the caller.
package struct ConsumerGroupSettings: Sendable, Equatable {
    package var sessionTimeoutMs: Int32 = 45_000
    package var heartbeatIntervalMs: Int32 = 5000
    /// The least time between two assignments: changes in between are taken together (KIP-1263). 0 for none.
    package var assignmentIntervalMs: Int32 = 0
    package var maxSize = Int(Int32.max)
    /// What members may ask for; the first is taken when none does.
    package var assignors: [ServerAssignor] = [.uniform, .range]
    package var migrationPolicy = MigrationPolicy.bidirectional
    /// After this time regular expressions are resolved anew even when no topic was created.
    package var regexRefreshIntervalMs: Int32 = 600_000
    /// `group.max.size`: how many members a group may have to become a classic group again.
    package var classicMaxSize = Int(Int32.max)

    package init() {}

    /// The settings with `consumer.session.timeout.ms`, `consumer.heartbeat.interval.ms` and `consumer.assignment.interval.ms`
    /// of a group.
    package func overridden(
        sessionTimeoutMs: Int32?, heartbeatIntervalMs: Int32?, assignmentIntervalMs: Int32? = nil
    ) -> ConsumerGroupSettings {
        var settings = self
        if let assignmentIntervalMs { settings.assignmentIntervalMs = assignmentIntervalMs }
        if let sessionTimeoutMs { settings.sessionTimeoutMs = sessionTimeoutMs }
        if let heartbeatIntervalMs { settings.heartbeatIntervalMs = heartbeatIntervalMs }
        return settings
    }
}

/// `group.consumer.migration.policy`: whether groups may change their protocol while they have members.
package enum MigrationPolicy: String, Sendable, CaseIterable {
    case bidirectional, upgrade, downgrade, disabled

    package var allowsUpgrade: Bool { self == .bidirectional || self == .upgrade }
    package var allowsDowngrade: Bool { self == .bidirectional || self == .downgrade }
}
