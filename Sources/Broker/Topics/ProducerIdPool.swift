import KafkaMessages
import Synchronization

/// Producer ids that were taken from the metadata log but not handed out yet.
final class ProducerIdPool: Sendable {
    /// Ids taken at a time, as Kafka does: a restart skips what is left of them.
    static let blockSize: Int64 = 1000

    private struct State {
        var rest: Range<Int64> = 0..<0
        /// Ids that were taken but not needed.
        var returned: [Int64] = []
    }
    private let controller: Controller
    private let state = Mutex(State())

    init(_ controller: Controller) { self.controller = controller }

    /// An id that nobody had before; nil when the pool is empty.
    func next() -> Int64? {
        state.withLock { state in
            if let id = state.returned.popLast() { return id }
            guard let id = state.rest.first else { return nil }
            state.rest = id + 1..<state.rest.upperBound
            return id
        }
    }

    /// Takes back an id that nobody got to see.
    func giveBack(_ id: Int64) { state.withLock { $0.returned.append(id) } }

    /// Calls `use` with an id that nobody had before, at once or from the control thread.
    func withNext(_ use: @escaping @Sendable (Result<Int64, ControlError>) -> Void) {
        if let id = next() { return use(.success(id)) }
        controller.perform { [self] controller in
            do throws(ControlError) {
                // Requests that came while this one waited may have brought new ids already.
                if let id = next() { return use(.success(id)) }
                let block = try controller.takeProducerIds(Self.blockSize)
                state.withLock { $0.rest = block }
                guard let id = next() else { throw ControlError(.coordinatorNotAvailable) }
                use(.success(id))
            } catch {
                use(.failure(error))
            }
        }
    }
}
