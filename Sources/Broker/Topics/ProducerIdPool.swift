import Synchronization

/// Producer ids that were taken from the metadata log but not handed out yet.
final class ProducerIdPool: Sendable {
    /// Ids taken at a time, as Kafka does: a restart skips what is left of them.
    static let blockSize: Int64 = 1000

    private let rest = Mutex<Range<Int64>>(0..<0)

    /// An id that nobody had before; nil when the pool is empty.
    func next() -> Int64? {
        rest.withLock { rest in
            guard let id = rest.first else { return nil }
            rest = id + 1..<rest.upperBound
            return id
        }
    }

    func refill(_ block: Range<Int64>) { rest.withLock { $0 = block } }
}
