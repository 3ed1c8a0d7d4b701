/// What a replay tells its reader.
package enum ReplayEvent: Sendable {
    /// Records of one partition in its order. Partitions are not ordered among each other.
    case records(FetchedBatches)
    /// Everything that was in the topic when the replay began has been handed over. Comes once.
    case caughtUp
}

extension Cluster {
    /// Reads a topic from its beginning to its end and then follows it: the way every service rebuilds its state from
    /// a compacted topic (schemas, connector configurations and offsets, SQL commands, changelogs).
    ///
    /// Calls `handle` with one event at a time, in the caller's task, until the task is cancelled or `handle` or the
    /// cluster throws. Partitions that are added while it runs are not followed.
    ///
    /// - Throws: `ClusterError`, `CancellationError`, and what `handle` throws, which ends the replay.
    package func replay(
        _ topic: String, isolation: Isolation = .readCommitted, maxBytes: Int = 1 << 20,
        _ handle: (ReplayEvent) async throws -> Void
    ) async throws {
        let partitions = try await self.topic(topic).partitions.map { TopicPartition(topic, $0.partition) }
        let ends = try await offsets(.init(uniqueKeysWithValues: partitions.map { ($0, .end) }), isolation: isolation)
        var readers: [any PartitionReader] = []
        defer { for reader in readers { reader.close() } }
        for partition in partitions {
            let reader = try await reader(partition, from: .beginning, isolation: isolation)
            readers.append(reader)
            let end = ends[partition] ?? 0
            while reader.position < end {
                try Task.checkCancellation()
                let batches = try await reader.next(maxBytes: maxBytes, timeout: .seconds(1))
                if !batches.isEmpty { try await handle(.records(batches)) }
            }
        }
        try await handle(.caughtUp)

        try await withThrowingTaskGroup(of: (any PartitionReader, FetchedBatches).self) { group in
            func follow(_ reader: any PartitionReader) {
                group.addTask { (reader, try await reader.next(maxBytes: maxBytes, timeout: .seconds(30))) }
            }
            for reader in readers { follow(reader) }
            while let (reader, batches) = try await group.next() {
                try Task.checkCancellation()
                if !batches.isEmpty { try await handle(.records(batches)) }
                follow(reader)
            }
        }
    }
}
