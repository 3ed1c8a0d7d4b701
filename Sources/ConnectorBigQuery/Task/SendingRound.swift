import ConnectCore

/// The place that a record was read from, whatever transforms made of its topic.
struct RecordPlace: Sendable, Hashable {
    private let topic: String
    private let partition: Int32
    let offset: Int64

    var topicPartition: SinkPartition { SinkPartition(topic: topic, partition: partition) }

    init(_ record: ConnectRecord) {
        if case .sink(let topic, let partition, let offset, _) = record.origin {
            (self.topic, self.partition, self.offset) = (topic, partition, offset)
        } else {
            (topic, partition, offset) = (record.topic, record.partition ?? 0, 0)
        }
    }
}

/// What is to be sent, and why it is not yet done.
struct SendingRound: Sendable {
    var open: [RowChunk]
    /// A table or columns were not known yet.
    private(set) var isSettling = false
    /// BigQuery wants rows later.
    private(set) var isLater = false
    private(set) var reason = ""

    init(open: [RowChunk]) { self.open = open }

    mutating func begin() {
        open = []
        isSettling = false
        isLater = false
    }

    mutating func settle(_ rows: [Row], _ target: RowTarget, _ reason: String) {
        open.append(RowChunk(target: target, rows: rows))
        isSettling = true
        self.reason = reason
    }

    mutating func later(_ reason: String) {
        isLater = true
        self.reason = reason
    }
}
