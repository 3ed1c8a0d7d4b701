import NIOCore

/// The connections of one event loop; only touched on it.
final class LoopConnections {
    let eventLoop: any EventLoop
    private var connections: [ObjectIdentifier: Connection] = [:]
    private let gate: ConnectionGate
    let metrics: LoopMetrics

    init(eventLoop: any EventLoop, gate: ConnectionGate, metrics: LoopMetrics) {
        self.eventLoop = eventLoop
        self.gate = gate
        self.metrics = metrics
    }

    func add(_ connection: Connection) {
        connections[ObjectIdentifier(connection)] = connection
        connection.listener.connected()
    }

    func remove(_ connection: Connection) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        gate.left(connection.remoteAddress)
        connection.listener.disconnected()
    }

    /// Whether connections leave their answers unsent until the end of `corked`.
    private(set) var isCorked = false
    private var unsent: [Connection] = []

    /// Runs `body`, whose answers then leave with one write per connection.
    func corked(_ body: () -> Void) {
        isCorked = true
        body()
        isCorked = false
        let connections = unsent
        unsent.removeAll(keepingCapacity: true)
        for connection in connections { connection.sendUnsent() }
    }

    func addUnsent(_ connection: Connection) { unsent.append(connection) }

    var isEmpty: Bool { connections.isEmpty }

    func closeStale(idleMax: TimeAmount?) {
        let now = NIODeadline.now()
        for connection in Array(connections.values) { connection.closeIfStale(now: now, idleMax: idleMax) }
    }

    func drain() {
        for connection in Array(connections.values) { connection.drain() }
    }

    func closeAll() {
        for connection in Array(connections.values) { connection.close(because: "the broker stops") }
    }
}
