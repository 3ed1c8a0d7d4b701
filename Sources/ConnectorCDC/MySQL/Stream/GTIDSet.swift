internal import Bytes

/// Transactions by their global identifiers. MariaDB's set is a position: the last one of each domain. MySQL's are
/// intervals per server.
struct GTIDSet: Sendable, Hashable {
    private struct Interval: Hashable { var first: UInt64, last: UInt64 }

    /// MariaDB: by domain, the whole identifier of the last transaction.
    private var domains: [UInt32: String] = [:]
    private var servers: [String: [Interval]] = [:]

    var isEmpty: Bool { domains.isEmpty && servers.isEmpty }

    init() {}

    /// `0-1-100,1-2-5` or `uuid:1-100:105,uuid:7`. What is no identifier is passed over.
    init(_ text: String) {
        for part in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) { add(String(part)) }
    }

    mutating func add(_ gtid: String) {
        let colon = gtid.split(separator: ":").map(String.init)
        if colon.count > 1 {
            let server = colon[0].lowercased()
            for part in colon.dropFirst() {
                let ends = part.split(separator: "-").compactMap { UInt64($0) }
                guard let first = ends.first, let last = ends.last, first > 0, first <= last else { continue }
                insert(Interval(first: first, last: last), server)
            }
        } else {
            let numbers = gtid.split(separator: "-")
            guard numbers.count == 3, let domain = UInt32(numbers[0]) else { return }
            domains[domain] = gtid
        }
    }

    private mutating func insert(_ interval: Interval, _ server: String) {
        var merged: [Interval] = []
        for next in ((servers[server] ?? []) + [interval]).sorted(by: { $0.first < $1.first }) {
            if let last = merged.last, next.first <= last.last || next.first - last.last == 1 {
                merged[merged.count - 1].last = max(last.last, next.last)
            } else {
                merged.append(next)
            }
        }
        servers[server] = merged
    }

    var text: String {
        if !domains.isEmpty { return domains.sorted { $0.key < $1.key }.map(\.value).joined(separator: ",") }
        return servers.sorted { $0.key < $1.key }.map { server, intervals in
            server + ":"
                + intervals.map { $0.first == $0.last ? "\($0.first)" : "\($0.first)-\($0.last)" }.joined(
                    separator: ":")
        }.joined(separator: ",")
    }

    /// Whether all transactions of this set are in another.
    func isContained(in other: GTIDSet) -> Bool {
        for (domain, gtid) in domains {
            guard let theirs = other.domains[domain], Self.sequence(gtid) <= Self.sequence(theirs) else { return false }
        }
        for (server, intervals) in servers {
            let theirs = other.servers[server] ?? []
            for interval in intervals
            where !theirs.contains(where: { $0.first <= interval.first && interval.last <= $0.last }) { return false }
        }
        return true
    }

    func contains(_ gtid: String) -> Bool { GTIDSet(gtid).isContained(in: self) }

    private static func sequence(_ gtid: String) -> UInt64 {
        gtid.split(separator: "-").last.flatMap { UInt64($0) } ?? 0
    }

    /// The identifiers of sources that `keeps` says yes to: MySQL's servers, MariaDB's domains.
    func filtered(_ keeps: (String) -> Bool) -> GTIDSet {
        var set = self
        set.servers = servers.filter { keeps($0.key) }
        set.domains = domains.filter { keeps(String($0.key)) || keeps($0.value) }
        return set
    }

    func union(_ other: GTIDSet) -> GTIDSet {
        var set = self
        for (server, intervals) in other.servers { for interval in intervals { set.insert(interval, server) } }
        for (domain, gtid) in other.domains where set.domains[domain] == nil { set.domains[domain] = gtid }
        return set
    }

    /// MySQL's form in COM_BINLOG_DUMP_GTID: counts and numbers of 8 bytes, the ends of intervals exclusive.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        func append(_ value: UInt64) {
            for shift in stride(from: 0, to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
            }
        }
        append(UInt64(servers.count))
        for (server, intervals) in servers.sorted(by: { $0.key < $1.key }) {
            let digits = Array(server.utf8).compactMap { Hexadecimal.value($0) }
            for index in stride(from: 0, to: min(32, digits.count - digits.count % 2), by: 2) {
                bytes.append(digits[index] << 4 | digits[index + 1])
            }
            append(UInt64(intervals.count))
            for interval in intervals {
                append(interval.first)
                append(interval.last + 1)
            }
        }
        return bytes
    }
}
