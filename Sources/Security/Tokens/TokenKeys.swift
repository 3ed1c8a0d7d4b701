import Synchronization

/// Where the keys of an issuer come from, and how often.
package struct TokenKeySource: Hashable, Sendable {
    /// `https:`, `http:` on this machine, or `file:`.
    package var url: String
    /// In milliseconds.
    package var refreshMs: Int64
    package var retryBackoffMs: Int64
    package var retryBackoffMaxMs: Int64
    /// A PEM file of authorities for https; nil for those of the process.
    package var trustFile: String?

    package init(
        url: String, refreshMs: Int64 = 3_600_000, retryBackoffMs: Int64 = 100, retryBackoffMaxMs: Int64 = 10_000,
        trustFile: String? = nil
    ) {
        self.url = url
        self.refreshMs = refreshMs
        self.retryBackoffMs = retryBackoffMs
        self.retryBackoffMaxMs = retryBackoffMaxMs
        self.trustFile = trustFile
    }
}

/// The keys of an issuer as they are known now. Somebody else fetches them; this says when they are wanted early.
///
/// - SeeAlso: upstream `RefreshingHttpsJwks`.
package final class TokenKeys: Sendable {
    private struct State {
        var set: TokenKeySet?
        var revision = 0
        /// Names that were not found, with the time from which they may be asked for again.
        var missing: [String: Int64] = [:]
        /// When something was last asked for early.
        var lastEarly: Int64?
        var wake: (@Sendable () -> Void)?
    }

    /// As upstream `MISSING_KEY_ID_CACHE_IN_FLIGHT_MS`: for one name.
    static let missingMs: Int64 = 60_000
    /// For all names together, so that made-up ones cause no storm.
    static let earlyMs: Int64 = 10_000
    private static let missingCountMax = 16

    private let state = Mutex(State())

    package init(_ set: TokenKeySet? = nil) { if let set { replace(set) } }

    /// nil before the first were fetched. Old ones stay until there are new ones.
    package var current: TokenKeySet? { state.withLock { $0.set } }
    package var revision: Int { state.withLock { $0.revision } }

    package func replace(_ set: TokenKeySet) {
        state.withLock { state in
            state.set = set
            state.revision += 1
            for key in set.keys { if let id = key.id { state.missing[id] = nil } }
        }
    }

    /// - Parameter wake: is called, on any thread, when keys are to be fetched early.
    package func onWant(_ wake: (@Sendable () -> Void)?) { state.withLock { $0.wake = wake } }

    /// A token came with a key that is not there: perhaps it is new.
    ///
    /// - Parameters:
    ///   - id: nil for a token that names none.
    ///   - now: milliseconds since 1970.
    /// - Returns: whether they are fetched early.
    @discardableResult
    package func want(_ id: String?, _ now: Int64) -> Bool {
        let name = id ?? ""
        guard name.utf8.count <= TokenKey.idByteCountMax else { return false }
        let wake: (@Sendable () -> Void)? = state.withLock { state in
            guard let wake = state.wake else { return nil }
            // A clock that was set back must not keep keys away.
            if let last = state.lastEarly, last <= now, now < last + Self.earlyMs { return nil }
            if let until = state.missing[name], now < until, until - now <= Self.missingMs { return nil }
            state.missing = state.missing.filter { $0.value > now }
            if state.missing.count >= Self.missingCountMax,
                let oldest = state.missing.min(by: { $0.value < $1.value })?.key
            {
                state.missing[oldest] = nil
            }
            state.missing[name] = now + Self.missingMs
            state.lastEarly = now
            return wake
        }
        wake?()
        return wake != nil
    }
}
