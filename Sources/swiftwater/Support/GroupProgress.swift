import Bytes
import Cluster

/// How far a group has come: one row per partition that it has read or that a member has.
struct GroupProgress {
    struct Row {
        var partition: TopicPartition
        /// nil: nothing is committed.
        var current: Int64?
        /// nil: the partition does not exist any more.
        var end: Int64?
        var member: GroupMember?

        /// Records that are still to be read; nil when that is not known.
        var lag: Int64? {
            guard let current, let end else { return nil }
            return max(0, end - current)
        }
    }

    /// Ordered by topic and number.
    var rows: [Row]

    var totalLag: Int64 { rows.reduce(0) { $0 + ($1.lag ?? 0) } }

    /// - Parameter ends: the end of every partition there is.
    init(_ offsets: [TopicPartition: CommittedOffset], _ members: [GroupMember], ends: [TopicPartition: Int64]) {
        var owners: [TopicPartition: GroupMember] = [:]
        for member in members {
            for partition in member.assignment { owners[partition] = member }
        }
        rows = Set(offsets.keys).union(owners.keys).sorted().map {
            Row(partition: $0, current: offsets[$0]?.offset, end: ends[$0], member: owners[$0])
        }
    }

    /// The ends of those of `partitions` that exist.
    static func ends(
        of partitions: some Sequence<TopicPartition>, in cluster: any Cluster
    ) async throws -> [TopicPartition: Int64] {
        let there = Set(
            try await cluster.topics().flatMap { topic in
                topic.partitions.map { TopicPartition(topic.name, $0.partition) }
            })
        let wanted = Set(partitions).intersection(there)
        return try await cluster.offsets(
            Dictionary(wanted.map { ($0, .end) }) { first, _ in first }, isolation: .readUncommitted)
    }
}

/// The topics and partitions that `--topic` names, each `TOPIC` or `TOPIC:0,2,5-7`.
///
/// - Throws: `CommandFailure` for what does not exist.
func chosenPartitions(topics: [String], in cluster: any Cluster) async throws -> [TopicPartition] {
    var chosen: [TopicPartition] = []
    for text in topics {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let numbers = parts.count == 2 ? String(parts[1]) : nil
        chosen += try await chosenPartitions(numbers, of: String(parts[0]), in: cluster)
    }
    return Set(chosen).sorted()
}

extension ConnectionOptions {
    /// The failure for a group that does not exist: with the nearest name that does.
    static func unknownGroup(_ name: String, in cluster: any Cluster) async -> CommandFailure {
        guard let nearest = await nearestGroup(to: name, in: cluster) else {
            return CommandFailure("group '\(name)' does not exist", hint: "'swiftwater group list' shows those that do")
        }
        return CommandFailure("group '\(name)' does not exist: did you mean '\(nearest)'?")
    }

    static func nearestGroup(to name: String, in cluster: any Cluster) async -> String? {
        nearestName(to: name, among: (try? await cluster.groups().map(\.id)) ?? [])  // only for the hint
    }

    /// The group, or `unknownGroup`.
    static func group(_ name: String, in cluster: any Cluster) async throws -> GroupDescription {
        do {
            return try await cluster.group(name)
        } catch let error where error.code == .groupIdNotFound {
            throw await unknownGroup(name, in: cluster)
        }
    }
}
