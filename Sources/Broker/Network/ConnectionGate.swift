import Synchronization

/// Counts connections against `max.connections` and `max.connections.per.ip`.
package final class ConnectionGate: Sendable {
    private struct State {
        var total = 0
        var byAddress: [String: Int] = [:]
    }
    private let limits: @Sendable () -> (total: Int, perAddress: Int)
    private let state = Mutex(State())

    /// - Parameter limits: asked for each connection, as they may change; those that are there stay.
    package init(limits: @escaping @Sendable () -> (total: Int, perAddress: Int)) { self.limits = limits }

    package convenience init(totalMax: Int, perAddressMax: Int) { self.init { (totalMax, perAddressMax) } }

    /// Takes a place for a connection from `address`.
    ///
    /// - Returns: nil, or the property whose bound is reached.
    package func enter(_ address: String) -> String? {
        let (totalMax, perAddressMax) = limits()
        return state.withLock { state in
            guard state.total < totalMax else { return "max.connections" }
            guard state.byAddress[address, default: 0] < perAddressMax else { return "max.connections.per.ip" }
            state.total += 1
            state.byAddress[address, default: 0] += 1
            return nil
        }
    }

    package func left(_ address: String) {
        state.withLock { state in
            state.total -= 1
            let rest = state.byAddress[address, default: 1] - 1
            state.byAddress[address] = rest > 0 ? rest : nil
        }
    }

    package var count: Int { state.withLock { $0.total } }
}
