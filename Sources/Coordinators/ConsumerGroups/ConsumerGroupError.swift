package import KafkaMessages

/// Why a request to a consumer group is refused: the code and message of its response.
package struct ConsumerGroupError: Error, Equatable, CustomStringConvertible {
    package var code: ErrorCode
    package var message: String

    package init(_ code: ErrorCode, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { "\(code.name): \(message)" }
}

// What groups of several types refuse in the same words.
extension ConsumerGroupError {
    static func unknownInstance(_ instanceId: String) -> ConsumerGroupError {
        ConsumerGroupError(.unknownMemberId, "Instance id \(instanceId) is unknown.")
    }

    static func fencedInstance(_ instanceId: String, _ memberId: String, by owner: String) -> ConsumerGroupError {
        ConsumerGroupError(
            .fencedInstanceId,
            "Static member \(memberId) with instance id \(instanceId) was fenced by member \(owner).")
    }

    static func unreleasedInstance(_ instanceId: String, _ memberId: String, of owner: String) -> ConsumerGroupError {
        ConsumerGroupError(
            .unreleasedInstanceId,
            "Static member \(memberId) with instance id \(instanceId) cannot join the group because the instance id is"
                + " owned by \(owner) member.")
    }

    /// - Parameters:
    ///   - kind: of the group, as in the name of its protocol.
    ///   - known: the epoch at which the member is.
    static func fencedEpoch(_ epoch: Int32, _ kind: String, known: Int32) -> ConsumerGroupError {
        ConsumerGroupError(
            .fencedMemberEpoch,
            "The \(kind) group member has a \(epoch > known ? "greater" : "smaller") member epoch (\(epoch)) than the one"
                + " known by the group coordinator (\(known)). The member must abandon all its partitions and rejoin.")
    }
}
