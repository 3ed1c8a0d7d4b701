internal import ConnectCore

/// Where reading goes on: Debezium's source offset, with the place in a transaction besides.
///
/// The log gives transactions in the order of their commits, each with the place of its commit's record. All that committed
/// before `commitLSN` is done; of the transaction whose commit is at `openCommit`, `rowCount` changes are.
struct PostgresPosition: Sendable, Hashable {
    /// Behind the last commit, or at the last message outside of transactions.
    var commitLSN: Lsn
    /// Behind the last commit that the log has told, which events show; nil when none has been told.
    var lastCommit: Lsn?
    /// Of the last change.
    var lsn: Lsn
    var transaction: Int64?
    var microseconds: Int64 = 0
    var messageType: String?
    var openCommit: Lsn?
    var rowCount: Int64 = 0
    /// Of an offset that the original wrote in the middle of a transaction: changes up to here are done.
    var processedLSN: Lsn?
    /// Transactions that the snapshot has seen and the log may give once more.
    var seen: SeenTransactions?
    /// No commit behind this place has been seen.
    var seenUntil: Lsn?
    /// How far an incremental snapshot is, in the names of offsets.
    var incremental: [String: String] = [:]

    static let message = "MESSAGE"

    init(at lsn: Lsn) {
        commitLSN = lsn
        self.lsn = lsn
    }

    /// nil when the offset has no place.
    init?(_ offset: ConnectMap) {
        func place(_ name: String) -> Lsn? { offset[name]?.integer.map { Lsn(number: $0) } }
        guard let lsn = place("lsn") ?? place("lsn_proc") ?? place("lsn_commit") else { return nil }
        self.lsn = lsn
        // Snapshots of the original have only their own place.
        commitLSN = place("lsn_commit") ?? lsn
        // 0: none has been told.
        lastCommit = place("lsn_last_commit").map { $0.rawValue == 0 ? nil : $0 } ?? place("lsn_commit")
        transaction = offset["txId"]?.integer
        microseconds = offset["ts_usec"]?.integer ?? 0
        messageType = offset["messageType"]?.string
        openCommit = place("lsn_open")
        rowCount = max(0, offset["row"]?.integer ?? 0)
        if openCommit == nil, let processed = place("lsn_proc"), processed > commitLSN,
            !["BEGIN", "COMMIT"].contains(messageType ?? "COMMIT")
        {
            processedLSN = processed
        }
        seen = offset["snapshot_transactions"]?.string.flatMap { SeenTransactions($0) }
        seenUntil = place("snapshot_lsn")
        for entry in offset.entries {
            if let name = entry.key.string, name.hasPrefix("incremental_snapshot_"), let text = entry.value.string {
                incremental[name] = text
            }
        }
    }

    var offset: ConnectMap {
        var map = ConnectMap()
        map["lsn_proc"] = .int64(lsn.number)
        if let messageType { map["messageType"] = .string(messageType) }
        map["lsn_commit"] = .int64(commitLSN.number)
        if lastCommit != commitLSN { map["lsn_last_commit"] = .int64(lastCommit?.number ?? 0) }
        map["lsn"] = .int64(lsn.number)
        if let transaction { map["txId"] = .int64(transaction) }
        map["ts_usec"] = .int64(microseconds)
        if let openCommit {
            map["lsn_open"] = .int64(openCommit.number)
            map["row"] = .int64(rowCount)
        }
        if let seen { map["snapshot_transactions"] = .string(seen.text) }
        if let seenUntil { map["snapshot_lsn"] = .int64(seenUntil.number) }
        for (name, text) in incremental.sorted(by: { $0.key < $1.key }) { map[name] = .string(text) }
        return map
    }
}

/// Which transactions a snapshot has seen, as `pg_current_snapshot` tells it: `xmin:xmax:running,...`.
struct SeenTransactions: Sendable, Hashable {
    let text: String
    private let minimum: UInt64
    private let maximum: UInt64
    private let running: Set<UInt64>

    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let minimum = UInt64(parts[0]), let maximum = UInt64(parts[1]), minimum <= maximum
        else {
            return nil
        }
        self.text = text
        self.minimum = minimum
        self.maximum = maximum
        running = Set(parts[2].split(separator: ",").compactMap { UInt64($0) })
    }

    /// - Parameter id: of a transaction that committed, without its epoch: it is not far from the snapshot.
    func contains(_ id: UInt32) -> Bool {
        let distance = Int64(Int32(bitPattern: id &- UInt32(truncatingIfNeeded: maximum)))
        guard distance < 0 else { return false }
        let whole = UInt64(bitPattern: Int64(bitPattern: maximum) &+ distance)
        return whole < minimum || !running.contains(whole)
    }

    /// No transaction from this one on has been seen, and none before it is still to come.
    var end: UInt64 { maximum }
}
