import Cluster
import Synchronization

/// Writes what a task made of some records, and how far it has read, so that both count or neither.
///
/// With `.exactlyOnce` in a transaction, which is begun when everything is there and lasts no longer than its writing; with
/// `.atLeastOnce` first the records and then the offsets.
final class Committer: Sendable {
    struct Work: Sendable {
        var batches: [PendingBatches.Sealed]
        var offsets: [TopicPartition: CommittedOffset]
        /// Topics whose ends are asked for.
        var changelogs: Set<String>
    }

    /// The next offset of each changelog partition that was written to.
    typealias Outcome = [TopicPartition: Int64]

    private enum Writing: Sendable {
        case transaction(any TransactionalWriter)
        case plain(any RecordWriter)
    }

    private let cluster: any Cluster
    private let group: String
    private let writing: Writing
    private let member: Member?

    /// Who commits offsets: a member of the group as long as it keeps the place that it had at the beginning.
    private struct Member: Sendable {
        var id: String
        var identity: @Sendable () async -> GroupIdentity
    }

    private init(
        _ cluster: any Cluster, _ group: String, _ writing: Writing, _ member: Member? = nil
    ) {
        self.cluster = cluster
        self.group = group
        self.writing = writing
        self.member = member
    }

    /// - Parameters:
    ///   - transactionalID: whoever had it before is fenced, and what it left open is aborted.
    ///   - member: who commits offsets without a transaction; nil when the group has no members. Transactions are fenced by
    ///     their ids, and go on while the group settles. A member that has lost its place and has another one commits nothing
    ///     more of what it did in the old one: others may have gone on from there.
    static func open(
        _ cluster: any Cluster, group: String, transactionalID: String, _ guarantee: QueryProperties.Guarantee,
        member: (@Sendable () async -> GroupIdentity)? = nil
    ) async throws(ClusterError) -> Committer {
        switch guarantee {
        case .exactlyOnce:
            let writer = try await cluster.transactionalWriter(transactionalID, timeout: .seconds(60))
            return Committer(cluster, group, .transaction(writer))
        case .atLeastOnce:
            var known: Member?
            if let member { known = Member(id: await member().memberId, identity: member) }
            return Committer(cluster, group, .plain(try await cluster.writer(.idempotent)), known)
        }
    }

    /// - Throws: then nothing of `work` counts, or with `.atLeastOnce` the records may and the offsets do not.
    func commit(_ work: Work) async throws(ClusterError) -> Outcome {
        switch writing {
        case .transaction(let writer):
            try writer.begin()
            do throws(ClusterError) {
                let receipts = try await submit(work, to: writer)
                try await writer.sendOffsets(work.offsets, of: .outside(group))
                try await commit(writer)
                return try await ends(receipts, work)
            } catch {
                // The first failure is what counts; whoever takes the id next aborts what is open. When somebody has, records
                // that were taken back do not say so.
                do throws(ClusterError) { try await writer.abort() } catch let second {
                    if second.code == .producerFenced { throw second }
                }
                throw error
            }
        case .plain(let writer):
            let receipts = try await submit(work, to: writer)
            let ends = try await ends(receipts, work)
            if let member {
                try await cluster.commitOffsets(work.offsets, byMember: member.identity, id: member.id)
            } else {
                try await cluster.alterGroupOffsets(group, work.offsets)
            }
            return ends
        }
    }

    private func submit(_ work: Work, to writer: any RecordWriter) async throws(ClusterError) -> [WriteReceipt] {
        var receipts: [WriteReceipt] = []
        receipts.reserveCapacity(work.batches.count)
        for batch in work.batches {
            receipts.append(try await writer.submit(batch: batch.bytes, to: batch.partition))
        }
        return receipts
    }

    /// An end without an answer may have come about: the same call asks for it again.
    private func commit(_ writer: any TransactionalWriter) async throws(ClusterError) {
        var left = 5
        while true {
            do throws(ClusterError) { return try await writer.commit() } catch {
                left -= 1
                guard error.code == .requestTimedOut, left > 0 else { throw error }
            }
        }
    }

    private func ends(_ receipts: [WriteReceipt], _ work: Work) async throws(ClusterError) -> Outcome {
        var ends: Outcome = [:]
        for (receipt, batch) in zip(receipts, work.batches) {
            let positions = try await receipt.positions()
            guard work.changelogs.contains(batch.partition.topic), let first = positions.first else { continue }
            ends[batch.partition] = first.offset + Int64(batch.recordCount)
        }
        return ends
    }

    func close() async {
        switch writing {
        case .transaction(let writer): await writer.close()
        case .plain(let writer): await writer.close()
        }
    }
}

extension Cluster {
    /// Commits offsets as a member of a group, which may be about to settle.
    ///
    /// - Parameter id: nil: whoever it is by then.
    /// - Throws: `.unknownMemberId` when the member has lost its place.
    func commitOffsets(
        _ offsets: [TopicPartition: CommittedOffset], byMember member: @Sendable () async -> GroupIdentity,
        id: String? = nil
    ) async throws(ClusterError) {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            let identity = await member()
            if let id, identity.memberId != id {
                throw ClusterError(
                    .unknownMemberId,
                    "member '\(id)' has lost its place in group '\(identity.group)' before it has committed")
            }
            do throws(ClusterError) { return try await commitOffsets(offsets, by: identity) } catch {
                // The generation of a member changes with each round.
                let passes = error.code == .rebalanceInProgress || error.code == .illegalGeneration
                guard passes, ContinuousClock.now < deadline, !Task.isCancelled else { throw error }
                try? await Task.sleep(for: .milliseconds(50))  // a cancelled wait ends at the look above
            }
        }
    }
}
