import Environment
import RecordBatches

/// Producers, their transactions and leader epochs: what was written down, and what the batches after it say.
extension LogOpening {
    /// The newest usable snapshot, plus the batches after it.
    mutating func restoreProducers(logEnd: Int64) throws(LogError) -> ProducerStates {
        let begin = segments.first?.baseOffset ?? logEnd
        var states = ProducerStates()
        var from = begin
        while let newest = snapshots.last {
            let read = newest <= logEnd ? try readSnapshot(newest) : nil
            if let read {
                states = read
                // Batches between the snapshot and the first segment are gone: sequences may have gone on there.
                if newest < begin { states.forgetSequences() }
                from = max(from, newest)
                break
            }
            // Of a future that did not happen, or torn: the one before it is as good, with more batches to replay.
            try doing("remove snapshot \(newest)") { () throws(DiskError) in
                try disk.removeFile(path(newest, .snapshot))
            }
            snapshots.removeLast()
        }
        try adoptTransactionIndexes(upTo: from, logEnd: logEnd)
        let walkFrom = epochsAreWhole ? from : begin
        guard walkFrom < logEnd, !segments.isEmpty else { return states }
        var restoredEpochs = epochsAreWhole ? epochs : LeaderEpochs()
        let now = now
        for index in segmentIndices(from: walkFrom, upTo: logEnd) {
            var aborted: [AbortedTransaction] = []
            let reason = try replay(segments[index], from: walkFrom, upTo: logEnd) { header, marker in
                if header.baseOffset >= from, let entry = states.note(header, marker: marker, now: now) {
                    aborted.append(entry)
                }
                _ = restoredEpochs.note(header.partitionLeaderEpoch, at: header.baseOffset)
            }
            if report.reason == nil { report.reason = reason }
            keep(aborted, in: index)
        }
        epochs = restoredEpochs
        return states
    }

    private func readSnapshot(_ offset: Int64) throws(LogError) -> ProducerStates? {
        let bytes = try doing("read snapshot \(offset)") { () throws(DiskError) in
            try disk.contents(path(offset, .snapshot))
        }
        return ProducerSnapshot.decode(bytes, now: now)
    }

    /// Indices of the segments that may have batches in `from..<end`.
    private func segmentIndices(from offset: Int64, upTo end: Int64) -> Range<Int> {
        let first = max(0, segments.partitionPoint { $0.baseOffset <= offset } - 1)
        return first..<max(first, segments.partitionPoint { $0.baseOffset < end })
    }

    /// Gives `body` the headers of a segment's batches, those from `offset` up to `end` and perhaps some before, with what
    /// transaction markers among them say.
    ///
    /// - Returns: nil, or what is wrong with durable data that the disk changed: the rest of the segment is passed over, and
    ///   readers are told when they come there.
    private func replay(
        _ segment: Segment, from offset: Int64, upTo end: Int64, _ body: (BatchHeader, ControlMarker?) -> Void
    ) throws(LogError) -> String? {
        guard segment.byteCount > 0 else { return nil }
        let file = try openLogFile(segment)
        let start = try startOfReplay(segment, file, offset)
        do throws(LogError) {
            try withScratch(byteCount: 8192) { buffer throws(LogError) in
                var walk = BatchWalk(file, from: start, upTo: segment.byteCount, buffer: buffer)
                while let header = try walk.peek(), header.baseOffset < end {
                    let isMarker = header.attributes.isControl && header.producerId >= 0
                    body(header, isMarker ? try walk.marker(header) : nil)
                    _ = try walk.next()
                }
            }
        } catch  where error.code == .corruptSegment {
            return error.message
        }
        return nil
    }

    /// Position in `segment` of some batch at or before `offset`, from its index.
    private func startOfReplay(_ segment: Segment, _ file: any DiskFile, _ offset: Int64) throws(LogError) -> Int {
        guard offset > segment.baseOffset else { return 0 }
        let isBefore = { (entry: OffsetEntry) in segment.baseOffset &+ Int64(entry.relativeOffset) < offset }
        var entry = segment.offsets.floorInMemory(isBefore)
        if entry == nil, segment.offsets.fileCount > 0 {
            entry = try doing("read index \(segment.baseOffset)") { () throws(DiskError) in
                let index = try disk.open(path(segment.baseOffset, .index), create: false)
                return try SparseIndex<OffsetEntry>.floor(in: index, count: segment.offsets.fileCount, isBefore)
            }
        }
        guard let entry, try matches(entry, file, segment.baseOffset, segment.byteCount) else { return 0 }
        return Int(entry.position)
    }

    // MARK: Transaction indexes

    /// Takes over the entries below `trusted`, which were durable before the snapshot of that offset was, and cuts off the
    /// others: the replay from there finds them again. An index that lacks some of the entries is built anew.
    private mutating func adoptTransactionIndexes(upTo trusted: Int64, logEnd: Int64) throws(LogError) {
        var damaged: [Int] = []
        for index in segments.indices where txnIndexes.contains(segments[index].baseOffset) {
            let base = segments[index].baseOffset
            let end = index + 1 < segments.count ? segments[index + 1].baseOffset : logEnd
            let (file, byteCount) = try doing("read transaction index \(base)") { () throws(DiskError) in
                let file = try disk.open(path(base, .txnIndex), create: false)
                return (file, try Int(clamping: file.byteCount()))
            }
            var (count, last) = try readTransactionIndex(file, byteCount, base..<max(base, min(end, trusted)))
            let isLast = index + 1 == segments.count
            if end > trusted || (isLast && report.wasUnclean) {
                // What a crash tore may look like an entry; a true one has its marker in the log.
                while let entry = last, try !isAborted(entry, in: segments[index]) {
                    count -= 1
                    last = try count == 0 ? nil : readEntry(file, count - 1)
                }
            } else if count * AbortedTransaction.byteCount != byteCount || count == 0 {
                damaged.append(index)
                continue
            }
            let kept = count * AbortedTransaction.byteCount
            try doing("cut transaction index \(base)") { () throws(DiskError) in
                // None is left empty, so that one that was emptied is known to be damaged.
                if kept == 0 {
                    try disk.removeFile(path(base, .txnIndex))
                } else if kept != byteCount {
                    try file.truncate(to: Int64(kept))
                }
            }
            segments[index].aborted = SparseIndex(fileCount: count, last: last)
            segments[index].abortedIsDurable = kept == byteCount && kept > 0
        }
        report.rebuiltIndexCount += damaged.count
        try rebuildTransactionIndexes(damaged)
    }

    /// How many entries at the beginning of a transaction index can be what was written, with markers in `range`.
    private func readTransactionIndex(
        _ file: any DiskFile, _ byteCount: Int, _ range: Range<Int64>
    ) throws(LogError) -> (count: Int, last: AbortedTransaction?) {
        var count = 0
        var last: AbortedTransaction?
        _ = try doing("read transaction index \(range.lowerBound)") { () throws(DiskError) in
            try SparseIndex<AbortedTransaction>.forEach(
                in: file, count: byteCount / AbortedTransaction.byteCount, from: { _ in false }
            ) { entry in
                guard entry.follows(last, in: range) else { return .stop }
                last = entry
                count += 1
                return .next
            }
        }
        return (count, last)
    }

    private func readEntry(_ file: any DiskFile, _ index: Int) throws(LogError) -> AbortedTransaction? {
        let stride = AbortedTransaction.byteCount
        let bytes = try doing("read transaction index") { () throws(DiskError) in
            try file.read(at: Int64(index * stride), count: stride)
        }
        return bytes.count == stride ? bytes.withUnsafeBytes { AbortedTransaction($0, at: 0) } : nil
    }

    /// Whether the log has the marker of which an entry tells.
    private func isAborted(_ entry: AbortedTransaction, in segment: Segment) throws(LogError) -> Bool {
        var isFound = false
        _ = try replay(segment, from: entry.lastOffset, upTo: entry.lastOffset &+ 1) { header, marker in
            isFound =
                header.lastOffset == entry.lastOffset && header.producerId == entry.producerId
                && marker?.kind == .abort
        }
        return isFound
    }

    /// Finds the aborted transactions of whole segments again, by a replay from a snapshot before them or from the
    /// beginning of the log. The damaged files stay until they are replaced, so that a crash does not hide the damage.
    private mutating func rebuildTransactionIndexes(_ damaged: [Int]) throws(LogError) {
        guard let first = damaged.first, let last = damaged.last else { return }
        let begin = segments[0].baseOffset
        var states = ProducerStates()
        var from = begin
        for snapshot in snapshots.reversed() where begin...segments[first].baseOffset ~= snapshot {
            guard let read = try readSnapshot(snapshot) else { continue }
            states = read
            from = snapshot
            break
        }
        let now = now
        for index in segmentIndices(from: from, upTo: .max).prefix(through: last) {
            var aborted: [AbortedTransaction] = []
            let reason = try replay(segments[index], from: from, upTo: .max) { header, marker in
                if header.baseOffset >= from, let entry = states.note(header, marker: marker, now: now) {
                    aborted.append(entry)
                }
            }
            if report.reason == nil { report.reason = reason }
            if damaged.contains(index) { try replaceTransactionIndex(of: index, with: aborted) }
        }
    }

    private mutating func replaceTransactionIndex(
        of index: Int, with aborted: [AbortedTransaction]
    ) throws(LogError) {
        let path = path(segments[index].baseOffset, .txnIndex)
        var bytes: [UInt8] = []
        for entry in aborted { entry.append(to: &bytes) }
        try doing("replace transaction index \(segments[index].baseOffset)") { () throws(DiskError) in
            if aborted.isEmpty { try disk.removeFile(path) } else { try disk.replaceDurably(path, with: bytes) }
        }
        segments[index].aborted = SparseIndex(fileCount: aborted.count, last: aborted.last)
    }

    private mutating func keep(_ aborted: [AbortedTransaction], in index: Int) {
        for entry in aborted { segments[index].note(entry) }
        guard segments[index].aborted.tail.count >= SparseIndex<AbortedTransaction>.tailCountMax else { return }
        // Else the next checkpoint does.
        try? segments[index].spillAborted(directory: directory, disk: disk)
    }
}
