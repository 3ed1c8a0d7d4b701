package import KafkaMessages

/// ShareGroupHeartbeat, ShareGroupDescribe, and what administrators do with the offsets of share groups.
extension GroupShard {
    /// - Parameter settings: of this group.
    package mutating func shareGroupHeartbeat(
        _ request: ShareGroupHeartbeatRequest, client: ClientIdentity, token: ReplyToken, at: EventTime,
        topics: any TopicImage, settings: ShareMembershipSettings
    ) -> Decision {
        begin(at: at)
        let id = request.groupId
        let context = ShareGroupContext(settings: settings, topics: topics, time: at)
        if let response = withShareGroup(id, { $0.keepAlive(request, client, context) }) ?? nil {
            return Decision(token, response)
        }
        do throws(ConsumerGroupError) {
            try request.validate()
            var draft = ShareGroupDraft(
                try shareGroup(id, isMade: request.memberEpoch == MemberEpoch.join))
            let response = try draft.heartbeat(request, client, context)
            return take(draft, response, token) { request.refused($0) }
        } catch {
            return Decision(token, request.refused(error.code, error.message))
        }
    }

    /// One group of ShareGroupDescribe; 69 for a group that is not there or of another type.
    package func shareGroupDescribe(
        _ id: String, topics: any TopicImage
    ) -> ShareGroupDescribeResponse.DescribedGroup {
        do throws(ConsumerGroupError) {
            return try shareGroup(id).describe(topics: topics)
        } catch {
            return .init(errorCode: error.code.rawValue, errorMessage: error.message, groupId: id)
        }
    }

    /// The partitions that a group has begun to read, by the ids of their topics.
    ///
    /// - Throws: 24, 69.
    package func shareGroupTopics(_ id: String) throws(ConsumerGroupError) -> [KafkaUUID: ShareGroupTopic] {
        try shareGroup(id).topics
    }

    package func isShareGroup(_ id: String) -> Bool {
        if case .share = groups[id] { true } else { false }
    }

    /// Whether a group is a share group that has begun to read a partition.
    package func hasBegun(_ key: SharePartitionKey) -> Bool {
        (try? shareGroup(key.group))?.topics[key.topicId]?.partitions.contains(key.partition) ?? false
    }

    /// Whether a share group has members, which keep it from being deleted.
    package func hasShareGroupMembers(_ id: String) -> Bool { (try? shareGroup(id))?.isEmpty == false }

    /// Whether a group is a share group without members, the only one whose offsets may be changed.
    ///
    /// - Throws: 24, 68, 69.
    package func checkShareGroupIsEmpty(_ id: String) throws(ConsumerGroupError) { try shareGroup(id).checkEmpty() }

    /// Begins delivery of partitions anew.
    ///
    /// - Returns: the epoch of their state, or 24, 68, 69.
    package mutating func alterShareGroupOffsets(
        _ id: String, _ partitions: [(topic: TopicFacts, partition: Int32)], at: EventTime
    ) -> (Decision, Result<Int32, ConsumerGroupError>) {
        begin(at: at)
        return changeShareGroup(id) { draft throws(ConsumerGroupError) in
            try draft.alterOffsets(partitions)
            return draft.group.epoch
        }
    }

    /// Forgets that a group has begun to read topics.
    package mutating func forgetShareGroupTopics(
        _ id: String, _ topicIds: Set<KafkaUUID>, at: EventTime
    ) -> (Decision, Result<Void, ConsumerGroupError>) {
        begin(at: at)
        return changeShareGroup(id) { draft throws(ConsumerGroupError) in
            try draft.group.checkEmpty()
            try draft.forget(topicIds)
        }
    }

    /// The partitions that share groups have begun to read of topics by these names.
    package func shareGroupPartitions(
        ofTopics names: Set<String>
    ) -> [(group: String, topicId: KafkaUUID, partitions: [Int32])] {
        groups.flatMap { id, group -> [(group: String, topicId: KafkaUUID, partitions: [Int32])] in
            guard case .share(let group) = group else { return [] }
            return group.topics.compactMap { topicId, topic in
                names.contains(topic.name) ? (id, topicId, topic.partitions) : nil
            }
        }
    }

    /// Names of all topics that share groups read.
    var topicsOfShareGroups: Set<String> {
        var names: Set<String> = []
        for case .share(let group) in groups.values { names.formUnion(group.topics.values.map(\.name)) }
        return names
    }

    // MARK: What is shared

    /// - Parameter isMade: a group that is not there is a new one.
    /// - Throws: 24, 69.
    private func shareGroup(_ id: String, isMade: Bool = false) throws(ConsumerGroupError) -> ShareGroup {
        guard !id.isEmpty else { throw ConsumerGroupError(.invalidGroupId, "The group id is invalid.") }
        switch groups[id] {
        case .share(let group): return group
        case nil:
            guard isMade else { throw ConsumerGroupError(.groupIdNotFound, "Group \(id) not found.") }
            return ShareGroup(groupId: id)
        case .classic, .consumer, .streams:
            throw ConsumerGroupError(.groupIdNotFound, "Group \(id) is not a share group.")
        }
    }

    private mutating func changeShareGroup<T>(
        _ id: String, _ body: (inout ShareGroupDraft) throws(ConsumerGroupError) -> T
    ) -> (Decision, Result<T, ConsumerGroupError>) {
        do throws(ConsumerGroupError) {
            var draft = ShareGroupDraft(try shareGroup(id))
            let value = try body(&draft)
            var decision = Decision()
            put(draft, &decision)
            return (end(decision), .success(value))
        } catch {
            return (Decision(), .failure(error))
        }
    }

    private mutating func take(
        _ draft: ShareGroupDraft, _ response: ShareGroupHeartbeatResponse, _ token: ReplyToken,
        refused: @escaping @Sendable (ErrorCode) -> ShareGroupHeartbeatResponse
    ) -> Decision {
        var decision = Decision(token, response)
        put(draft, &decision)
        if !decision.records.isEmpty { decision.refusals = { [Reply(token, refused($0.ofGroupAppend))] } }
        return end(decision)
    }

    private mutating func put(_ draft: ShareGroupDraft, _ decision: inout Decision) {
        let id = draft.group.groupId
        decision.records += draft.records
        save(id)
        groups[id] = .share(draft.group)
        arm(id)
    }

    /// Takes out the members whose time is over, all in one step.
    mutating func expireShareGroup(_ id: String, at: EventTime, topics: any TopicImage, _ decision: inout Decision) {
        let context = ShareGroupContext(
            settings: configuration.settings(of: id).share, topics: topics, time: at)
        guard let late = withShareGroup(id, { $0.lateMembers(at: at.monotonic) }) else { return }
        defer { arm(id) }
        guard !late.isEmpty, case .share(let group) = groups[id] else { return }
        var draft = ShareGroupDraft(group)
        // No record can be refused of a member of which there has been one.
        guard (try? draft.fence(late, context)) != nil else { return }
        put(draft, &decision)
    }

    mutating func removeShareGroup(_ group: ShareGroup, _ decision: inout Decision) -> Bool {
        var draft = ShareGroupDraft(group)
        guard (try? draft.removeGroup()) != nil else { return false }  // it has members, or never could be written
        decision.records += draft.records
        return true
    }

    /// Forgets topics that are gone.
    mutating func forgetShareGroupTopics(named names: Set<String>, _ decision: inout Decision) {
        for (group, topicIds) in Dictionary(grouping: shareGroupPartitions(ofTopics: names), by: \.group).sorted(by: {
            $0.key < $1.key
        }) {
            guard case .share(let found) = groups[group] else { continue }
            var draft = ShareGroupDraft(found)
            guard (try? draft.forget(Set(topicIds.map(\.topicId)))) != nil else { continue }  // fewer than were written
            put(draft, &decision)
        }
    }

    /// A share group begins with its first record and ends with the tombstone of its epoch.
    mutating func replay(_ record: ShareGroupRecord, of id: String) {
        if case .groupEpoch(nil, _) = record {
            if case .share = groups[id] { groups[id] = nil }
            return
        }
        if withShareGroup(id, { $0.apply(record) }) != nil || record.isTombstone { return }
        var group = ShareGroup(groupId: id)
        group.apply(record)
        groups[id] = .share(group)
    }
}
