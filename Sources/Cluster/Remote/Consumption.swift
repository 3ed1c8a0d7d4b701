import CRdKafka
import Glibc

/// One partition being fetched by one client into a queue of its own, from an offset on.
///
/// Used by one caller at a time, who is the reader in whose hands it is; whoever takes it from the reader stops it.
final class Consumption: @unchecked Sendable {
    // Proof of Sendable: see above. librdkafka's threads touch only the queue, which locks itself, and `arrivals`.
    private let client: ConsumerClient
    private let topic: OpaquePointer
    private let partition: TopicPartition
    private let queue: OpaquePointer
    /// Messages that were taken from the queue but not handed over: `taken[takenAt...]`.
    private var taken: [UnsafeMutablePointer<rd_kafka_message_t>] = []
    private var takenAt = 0
    /// Notified when messages or errors arrive in the empty queue.
    let arrivals: Signal

    private static let batchCountMax = 512

    /// Starts to fetch. Does not block.
    init(_ client: ConsumerClient, _ partition: TopicPartition, from offset: Int64) throws(ClusterError) {
        self.client = client
        self.partition = partition
        topic = try client.handle.topic(partition.topic)
        guard let queue = rd_kafka_queue_new(client.handle.client) else {
            throw ClusterError(.unknownServerError, "read \(partition): out of memory")
        }
        self.queue = queue
        arrivals = Signal()
        rd_kafka_queue_cb_event_enable(
            queue,
            { _, signal in if let signal { Unmanaged<Signal>.fromOpaque(signal).takeUnretainedValue().notify() } },
            Unmanaged.passUnretained(arrivals).toOpaque())
        guard rd_kafka_consume_start_queue(topic, partition.partition, offset, queue) == 0 else {
            let error = rd_kafka_last_error()
            rd_kafka_queue_cb_event_enable(queue, nil, nil)
            rd_kafka_queue_destroy(queue)
            throw ClusterError(rdkafka: error, "read \(partition)")
        }
    }

    /// The next message or event that is there already; nil when there is none. Whoever takes it destroys it.
    func take() -> UnsafeMutablePointer<rd_kafka_message_t>? {
        if takenAt == taken.count {
            takenAt = 0
            var messages = [UnsafeMutablePointer<rd_kafka_message_t>?](repeating: nil, count: Self.batchCountMax)
            let count = max(0, rd_kafka_consume_batch_queue(queue, 0, &messages, messages.count))
            taken = messages[..<count].compactMap { $0 }
        }
        guard takenAt < taken.count else { return nil }
        takenAt += 1
        return taken[takenAt - 1]
    }

    /// Gives back the message that `take` gave last.
    func putBack() { takenAt -= 1 }

    /// Blocks until a message is there to take, or the time is over, or somebody calls `wake`.
    func waitBlocking(milliseconds: Int32) {
        guard takenAt == taken.count, let message = rd_kafka_consume_queue(queue, milliseconds) else { return }
        taken = [message]
        takenAt = 0
    }

    /// Takes an error that came without a message.
    func takeError() -> (code: rd_kafka_resp_err_t, text: String)? { client.handle.takePartitionError(partition) }

    /// Ends a `waitBlocking` of another thread early.
    func wake() { rd_kafka_queue_yield(queue) }

    /// The end of the partition that the last fetch told, nil before it.
    var highWatermark: Int64? {
        var low: Int64 = 0
        var high: Int64 = 0
        let error = rd_kafka_get_watermark_offsets(
            client.handle.client, partition.topic, partition.partition, &low, &high)
        return error == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? high : nil
    }

    /// Stops fetching and frees everything. Blocks until librdkafka has stopped. Called once, last.
    func stop() {
        for message in taken[takenAt...] { rd_kafka_message_destroy(message) }
        taken = []
        takenAt = 0
        _ = rd_kafka_consume_stop(topic, partition.partition)
        rd_kafka_queue_cb_event_enable(queue, nil, nil)
        rd_kafka_queue_destroy(queue)
    }
}
