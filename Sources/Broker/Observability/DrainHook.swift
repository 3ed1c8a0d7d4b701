/// A part of the broker that has something to finish when it stops, such as a coordinator.
///
/// The order of a stop: `/readyz` fails, the port is closed, `begin` of all hooks, answers leave, connections end, `end`
/// of all hooks in reverse order of registration, the logs are closed. All of it takes less than five seconds.
package struct DrainHook: Sendable {
    package var name: String
    /// Answers requests that wait for other clients (a rebalance, say), and lets none wait any more. Appends are still
    /// taken. Called once, must return quickly.
    package var begin: @Sendable () -> Void
    /// No request comes any more: finishes what was begun and stops. The logs are closed after it.
    package var end: @Sendable () async -> Void

    package init(
        name: String, begin: @escaping @Sendable () -> Void = {}, end: @escaping @Sendable () async -> Void = {}
    ) {
        self.name = name
        self.begin = begin
        self.end = end
    }
}
