import Synchronization

/// Whether the process can do its work, and what keeps it from it: what `/readyz` tells.
///
/// Each part holds the process back under its own name while it starts, stops or has failed. Safe from any thread.
package final class Readiness: Sendable {
    private struct State {
        var reasons: [String: String] = [:]
        var checks: [String: @Sendable () -> String?] = [:]
        var isStopping = false
    }
    private let state = Mutex(State())

    package init() {}

    /// The process is not ready for this reason until `release`.
    package func hold(_ part: String, because reason: String) { state.withLock { $0.reasons[part] = reason } }

    package func release(_ part: String) { state.withLock { $0.reasons[part] = nil } }

    /// Asks `reason` at every look; nil is well. It must not block.
    package func check(_ part: String, _ reason: @escaping @Sendable () -> String?) {
        state.withLock { $0.checks[part] = reason }
    }

    /// The process is about to stop: it will not be ready again.
    package func stop() { state.withLock { $0.isStopping = true } }

    /// What keeps the process from its work, as "part: reason"; empty when it is ready.
    package var problems: [String] {
        let state = state.withLock { $0 }
        var problems = state.reasons.merging(state.checks.compactMapValues { $0() }) { reason, _ in reason }
        if state.isStopping { problems["process"] = "stopping" }
        return problems.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    }
}
