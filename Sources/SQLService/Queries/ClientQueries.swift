import Synchronization

/// The queries of clients that go on until somebody ends them.
package final class ClientQueries: Sendable {
    package struct Entry: Sendable {
        package var id: String
        package var statement: String
        fileprivate var end: @Sendable () -> Void
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var order: [String] = []
        var number: UInt64 = 0
        var isClosed = false
    }

    private let state = Mutex(State())

    package init() {}

    /// In the order in which they began.
    package var all: [Entry] { state.withLock { state in state.order.compactMap { state.entries[$0] } } }
    package var count: Int { state.withLock { $0.entries.count } }

    /// An id that no other query of this process has.
    func newID(_ prefix: String) -> String {
        let number = state.withLock { state -> UInt64 in
            state.number += 1
            return state.number
        }
        return "\(prefix)_\(UInt64.random(in: 1...UInt64(Int64.max)))_\(number)"
    }

    /// - Parameters:
    ///   - max: how many there may be.
    ///   - end: ends the query; called at most once, on any thread.
    /// - Throws: 40003 when there are as many as there may be, 50303 while the server stops.
    func add(
        _ id: String, _ statement: String, max: Int, end: @escaping @Sendable () -> Void
    ) throws(KsqlFailure) {
        let refusal = state.withLock { state -> KsqlFailure? in
            if state.isClosed { return .shuttingDown }
            guard state.entries.count < max else {
                return .tooManyPushQueries(
                    "Maximum number of push queries exceeded: \(max) are running, as many as ksql.max.push.queries allows."
                        + " End one of them, or raise the limit.")
            }
            state.entries[id] = Entry(id: id, statement: statement, end: end)
            state.order.append(id)
            return nil
        }
        if let refusal { throw refusal }
    }

    /// The query has ended by itself.
    func remove(_ id: String) { _ = take(id) }

    /// Ends a query. - Returns: whether there was one.
    @discardableResult
    package func end(_ id: String) -> Bool {
        guard let entry = take(id) else { return false }
        entry.end()
        return true
    }

    /// Ends all of them; no further one begins.
    package func close() {
        let entries = state.withLock { state -> [Entry] in
            state.isClosed = true
            defer {
                state.entries = [:]
                state.order = []
            }
            return Array(state.entries.values)
        }
        for entry in entries { entry.end() }
    }

    private func take(_ id: String) -> Entry? {
        state.withLock { state in
            state.order.removeAll { $0 == id }
            return state.entries.removeValue(forKey: id)
        }
    }
}
