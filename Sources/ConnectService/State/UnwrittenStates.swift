/// States that could not be written: the newest of each connector, task and topic, so that none is lost and none comes
/// behind a newer one. Pure.
struct UnwrittenStates: Sendable {
    private var kept: [[UInt8]: [UInt8]?] = [:]
    /// The newest attempt under way for each key.
    private var underWay: [[UInt8]: UInt64] = [:]
    private var attempts: UInt64 = 0

    var isEmpty: Bool { kept.isEmpty }

    /// Sorted by their keys.
    var records: [StatusRecords.Record] {
        kept.map { (key: $0.key, value: $0.value) }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    /// Something is about to be written; what was kept of the same keys is out of date.
    ///
    /// - Returns: what to end the attempt with.
    mutating func begin(_ records: [StatusRecords.Record]) -> UInt64 {
        attempts += 1
        for record in records {
            underWay[record.key] = attempts
            kept[record.key] = nil
        }
        return attempts
    }

    /// Keeps what was not written, but for what a later attempt has something newer of.
    mutating func end(_ attempt: UInt64, _ records: [StatusRecords.Record], isWritten: Bool) {
        for record in records where underWay[record.key] == attempt {
            underWay[record.key] = nil
            if !isWritten { kept.updateValue(record.value, forKey: record.key) }
        }
    }

    mutating func drop(_ keys: some Sequence<[UInt8]>) { for key in keys { kept[key] = nil } }
}
