import Synchronization

/// Bytes of state of the tasks of one query, out of those of all queries.
final class StateAccount: Sendable {
    private let bytes = Atomic<Int>(0)
    private let all: StateAccounts

    init(in all: StateAccounts) { self.all = all }

    var byteCount: Int { bytes.load(ordering: .relaxed) }

    func add(_ byteCount: Int) {
        guard byteCount != 0 else { return }
        bytes.wrappingAdd(byteCount, ordering: .relaxed)
        all.add(byteCount, to: self)
    }

    /// Why the query cannot go on, if it has too much state. When all queries together have, it is the largest that ends: it
    /// gives back the most, and small ones do not fail for the growth of another.
    func failure(_ settings: RuntimeSettings) -> TaskFailure? {
        if let most = settings.queryStateByteCountMax, byteCount > most {
            return .memory(bytes: byteCount, most: most, isOfAll: false)
        }
        guard let most = settings.stateByteCountMax, all.byteCount > most, all.isLargest(self) else { return nil }
        return .memory(bytes: all.byteCount, most: most, isOfAll: true)
    }
}

/// Bytes of state by query.
final class StateAccounts: Sendable {
    private let state = Mutex((sum: 0, parts: [ObjectIdentifier: Int]()))

    var byteCount: Int { state.withLock { $0.sum } }

    fileprivate func add(_ byteCount: Int, to account: StateAccount) {
        state.withLock { state in
            state.sum += byteCount
            let now = (state.parts[ObjectIdentifier(account)] ?? 0) + byteCount
            // An account that is empty may be gone for good.
            state.parts[ObjectIdentifier(account)] = now == 0 ? nil : now
        }
    }

    fileprivate func isLargest(_ account: StateAccount) -> Bool {
        state.withLock { state in
            guard let own = state.parts[ObjectIdentifier(account)] else { return false }
            return state.parts.values.allSatisfy { $0 <= own }
        }
    }
}
