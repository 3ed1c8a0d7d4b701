import CRdKafka
import Synchronization

/// Records of one `submit` whose delivery reports have not all come. Each message carries the address of its slot as
/// librdkafka's opaque pointer; the object lives until its last report.
final class PendingWrite: @unchecked Sendable {
    // Proof of Sendable: `slots` and `self` are only touched by the event thread (`deliver`) once a message is handed
    // over, and by the submitting thread for messages that were not; the count that decides is behind the mutex.
    let receipt = WriteReceipt()
    private let slots: UnsafeMutableBufferPointer<Slot>
    private let rest: Mutex<Rest>

    struct Slot {
        fileprivate var write: Unmanaged<PendingWrite>
        fileprivate var position: RecordPosition
    }

    private struct Rest {
        var count: Int
        var failure: ClusterError?
    }

    /// - Parameter count: messages that will be handed over; with none the receipt is answered at once.
    init(count: Int) {
        slots = .allocate(capacity: count)
        rest = Mutex(Rest(count: count))
        slots.initialize(
            repeating: Slot(write: .passUnretained(self), position: RecordPosition(partition: -1, offset: -1)))
        if count == 0 { receipt.resolve(.success([])) } else { _ = Unmanaged.passRetained(self) }
    }

    deinit {
        slots.deinitialize()
        slots.deallocate()
    }

    /// What message `index` carries.
    func opaque(_ index: Int) -> UnsafeMutableRawPointer { UnsafeMutableRawPointer(slots.baseAddress! + index) }

    /// Takes a delivery report, on the event thread.
    static func deliver(_ message: UnsafePointer<rd_kafka_message_t>) {
        guard let slot = message.pointee._private?.assumingMemoryBound(to: Slot.self) else { return }
        let error = message.pointee.err
        var failure: ClusterError?
        if error != RD_KAFKA_RESP_ERR_NO_ERROR {
            let topic = message.pointee.rkt.flatMap { rd_kafka_topic_name($0) }.map { String(cString: $0) } ?? "?"
            failure = ClusterError(rdkafka: error, "write to topic '\(topic)' partition \(message.pointee.partition)")
            // Only a producer that has been replaced under its transactional id has an epoch that is not valid.
            if failure?.code == .invalidProducerEpoch { failure?.code = .producerFenced }
        } else {
            // librdkafka has no offset (-1001) where the broker does not answer.
            slot.pointee.position = RecordPosition(
                partition: message.pointee.partition, offset: max(-1, message.pointee.offset))
        }
        slot.pointee.write.takeUnretainedValue().finish(1, failure)
    }

    /// The last `count` messages were not handed over because of `failure`.
    func abandon(_ count: Int, _ failure: ClusterError) { finish(count, failure) }

    private func finish(_ count: Int, _ failure: ClusterError?) {
        let (isLast, first) = rest.withLock { rest in
            rest.count -= count
            if rest.failure == nil { rest.failure = failure }
            return (rest.count == 0, rest.failure)
        }
        guard isLast else { return }
        if let first {
            receipt.resolve(.failure(first))
        } else {
            receipt.resolve(.success(slots.map(\.position)))
        }
        Unmanaged.passUnretained(self).release()
    }
}
