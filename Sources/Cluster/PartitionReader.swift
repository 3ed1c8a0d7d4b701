package import NIOCore

/// Reads one partition from a position on. One caller at a time; `close` may come from anywhere.
package protocol PartitionReader: AnyObject, Sendable {
    var partition: TopicPartition { get }

    /// The offset that the next read starts at. It moves past gaps (compaction, transaction markers) as they are read.
    var position: Int64 { get }

    /// The next records, or an empty answer when none came within `timeout`.
    ///
    /// The answer is at least one whole batch, even when that is larger than `maxBytes`. Cancellation of the task ends
    /// the wait with an empty answer.
    ///
    /// - Throws: `.offsetOutOfRange` when the position is before the beginning or after the end,
    ///   `.unknownTopicOrPartition` when the topic was deleted. The position stays, so a later call tries again.
    func next(maxBytes: Int, timeout: Duration) async throws(ClusterError) -> FetchedBatches

    /// `next` for worker threads: blocks the calling thread, which must not be one of the cooperative pool.
    func nextBlocking(maxBytes: Int, timeout: Duration) throws(ClusterError) -> FetchedBatches

    /// Moves to `offset`; the next read starts there.
    func seek(to offset: Int64) throws(ClusterError)

    /// Gives back what the reader holds. A read that waits ends and throws, as do reads after it. Repeated calls do
    /// nothing.
    func close()
}

/// Whole record batches of one partition, as they are stored.
package struct FetchedBatches: Sendable {
    package var partition: TopicPartition
    /// Record batches of magic 2, one after another, perhaps compressed; control batches are left in.
    package var bytes: ByteBuffer
    /// The offset that was asked for. The first batch may begin earlier: `records` leaves those records out.
    package var startOffset: Int64
    /// Where the next read starts: after everything in `bytes`, and past a gap at the end.
    package var nextOffset: Int64
    /// The end of what consumers may see without regard to transactions.
    package var highWatermark: Int64
    /// The first offset of the oldest open transaction, or the high watermark; never above it.
    package var lastStableOffset: Int64

    package var isEmpty: Bool { bytes.readableBytes == 0 }

    package init(
        partition: TopicPartition, bytes: ByteBuffer, startOffset: Int64, nextOffset: Int64, highWatermark: Int64,
        lastStableOffset: Int64
    ) {
        self.partition = partition
        self.bytes = bytes
        self.startOffset = startOffset
        self.nextOffset = nextOffset
        self.highWatermark = highWatermark
        self.lastStableOffset = lastStableOffset
    }
}
