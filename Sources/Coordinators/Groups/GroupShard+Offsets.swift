package import KafkaMessages

/// OffsetCommit, TxnOffsetCommit, OffsetDelete, and the end of transactions and topics.
extension GroupShard {
    /// Unknown topics and partitions are refused one by one, a group or generation that does not fit for all of them.
    package mutating func offsetCommit(
        _ request: OffsetCommitRequest, version: Int16, token: ReplyToken, at: EventTime, topics: any TopicImage
    ) -> Decision {
        begin(at: at)
        let id = request.groupId
        var response = OffsetCommitResponse()
        var decision = Decision()
        let refused: @Sendable (ErrorCode) -> [Reply] = {
            [Reply(token, request.refused($0.ofOffsetAppend, version: version))]
        }
        var found: ErrorCode?  // asked for when a partition is found that it could be committed for
        // A retention that a client of versions 2 to 4 asks for; -1 is the broker's.
        let expiry: Int64? =
            version <= 4 && request.retentionTimeMs != -1
            ? at.wall.addingReportingOverflow(request.retentionTimeMs).partialValue : nil
        for topic in request.topics {
            var answer = OffsetCommitResponse.OffsetCommitResponseTopic()
            let facts: TopicFacts?
            if version >= 10 {
                answer.topicId = topic.topicId
                facts = topics.facts(id: topic.topicId)
            } else {
                answer.name = topic.name
                facts = topics.facts(named: topic.name)
            }
            for partition in topic.partitions {
                let code: ErrorCode
                if let facts, facts.contains(partition.partitionIndex) {
                    let refusal = found ?? refusal(of: request, version: version, at: at, topics: topics)
                    found = refusal
                    code =
                        refusal != .none
                        ? refusal
                        : add(
                            CommittedOffset(
                                offset: partition.committedOffset, leaderEpoch: partition.committedLeaderEpoch,
                                metadata: partition.committedMetadata ?? "", commitTimestamp: at.wall,
                                expireTimestamp: expiry),
                            group: id, TopicPartition(topic: facts.name, partition: partition.partitionIndex),
                            producerId: nil, &decision)
                } else {
                    code = version >= 10 && facts == nil ? .unknownTopicId : .unknownTopicOrPartition
                }
                answer.partitions.append(.init(partitionIndex: partition.partitionIndex, errorCode: code.rawValue))
            }
            response.topics.append(answer)
        }
        decision.replies = [Reply(token, response)]
        decision.refusals = refused
        return end(decision)
    }

    /// A commit as a part of a transaction. The records belong into a transactional batch of the decision's `producer`,
    /// and count once `completeTransaction` has told so.
    package mutating func txnOffsetCommit(
        _ request: TxnOffsetCommitRequest, version: Int16, token: ReplyToken, at: EventTime, topics: any TopicImage
    ) -> Decision {
        begin(at: at)
        let id = request.groupId
        var response = TxnOffsetCommitResponse()
        var decision = Decision()
        var found: ErrorCode?
        for topic in request.topics {
            var answer = TxnOffsetCommitResponse.TxnOffsetCommitResponseTopic(name: topic.name)
            let facts = topics.facts(named: topic.name)
            for partition in topic.partitions {
                let code: ErrorCode
                if let facts, facts.contains(partition.partitionIndex) {
                    let refusal = found ?? refusal(of: request, topics: topics)
                    found = refusal
                    code =
                        refusal != .none
                        ? refusal
                        : add(
                            CommittedOffset(
                                offset: partition.committedOffset, leaderEpoch: partition.committedLeaderEpoch,
                                metadata: partition.committedMetadata ?? "", commitTimestamp: at.wall),
                            group: id, TopicPartition(topic: facts.name, partition: partition.partitionIndex),
                            producerId: request.producerId, &decision)
                } else {
                    code = .unknownTopicOrPartition
                }
                answer.partitions.append(.init(partitionIndex: partition.partitionIndex, errorCode: code.rawValue))
            }
            response.topics.append(answer)
        }
        decision.replies = [Reply(token, response)]
        decision.refusals = { [Reply(token, request.refused($0.ofOffsetAppend))] }
        if !decision.records.isEmpty {
            decision.producer = TransactionProducer(
                producerId: request.producerId, producerEpoch: request.producerEpoch)
        }
        return end(decision)
    }

    /// Puts an offset's record into the decision and its change onto the stage.
    private mutating func add(
        _ offset: CommittedOffset, group: String, _ partition: TopicPartition, producerId: Int64?,
        _ decision: inout Decision
    ) -> ErrorCode {
        guard isShortEnough(offset.metadata) else { return .offsetMetadataTooLarge }
        do {
            decision.records.append(try GroupRecords.offset(group: group, partition, offset))
        } catch {
            return .offsetMetadataTooLarge  // the only string of it that has not been checked before
        }
        stage(.offset(offset, group: group, partition, producerId: producerId))
        return .none
    }

    // MARK: Who may commit

    /// What a commit may change: nothing, all, or what its member had at an earlier epoch.
    private enum Permission {
        case of(ErrorCode)
        case had((TopicFacts, Int32) -> Bool)
    }

    /// As upstream, the limit counts UTF-16 units; there are never more of them than bytes.
    private func isShortEnough(_ metadata: String) -> Bool {
        metadata.utf8.count <= configuration.offsetMetadataMaxBytes
            || metadata.utf16.count <= configuration.offsetMetadataMaxBytes
    }

    /// Why nothing of a commit is taken: as upstream, one partition that a member may not commit any more refuses all.
    private mutating func refusal(
        of request: OffsetCommitRequest, version: Int16, at: EventTime, topics: any TopicImage
    ) -> ErrorCode {
        let permission = validate(commit: request, version: version, at: at)
        return refusal(permission) { has in
            request.topics.allSatisfy { topic in
                let facts = version >= 10 ? topics.facts(id: topic.topicId) : topics.facts(named: topic.name)
                guard let facts else { return true }
                return topic.partitions.allSatisfy { partition in
                    !facts.contains(partition.partitionIndex) || !isShortEnough(partition.committedMetadata ?? "")
                        || has(facts, partition.partitionIndex)
                }
            }
        }
    }

    /// Clients that commit in transactions know no member epochs: one that is over is a generation that is.
    private func refusal(of request: TxnOffsetCommitRequest, topics: any TopicImage) -> ErrorCode {
        let code = refusal(validate(commit: request)) { has in
            request.topics.allSatisfy { topic in
                guard let facts = topics.facts(named: topic.name) else { return true }
                return topic.partitions.allSatisfy { partition in
                    !facts.contains(partition.partitionIndex) || !isShortEnough(partition.committedMetadata ?? "")
                        || has(facts, partition.partitionIndex)
                }
            }
        }
        return code == .staleMemberEpoch ? .illegalGeneration : code
    }

    /// - Parameter allHad: whether a member had all partitions of the commit, by whether it had one.
    private func refusal(_ permission: Permission, allHad: ((TopicFacts, Int32) -> Bool) -> Bool) -> ErrorCode {
        switch permission {
        case .of(let code): code
        case .had(let has): allHad(has) ? .none : .staleMemberEpoch
        }
    }

    private mutating func validate(commit request: OffsetCommitRequest, version: Int16, at: EventTime) -> Permission {
        guard isValid(groupId: request.groupId) else { return .of(.invalidGroupId) }
        let id = request.groupId
        switch groups[id] {
        case nil:
            // A consumer without group management, or an administrator.
            if request.generationIdOrMemberEpoch < 0 { return .of(.none) }
            return .of(version >= 9 ? .groupIdNotFound : .illegalGeneration)
        case .classic:
            let code = withClassicGroup(id) { group in
                let error = group.validate(
                    commitBy: request.memberId, instanceId: request.groupInstanceId,
                    generation: request.generationIdOrMemberEpoch, isTransactional: false)
                // A member that commits is alive.
                if error == .none, group.state == .stable || group.state == .preparingRebalance {
                    group.keepAlive(request.memberId, at: at.monotonic)
                }
                return error
            }
            return .of(code ?? .unknownServerError)
        case .consumer(let group):
            return permission(
                group, request.memberId, request.groupInstanceId, request.generationIdOrMemberEpoch, version: version)
        case .streams(let group):
            return permission(
                group, request.memberId, request.groupInstanceId, request.generationIdOrMemberEpoch, version: version)
        // Its offsets are not committed: they are kept with the partitions.
        case .share: return .of(.groupIdNotFound)
        }
    }

    private func permission(
        _ group: ConsumerGroup, _ memberId: String, _ instanceId: String?, _ epoch: Int32, version: Int16?
    ) -> Permission {
        permission { () throws(ConsumerGroupError) in
            try group.validateOffsetCommit(
                memberId: memberId, instanceId: instanceId, memberEpoch: epoch, version: version)
        } had: {
            group.had($1, in: $0.id, memberId, at: epoch)
        }
    }

    private func permission(
        _ group: StreamsGroup, _ memberId: String, _ instanceId: String?, _ epoch: Int32, version: Int16?
    ) -> Permission {
        permission { () throws(ConsumerGroupError) in
            try group.validateOffsetCommit(
                memberId: memberId, instanceId: instanceId, memberEpoch: epoch, version: version)
        } had: {
            group.had($1, of: $0.name, memberId, at: epoch)
        }
    }

    /// - Parameter had: whether the member had a partition at the epoch that it names, and has it still.
    private func permission(
        _ check: () throws(ConsumerGroupError) -> ConsumerGroup.Commit, had: @escaping (TopicFacts, Int32) -> Bool
    ) -> Permission {
        do throws(ConsumerGroupError) {
            switch try check() {
            case .all: return .of(.none)
            case .had: return .had(had)
            }
        } catch {
            return .of(error.code)
        }
    }

    private func validate(commit request: TxnOffsetCommitRequest) -> Permission {
        // Unlike a plain commit, which takes the empty id for the sake of old clients.
        guard isValid(groupId: request.groupId), !request.groupId.isEmpty else { return .of(.invalidGroupId) }
        switch groups[request.groupId] {
        case nil: return .of(request.generationId < 0 ? .none : .illegalGeneration)
        case .classic(let group):
            return .of(
                group.validate(
                    commitBy: request.memberId, instanceId: request.groupInstanceId, generation: request.generationId,
                    isTransactional: true))
        case .consumer(let group):
            return permission(
                group, request.memberId, request.groupInstanceId, request.generationId, version: nil)
        case .streams(let group):
            return permission(
                group, request.memberId, request.groupInstanceId, request.generationId, version: nil)
        case .share: return .of(.groupIdNotFound)
        }
    }

    // MARK: Ends

    package mutating func offsetDelete(
        _ request: OffsetDeleteRequest, version: Int16, token: ReplyToken, at: EventTime, topics: any TopicImage
    ) -> Decision {
        begin(at: at)
        let id = request.groupId
        guard !id.isEmpty else { return Decision(token, request.refused(.invalidGroupId)) }
        guard let group = groups[id] else { return Decision(token, request.refused(.groupIdNotFound)) }
        if case .share = group { return Decision(token, request.refused(.groupIdNotFound)) }
        if case .classic(let classic) = group, !group.isEmpty, !classic.isConsumerType {
            return Decision(token, request.refused(.nonEmptyGroup))
        }
        var decision = Decision()
        var response = OffsetDeleteResponse()
        for topic in request.topics {
            var answer = OffsetDeleteResponse.OffsetDeleteResponseTopic(name: topic.name)
            let facts = topics.facts(named: topic.name)
            for asked in topic.partitions {
                let partition = TopicPartition(topic: topic.name, partition: asked.partitionIndex)
                var code = ErrorCode.none
                if facts?.contains(asked.partitionIndex) != true {
                    code = .unknownTopicOrPartition
                } else if group.isSubscribed(to: topic.name) {
                    code = .groupSubscribedToTopic
                } else if offsets[id, partition] != nil
                    || offsets.isPending(id, topic: topic.name, partition: asked.partitionIndex)
                {
                    code = remove(partition, of: id, &decision)
                }
                answer.partitions.append(.init(partitionIndex: asked.partitionIndex, errorCode: code.rawValue))
            }
            response.topics.append(answer)
        }
        decision.replies = [Reply(token, response)]
        decision.refusals = { [Reply(token, request.refused($0.ofGroupAppend))] }
        return end(decision)
    }

    /// A tombstone for an offset.
    @discardableResult
    mutating func remove(_ partition: TopicPartition, of group: String, _ decision: inout Decision) -> ErrorCode {
        do {
            decision.records.append(try GroupRecords.offset(group: group, partition, nil))
        } catch {
            return .unknownServerError  // not for an offset that has been written
        }
        stage(.offset(nil, group: group, partition, producerId: nil))
        return .none
    }

    /// Tombstones for all offsets of topics that are gone.
    package mutating func topicsDeleted(_ names: [String], at: EventTime) -> Decision {
        begin(at: at)
        let names = Set(names)
        var decision = Decision()
        for id in groups.keys.sorted() {
            for partition in offsets.partitions(of: id, where: names.contains) { remove(partition, of: id, &decision) }
        }
        forgetShareGroupTopics(named: names, &decision)
        return end(decision)
    }

    /// The marker that ends the producer's transaction is in this partition's log: its offsets take effect, or are
    /// forgotten.
    package mutating func completeTransaction(producerId: Int64, isCommit: Bool, at: EventTime) {
        offsets.complete(producerId: producerId, isCommit: isCommit)
    }

    /// DeleteGroups for one group: tombstones for its offsets and for itself.
    ///
    /// - Returns: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, or none; then the group is gone with the `commit` of the decision.
    package mutating func delete(_ id: String, at: EventTime) -> (decision: Decision, error: ErrorCode) {
        begin(at: at)
        guard let group = groups[id] else { return (Decision(), .groupIdNotFound) }
        guard group.isEmpty else { return (Decision(), .nonEmptyGroup) }
        var decision = Decision()
        for partition in offsets.partitions(of: id) { remove(partition, of: id, &decision) }
        guard removeGroup(id, &decision) else {
            cancel()
            return (Decision(), .unknownServerError)
        }
        return (decision, .none)
    }

    /// The tombstones of a group without offsets.
    mutating func removeGroup(_ id: String, _ decision: inout Decision) -> Bool {
        // Its id has been checked when it was made.
        switch groups[id] {
        case .consumer(let group):
            guard let tombstones = try? group.delete() else { return false }
            decision.records += tombstones
        case .streams(let group):
            guard let tombstones = try? group.delete() else { return false }
            decision.records += tombstones
        case .share(let group): guard removeShareGroup(group, &decision) else { return false }
        case .classic, nil:
            guard let tombstone = try? GroupRecords.tombstone(group: id) else { return false }
            decision.records.append(tombstone)
        }
        stage(.removeGroup(id))
        return true
    }
}

extension TopicFacts {
    func contains(_ partition: Int32) -> Bool { partition >= 0 && partition < partitionCount }
}

extension ClassicGroup {
    /// - SeeAlso: upstream `ClassicGroup.validateOffsetCommit`.
    func validate(
        commitBy memberId: String, instanceId: String?, generation: Int32, isTransactional: Bool
    ) -> ErrorCode {
        if generation < 0, state == .empty { return .none }
        if generation >= 0 || !memberId.isEmpty || instanceId != nil {
            let error = validate(memberId: memberId, instanceId: instanceId)
            guard error == .none else { return error }
            guard generation == self.generation else { return .illegalGeneration }
        } else if !isTransactional, state != .empty {
            return .unknownMemberId
        }
        // The member may know its new generation, but not yet what it is to do in it. Transactions are not held to that.
        if !isTransactional, state == .completingRebalance { return .rebalanceInProgress }
        return .none
    }

    mutating func keepAlive(_ memberId: String, at now: Int64) {
        guard let position = members.position(of: memberId) else { return }
        members.all[position].keepAlive(at: now)
    }
}
