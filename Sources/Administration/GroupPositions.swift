package import Cluster

/// Where a group is, of whichever type: in partitions where it has committed an offset, or as a share group has begun to
/// read.
package struct GroupPositions: Sendable {
    /// Of a share group: where delivery starts.
    package var offsets: [TopicPartition: CommittedOffset]
    /// Where the broker counts what is still to be read: a share group is done with records in any order.
    package var lags: [TopicPartition: Int64] = [:]

    package init(offsets: [TopicPartition: CommittedOffset]) { self.offsets = offsets }

    package init(_ shared: [TopicPartition: ShareGroupOffset]) {
        offsets = shared.mapValues { CommittedOffset($0.start) }
        lags = shared.compactMapValues(\.lag)
    }
}

extension Cluster {
    package func positions(of group: String, _ type: GroupType?) async throws(ClusterError) -> GroupPositions {
        if type == .share { return GroupPositions(try await shareGroupOffsets(group)) }
        return GroupPositions(offsets: try await groupOffsets(group))
    }

    /// Moves the offsets of a group without members, of whichever type.
    package func alterPositions(
        of group: String, _ type: GroupType?, _ offsets: [TopicPartition: Int64]
    ) async throws(ClusterError) {
        if type == .share { return try await alterShareGroupOffsets(group, offsets) }
        try await alterGroupOffsets(group, offsets.mapValues { CommittedOffset($0) })
    }
}
