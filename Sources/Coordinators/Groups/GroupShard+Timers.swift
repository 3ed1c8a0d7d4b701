import NIOCore

extension GroupShard {
    /// Does what is due: sessions, rounds of joins and syncs, handed-out member ids, offsets that nobody wants. Early or
    /// needless calls do nothing.
    package mutating func tick(at: EventTime, topics: any TopicImage) -> Decision {
        begin(at: at)
        var decision = Decision()
        guard at.monotonic >= pausedUntil else { return decision }
        let context = ClassicGroup.Context(configuration: configuration, at: at)
        while let id = deadlines.popDue(at: at.monotonic) {
            // Mostly a member has sent heartbeats since the group was scheduled.
            if let deadline = groups[id]?.nextDeadline, deadline > at.monotonic {
                deadlines.schedule(id, at: deadline)
                continue
            }
            switch groups[id] {
            case .consumer:
                expireConsumerGroup(id, at: at, topics: topics, &decision)
                continue
            case .share:
                expireShareGroup(id, at: at, topics: topics, &decision)
                continue
            case .streams:
                expireStreamsGroup(id, at: at, topics: topics, &decision)
                continue
            case .classic, nil: break
            }
            save(id)
            var effects = GroupEffects()
            let changed = withClassicGroup(id) { group in
                while let deadline = group.nextDeadline, deadline <= at.monotonic { group.expire(context, &effects) }
                return group
            }
            // A group whose record cannot be made has lost its members all the same; the next record tells.
            if let changed, effects.persists, let record = try? GroupRecords.metadata(of: changed) {
                decision.records.append(record)
            }
            decision.replies += effects.replies
            arm(id)
        }
        if let due = nextSweep, due <= at.monotonic { sweep(at: at, &decision) }
        return end(decision)
    }

    /// Looks for offsets whose time is over, and for groups that have neither members nor offsets. Writes a bounded number
    /// of tombstones and continues after a moment if there are more.
    ///
    /// - SeeAlso: KIP-211; upstream `cleanupGroupMetadata`.
    private mutating func sweep(at: EventTime, _ decision: inout Decision) {
        saveSweep()
        var byteCount = 0
        for id in groups.keys.sorted() where id > sweepPosition ?? "" || sweepPosition == nil {
            guard byteCount < GroupConfiguration.sweepByteCountMax else {
                nextSweep = at.monotonic + 1
                return
            }
            let first = decision.records.count
            sweep(id, at: at, &decision)
            byteCount += decision.records[first...].reduce(0) { $0 + $1.key.readableBytes }
            sweepPosition = id
        }
        sweepPosition = nil
        nextSweep = at.monotonic + max(1, configuration.offsetsRetentionCheckIntervalMs)
    }

    private mutating func sweep(_ id: String, at: EventTime, _ decision: inout Decision) {
        guard let group = groups[id] else { return }
        var isUsed = offsets.hasOpenTransaction(id)
        for (topic, partitions) in (offsets.committed[id] ?? [:]).sorted(by: { $0.key < $1.key }) {
            if group.isSubscribed(to: topic) {
                isUsed = true
                continue
            }
            for (partition, offset) in partitions.sorted(by: { $0.key < $1.key }) {
                if isExpired(offset, of: group, at: at), !offsets.isPending(id, topic: topic, partition: partition) {
                    remove(TopicPartition(topic: topic, partition: partition), of: id, &decision)
                } else {
                    isUsed = true
                }
            }
        }
        if !isUsed, group.isAbandoned { _ = removeGroup(id, &decision) }
    }

    private func isExpired(_ offset: CommittedOffset, of group: Group, at: EventTime) -> Bool {
        guard let since = group.unused(since: offset) else { return false }
        if let expiry = offset.expireTimestamp { return at.wall >= expiry }
        // Timestamps come from records: whatever they say, this must not trap.
        let age = at.wall.subtractingReportingOverflow(since)
        return !age.overflow && age.partialValue >= configuration.offsetsRetentionMs
    }
}
