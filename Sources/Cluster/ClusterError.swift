import KafkaMessages

/// What a caller of a cluster can act on.
package struct ClusterError: Error, Sendable, CustomStringConvertible {
    /// Kafka's error code. Failures of the client itself (no connection, a timeout, a closed handle) come with the
    /// Kafka code that asks for the same reaction.
    package var code: Code
    /// What was attempted and what went wrong: lowercase, no full stop.
    package var message: String
    /// What the user can do about it, when there is something to say.
    package var hint: String?

    package init(_ code: Code, _ message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    package var description: String {
        "\(code.name): \(message)" + (hint.map { " (\($0))" } ?? "")
    }

    /// A Kafka error code; the number is what travels on the wire.
    ///
    /// - SeeAlso: Kafka protocol guide, "Error Codes".
    package struct Code: RawRepresentable, Hashable, Sendable {
        package var rawValue: Int16
        package init(rawValue: Int16) { self.rawValue = rawValue }

        package static let unknownServerError = Code(rawValue: -1)
        package static let offsetOutOfRange = Code(rawValue: 1)
        package static let corruptMessage = Code(rawValue: 2)
        package static let unknownTopicOrPartition = Code(rawValue: 3)
        package static let leaderNotAvailable = Code(rawValue: 5)
        package static let notLeaderOrFollower = Code(rawValue: 6)
        package static let requestTimedOut = Code(rawValue: 7)
        /// Also: no broker of the bootstrap list can be reached.
        package static let brokerNotAvailable = Code(rawValue: 8)
        package static let messageTooLarge = Code(rawValue: 10)
        package static let recordListTooLarge = Code(rawValue: 18)
        package static let offsetMetadataTooLarge = Code(rawValue: 12)
        package static let networkException = Code(rawValue: 13)
        package static let coordinatorLoadInProgress = Code(rawValue: 14)
        package static let coordinatorNotAvailable = Code(rawValue: 15)
        package static let notCoordinator = Code(rawValue: 16)
        package static let invalidTopic = Code(rawValue: 17)
        package static let notEnoughReplicas = Code(rawValue: 19)
        package static let illegalGeneration = Code(rawValue: 22)
        package static let inconsistentGroupProtocol = Code(rawValue: 23)
        package static let invalidGroupId = Code(rawValue: 24)
        package static let unknownMemberId = Code(rawValue: 25)
        package static let invalidSessionTimeout = Code(rawValue: 26)
        package static let rebalanceInProgress = Code(rawValue: 27)
        package static let topicAuthorizationFailed = Code(rawValue: 29)
        package static let groupAuthorizationFailed = Code(rawValue: 30)
        package static let clusterAuthorizationFailed = Code(rawValue: 31)
        package static let invalidTimestamp = Code(rawValue: 32)
        package static let unsupportedSaslMechanism = Code(rawValue: 33)
        package static let unsupportedVersion = Code(rawValue: 35)
        package static let topicAlreadyExists = Code(rawValue: 36)
        package static let invalidPartitions = Code(rawValue: 37)
        package static let invalidReplicationFactor = Code(rawValue: 38)
        package static let invalidReplicaAssignment = Code(rawValue: 39)
        package static let invalidConfig = Code(rawValue: 40)
        package static let invalidRequest = Code(rawValue: 42)
        package static let policyViolation = Code(rawValue: 44)
        package static let outOfOrderSequence = Code(rawValue: 45)
        package static let invalidProducerEpoch = Code(rawValue: 47)
        package static let invalidTxnState = Code(rawValue: 48)
        package static let invalidProducerIdMapping = Code(rawValue: 49)
        package static let invalidTransactionTimeout = Code(rawValue: 50)
        package static let concurrentTransactions = Code(rawValue: 51)
        package static let transactionalIdAuthorizationFailed = Code(rawValue: 53)
        package static let kafkaStorageError = Code(rawValue: 56)
        package static let saslAuthenticationFailed = Code(rawValue: 58)
        package static let nonEmptyGroup = Code(rawValue: 68)
        package static let groupIdNotFound = Code(rawValue: 69)
        package static let topicDeletionDisabled = Code(rawValue: 73)
        package static let unsupportedCompressionType = Code(rawValue: 76)
        package static let groupMaxSizeReached = Code(rawValue: 81)
        package static let fencedInstanceId = Code(rawValue: 82)
        package static let groupSubscribedToTopic = Code(rawValue: 86)
        package static let invalidRecord = Code(rawValue: 87)
        package static let unstableOffsetCommit = Code(rawValue: 88)
        /// Somebody else has taken the transactional id, or the transaction was open for longer than its timeout: this
        /// writer is over.
        package static let producerFenced = Code(rawValue: 90)
        package static let transactionalIdNotFound = Code(rawValue: 105)
        package static let fencedMemberEpoch = Code(rawValue: 110)
        package static let unreleasedInstanceId = Code(rawValue: 111)
        package static let unsupportedAssignor = Code(rawValue: 112)
        package static let staleMemberEpoch = Code(rawValue: 113)
        /// The transaction cannot be committed any more: abort it, and it may be done again.
        package static let transactionAbortable = Code(rawValue: 120)
        package static let invalidRegularExpression = Code(rawValue: 128)

        /// Kafka's name, such as `UNKNOWN_TOPIC_OR_PARTITION`.
        package var name: String { ErrorCode(rawValue: rawValue).name }

        /// Whether the same request may succeed later without anybody changing anything, as the Java client sees it.
        package var isRetriable: Bool { ErrorCode(rawValue: rawValue).isRetriable }
    }
}
