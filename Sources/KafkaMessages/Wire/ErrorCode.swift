/// An error code of the protocol.
///
/// Fields of messages carry the raw number, because a peer may send codes that we do not know.
package struct ErrorCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package var rawValue: Int16

    package init(rawValue: Int16) { self.rawValue = rawValue }

    /// Kafka's name, such as "OFFSET_OUT_OF_RANGE"; "UNKNOWN_ERROR_CODE_" and the number for a code that we do not know.
    package var name: String {
        guard let entry = Self.table[rawValue] else { return "UNKNOWN_ERROR_CODE_\(rawValue)" }
        return entry.name
    }

    /// Whether the Java client tries again on its own.
    package var isRetriable: Bool { Self.table[rawValue]?.isRetriable ?? false }

    package var description: String { name }
}

// Codes and retriability are those of kafka-clients 4.3.0, org.apache.kafka.common.protocol.Errors.
extension ErrorCode {
    package static let unknownServerError = ErrorCode(rawValue: -1)
    package static let none = ErrorCode(rawValue: 0)
    package static let offsetOutOfRange = ErrorCode(rawValue: 1)
    package static let corruptMessage = ErrorCode(rawValue: 2)
    package static let unknownTopicOrPartition = ErrorCode(rawValue: 3)
    package static let invalidFetchSize = ErrorCode(rawValue: 4)
    package static let leaderNotAvailable = ErrorCode(rawValue: 5)
    package static let notLeaderOrFollower = ErrorCode(rawValue: 6)
    package static let requestTimedOut = ErrorCode(rawValue: 7)
    package static let brokerNotAvailable = ErrorCode(rawValue: 8)
    package static let replicaNotAvailable = ErrorCode(rawValue: 9)
    package static let messageTooLarge = ErrorCode(rawValue: 10)
    package static let staleControllerEpoch = ErrorCode(rawValue: 11)
    package static let offsetMetadataTooLarge = ErrorCode(rawValue: 12)
    package static let networkException = ErrorCode(rawValue: 13)
    package static let coordinatorLoadInProgress = ErrorCode(rawValue: 14)
    package static let coordinatorNotAvailable = ErrorCode(rawValue: 15)
    package static let notCoordinator = ErrorCode(rawValue: 16)
    package static let invalidTopicException = ErrorCode(rawValue: 17)
    package static let recordListTooLarge = ErrorCode(rawValue: 18)
    package static let notEnoughReplicas = ErrorCode(rawValue: 19)
    package static let notEnoughReplicasAfterAppend = ErrorCode(rawValue: 20)
    package static let invalidRequiredAcks = ErrorCode(rawValue: 21)
    package static let illegalGeneration = ErrorCode(rawValue: 22)
    package static let inconsistentGroupProtocol = ErrorCode(rawValue: 23)
    package static let invalidGroupId = ErrorCode(rawValue: 24)
    package static let unknownMemberId = ErrorCode(rawValue: 25)
    package static let invalidSessionTimeout = ErrorCode(rawValue: 26)
    package static let rebalanceInProgress = ErrorCode(rawValue: 27)
    package static let invalidCommitOffsetSize = ErrorCode(rawValue: 28)
    package static let topicAuthorizationFailed = ErrorCode(rawValue: 29)
    package static let groupAuthorizationFailed = ErrorCode(rawValue: 30)
    package static let clusterAuthorizationFailed = ErrorCode(rawValue: 31)
    package static let invalidTimestamp = ErrorCode(rawValue: 32)
    package static let unsupportedSaslMechanism = ErrorCode(rawValue: 33)
    package static let illegalSaslState = ErrorCode(rawValue: 34)
    package static let unsupportedVersion = ErrorCode(rawValue: 35)
    package static let topicAlreadyExists = ErrorCode(rawValue: 36)
    package static let invalidPartitions = ErrorCode(rawValue: 37)
    package static let invalidReplicationFactor = ErrorCode(rawValue: 38)
    package static let invalidReplicaAssignment = ErrorCode(rawValue: 39)
    package static let invalidConfig = ErrorCode(rawValue: 40)
    package static let notController = ErrorCode(rawValue: 41)
    package static let invalidRequest = ErrorCode(rawValue: 42)
    package static let unsupportedForMessageFormat = ErrorCode(rawValue: 43)
    package static let policyViolation = ErrorCode(rawValue: 44)
    package static let outOfOrderSequenceNumber = ErrorCode(rawValue: 45)
    package static let duplicateSequenceNumber = ErrorCode(rawValue: 46)
    package static let invalidProducerEpoch = ErrorCode(rawValue: 47)
    package static let invalidTxnState = ErrorCode(rawValue: 48)
    package static let invalidProducerIdMapping = ErrorCode(rawValue: 49)
    package static let invalidTransactionTimeout = ErrorCode(rawValue: 50)
    package static let concurrentTransactions = ErrorCode(rawValue: 51)
    package static let transactionCoordinatorFenced = ErrorCode(rawValue: 52)
    package static let transactionalIdAuthorizationFailed = ErrorCode(rawValue: 53)
    package static let securityDisabled = ErrorCode(rawValue: 54)
    package static let operationNotAttempted = ErrorCode(rawValue: 55)
    package static let kafkaStorageError = ErrorCode(rawValue: 56)
    package static let logDirNotFound = ErrorCode(rawValue: 57)
    package static let saslAuthenticationFailed = ErrorCode(rawValue: 58)
    package static let unknownProducerId = ErrorCode(rawValue: 59)
    package static let reassignmentInProgress = ErrorCode(rawValue: 60)
    package static let delegationTokenAuthDisabled = ErrorCode(rawValue: 61)
    package static let delegationTokenNotFound = ErrorCode(rawValue: 62)
    package static let delegationTokenOwnerMismatch = ErrorCode(rawValue: 63)
    package static let delegationTokenRequestNotAllowed = ErrorCode(rawValue: 64)
    package static let delegationTokenAuthorizationFailed = ErrorCode(rawValue: 65)
    package static let delegationTokenExpired = ErrorCode(rawValue: 66)
    package static let invalidPrincipalType = ErrorCode(rawValue: 67)
    package static let nonEmptyGroup = ErrorCode(rawValue: 68)
    package static let groupIdNotFound = ErrorCode(rawValue: 69)
    package static let fetchSessionIdNotFound = ErrorCode(rawValue: 70)
    package static let invalidFetchSessionEpoch = ErrorCode(rawValue: 71)
    package static let listenerNotFound = ErrorCode(rawValue: 72)
    package static let topicDeletionDisabled = ErrorCode(rawValue: 73)
    package static let fencedLeaderEpoch = ErrorCode(rawValue: 74)
    package static let unknownLeaderEpoch = ErrorCode(rawValue: 75)
    package static let unsupportedCompressionType = ErrorCode(rawValue: 76)
    package static let staleBrokerEpoch = ErrorCode(rawValue: 77)
    package static let offsetNotAvailable = ErrorCode(rawValue: 78)
    package static let memberIdRequired = ErrorCode(rawValue: 79)
    package static let preferredLeaderNotAvailable = ErrorCode(rawValue: 80)
    package static let groupMaxSizeReached = ErrorCode(rawValue: 81)
    package static let fencedInstanceId = ErrorCode(rawValue: 82)
    package static let eligibleLeadersNotAvailable = ErrorCode(rawValue: 83)
    package static let electionNotNeeded = ErrorCode(rawValue: 84)
    package static let noReassignmentInProgress = ErrorCode(rawValue: 85)
    package static let groupSubscribedToTopic = ErrorCode(rawValue: 86)
    package static let invalidRecord = ErrorCode(rawValue: 87)
    package static let unstableOffsetCommit = ErrorCode(rawValue: 88)
    package static let throttlingQuotaExceeded = ErrorCode(rawValue: 89)
    package static let producerFenced = ErrorCode(rawValue: 90)
    package static let resourceNotFound = ErrorCode(rawValue: 91)
    package static let duplicateResource = ErrorCode(rawValue: 92)
    package static let unacceptableCredential = ErrorCode(rawValue: 93)
    package static let inconsistentVoterSet = ErrorCode(rawValue: 94)
    package static let invalidUpdateVersion = ErrorCode(rawValue: 95)
    package static let featureUpdateFailed = ErrorCode(rawValue: 96)
    package static let principalDeserializationFailure = ErrorCode(rawValue: 97)
    package static let snapshotNotFound = ErrorCode(rawValue: 98)
    package static let positionOutOfRange = ErrorCode(rawValue: 99)
    package static let unknownTopicId = ErrorCode(rawValue: 100)
    package static let duplicateBrokerRegistration = ErrorCode(rawValue: 101)
    package static let brokerIdNotRegistered = ErrorCode(rawValue: 102)
    package static let inconsistentTopicId = ErrorCode(rawValue: 103)
    package static let inconsistentClusterId = ErrorCode(rawValue: 104)
    package static let transactionalIdNotFound = ErrorCode(rawValue: 105)
    package static let fetchSessionTopicIdError = ErrorCode(rawValue: 106)
    package static let ineligibleReplica = ErrorCode(rawValue: 107)
    package static let newLeaderElected = ErrorCode(rawValue: 108)
    package static let offsetMovedToTieredStorage = ErrorCode(rawValue: 109)
    package static let fencedMemberEpoch = ErrorCode(rawValue: 110)
    package static let unreleasedInstanceId = ErrorCode(rawValue: 111)
    package static let unsupportedAssignor = ErrorCode(rawValue: 112)
    package static let staleMemberEpoch = ErrorCode(rawValue: 113)
    package static let mismatchedEndpointType = ErrorCode(rawValue: 114)
    package static let unsupportedEndpointType = ErrorCode(rawValue: 115)
    package static let unknownControllerId = ErrorCode(rawValue: 116)
    package static let unknownSubscriptionId = ErrorCode(rawValue: 117)
    package static let telemetryTooLarge = ErrorCode(rawValue: 118)
    package static let invalidRegistration = ErrorCode(rawValue: 119)
    package static let transactionAbortable = ErrorCode(rawValue: 120)
    package static let invalidRecordState = ErrorCode(rawValue: 121)
    package static let shareSessionNotFound = ErrorCode(rawValue: 122)
    package static let invalidShareSessionEpoch = ErrorCode(rawValue: 123)
    package static let fencedStateEpoch = ErrorCode(rawValue: 124)
    package static let invalidVoterKey = ErrorCode(rawValue: 125)
    package static let duplicateVoter = ErrorCode(rawValue: 126)
    package static let voterNotFound = ErrorCode(rawValue: 127)
    package static let invalidRegularExpression = ErrorCode(rawValue: 128)
    package static let rebootstrapRequired = ErrorCode(rawValue: 129)
    package static let streamsInvalidTopology = ErrorCode(rawValue: 130)
    package static let streamsInvalidTopologyEpoch = ErrorCode(rawValue: 131)
    package static let streamsTopologyFenced = ErrorCode(rawValue: 132)
    package static let shareSessionLimitReached = ErrorCode(rawValue: 133)

    private static let table: [Int16: (name: String, isRetriable: Bool)] = [
        -1: ("UNKNOWN_SERVER_ERROR", false),
        0: ("NONE", false),
        1: ("OFFSET_OUT_OF_RANGE", false),
        2: ("CORRUPT_MESSAGE", true),
        3: ("UNKNOWN_TOPIC_OR_PARTITION", true),
        4: ("INVALID_FETCH_SIZE", false),
        5: ("LEADER_NOT_AVAILABLE", true),
        6: ("NOT_LEADER_OR_FOLLOWER", true),
        7: ("REQUEST_TIMED_OUT", true),
        8: ("BROKER_NOT_AVAILABLE", false),
        9: ("REPLICA_NOT_AVAILABLE", true),
        10: ("MESSAGE_TOO_LARGE", false),
        11: ("STALE_CONTROLLER_EPOCH", false),
        12: ("OFFSET_METADATA_TOO_LARGE", false),
        13: ("NETWORK_EXCEPTION", true),
        14: ("COORDINATOR_LOAD_IN_PROGRESS", true),
        15: ("COORDINATOR_NOT_AVAILABLE", true),
        16: ("NOT_COORDINATOR", true),
        17: ("INVALID_TOPIC_EXCEPTION", false),
        18: ("RECORD_LIST_TOO_LARGE", false),
        19: ("NOT_ENOUGH_REPLICAS", true),
        20: ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", true),
        21: ("INVALID_REQUIRED_ACKS", false),
        22: ("ILLEGAL_GENERATION", false),
        23: ("INCONSISTENT_GROUP_PROTOCOL", false),
        24: ("INVALID_GROUP_ID", false),
        25: ("UNKNOWN_MEMBER_ID", false),
        26: ("INVALID_SESSION_TIMEOUT", false),
        27: ("REBALANCE_IN_PROGRESS", false),
        28: ("INVALID_COMMIT_OFFSET_SIZE", false),
        29: ("TOPIC_AUTHORIZATION_FAILED", false),
        30: ("GROUP_AUTHORIZATION_FAILED", false),
        31: ("CLUSTER_AUTHORIZATION_FAILED", false),
        32: ("INVALID_TIMESTAMP", false),
        33: ("UNSUPPORTED_SASL_MECHANISM", false),
        34: ("ILLEGAL_SASL_STATE", false),
        35: ("UNSUPPORTED_VERSION", false),
        36: ("TOPIC_ALREADY_EXISTS", false),
        37: ("INVALID_PARTITIONS", false),
        38: ("INVALID_REPLICATION_FACTOR", false),
        39: ("INVALID_REPLICA_ASSIGNMENT", false),
        40: ("INVALID_CONFIG", false),
        41: ("NOT_CONTROLLER", true),
        42: ("INVALID_REQUEST", false),
        43: ("UNSUPPORTED_FOR_MESSAGE_FORMAT", false),
        44: ("POLICY_VIOLATION", false),
        45: ("OUT_OF_ORDER_SEQUENCE_NUMBER", false),
        46: ("DUPLICATE_SEQUENCE_NUMBER", false),
        47: ("INVALID_PRODUCER_EPOCH", false),
        48: ("INVALID_TXN_STATE", false),
        49: ("INVALID_PRODUCER_ID_MAPPING", false),
        50: ("INVALID_TRANSACTION_TIMEOUT", false),
        51: ("CONCURRENT_TRANSACTIONS", true),
        52: ("TRANSACTION_COORDINATOR_FENCED", false),
        53: ("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", false),
        54: ("SECURITY_DISABLED", false),
        55: ("OPERATION_NOT_ATTEMPTED", false),
        56: ("KAFKA_STORAGE_ERROR", true),
        57: ("LOG_DIR_NOT_FOUND", false),
        58: ("SASL_AUTHENTICATION_FAILED", false),
        59: ("UNKNOWN_PRODUCER_ID", false),
        60: ("REASSIGNMENT_IN_PROGRESS", false),
        61: ("DELEGATION_TOKEN_AUTH_DISABLED", false),
        62: ("DELEGATION_TOKEN_NOT_FOUND", false),
        63: ("DELEGATION_TOKEN_OWNER_MISMATCH", false),
        64: ("DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", false),
        65: ("DELEGATION_TOKEN_AUTHORIZATION_FAILED", false),
        66: ("DELEGATION_TOKEN_EXPIRED", false),
        67: ("INVALID_PRINCIPAL_TYPE", false),
        68: ("NON_EMPTY_GROUP", false),
        69: ("GROUP_ID_NOT_FOUND", false),
        70: ("FETCH_SESSION_ID_NOT_FOUND", true),
        71: ("INVALID_FETCH_SESSION_EPOCH", true),
        72: ("LISTENER_NOT_FOUND", true),
        73: ("TOPIC_DELETION_DISABLED", false),
        74: ("FENCED_LEADER_EPOCH", true),
        75: ("UNKNOWN_LEADER_EPOCH", true),
        76: ("UNSUPPORTED_COMPRESSION_TYPE", false),
        77: ("STALE_BROKER_EPOCH", false),
        78: ("OFFSET_NOT_AVAILABLE", true),
        79: ("MEMBER_ID_REQUIRED", false),
        80: ("PREFERRED_LEADER_NOT_AVAILABLE", true),
        81: ("GROUP_MAX_SIZE_REACHED", false),
        82: ("FENCED_INSTANCE_ID", false),
        83: ("ELIGIBLE_LEADERS_NOT_AVAILABLE", true),
        84: ("ELECTION_NOT_NEEDED", true),
        85: ("NO_REASSIGNMENT_IN_PROGRESS", false),
        86: ("GROUP_SUBSCRIBED_TO_TOPIC", false),
        87: ("INVALID_RECORD", false),
        88: ("UNSTABLE_OFFSET_COMMIT", true),
        89: ("THROTTLING_QUOTA_EXCEEDED", true),
        90: ("PRODUCER_FENCED", false),
        91: ("RESOURCE_NOT_FOUND", false),
        92: ("DUPLICATE_RESOURCE", false),
        93: ("UNACCEPTABLE_CREDENTIAL", false),
        94: ("INCONSISTENT_VOTER_SET", false),
        95: ("INVALID_UPDATE_VERSION", false),
        96: ("FEATURE_UPDATE_FAILED", false),
        97: ("PRINCIPAL_DESERIALIZATION_FAILURE", false),
        98: ("SNAPSHOT_NOT_FOUND", false),
        99: ("POSITION_OUT_OF_RANGE", false),
        100: ("UNKNOWN_TOPIC_ID", true),
        101: ("DUPLICATE_BROKER_REGISTRATION", false),
        102: ("BROKER_ID_NOT_REGISTERED", false),
        103: ("INCONSISTENT_TOPIC_ID", true),
        104: ("INCONSISTENT_CLUSTER_ID", false),
        105: ("TRANSACTIONAL_ID_NOT_FOUND", false),
        106: ("FETCH_SESSION_TOPIC_ID_ERROR", true),
        107: ("INELIGIBLE_REPLICA", false),
        108: ("NEW_LEADER_ELECTED", false),
        109: ("OFFSET_MOVED_TO_TIERED_STORAGE", false),
        110: ("FENCED_MEMBER_EPOCH", false),
        111: ("UNRELEASED_INSTANCE_ID", false),
        112: ("UNSUPPORTED_ASSIGNOR", false),
        113: ("STALE_MEMBER_EPOCH", false),
        114: ("MISMATCHED_ENDPOINT_TYPE", false),
        115: ("UNSUPPORTED_ENDPOINT_TYPE", false),
        116: ("UNKNOWN_CONTROLLER_ID", false),
        117: ("UNKNOWN_SUBSCRIPTION_ID", false),
        118: ("TELEMETRY_TOO_LARGE", false),
        119: ("INVALID_REGISTRATION", false),
        120: ("TRANSACTION_ABORTABLE", false),
        121: ("INVALID_RECORD_STATE", false),
        122: ("SHARE_SESSION_NOT_FOUND", true),
        123: ("INVALID_SHARE_SESSION_EPOCH", true),
        124: ("FENCED_STATE_EPOCH", false),
        125: ("INVALID_VOTER_KEY", false),
        126: ("DUPLICATE_VOTER", false),
        127: ("VOTER_NOT_FOUND", false),
        128: ("INVALID_REGULAR_EXPRESSION", false),
        129: ("REBOOTSTRAP_REQUIRED", false),
        130: ("STREAMS_INVALID_TOPOLOGY", false),
        131: ("STREAMS_INVALID_TOPOLOGY_EPOCH", false),
        132: ("STREAMS_TOPOLOGY_FENCED", false),
        133: ("SHARE_SESSION_LIMIT_REACHED", true),
    ]
}
