import Observability
import Synchronization

/// What the client of one connection is bound by; a quota that there is not is nil.
struct BoundQuotas: Sendable {
    /// Of `ClientQuotas` when it was looked up.
    var revision: UInt64 = 0
    var produce: RateSensor?
    var fetch: RateSensor?
    var requestTime: RateSensor?
    var mutation: TokenSensor?
}

/// The quotas of users and client ids in force, and what is counted against them.
///
/// A connection looks up once what it is bound by, and again when `revision` has changed. Where there are no quotas, and
/// for clients that none is for, a request costs the load of one number.
///
/// - SeeAlso: upstream `ClientQuotaManager`, `ClientRequestQuotaManager`, `ControllerMutationQuotaManager`.
final class ClientQuotas: Sendable {
    /// How rates are measured.
    struct Windows: Sendable {
        /// `quota.window.num`, `quota.window.size.seconds`.
        var count = 11
        var seconds: Int64 = 1
        /// `controller.quota.window.num`, `controller.quota.window.size.seconds`.
        var mutationCount = 11
        var mutationSeconds: Int64 = 1
    }

    /// What nobody used for so long is forgotten, in milliseconds; as in Kafka an hour.
    static let idleMax: Int64 = 3_600_000
    /// Sensors of one kind; beyond it those go that were not used for longest, as clients may make up names.
    static let countMax = 20_000
    private static let expiryInterval: Int64 = 60_000

    private struct Key: Hashable {
        var kind: QuotaKind
        var scope: QuotaTable.Scope
    }
    private struct State {
        var table = QuotaTable()
        var rates: [Key: RateSensor] = [:]
        var buckets: [QuotaTable.Scope: TokenSensor] = [:]
        var nextExpiry: Int64 = 0
    }

    let windows: Windows
    private let revisionValue = Atomic<UInt64>(0)
    private let state = Mutex(State())
    private let throttles: [QuotaKind: (count: Counter, milliseconds: Counter)]
    /// Connections that are held up at the moment.
    let throttledConnections = Gauge()

    init(_ windows: Windows = Windows()) {
        self.windows = windows
        throttles = Dictionary(uniqueKeysWithValues: QuotaKind.allCases.map { ($0, (Counter(), Counter())) })
    }

    /// Rises with every change of the quotas or sensors; 0 as long as there never was a quota.
    var revision: UInt64 { revisionValue.load(ordering: .acquiring) }

    /// Takes over another list. What was counted against a quota that is still there is not forgotten.
    func replace(_ table: QuotaTable) {
        state.withLock { state in
            guard state.table != table else { return }
            state.table = table
            for (key, sensor) in state.rates {
                if let limit = table.limit(key.kind, of: key.scope) {
                    sensor.limit = limit
                } else {
                    state.rates[key] = nil
                }
            }
            for (scope, sensor) in state.buckets {
                if let limit = table.limit(.controllerMutationRate, of: scope) {
                    sensor.limit = limit
                } else {
                    state.buckets[scope] = nil
                }
            }
            revisionValue.wrappingAdd(1, ordering: .releasing)
        }
    }

    /// What a client is bound by from now on.
    ///
    /// - Parameters:
    ///   - user: the name of the principal.
    ///   - clientId: empty for a client without one.
    func bind(user: String, clientId: String, at now: Int64 = QuotaTime.now) -> BoundQuotas {
        state.withLock { state in
            var bound = BoundQuotas()
            func rate(_ kind: QuotaKind) -> RateSensor? {
                guard let limit = state.table.limit(kind, user: user, clientId: clientId) else { return nil }
                let key = Key(kind: kind, scope: limit.scope)
                if let known = state.rates[key] { return known }
                if state.rates.count >= Self.countMax * 3 { dropOldest(&state) }
                // Time is not to be owed for longer than a window (KIP-124).
                let longest = kind == .requestPercentage ? windows.seconds * 1000 : Int64(Int32.max)
                let made = RateSensor(
                    limit: limit.value, RateWindows(count: windows.count, length: windows.seconds * 1000),
                    throttleMax: longest, at: now)
                state.rates[key] = made
                return made
            }
            bound.produce = rate(.producerByteRate)
            bound.fetch = rate(.consumerByteRate)
            bound.requestTime = rate(.requestPercentage)
            if let limit = state.table.limit(.controllerMutationRate, user: user, clientId: clientId) {
                if state.buckets[limit.scope] == nil {
                    if state.buckets.count >= Self.countMax { dropOldest(&state) }
                    state.buckets[limit.scope] = TokenSensor(
                        limit: limit.value,
                        TokenBucket(seconds: Double(windows.mutationCount) * Double(windows.mutationSeconds)), at: now)
                }
                bound.mutation = state.buckets[limit.scope]
            }
            bound.revision = revisionValue.load(ordering: .relaxed)
            return bound
        }
    }

    /// A tenth of the sensors makes room; connections that hold one of them look up another.
    private func dropOldest(_ state: inout State) {
        func oldest<K: Hashable>(_ uses: [(K, Int64)]) -> ArraySlice<(K, Int64)> {
            uses.sorted { $0.1 < $1.1 }.prefix(uses.count / 10 + 1)
        }
        if state.rates.count >= Self.countMax * 3 {
            for (key, _) in oldest(state.rates.map { ($0.key, $0.value.lastUse) }) { state.rates[key] = nil }
        }
        if state.buckets.count >= Self.countMax {
            for (scope, _) in oldest(state.buckets.map { ($0.key, $0.value.lastUse) }) { state.buckets[scope] = nil }
        }
        revisionValue.wrappingAdd(1, ordering: .releasing)
    }

    /// Forgets sensors that nobody used for an hour; called now and then.
    func expire(at now: Int64 = QuotaTime.now) {
        state.withLock { state in
            guard now >= state.nextExpiry, !state.rates.isEmpty || !state.buckets.isEmpty else { return }
            state.nextExpiry = now + Self.expiryInterval
            let before = state.rates.count + state.buckets.count
            state.rates = state.rates.filter { now - $0.value.lastUse < Self.idleMax }
            state.buckets = state.buckets.filter { now - $0.value.lastUse < Self.idleMax }
            // A connection may still hold one of them, and others would count on a new one.
            if state.rates.count + state.buckets.count != before { revisionValue.wrappingAdd(1, ordering: .releasing) }
        }
    }

    var sensorCount: Int { state.withLock { $0.rates.count + $0.buckets.count } }

    // MARK: Figures

    func noteThrottle(_ kind: QuotaKind, milliseconds: Int64) {
        guard let counters = throttles[kind] else { return }
        counters.count.add()
        counters.milliseconds.add(milliseconds)
    }

    func registerMetrics(_ registry: MetricRegistry) {
        registry.samples(
            "swiftwater_quota_throttles_total", "Times that a client was held up because of a quota, by quota.",
            .counter
        ) { [self] in
            samples { Double($0.count.total) }
        }
        registry.samples(
            "swiftwater_quota_throttle_seconds_total",
            "Time for which clients were told to be held up because of quotas, in seconds, by quota.", .counter
        ) { [self] in
            samples { Double($0.milliseconds.total) / 1000 }
        }
        registry.gauge(
            "swiftwater_quota_throttled_connections", "Connections that are held up because of quotas at the moment."
        ) { [throttledConnections] in
            Double(throttledConnections.current)
        }
        registry.gauge("swiftwater_quota_sensors", "Users and client ids with quotas that are kept count of.") {
            [weak self] in Double(self?.sensorCount ?? 0)
        }
    }

    private func samples(_ value: ((count: Counter, milliseconds: Counter)) -> Double) -> [MetricRegistry.Sample] {
        QuotaKind.allCases.compactMap { kind in
            guard let counters = throttles[kind], counters.count.total > 0 else { return nil }
            return .init([("quota", kind.rawValue)], value(counters))
        }
    }
}
