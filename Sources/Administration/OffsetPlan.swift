package import Cluster

/// Where a group's offsets are to go.
package struct OffsetPlan: Sendable {
    package enum Target: Sendable {
        case position(LogPosition)
        case shift(Int64)
        case current
        /// To an offset of each partition's own; one that is not named stays where it is.
        case each([TopicPartition: Int64])
    }

    package struct Row: Equatable, Sendable {
        package var partition: TopicPartition
        /// nil: nothing is committed.
        package var old: Int64?
        package var new: Int64
        /// Why `new` is not exactly what was asked for.
        package var note = ""

        package init(partition: TopicPartition, old: Int64?, new: Int64, note: String = "") {
            self.partition = partition
            self.old = old
            self.new = new
            self.note = note
        }
    }

    package var rows: [Row]

    package static func make(
        _ target: Target, _ partitions: [TopicPartition], _ committed: [TopicPartition: CommittedOffset],
        in cluster: any Cluster
    ) async throws -> OffsetPlan {
        func offsets(_ position: LogPosition) async throws -> [TopicPartition: Int64] {
            try await cluster.offsets(
                Dictionary(partitions.map { ($0, position) }) { first, _ in first }, isolation: .readUncommitted)
        }
        let starts = try await offsets(.beginning)
        let ends = try await offsets(.end)
        var found: [TopicPartition: Int64] = [:]
        if case .position(let position) = target { found = try await offsets(position) }
        return OffsetPlan(
            rows: try partitions.map { partition in
                try row(
                    target, partition, old: committed[partition]?.offset, found: found[partition],
                    start: starts[partition] ?? 0, end: ends[partition] ?? 0)
            })
    }

    /// - Parameter found: what a position of the target stands for in this partition.
    /// - Throws: `AdministrationFailure` when there is nothing to shift.
    package static func row(
        _ target: Target, _ partition: TopicPartition, old: Int64?, found: Int64?, start: Int64, end: Int64
    ) throws -> Row {
        let wanted: Int64
        switch target {
        case .position: wanted = found ?? end
        case .current: wanted = old ?? end
        case .each(let offsets): wanted = offsets[partition] ?? old ?? end
        case .shift(let count):
            guard let old else {
                throw AdministrationFailure(
                    "partition \(partition) has no committed offset to shift",
                    hint: "name a position for it: the earliest, the latest or an offset")
            }
            let (sum, isTooFar) = old.addingReportingOverflow(count)
            wanted = isTooFar ? (count < 0 ? .min : .max) : sum
        }
        var row = Row(partition: partition, old: old, new: min(max(wanted, start), max(start, end)))
        if wanted < start { row.note = "\(wanted) is before the beginning" }
        if wanted > end { row.note = "\(wanted) is after the end" }
        return row
    }
}
