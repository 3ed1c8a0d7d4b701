import SQLTypes

/// States of functions such as COLLECT_LIST that a batch's rows go to again and again, held as values between two rows:
/// to read and write thousands of elements for each row costs far more than to add one.
///
/// A few groups at a time, each in the place that its hash gives. What is held is newer than the group's record in state,
/// and goes back there before anybody else looks: before results are passed on, and at the end of the batch.
final class HeldStates {
    final class Group {
        fileprivate(set) var table: SlabTable?
        fileprivate(set) var hash: UInt64 = 0
        let key = ScratchBytes()
        var states: [SQLValue] = []

        fileprivate func clear() {
            table = nil
            states = []
        }
    }

    private static let groupCount = 16

    private var groups: [Group] = []
    private var isEmpty = true
    private let layout: AggregateLayout
    private let retained: RowCodec
    private let scratch = ScratchBytes()

    init(_ layout: AggregateLayout, _ retained: RowCodec) {
        self.layout = layout
        self.retained = retained
    }

    /// The group of a key, with its states as they are now. Another one's may go back to its record, so that records move.
    ///
    /// - Parameters:
    ///   - key: not of the table's memory.
    ///   - record: of the group in `table`.
    func group(
        _ table: SlabTable, _ key: UnsafeRawBufferPointer, _ hash: UInt64, record: UnsafeRawBufferPointer
    ) throws(EngineError) -> Group {
        if groups.isEmpty { groups = (0..<Self.groupCount).map { _ in Group() } }
        // The lower bits are those of the table's index.
        let group = groups[Int(truncatingIfNeeded: hash >> 48) % Self.groupCount]
        if group.table === table, group.hash == hash, group.key.bytes.elementsEqual(key) { return group }
        var at = layout.fixedBytes
        at += retained.byteCount(record, at: at)
        let states = layout.readOthers(record, at: &at)
        try writeBack(group)
        group.table = table
        group.hash = hash
        group.key.clear()
        group.key.append(key)
        group.states = states
        isEmpty = false
        return group
    }

    /// Writes all that is held into the records; what cannot be written does not keep the others from it.
    ///
    /// - Throws: the first refusal.
    func writeBack() throws(EngineError) {
        guard !isEmpty else { return }
        isEmpty = true
        var refusal: EngineError?
        for group in groups {
            do throws(EngineError) { try writeBack(group) } catch { refusal = refusal ?? error }
            group.clear()
        }
        if let refusal { throw refusal }
    }

    private func writeBack(_ group: Group) throws(EngineError) {
        guard let table = group.table else { return }
        let place = table.find(group.key.bytes, hash: group.hash, willChange: true)
        // A window may have expired since.
        if place != 0 {
            let record = UnsafeRawBufferPointer(table.value(at: place))
            let kept = layout.fixedBytes + retained.byteCount(record, at: layout.fixedBytes)
            scratch.clear()
            scratch.append(UnsafeRawBufferPointer(rebasing: record[..<kept]))
            layout.appendOthers(group.states, to: scratch)
            _ = try table.put(group.key.bytes, hash: group.hash, place: place, value: scratch.bytes)
        }
        group.clear()
    }
}
