import Bytes
import CRdKafka
import Glibc
import NIOCore
import RecordBatches
import Synchronization

/// Writes to a remote cluster, through a librdkafka producer of its own.
///
/// A timestamp of exactly 0 cannot be written: librdkafka takes it for "now". Batches are taken apart and their records
/// written as such, compressed as the property `compression.type` says.
final class RemoteWriter: RecordWriter {
    private let cluster: RemoteCluster
    let handle: ClientHandle
    private let state = Mutex(State())

    private struct State {
        /// Topics that were seen to exist.
        var known: Set<String> = []
        var isClosed = false
    }

    convenience init(_ cluster: RemoteCluster, _ mode: WriterMode) throws(ClusterError) {
        switch mode {
        case .acks(let acks): try self.init(cluster, properties: ["acks": String(acks.rawValue)])
        case .idempotent: try self.init(cluster, properties: ["acks": "all", "enable.idempotence": "true"])
        }
    }

    /// - Parameter mode: librdkafka's properties that say what the writer promises.
    init(_ cluster: RemoteCluster, properties mode: [String: String]) throws(ClusterError) {
        self.cluster = cluster
        let properties = [
            // As Java: records with the same key go to the same partition whoever writes them.
            "partitioner": "murmur2_random",
            // A batch waits a moment for company; librdkafka's own 5 ms would be felt by who writes one record.
            "linger.ms": "1",
            "queue.buffering.max.kbytes": "65536",
            "message.max.bytes": "1000000000",  // the topic's max.message.bytes decides, not the client
            // The topic was seen to exist before: see `ConsumerClient`.
            "topic.metadata.propagation.max.ms": "5000",
            "client.id": "swiftwater",
        ]
        handle = try ClientHandle(.producer, cluster.configuration, properties: properties.merging(mode) { $1 })
    }

    func submit(_ records: [ProducerRecord], to topic: String) async throws(ClusterError) -> WriteReceipt {
        if try !isKnown(topic) {
            _ = try await cluster.topic(topic)
            noteKnown(topic)
        }
        let rkt = try handle.topic(topic)
        try Self.check(records)
        let write = PendingWrite(count: records.count)
        var index = 0
        while index < records.count {
            let generation = handle.deliveries.generation
            if try produce(records, index, rkt, topic, write, flags: 0) {
                index += 1
            } else {
                await waitForRoom(since: generation)
            }
        }
        return write.receipt
    }

    func submitBlocking(_ records: [ProducerRecord], to topic: String) throws(ClusterError) -> WriteReceipt {
        if try !isKnown(topic) {
            _ = try cluster.topicBlocking(topic)
            noteKnown(topic)
        }
        let rkt = try handle.topic(topic)
        try Self.check(records)
        let write = PendingWrite(count: records.count)
        for index in records.indices {
            _ = try produce(records, index, rkt, topic, write, flags: RD_KAFKA_MSG_F_BLOCK)
        }
        return write.receipt
    }

    func submit(batch: ByteBuffer, to partition: TopicPartition) async throws(ClusterError) -> WriteReceipt {
        let records = try Self.records(of: batch, for: partition)
        let all = try await submit(records, to: partition.topic)
        let receipt = WriteReceipt()
        // Ends when librdkafka has reported every record, which it always does.
        Task {
            do throws(ClusterError) {
                receipt.resolve(.success(Array(try await all.positions().prefix(1))))
            } catch {
                receipt.resolve(.failure(error))
            }
        }
        return receipt
    }

    var compresses: Bool {
        let properties = cluster.configuration.properties
        // Both are librdkafka's names of it.
        return (properties["compression.type"] ?? properties["compression.codec"] ?? "none") != "none"
    }

    func flush() async {
        // In slices, so that the thread is not lost to others for as long as a broker stays away.
        while rd_kafka_outq_len(handle.client) > 0 {
            let isDone = try? await cluster.calls.run { [handle] () throws(ClusterError) in
                rd_kafka_flush(handle.client, 500) == RD_KAFKA_RESP_ERR_NO_ERROR
            }
            if isDone == true { return }
        }
    }

    func close() async {
        state.withLock { $0.isClosed = true }
        await flush()
    }

    // MARK: Handing over

    private func isKnown(_ topic: String) throws(ClusterError) -> Bool {
        let (isClosed, isKnown) = state.withLock { ($0.isClosed, $0.known.contains(topic)) }
        if isClosed { throw ClusterError(.invalidRequest, "write to topic '\(topic)': the writer is closed") }
        return isKnown
    }

    private func noteKnown(_ topic: String) { state.withLock { _ = $0.known.insert(topic) } }

    private static func check(_ records: [ProducerRecord]) throws(ClusterError) {
        for record in records where record.timestamp == 0 {
            throw ClusterError(.invalidTimestamp, "a timestamp of 0 cannot be written to a remote cluster")
        }
    }

    /// A delivery of this writer's own makes room; a full memory without one (`queue.buffering.max.kbytes` is shared by
    /// nobody else) does not happen, so there is always one to wait for. Cancelled tasks wait too: half of a call is
    /// handed over, and the other half must follow.
    private func waitForRoom(since generation: UInt64) async {
        await handle.deliveries.wait(after: generation)
        if Task.isCancelled { _ = try? await cluster.calls.run { () throws(ClusterError) in usleep(1000) } }
    }

    /// Hands one record to librdkafka, which copies it.
    ///
    /// - Returns: false when there is no room now.
    private func produce(
        _ records: [ProducerRecord], _ index: Int, _ topicHandle: OpaquePointer, _ topic: String,
        _ write: PendingWrite, flags: Int32
    ) throws(ClusterError) -> Bool {
        let record = records[index]
        let headers = try Self.headers(record.headers, topic)
        let error = Self.withBytes(record.key) { key in
            Self.withBytes(record.value) { value in
                var arguments: [rd_kafka_vu_t] = [
                    .init(vtype: RD_KAFKA_VTYPE_RKT, u: .init(rkt: topicHandle)),
                    .init(vtype: RD_KAFKA_VTYPE_PARTITION, u: .init(i32: record.partition ?? RD_KAFKA_PARTITION_UA)),
                    .init(vtype: RD_KAFKA_VTYPE_MSGFLAGS, u: .init(i: RD_KAFKA_MSG_F_COPY | flags)),
                    .init(vtype: RD_KAFKA_VTYPE_KEY, u: .init(mem: .init(ptr: key.0, size: key.1))),
                    .init(vtype: RD_KAFKA_VTYPE_VALUE, u: .init(mem: .init(ptr: value.0, size: value.1))),
                    .init(vtype: RD_KAFKA_VTYPE_TIMESTAMP, u: .init(i64: record.timestamp ?? 0)),
                    .init(vtype: RD_KAFKA_VTYPE_OPAQUE, u: .init(ptr: write.opaque(index))),
                ]
                if let headers { arguments.append(.init(vtype: RD_KAFKA_VTYPE_HEADERS, u: .init(headers: headers))) }
                return rd_kafka_produceva(handle.client, &arguments, arguments.count)
            }
        }
        guard let error else { return true }  // librdkafka took the headers
        if let headers { rd_kafka_headers_destroy(headers) }
        if rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL, flags == 0 {
            rd_kafka_error_destroy(error)
            return false
        }
        let failure = ClusterError(
            consuming: error, "write to topic '\(topic)'" + (record.partition.map { " partition \($0)" } ?? ""))
        write.abandon(records.count - index, failure)
        throw failure
    }

    private static func headers(_ headers: [RecordHeader], _ topic: String) throws(ClusterError) -> OpaquePointer? {
        guard !headers.isEmpty else { return nil }
        guard let list = rd_kafka_headers_new(headers.count) else {
            throw ClusterError(.unknownServerError, "write to topic '\(topic)': out of memory")
        }
        for header in headers {
            let error = header.value.withBytes { value in
                rd_kafka_header_add(list, header.key, header.key.utf8.count, value.0, value.1)
            }
            guard error == RD_KAFKA_RESP_ERR_NO_ERROR else {
                rd_kafka_headers_destroy(list)
                throw ClusterError(rdkafka: error, "write to topic '\(topic)': header '\(header.key)'")
            }
        }
        return list
    }

    private static func records(
        of batch: ByteBuffer, for partition: TopicPartition
    ) throws(ClusterError) -> [ProducerRecord] {
        let fetched = FetchedBatches(
            partition: partition, bytes: batch, startOffset: .min, nextOffset: 0, highWatermark: 0, lastStableOffset: 0)
        let records = try fetched.records()
        let header = try? batch.withUnsafeReadableBytes { raw throws(WireError) in try BatchHeader(raw.bytes) }
        guard let header, header.byteCount == batch.readableBytes, header.producerId < 0, !header.attributes.isControl
        else {
            throw ClusterError(
                .corruptMessage, "write to \(partition): not exactly one batch without a producer id")
        }
        return records.map {
            ProducerRecord(
                partition: partition.partition, key: $0.key, value: $0.value, headers: $0.headers,
                timestamp: $0.timestamp)
        }
    }

    /// Calls `body` with address and count; null is (nil, 0) and empty is a valid address and 0.
    private static func withBytes<Result>(
        _ buffer: ByteBuffer?, _ body: ((UnsafeMutableRawPointer?, Int)) -> Result
    ) -> Result {
        guard let buffer else { return body((nil, 0)) }
        return buffer.withUnsafeReadableBytes { bytes in
            if let start = bytes.baseAddress { return body((UnsafeMutableRawPointer(mutating: start), bytes.count)) }
            return withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { body(($0.baseAddress, 0)) }
        }
    }
}

extension [UInt8]? {
    /// Calls `body` with address and count; null is (nil, 0) and empty is a valid address and 0.
    fileprivate func withBytes<Result>(_ body: ((UnsafeRawPointer?, Int)) -> Result) -> Result {
        guard let self else { return body((nil, 0)) }
        return self.withUnsafeBytes { bytes in
            if let start = bytes.baseAddress { return body((start, bytes.count)) }
            return withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) {
                body((UnsafeRawPointer($0.baseAddress), 0))
            }
        }
    }
}
