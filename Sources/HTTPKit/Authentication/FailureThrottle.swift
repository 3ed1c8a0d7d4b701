import NIOCore

/// How often an address may try passwords that are wrong: so many at once, then one in a while. A pure value: its user
/// brings the time.
struct FailureThrottle {
    static let burst = 20.0
    static let perSecond = 2.0
    static let addressCountMax = 4096

    private struct Bucket {
        var tries: Double
        var at: NIODeadline
    }

    private var buckets: [String: Bucket] = [:]

    var addressCount: Int { buckets.count }

    /// Whether the address may try now. The try counts as a failure until it is given back.
    mutating func take(_ address: String, at now: NIODeadline) -> Bool {
        let key = Self.key(address)
        var tries = available(key, now)
        guard tries >= 1 else { return false }
        tries -= 1
        makeRoom(for: key, now)
        buckets[key] = Bucket(tries: tries, at: now)
        return true
    }

    /// The try was none of a wrong password.
    mutating func giveBack(_ address: String, at now: NIODeadline) {
        let key = Self.key(address)
        guard buckets[key] != nil else { return }
        let tries = min(Self.burst, available(key, now) + 1)
        buckets[key] = tries >= Self.burst ? nil : Bucket(tries: tries, at: now)
    }

    private func available(_ key: String, _ now: NIODeadline) -> Double {
        guard let bucket = buckets[key] else { return Self.burst }
        let seconds = now > bucket.at ? Double((now - bucket.at).nanoseconds) / 1e9 : 0
        return min(Self.burst, bucket.tries + seconds * Self.perSecond)
    }

    private mutating func makeRoom(for key: String, _ now: NIODeadline) {
        guard buckets.count >= Self.addressCountMax, buckets[key] == nil else { return }
        buckets = buckets.filter { available($0.key, now) < Self.burst }
        // All of them are at it: who has tried the least is forgotten.
        guard buckets.count >= Self.addressCountMax,
            let mildest = buckets.keys.max(by: { available($0, now) < available($1, now) })
        else { return }
        buckets[mildest] = nil
    }

    /// Whoever has one address of IPv6 as a rule has 2^64 of them.
    private static func key(_ address: String) -> String {
        let packed = ClientAddress.plain(address)
        guard packed.contains(":") else { return packed }
        let groups = packed.split(separator: "::", maxSplits: 1, omittingEmptySubsequences: false)
        var head = groups.first.map { $0.split(separator: ":").map(String.init) } ?? []
        if groups.count > 1 { while head.count < 4 { head.append("0") } }
        return head.prefix(4).joined(separator: ":")
    }
}
