import NIOCore

/// The connections of one event loop; only touched on it.
final class LoopConnections {
    let eventLoop: any EventLoop
    private var connections: [ObjectIdentifier: Connection] = [:]
    private let gate: ConnectionGate

    init(eventLoop: any EventLoop, gate: ConnectionGate) {
        self.eventLoop = eventLoop
        self.gate = gate
    }

    func add(_ connection: Connection) { connections[ObjectIdentifier(connection)] = connection }

    func remove(_ connection: Connection) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        gate.left(connection.remoteAddress)
    }

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
