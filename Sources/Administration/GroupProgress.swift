package import Cluster

/// How far a group has come: one row per partition that it has read or that a member has.
package struct GroupProgress {
    package struct Row {
        package var partition: TopicPartition
        /// nil: nothing is committed.
        package var current: Int64?
        /// nil: the partition does not exist any more.
        package var end: Int64?
        /// nil also where members share the partition.
        package var member: GroupMember?
        /// What the broker counts.
        var countedLag: Int64?

        /// Records that are still to be read; nil when that is not known.
        package var lag: Int64? {
            if end != nil, let countedLag { return countedLag }
            guard let current, let end else { return nil }
            return max(0, end - current)
        }
    }

    /// Ordered by topic and number.
    package var rows: [Row]

    package var totalLag: Int64 { rows.reduce(0) { $0 + ($1.lag ?? 0) } }

    /// - Parameter ends: the end of every partition there is.
    package init(_ positions: GroupPositions, _ members: [GroupMember], ends: [TopicPartition: Int64]) {
        var owners: [TopicPartition: [GroupMember]] = [:]
        for member in members {
            for partition in member.assignment { owners[partition, default: []].append(member) }
        }
        let offsets = positions.offsets
        rows = Set(offsets.keys).union(owners.keys).sorted().map { partition in
            let all = owners[partition] ?? []
            return Row(
                partition: partition, current: offsets[partition]?.offset, end: ends[partition],
                member: all.count == 1 ? all[0] : nil, countedLag: positions.lags[partition])
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
