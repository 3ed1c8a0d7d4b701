import Bytes
import Coordinators
import Environment
import KafkaMessages
import LogStorage
import NIOCore
import NIOPosix
import RecordBatches
import Security

/// A member's request for records of share partitions.
struct ShareFetchWork: Sendable {
    var responder: Responder
    var session: ShareSession
    var targets: [ShareTarget]
    var settings: ShareGroupSettings
    var recordCountMax: Int
    var byteCountMax: Int
    var byteCountMin: Int
    /// No more than `recordCountMax` (KIP-1206).
    var isStrict: Bool
    /// What became of acknowledgements in the same request.
    var acknowledged: [ShareTarget: ControlError?]
    /// What has to be on disk before the answer leaves.
    var syncs: [(partition: Partition, offset: Int64)]

    var group: String { session.key.group }
    var member: String { session.key.member }

    func key(_ target: ShareTarget) -> SharePartitionKey {
        SharePartitionKey(group: group, topicId: target.topicId, partition: target.partition)
    }
}

/// What a share partition has for a member.
struct SharedPart {
    var target: ShareTarget
    var error: ControlError?
    var records = ByteBuffer()
    var acquired: [SharePartition.Acquired] = []
    /// Whether what was read had no records to deliver, so that there may be some behind.
    var isPassedOver = false
    /// What has to be on disk before the member is told, when delivery began with this.
    var started: (partition: Partition, offset: Int64)?

    var byteCount: Int { records.readableBytes }

    /// Offsets that the member has got.
    var recordCount: Int64 { acquired.reduce(0) { $0 + $1.lastOffset - $1.firstOffset + 1 } }
}

extension BrokerNode {
    var shares: ShareStates { coordination.shares }

    /// The partition of a target, for someone who may read it.
    func partition(_ target: ShareTarget, _ access: Access?) throws(ControlError) -> Partition {
        guard let topic = catalog.topic(id: target.topicId) else { throw ControlError(.unknownTopicId) }
        guard access.permits(.read, .topic, topic.name) else { throw ControlError(.topicAuthorizationFailed) }
        guard let partition = topic.partition(target.partition), !partition.isDeleted else {
            throw ControlError(.unknownTopicOrPartition)
        }
        return partition
    }

    /// Looks what share partitions have to deliver, and delivers it when there is enough or `evenIfTooLittle`.
    ///
    /// - Returns: nil when nothing was delivered.
    func collect(_ work: ShareFetchWork, evenIfTooLittle: Bool) -> [SharedPart]? {
        // Its member has another one, or has gone: nothing is delivered into nowhere.
        if work.session.isOver { return [] }
        // Markers and what was aborted can be many in a row; other connections have their turn in between.
        for _ in 0..<Self.passedOverCountMax {
            let (parts, passedOver) = look(work, evenIfTooLittle: evenIfTooLittle)
            if let parts, !parts.isEmpty { return parts }
            guard !passedOver.isEmpty else { return evenIfTooLittle ? [] : nil }
        }
        for target in work.targets { shares.wake(work.key(target)) }
        return evenIfTooLittle ? [] : nil
    }

    private static let passedOverCountMax = 8

    /// - Returns: what was delivered, nil when that is to be waited for, and what had no records where it was read.
    private func look(_ work: ShareFetchWork, evenIfTooLittle: Bool) -> ([SharedPart]?, passedOver: [ShareTarget]) {
        let access = access(work.responder)
        var failed: [SharedPart] = []
        var found: [(part: SharedPart, partition: Partition, slice: LogSlice, from: Int64)] = []
        var byteCount = 0
        let share = max(1, work.byteCountMax / max(1, work.targets.count))
        for target in work.targets {
            var part = SharedPart(target: target)
            do throws(ControlError) {
                let partition = try partition(target, access)
                guard let from = try position(work, &part, partition) else { continue }
                let offsets = partition.log.offsets
                let end = work.settings.readsCommitted ? offsets.lastStable : offsets.logEnd
                guard from < end else { continue }
                let slice: LogSlice
                do throws(LogError) {
                    slice = try partition.log.read(
                        from: from, maxBytes: min(share, Self.sharedByteCountMax, work.byteCountMax - byteCount),
                        upTo: end,
                        minOneBatch: byteCount == 0)
                } catch {
                    // What retention has just removed is looked for again behind it.
                    if error.code == .offsetOutOfRange { continue }
                    alarm.note(
                        error, reading: "\(partition.topicName)-\(partition.index)", folder: partition.log.directory)
                    throw ControlError(error)
                }
                guard !slice.isEmpty || slice.nextOffset > from else { continue }
                byteCount += slice.byteCount
                found.append((part, partition, slice, from))
            } catch {
                part.error = error
                failed.append(part)
            }
        }
        let isEnough = found.contains { $0.slice.isEmpty } || (!found.isEmpty && byteCount >= work.byteCountMin)
        // One that cannot be read does not end the wait for the others: its error comes with their records.
        let isHopeless = !failed.isEmpty && failed.count == work.targets.count
        guard evenIfTooLittle || isHopeless || isEnough else { return (nil, []) }
        var parts = failed
        var passedOver: [ShareTarget] = []
        var left = work.recordCountMax
        for (begun, partition, slice, from) in found where left > 0 {
            var part = begun
            do throws(ControlError) {
                try deliver(slice, from: from, of: partition, work, left, &part)
                left -= Int(clamping: part.recordCount)
            } catch {
                part.error = error
            }
            if part.isPassedOver { passedOver.append(part.target) }
            if part.error != nil || !part.acquired.isEmpty { parts.append(part) }
        }
        return (parts, passedOver)
    }

    /// Bytes of a partition that one answer looks at: members get some hundred records at a time.
    private static let sharedByteCountMax = 1 << 20

    /// Where a share partition goes on.
    private enum Position {
        case at(Int64)
        /// As much is in flight as may be.
        case full
        /// `share.auto.offset.reset` asks for a time.
        case undecided
        /// Nothing is kept, and no member of the group has come to read the partition.
        case notBegun
    }

    /// Where to read for a share partition; nil when there is nothing to deliver now.
    private func position(
        _ work: ShareFetchWork, _ part: inout SharedPart, _ partition: Partition
    ) throws(ControlError) -> Int64? {
        let key = work.key(part.target)
        guard let host = shares.host(of: key) else { return nil }
        if host.isFailed { throw ControlError(.kafkaStorageError) }
        let settings = work.settings
        let limit = Int64(settings.partitionMaxRecordLocks)
        let found = host.perform { shard, now, _ -> (Position, Decision, [SharePartitionKey]) in
            // Looked at here, so that nobody has delivered anything behind it.
            let offsets = partition.log.offsets
            guard (shard.state(key)?.startOffset ?? -1) < 0 else {
                let offset = shard.update(key, leaderEpoch: leaderEpoch) { state -> Int64? in
                    state.cut(to: offsets.logEnd)
                    state.advance(to: offsets.logStart)
                    return state.hasAvailable || state.inFlightCount < limit ? state.nextOffset : nil
                }
                return (offset.map(Position.at) ?? .full, Decision(), [])
            }
            // Here, too, so that what is kept of a group that is being deleted is forgotten behind it.
            guard groups.host(of: key.group)?.read({ shard, _ in shard.hasBegun(key) }) == true else {
                return (.notBegun, Decision(), [])
            }
            let start: Int64
            switch settings.offsetReset {
            case .earliest: start = offsets.logStart
            case .latest: start = settings.readsCommitted ? offsets.lastStable : offsets.logEnd
            case .duration: return (.undecided, Decision(), [])
            }
            return (.at(start), shard.start(key, at: start, leaderEpoch: leaderEpoch, at: now), [])
        }
        guard let found, found.failure == nil else { return nil }
        if let offset = found.syncOffset { part.started = (host.partition, offset) }
        switch found.value {
        case .at(let offset): return offset
        case .full: return nil
        case .undecided:
            if case .duration(let milliseconds) = settings.offsetReset {
                findStart(key, partition, host, before: milliseconds, settings)
            }
            return nil
        case .notBegun:
            // As upstream, where the state has not been initialized.
            throw ControlError(
                .unknownServerError, "The share group '\(key.group)' has not begun to read the partition.")
        }
    }

    /// Finds the first record that is not older than a duration, which may read much of the log, and begins there.
    private func findStart(
        _ key: SharePartitionKey, _ partition: Partition, _ host: ShardHost<ShareStateShard>,
        before milliseconds: Int64,
        _ settings: ShareGroupSettings
    ) {
        // Every look asks until it is found.
        guard shares.beginSearch(key) else { return }
        let limit = catalog.topic(named: partition.topicName)?.config.rules.decompressedByteCountMax ?? 0
        diskPool.submit { [self] state in
            defer { shares.endSearch(key) }
            guard case .active = state else { return }
            let offsets = partition.log.offsets
            let end = settings.readsCommitted ? offsets.lastStable : offsets.logEnd
            let (time, overflows) = clock.now().subtractingReportingOverflow(milliseconds)
            let found = Result { () throws(LogError) in
                try partition.log.offset(forTimestamp: overflows ? 0 : max(0, time), upTo: end, limit: limit)
            }
            switch found {
            case .success(let found):
                host.perform { shard, now, _ in
                    // It may have been deleted meanwhile.
                    guard groups.host(of: key.group)?.read({ shard, _ in shard.hasBegun(key) }) == true else {
                        return ((), Decision(), [key])
                    }
                    let start = found?.offset ?? end
                    return ((), shard.start(key, at: start, leaderEpoch: leaderEpoch, at: now), [key])
                }
            case .failure(let error):
                alarm.note(
                    error, reading: "\(partition.topicName)-\(partition.index)", folder: partition.log.directory)
            }
        }
    }

    /// Gives a member what was read.
    private func deliver(
        _ slice: LogSlice, from: Int64, of partition: Partition, _ work: ShareFetchWork, _ countMax: Int,
        _ part: inout SharedPart
    ) throws(ControlError) {
        let key = work.key(part.target)
        let settings = work.settings
        let bytes: ByteBuffer
        let batches: [StoredBatch]
        var end = slice.nextOffset
        do throws(LogError) {
            bytes = try slice.buffer()
            let aborted =
                settings.readsCommitted
                ? try partition.log.abortedTransactions(from: from, upTo: slice.nextOffset) : []
            batches = try StoredBatch.all(in: bytes, of: partition.log.directory, aborted)
            // What is behind a damaged batch is not passed over: the next look begins with it.
            if let last = batches.last, last.end < bytes.readableBytes { end = last.offsets.upperBound + 1 }
        } catch {
            alarm.note(error, reading: "\(partition.topicName)-\(partition.index)", folder: partition.log.directory)
            throw ControlError(error)
        }
        let fetched = SharePartition.Fetched(
            batches: batches.filter(\.isDelivered).map(\.offsets), nextOffset: end)
        let done = shares.host(of: key)?.perform { shard, now, _ in
            let result = shard.update(key, leaderEpoch: leaderEpoch) { state in
                let acquired = state.acquire(
                    fetched, from: from, by: work.member,
                    .init(
                        recordCountMax: countMax, isStrict: work.isStrict,
                        inFlightCountMax: settings.partitionMaxRecordLocks,
                        deliveryCountLimit: settings.deliveryCountLimit,
                        lockedUntil: now.monotonic + Int64(settings.recordLockDurationMs)))
                return (acquired: acquired, isPassedOver: acquired.isEmpty && state.nextOffset > from)
            }
            return (result, Decision(), [])
        }
        part.acquired = done?.value.acquired ?? []
        part.isPassedOver = done?.value.isPassedOver ?? false
        guard let first = part.acquired.first?.firstOffset, let last = part.acquired.last?.lastOffset else { return }
        let sent = batches.filter { $0.offsets.overlaps(first...last) }
        guard let first = sent.first?.position, let last = sent.last?.end else { return }
        part.records = bytes.getSlice(at: bytes.readerIndex + first, length: last - first) ?? ByteBuffer()
    }
}

/// A batch of what was read, as those who share it see it.
private struct StoredBatch {
    var offsets: ClosedRange<Int64>
    /// Where it begins and ends among the bytes.
    var position: Int
    var end: Int
    /// Whether its records are for members: markers are not, nor is what was aborted, for those who read committed.
    var isDelivered: Bool

    static func all(
        in bytes: ByteBuffer, of folder: String, _ aborted: [AbortedTransaction]
    ) throws(LogError) -> [StoredBatch] {
        let span = bytes.readableBytesSpan
        var batches: [StoredBatch] = []
        var at = 0
        while at < span.byteCount {
            let header: BatchHeader
            do throws(WireError) { header = try BatchHeader(span, at: at) } catch {
                guard batches.isEmpty else { break }
                throw LogError(.corruptSegment, "a batch in '\(folder)' is damaged: \(error)")
            }
            guard header.baseOffset >= 0, header.lastOffset >= header.baseOffset, header.lastOffset < .max else {
                break
            }
            let isAborted =
                header.attributes.isTransactional
                && aborted.contains { transaction in
                    transaction.producerId == header.producerId && transaction.firstOffset <= header.baseOffset
                        && header.lastOffset <= transaction.lastOffset
                }
            batches.append(
                StoredBatch(
                    offsets: header.baseOffset...header.lastOffset, position: at, end: at + header.byteCount,
                    isDelivered: !header.attributes.isControl && !isAborted))
            at += header.byteCount
        }
        return batches
    }
}
