import Columns
import SQLPlan
import SQLTypes

extension QueryTask {
    /// Whether a read of some keys is a matter of microseconds: they are looked up, in memory.
    package var readsKeysQuickly: Bool { !isOnDisk && top.looksKeysUp }

    static func isMaterialized(_ plan: PhysicalPlan) -> Bool {
        plan.root.isTable && (plan.kind == .createAs || plan.kind == .sourceTable)
    }

    /// Rows of the table as it is after the last batch, with the columns of the plan's root.
    ///
    /// A key is looked up; of windowed tables each window that the key may have is. Ranges look at all rows. Rows come in the
    /// order of the keys that are asked for, and of a key by start of the window; without keys in the order of the keys'
    /// bytes, as the table's format has them, if there are not more than 100 000, otherwise in no order. Windows that are over are there as
    /// long as the window's retention says; final results (EMIT FINAL) twice as long and a minute.
    ///
    /// - Throws: `.notMaterialized`; `.invalidPlan` for keys with another number of columns.
    package func read(_ read: TableRead) throws(EngineError) -> [TableRow] {
        guard isMaterialized else {
            throw EngineError(.notMaterialized, "The query \(plan.id) keeps no table that could be read.")
        }
        endRestore()
        let types = readTypes
        let keyCount = readKeyCount
        var rows: [TableRow] = []
        var isSorted = true
        if case .keys = read.keys { isSorted = false }
        // The first rows of an order are known when all have been seen.
        let enough = read.limit.map { isSorted ? max($0, Self.sortedRowsMax + 1) : $0 }
        let receiver = RowReceiver { (batch) throws(ReadEnd) in
            for row in 0..<batch.count where batch.present.isValid(row) {
                if let enough, rows.count >= enough { throw .enough }
                let window = batch.windows.map { (start: $0.starts[row], end: $0.ends[row]) }
                guard read.includes(window) else { continue }
                let key = (0..<keyCount).map { batch.columns[$0].value(row, types[$0]) }
                guard read.includes(key) else { continue }
                rows.append(
                    TableRow(
                        key: key, window: window,
                        values: (keyCount..<types.count).map { batch.columns[$0].value(row, types[$0]) },
                        timestamp: batch.timestamps[row]))
            }
            if let enough, rows.count >= enough { throw .enough }
        }
        if let limit = read.limit, limit <= 0 { return [] }
        do throws(ReadEnd) { try top.read(read, receiver) } catch {
            if case .failed(let error) = error { throw error }
        }
        if isSorted, rows.count <= Self.sortedRowsMax { rows = sorted(rows, plan.root.schema) }
        if let limit = read.limit, rows.count > limit { rows.removeLast(rows.count - limit) }
        return rows
    }

    private static let sortedRowsMax = 100_000

    /// The bytes of the rows' keys as the table's topic has them.
    private func keyBytes(_ rows: [TableRow], _ schema: RowSchema) -> [[UInt8]] {
        if let sink = top as? SinkOperator, let keys = sink.keyBytes(rows.map(\.key)) { return keys }
        let codec = KeyCodec(schema.keys.map(\.type))
        let scratch = ScratchBytes()
        return rows.map { row in
            scratch.clear()
            codec.append(row.key, to: scratch)
            return [UInt8](scratch.bytes)
        }
    }

    private func sorted(_ rows: [TableRow], _ schema: RowSchema) -> [TableRow] {
        let keys = keyBytes(rows, schema)
        return rows.indices.sorted { a, b in
            if keys[a] != keys[b] { return keys[a].lexicographicallyPrecedes(keys[b]) }
            return (rows[a].window?.start ?? 0, rows[a].window?.end ?? 0)
                < (rows[b].window?.start ?? 0, rows[b].window?.end ?? 0)
        }.map { rows[$0] }
    }
}

extension TableRead {
    fileprivate func includes(_ window: (start: Int64, end: Int64)?) -> Bool {
        guard let window else { return true }
        return windowStart?.contains(window.start) != false && windowEnd?.contains(window.end) != false
    }

    fileprivate func includes(_ key: [SQLValue]) -> Bool {
        guard case .range(let lower, let upper) = keys else { return true }
        guard let value = key.first else { return false }
        if let lower {
            guard let order = value.compare(to: lower.value), order > 0 || order == 0 && lower.isIncluded else {
                return false
            }
        }
        if let upper {
            guard let order = value.compare(to: upper.value), order < 0 || order == 0 && upper.isIncluded else {
                return false
            }
        }
        return true
    }
}
