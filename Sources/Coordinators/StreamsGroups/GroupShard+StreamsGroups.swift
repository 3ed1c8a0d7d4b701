package import KafkaMessages

/// StreamsGroupHeartbeat and StreamsGroupDescribe.
extension GroupShard {
    /// - Parameters:
    ///   - settings: of this group.
    ///   - missing: the topics that the group's tasks need and the broker is to make.
    package mutating func streamsGroupHeartbeat(
        _ request: StreamsGroupHeartbeatRequest, client: ClientIdentity, token: ReplyToken, at: EventTime,
        topics: any TopicImage, settings: StreamsGroupSettings, missing: inout [StreamsInternalTopic]
    ) -> Decision {
        begin(at: at)
        let id = request.groupId
        let context = StreamsGroupContext(settings: settings, topics: topics, time: at)
        if let response = withStreamsGroup(id, { $0.keepAlive(request, client, context) }) ?? nil {
            return Decision(token, response)
        }
        do throws(ConsumerGroupError) {
            try request.validate()
            var tombstones: [CoordinatorRecord] = []
            let group = try streamsGroup(id, joins: request.memberEpoch == MemberEpoch.join, &tombstones)
            var draft = StreamsGroupDraft(group)
            let response = try draft.heartbeat(request, client, context)
            if !request.isLeave { missing = draft.group.configured?.missing ?? [] }
            var decision = Decision(token, response)
            decision.records = tombstones
            put(draft, &decision)
            if !decision.records.isEmpty {
                decision.refusals = { [Reply(token, request.refused($0.ofGroupAppend))] }
            }
            return end(decision)
        } catch {
            return Decision(token, request.refused(error.code, error.message))
        }
    }

    /// One group of StreamsGroupDescribe; 69 for a group that is not there or of another type.
    package func streamsGroupDescribe(
        _ id: String, topics: any TopicImage
    ) -> StreamsGroupDescribeResponse.DescribedGroup {
        do throws(ConsumerGroupError) {
            var group = try streamsGroup(id)
            // After a start nobody has looked at the topics yet.
            if group.configured == nil, let topology = group.topology {
                group.configured = try? ConfiguredTopology(topology, topics)
            }
            return group.describe()
        } catch {
            return .init(errorCode: error.code.rawValue, errorMessage: error.message, groupId: id)
        }
    }

    // MARK: What is shared

    /// - Throws: 24, 69.
    private func streamsGroup(_ id: String) throws(ConsumerGroupError) -> StreamsGroup {
        var none: [CoordinatorRecord] = []
        return try streamsGroup(id, joins: false, &none)
    }

    /// - Parameters:
    ///   - joins: a group that is not there, or is a classic one without members, is a new one.
    ///   - tombstones: what ends the group that was there.
    /// - Throws: 24, 69.
    private func streamsGroup(
        _ id: String, joins: Bool, _ tombstones: inout [CoordinatorRecord]
    ) throws(ConsumerGroupError) -> StreamsGroup {
        guard !id.isEmpty else { throw ConsumerGroupError(.invalidGroupId, "The group id is invalid.") }
        switch groups[id] {
        case .streams(let group): return group
        case nil:
            guard joins else { throw ConsumerGroupError(.groupIdNotFound, "Streams group \(id) not found.") }
            return StreamsGroup(groupId: id)
        case .classic(let classic):
            guard joins, classic.state == .empty, let tombstone = try? GroupRecords.tombstone(group: id) else { break }
            tombstones = [tombstone]
            return StreamsGroup(groupId: id)
        case .consumer, .share: break
        }
        throw ConsumerGroupError(.groupIdNotFound, "Group \(id) is not a streams group.")
    }

    private mutating func put(_ draft: StreamsGroupDraft, _ decision: inout Decision) {
        let id = draft.group.groupId
        decision.records += draft.records
        save(id)
        groups[id] = .streams(draft.group)
        arm(id)
    }

    /// Takes out the members whose time is over, and makes a delayed assignment.
    mutating func expireStreamsGroup(_ id: String, at: EventTime, topics: any TopicImage, _ decision: inout Decision) {
        guard let late = withStreamsGroup(id, { $0.lateMembers(at: at.monotonic) }) else { return }
        defer { arm(id) }
        guard case .streams(let group) = groups[id] else { return }
        let context = StreamsGroupContext(
            settings: configuration.settings(of: id).streams, topics: topics, time: at)
        var draft = StreamsGroupDraft(group)
        do throws(ConsumerGroupError) {
            try draft.tick(late: late, context)
            put(draft, &decision)
        } catch {
            // Of a member that is there a record has been made before; a topology that has been taken may be one of which
            // the topics make no sense any more: then the next heartbeat tells.
            _ = withStreamsGroup(id) { group in
                group.forgetTimers(of: late)
                group.delayedUntil = nil
            }
        }
    }

    /// A streams group begins with its first record and ends with the tombstone of its epoch.
    mutating func replay(_ record: StreamsGroupRecord, of id: String) {
        if record == .group(nil) {
            if case .streams = groups[id] { groups[id] = nil }
            return
        }
        if withStreamsGroup(id, { $0.apply(record) }) != nil || record.isTombstone { return }
        var group = StreamsGroup(groupId: id)
        group.apply(record)
        groups[id] = .streams(group)
    }
}
