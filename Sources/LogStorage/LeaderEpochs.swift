/// Which offsets were appended under which leader epoch: entries ascend in both fields (KIP-101).
struct LeaderEpochs: Sendable, Equatable {
    struct Entry: Sendable, Equatable {
        var epoch: Int32
        var startOffset: Int64
    }

    private(set) var entries: [Entry] = []

    /// Notes that the batch at `offset` has `epoch`. - Returns: whether this is a new entry.
    mutating func note(_ epoch: Int32, at offset: Int64) -> Bool {
        guard epoch >= 0, epoch > (entries.last?.epoch ?? -1) else { return false }
        entries.append(Entry(epoch: epoch, startOffset: offset))
        return true
    }

    /// The epoch of the batch before `offset`; 0 when that is not known.
    func epoch(at offset: Int64) -> Int32 {
        let count = entries.partitionPoint { $0.startOffset < offset }
        return count == 0 ? 0 : entries[count - 1].epoch
    }

    /// The epoch of the record at `offset`; nil when that is not known.
    func epoch(holding offset: Int64) -> Int32? {
        let count = entries.partitionPoint { $0.startOffset <= offset }
        return count == 0 ? nil : entries[count - 1].epoch
    }

    /// Forgets what begins at or after `end`. - Returns: whether something did.
    mutating func truncate(end: Int64) -> Bool {
        let keep = entries.partitionPoint { $0.startOffset < end }
        defer { entries.removeSubrange(keep...) }
        return keep < entries.count
    }

    /// Forgets the epochs that ended at or before `start`; the one that holds `start` begins there.
    mutating func truncate(start: Int64) -> Bool {
        let passed = entries.partitionPoint { $0.startOffset <= start }
        guard passed > 0, entries[passed - 1].startOffset < start else { return false }
        entries.removeSubrange(..<(passed - 1))
        entries[0].startOffset = start
        return true
    }

    /// The last epoch not above `epoch` and the offset where it ends; nil when the answer is not known, which Kafka says
    /// as (-1, -1).
    ///
    /// - SeeAlso: `LeaderEpochFileCache.endOffsetFor`.
    func end(of epoch: Int32, current: Int32, logEnd: Int64) -> (epoch: Int32, endOffset: Int64)? {
        var all = entries
        if current > (all.last?.epoch ?? -1) { all.append(Entry(epoch: current, startOffset: logEnd)) }
        guard epoch >= 0, let latest = all.last, epoch <= latest.epoch else { return nil }
        if epoch == latest.epoch { return (epoch, logEnd) }
        let higher = all.partitionPoint { $0.epoch <= epoch }
        return (higher == 0 ? epoch : all[higher - 1].epoch, all[higher].startOffset)
    }

    // MARK: Kafka's checkpoint format: version 0, the number of entries, one line "epoch startOffset" each

    func encoded() -> [UInt8] {
        CheckpointText.encode(entries.map { "\($0.epoch) \($0.startOffset)" })
    }

    /// nil when the text is not a checkpoint.
    init?(_ bytes: [UInt8]) {
        guard let lines = CheckpointText.decode(bytes) else { return nil }
        for line in lines {
            let fields = line.split(separator: " ")
            guard fields.count == 2, let epoch = Int32(fields[0]), let start = Int64(fields[1]), start >= 0,
                epoch > (entries.last?.epoch ?? -1), start >= (entries.last?.startOffset ?? 0)
            else { return nil }
            entries.append(Entry(epoch: epoch, startOffset: start))
        }
    }

    init() {}
}

/// Kafka's text format for checkpoints: a version line "0", a line with the number of entries, one line per entry.
enum CheckpointText {
    static func encode(_ lines: [String]) -> [UInt8] {
        var text = "0\n\(lines.count)\n"
        for line in lines {
            text += line
            text += "\n"
        }
        return [UInt8](text.utf8)
    }

    /// The entries, or nil when version or count are wrong.
    static func decode(_ bytes: [UInt8]) -> [Substring]? {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: true)
        guard lines.count >= 2, lines[0] == "0", let count = Int(lines[1]), count == lines.count - 2 else { return nil }
        return Array(lines[2...])
    }
}
