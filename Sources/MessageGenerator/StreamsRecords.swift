/// The records of streams groups (KIP-1071), which came to Kafka after the definitions of records that we have.
///
/// | key version | record                             | value                                       |
/// |------------:|------------------------------------|---------------------------------------------|
/// |          17 | group epoch                        | `StreamsGroupMetadataValue`                 |
/// |          19 | member                             | `StreamsGroupMemberMetadataValue`           |
/// |          20 | target assignment epoch            | `StreamsGroupTargetAssignmentMetadataValue` |
/// |          21 | target assignment of a member      | `StreamsGroupTargetAssignmentMemberValue`   |
/// |          22 | current assignment of a member     | `StreamsGroupCurrentMemberAssignmentValue`  |
/// |          23 | topology                           | `StreamsGroupTopologyValue`                 |
///
/// - SeeAlso: Kafka 4.3's `StreamsGroup*Key` and `StreamsGroup*Value`; KIP-1263 for `AssignmentTimestamp`.
enum StreamsRecords {
    static let all: [Definition] = [
        key("StreamsGroupMetadataKey", 17, ofMember: false),
        value(
            "StreamsGroupMetadataValue",
            [
                .init(name: "Epoch", type: .int32), .init(name: "MetadataHash", type: .int64),
                .init(name: "ValidatedTopologyEpoch", type: .int32, tag: 0, defaultText: "-1"),
                .init(
                    name: "LastAssignmentConfigs", type: .array(.structure("LastAssignmentConfig")), isNullable: true,
                    tag: 1, defaultText: "null"),
            ], ("LastAssignmentConfig", [.init(name: "Key", type: .string), .init(name: "Value", type: .string)])),
        key("StreamsGroupMemberMetadataKey", 19, ofMember: true),
        value(
            "StreamsGroupMemberMetadataValue",
            [
                .init(name: "InstanceId", type: .string, isNullable: true),
                .init(name: "RackId", type: .string, isNullable: true),
                .init(name: "ClientId", type: .string), .init(name: "ClientHost", type: .string),
                .init(name: "RebalanceTimeoutMs", type: .int32, defaultText: "-1"),
                .init(name: "TopologyEpoch", type: .int32), .init(name: "ProcessId", type: .string),
                .init(name: "UserEndpoint", type: .structure("Endpoint"), isNullable: true, defaultText: "null"),
                .init(name: "ClientTags", type: .array(.structure("KeyValue"))),
            ], ("Endpoint", [.init(name: "Host", type: .string), .init(name: "Port", type: .uint16)]), keyValue),
        key("StreamsGroupTargetAssignmentMetadataKey", 20, ofMember: false),
        value(
            "StreamsGroupTargetAssignmentMetadataValue",
            [
                .init(name: "AssignmentEpoch", type: .int32),
                .init(name: "AssignmentTimestamp", type: .int64, tag: 0, defaultText: "0"),
            ]),
        key("StreamsGroupTargetAssignmentMemberKey", 21, ofMember: true),
        value("StreamsGroupTargetAssignmentMemberValue", tasks(), taskIds),
        key("StreamsGroupCurrentMemberAssignmentKey", 22, ofMember: true),
        value(
            "StreamsGroupCurrentMemberAssignmentValue",
            [
                .init(name: "MemberEpoch", type: .int32), .init(name: "PreviousMemberEpoch", type: .int32),
                .init(name: "State", type: .int8),
            ] + tasks() + tasks("PendingRevocation"), taskIds),
        key("StreamsGroupTopologyKey", 23, ofMember: false),
        value(
            "StreamsGroupTopologyValue",
            [
                .init(name: "Epoch", type: .int32),
                .init(name: "Subtopologies", type: .array(.structure("Subtopology"))),
            ],
            (
                "Subtopology",
                [
                    .init(name: "SubtopologyId", type: .string), .init(name: "SourceTopics", type: .array(.string)),
                    .init(name: "SourceTopicRegex", type: .array(.string)),
                    .init(name: "StateChangelogTopics", type: .array(.structure("TopicInfo"))),
                    .init(name: "RepartitionSinkTopics", type: .array(.string)),
                    .init(name: "RepartitionSourceTopics", type: .array(.structure("TopicInfo"))),
                    .init(name: "CopartitionGroups", type: .array(.structure("CopartitionGroup"))),
                ]
            ),
            (
                "CopartitionGroup",
                ["SourceTopics", "SourceTopicRegex", "RepartitionSourceTopics"].map {
                    .init(name: $0, type: .array(.int16))
                }
            ),
            (
                "TopicInfo",
                [
                    .init(name: "Name", type: .string), .init(name: "Partitions", type: .int32),
                    .init(name: "ReplicationFactor", type: .int16),
                    .init(name: "TopicConfigs", type: .array(.structure("KeyValue"))),
                ]
            ), keyValue),
    ]

    private static let keyValue = (
        "KeyValue",
        [Definition.Field(name: "Key", type: .string), Definition.Field(name: "Value", type: .string)]
    )

    private static let taskIds = (
        "TaskIds",
        [
            Definition.Field(name: "SubtopologyId", type: .string),
            Definition.Field(name: "Partitions", type: .array(.int32)),
        ]
    )

    private static func tasks(_ suffix: String = "") -> [Definition.Field] {
        ["ActiveTasks", "StandbyTasks", "WarmupTasks"].map {
            .init(name: $0 + suffix, type: .array(.structure("TaskIds")))
        }
    }

    private static func key(_ name: String, _ type: Int, ofMember: Bool) -> Definition {
        Definition(
            name: name, kind: .data, validVersions: VersionRange(low: type, high: type), flexibleVersions: .none,
            fields: (ofMember ? ["GroupId", "MemberId"] : ["GroupId"]).map { .init(name: $0, type: .string) },
            commonStructs: [])
    }

    private static func value(
        _ name: String, _ fields: [Definition.Field], _ structures: (String, [Definition.Field])...
    ) -> Definition {
        Definition(
            name: name, kind: .data, validVersions: VersionRange(low: 0, high: 0), flexibleVersions: .all,
            fields: fields,
            commonStructs: structures.map { .init(name: $0.0, versions: .all, fields: $0.1) })
    }
}
