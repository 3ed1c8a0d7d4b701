package import NIOCore

/// Writes records. Records that one caller submits to one partition keep their order.
package protocol RecordWriter: AnyObject, Sendable {
    /// Hands over records and returns as soon as the writer has taken them all, with a receipt to wait on. Waits for
    /// room when too many records are under way.
    ///
    /// - Throws: `.unknownTopicOrPartition` (a writer never creates a topic), `.invalidRequest` after `close`. Nothing is
    ///   promised for the other records of the call then. A record that is too large for its topic is told by the
    ///   receipt; outside of transactions the others of the call are written.
    func submit(_ records: [ProducerRecord], to topic: String) async throws(ClusterError) -> WriteReceipt

    /// `submit` for worker threads: blocks the calling thread, which must not be one of the cooperative pool.
    func submitBlocking(_ records: [ProducerRecord], to topic: String) throws(ClusterError) -> WriteReceipt

    /// Hands over one record batch of magic 2, perhaps compressed, whose producer fields are empty (-1).
    ///
    /// - Throws: `.corruptMessage` when it is not exactly one valid batch; otherwise as for records.
    func submit(batch: ByteBuffer, to partition: TopicPartition) async throws(ClusterError) -> WriteReceipt

    /// Whether batches are compressed before they are sent: how many bytes the cluster will compare with a topic's
    /// `max.message.bytes` cannot be told of records then.
    var compresses: Bool { get }

    /// Waits until everything submitted has its answer. Failures are in the receipts, not thrown here.
    func flush() async

    /// Waits for what is under way, then gives back what the writer holds. Repeated calls do nothing.
    func close() async
}

extension RecordWriter {
    package var compresses: Bool { false }

    /// Writes records and waits until the cluster has them as the writer's mode promises.
    ///
    /// - Returns: one position per record, in the order given.
    package func write(
        _ records: [ProducerRecord], to topic: String
    ) async throws(ClusterError) -> [RecordPosition] {
        try await submit(records, to: topic).positions()
    }

    /// `write` for worker threads: blocks the calling thread, which must not be one of the cooperative pool.
    package func writeBlocking(
        _ records: [ProducerRecord], to topic: String
    ) throws(ClusterError) -> [RecordPosition] {
        try submitBlocking(records, to: topic).positionsBlocking()
    }
}

/// Where a record was written.
package struct RecordPosition: Hashable, Sendable {
    package var partition: Int32
    /// -1 when the writer does not wait for answers (`acks=0`).
    package var offset: Int64

    package init(partition: Int32, offset: Int64) {
        self.partition = partition
        self.offset = offset
    }
}
