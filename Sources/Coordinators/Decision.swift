package import KafkaMessages

/// Names the request that a reply belongs to; chosen by the caller of a coordinator, which keeps it until it replies.
package struct ReplyToken: Hashable, Sendable {
    package var rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// The answer to one request.
package struct Reply: Sendable {
    package var token: ReplyToken
    package var message: any KafkaMessage

    package init(_ token: ReplyToken, _ message: any KafkaMessage) {
        self.token = token
        self.message = message
    }
}

/// What an event leads to: a coordinator has decided it, the world has not seen it.
///
/// The caller appends `records` as one batch to the coordinator's partition. When the log took them it calls `commit`
/// of the coordinator and sends `replies` once the records are durable; when the log refused them it calls `abandon`,
/// which takes everything back, and sends `refusals`. Without records there is nothing to commit and replies leave at
/// once. No other event may come between a decision and its `commit` or `abandon`.
package struct Decision: Sendable {
    package var records: [CoordinatorRecord] = []
    package var replies: [Reply] = []
    /// The replies instead when the records could not be appended, for the code of the failure. Requests that only wait
    /// are not among them: they go on waiting.
    package var refusals: @Sendable (ErrorCode) -> [Reply] = { _ in [] }
    /// The producer whose transaction the records are a part of; they take effect when it commits.
    package var producer: TransactionProducer?

    package init() {}

    /// A reply that changes nothing.
    package init(_ token: ReplyToken, _ message: any KafkaMessage) { replies = [Reply(token, message)] }
}

/// A producer with an open transaction.
package struct TransactionProducer: Hashable, Sendable {
    package var producerId: Int64
    package var producerEpoch: Int16

    package init(producerId: Int64, producerEpoch: Int16) {
        self.producerId = producerId
        self.producerEpoch = producerEpoch
    }
}

/// The time of an event. Timers follow the monotonic clock, so that a step of the wall clock expires nobody; what is
/// written to the log carries the wall clock.
package struct EventTime: Sendable, Equatable {
    /// Milliseconds since 1970.
    package var wall: Int64
    /// Milliseconds of a clock that never steps.
    package var monotonic: Int64

    package init(wall: Int64, monotonic: Int64) {
        self.wall = wall
        self.monotonic = monotonic
    }

    /// Whether so much time has gone by since an event, of which the monotonic time is given if it has been.
    func isPast(_ milliseconds: Int32, since event: Int64?) -> Bool {
        event.map { monotonic - $0 >= Int64(milliseconds) } ?? true
    }
}

/// Who sent a request, as groups show their members.
package struct ClientIdentity: Hashable, Sendable {
    package var clientId: String
    /// The address, with a slash before it as Kafka writes it: `/127.0.0.1`.
    package var host: String

    package init(clientId: String, host: String) {
        self.clientId = clientId
        self.host = host
    }
}
