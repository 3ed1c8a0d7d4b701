import Coordinators
import Synchronization

/// How far a start has come with the transactions that it found open in partitions. The start may be about to abort what
/// lies there, so until it is through, nobody is told that records belong to such a transaction because of that alone.
///
/// looking -> (ending) -> settled
final class TransactionStart: Sendable {
    enum Phase: Sendable {
        /// Any open transaction may be one that its coordinator does not know, and be aborted at once.
        case looking
        /// Those are aborted. Markers that a coordinator had decided before the start are still to be written, which may
        /// meet the next transaction of their producer; or a coordinator's log cannot be read.
        case ending
        case settled
    }

    private struct State {
        var phase = Phase.looking
        /// Producers with the epochs of markers that are still to be written.
        var awaited: Set<TransactionProducer> = []
    }

    private let state = Mutex(State())

    var phase: Phase { state.withLock { $0.phase } }

    /// All transactions that nobody knows have ended.
    ///
    /// - Parameter ending: the producers whose markers are decided and not written. It is asked with the lock held, so that
    ///   none of them can be written unnoticed between question and answer.
    func endLooking(_ ending: () -> Set<TransactionProducer>) {
        state.withLock { state in
            guard case .looking = state.phase else { return }
            state.awaited = ending()
            state.phase = state.awaited.isEmpty ? .settled : .ending
        }
    }

    /// What a coordinator knows cannot be found out: nothing is aborted, and every producer has to be asked for.
    func giveUp() {
        state.withLock { state in
            if case .looking = state.phase { state.phase = .ending }
        }
    }

    /// All markers of a transaction are written, and its coordinator was told.
    func markersWritten(of producer: TransactionProducer) {
        state.withLock { state in
            if state.awaited.remove(producer) != nil, state.awaited.isEmpty { state.phase = .settled }
        }
    }
}
