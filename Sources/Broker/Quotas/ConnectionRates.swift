import NIOCore
import Synchronization

/// How many connections may come in a second: from one address (KIP-612), and in all (`max.connection.creation.rate`).
///
/// - SeeAlso: upstream `ConnectionQuotas`.
final class ConnectionRates: Sendable {
    enum Verdict: Equatable {
        case accept
        /// It waits for so long, in milliseconds, and nobody else is let in meanwhile.
        case delay(Int64)
        /// It is closed after so long, in milliseconds: a client that tries again at once is slowed down.
        case refuse(after: Int64)
    }

    /// Addresses that are kept count of.
    private static let countMax = 20_000
    /// Connections that wait for being closed; beyond it they are closed at once.
    private static let heldCountMax = 1000

    private struct State {
        var named: [String: Double] = [:]
        var byDefault: Double?
        var sensors: [String: RateSensor] = [:]
        var all: RateSensor?
        /// When the last connection that waits is let in.
        var lastSlot: Int64 = 0
        var heldCount = 0
        /// Connections that wait for being let in, by listener.
        var waiting: [ObjectIdentifier: Int] = [:]
        var nextExpiry: Int64 = 0
    }
    private let windows: ClientQuotas.Windows
    private let state = Mutex(State())
    private let hasAddresses = Atomic<Bool>(false)

    init(_ windows: ClientQuotas.Windows = ClientQuotas.Windows()) { self.windows = windows }

    private func sensor(_ limit: Double, _ now: Int64) -> RateSensor {
        // No one waits for longer than a window.
        RateSensor(
            limit: limit, RateWindows(count: windows.count, length: windows.seconds * 1000),
            throttleMax: windows.seconds * 1000, at: now)
    }

    /// Takes over other quotas of addresses.
    func replace(_ table: QuotaTable) {
        let rates = table.connectionRates
        state.withLock { state in
            state.named = [:]
            for (name, value) in rates.named {
                if let address = QuotaRules.address(name) { state.named[address] = value }
            }
            state.byDefault = rates.default
            for (address, sensor) in state.sensors {
                if let limit = state.named[address] ?? state.byDefault {
                    sensor.limit = limit
                } else {
                    state.sensors[address] = nil
                }
            }
            hasAddresses.store(!state.named.isEmpty || state.byDefault != nil, ordering: .releasing)
        }
    }

    /// - Parameters:
    ///   - address: as the socket tells it.
    ///   - limit: `max.connection.creation.rate`, of all addresses; nil for none.
    func admit(_ address: String, limit: Double?, at now: Int64 = QuotaTime.now) -> Verdict {
        guard limit != nil || hasAddresses.load(ordering: .acquiring) else { return .accept }
        return state.withLock { state in
            if let sensor = addressSensor(QuotaRules.address(address) ?? address, &state, now) {
                let throttle = sensor.record(1, at: now)
                if throttle > 0 {
                    // It is not let in, and does not count.
                    sensor.note(-1, at: now)
                    guard state.heldCount < Self.heldCountMax else { return .refuse(after: 0) }
                    state.heldCount += 1
                    return .refuse(after: throttle)
                }
            }
            guard let limit else {
                state.all = nil
                return .accept
            }
            let all = state.all ?? sensor(limit, now)
            all.limit = limit
            state.all = all
            let throttle = all.record(1, at: now)
            guard throttle > 0 else { return .accept }
            // Several that come together wait one behind the other.
            let slot = max(now + throttle, limit > 0 ? state.lastSlot + Int64(1000 / limit) : 0)
            state.lastSlot = slot
            return .delay(slot - now)
        }
    }

    /// Lets a connection wait that is to be refused; the result, a failure, closes it.
    func hold(_ channel: any Channel, _ milliseconds: Int64, _ quotas: ClientQuotas) -> EventLoopFuture<Void> {
        quotas.noteThrottle(.connectionCreationRate, milliseconds: milliseconds)
        guard milliseconds > 0 else { return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
        return channel.eventLoop.scheduleTask(in: .milliseconds(milliseconds)) { [self] in
            state.withLock { $0.heldCount -= 1 }
            throw ChannelError.ioOnClosedChannel
        }.futureResult
    }

    /// Lets a connection wait until it is its turn, and its listener take no others meanwhile.
    func wait(_ channel: any Channel, _ milliseconds: Int64, _ quotas: ClientQuotas) -> EventLoopFuture<Void> {
        quotas.noteThrottle(.connectionCreationRate, milliseconds: milliseconds)
        guard let listening = channel.parent else {
            return channel.eventLoop.scheduleTask(in: .milliseconds(milliseconds)) {}.futureResult
        }
        let listener = ObjectIdentifier(listening)
        state.withLock { $0.waiting[listener, default: 0] += 1 }
        // It fails only where the listener is closed by then, and nobody is let in any more.
        _ = listening.setOption(.autoRead, value: false)
        return channel.eventLoop.scheduleTask(in: .milliseconds(milliseconds)) { [self] in
            let isLast = state.withLock { state in
                let count = (state.waiting[listener] ?? 1) - 1
                state.waiting[listener] = count > 0 ? count : nil
                return count <= 0
            }
            // Several may have come in one look; it goes on when all of them are in.
            if isLast { _ = listening.setOption(.autoRead, value: true) }
        }.futureResult
    }

    private func addressSensor(_ address: String, _ state: inout State, _ now: Int64) -> RateSensor? {
        guard let limit = state.named[address] ?? state.byDefault else { return nil }
        if let known = state.sensors[address] { return known }
        if state.sensors.count >= Self.countMax {
            let oldest = state.sensors.map { ($0.key, $0.value.lastUse) }.sorted { $0.1 < $1.1 }
            for (old, _) in oldest.prefix(Self.countMax / 10) { state.sensors[old] = nil }
        }
        let made = sensor(limit, now)
        state.sensors[address] = made
        return made
    }

    /// Forgets addresses from which nobody came for an hour; called now and then.
    func expire(at now: Int64 = QuotaTime.now) {
        state.withLock { state in
            guard now >= state.nextExpiry, !state.sensors.isEmpty else { return }
            state.nextExpiry = now + 60_000
            state.sensors = state.sensors.filter { now - $0.value.lastUse < ClientQuotas.idleMax }
        }
    }

    var sensorCount: Int { state.withLock { $0.sensors.count } }
}
