package import Cluster

/// How far a group has come: one row per partition that it has read or that a member has.
package struct GroupProgress {
    package struct Row {
        package var partition: TopicPartition
        /// nil: nothing is committed.
        package var current: Int64?
        /// nil: the partition does not exist any more.
        package var end: Int64?
        package var member: GroupMember?

        /// Records that are still to be read; nil when that is not known.
        package var lag: Int64? {
            guard let current, let end else { return nil }
            return max(0, end - current)
        }
    }

    /// Ordered by topic and number.
    package var rows: [Row]

    package var totalLag: Int64 { rows.reduce(0) { $0 + ($1.lag ?? 0) } }

    /// - Parameter ends: the end of every partition there is.
    package init(_ offsets: [TopicPartition: CommittedOffset], _ members: [GroupMember], ends: [TopicPartition: Int64])
    {
        var owners: [TopicPartition: GroupMember] = [:]
        for member in members {
            for partition in member.assignment { owners[partition] = member }
        }
        rows = Set(offsets.keys).union(owners.keys).sorted().map {
            Row(partition: $0, current: offsets[$0]?.offset, end: ends[$0], member: owners[$0])
        }
    }

    /// The ends of those of `partitions` that exist.
    package static func ends(
        of partitions: some Sequence<TopicPartition>, in cluster: any Cluster
    ) async throws(ClusterError) -> [TopicPartition: Int64] {
        let topics = try await cluster.topics()
        let there = Set(
            topics.flatMap { topic in topic.partitions.map { TopicPartition(topic.name, $0.partition) } })
        let wanted = Set(partitions).intersection(there)
        return try await cluster.offsets(
            Dictionary(wanted.map { ($0, .end) }) { first, _ in first }, isolation: .readUncommitted)
    }
}
