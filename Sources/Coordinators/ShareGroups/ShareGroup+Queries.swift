package import KafkaMessages

extension ShareGroup {
    /// One group of ShareGroupDescribe. Topics that no longer exist are left out.
    package func describe(topics image: any TopicImage) -> ShareGroupDescribeResponse.DescribedGroup {
        .init(
            groupId: groupId, groupState: stateName, groupEpoch: epoch, assignmentEpoch: assignmentEpoch,
            assignorName: "simple",
            members: members.values.sorted { $0.memberId < $1.memberId }.map { member in
                .init(
                    memberId: member.memberId, rackId: member.rackId, memberEpoch: member.memberEpoch,
                    clientId: member.clientId, clientHost: member.clientHost,
                    subscribedTopicNames: member.subscribedTopicNames,
                    assignment: .init(
                        topicPartitions: member.assigned.sorted.compactMap { id, partitions in
                            image.facts(id: id).map { .init(topicId: id, topicName: $0.name, partitions: partitions) }
                        }))
            })
    }

    /// - Throws: 68 while the group has members.
    func checkEmpty() throws(ConsumerGroupError) {
        guard isEmpty else { throw ConsumerGroupError(.nonEmptyGroup, "The group is not empty.") }
    }
}

extension ShareGroupDraft {
    /// Begins delivery of partitions anew: the group's epoch becomes that of their state.
    ///
    /// - Throws: 68.
    mutating func alterOffsets(
        _ partitions: [(topic: TopicFacts, partition: Int32)]
    ) throws(ConsumerGroupError) {
        try group.checkEmpty()
        var known = group.topics
        for (topic, partition) in partitions {
            var begun = known[topic.id] ?? ShareGroupTopic(name: topic.name, partitions: [])
            begun.partitions = Set(begun.partitions + [partition]).sorted()
            known[topic.id] = begun
        }
        try advance(metadataHash: group.metadataHash)
        if known != group.topics { try add(.partitions(known)) }
    }

    mutating func forget(_ topicIds: Set<KafkaUUID>) throws(ConsumerGroupError) {
        let known = group.topics.filter { !topicIds.contains($0.key) }
        if known.count != group.topics.count { try add(.partitions(known)) }
    }

    /// Writes tombstones for all that the group has, members before what they belong to.
    mutating func removeGroup() throws(ConsumerGroupError) {
        try group.checkEmpty()
        for memberId in group.targets.keys.sorted() { try add(.target(memberId, nil)) }
        try add(.targetEpoch(nil))
        try add(.partitions(nil))
        try add(.groupEpoch(nil, metadataHash: 0))
    }
}
