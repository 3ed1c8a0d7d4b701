import Bytes
import KafkaMessages

/// What a request is decided with besides the group.
package struct ConsumerGroupContext {
    package var settings: ConsumerGroupSettings
    package var topics: any TopicImage
    package var time: EventTime
    /// The id of a member that does not bring its own.
    package var newMemberId: String

    package init(
        settings: ConsumerGroupSettings, topics: any TopicImage, time: EventTime, newMemberId: String = ""
    ) {
        self.settings = settings
        self.topics = topics
        self.time = time
        self.newMemberId = newMemberId
    }

    /// The monotonic time in `milliseconds`.
    func deadline(after milliseconds: Int32) -> Int64 { time.monotonic + Int64(max(0, milliseconds)) }
}

/// A decision about a consumer group: its records, and what the group is once the log has them.
package struct ConsumerGroupOutcome<Response: Sendable>: Sendable {
    package enum Successor: Sendable {
        /// There are no records.
        case same
        case group(ConsumerGroup)
        /// The group is one of the classic protocol now, and its members are to rebalance if `rebalance`.
        case classic(ClassicGroupForm, rebalance: Bool)
    }

    package var records: [CoordinatorRecord] = []
    package var successor = Successor.same
    package var response: Response
}

/// A decision under way: a copy of the group that takes every record as it is made, so that each step sees what the
/// steps before it did.
struct ConsumerGroupDraft {
    var group: ConsumerGroup
    var records: [CoordinatorRecord] = []

    init(_ group: ConsumerGroup) { self.group = group }

    /// - Throws: 42 for a text that no record can hold.
    mutating func add(_ record: ConsumerGroupRecord) throws(ConsumerGroupError) {
        do {
            records.append(try record.encoded(groupId: group.groupId))
        } catch {
            throw ConsumerGroupError(.invalidRequest, error.description)
        }
        group.apply(record)
    }

    func outcome<Response>(_ response: Response) -> ConsumerGroupOutcome<Response> {
        ConsumerGroupOutcome(
            records: records, successor: records.isEmpty ? .same : .group(group), response: response)
    }
}
