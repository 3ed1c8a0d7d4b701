import Columns
import SQLPlan
import SQLTypes

/// The last row of each key of a table, with its timestamp.
///
/// A value is the timestamp (8 bytes) and the row of the columns that are not the key's. Behind the row is the time of the
/// last result of a join (8 bytes) where that does not follow from the rows that are there (`setResultTime`).
final class TableState {
    let keyCodec: KeyCodec
    let rowCodec: RowCodec
    private let keyCount: Int
    private let hasWindows: Bool
    private let store: String
    let table: SlabTable
    private let part: TablePart
    private let scratch = ScratchBytes()
    private let valueScratch = ScratchBytes()
    private let oldRows: RowTarget
    /// Whether somebody asks for old values or looks rows up; nothing is kept otherwise.
    private(set) var isNeeded = false
    /// Whether `apply` tells what was there before.
    private var tellsOld = false

    init(_ schema: RowSchema, store: String, _ settings: EngineSettings) {
        keyCodec = KeyCodec(schema.keys.map(\.type))
        rowCodec = RowCodec(schema.values.map(\.type))
        keyCount = schema.keyCount
        hasWindows = schema.window != nil
        self.store = store
        table = SlabTable(capturesChanges: settings.capturesChanges)
        let windowBytes = schema.window == nil ? 0 : 16
        part = TablePart(table) { [keyCodec, rowCodec] key, value in
            key.count >= windowBytes
                && keyCodec.isKey(UnsafeRawBufferPointer(rebasing: key[..<(key.count - windowBytes)]))
                && rowCodec.isRow(value, from: 8, trailing: [0, 8])
        }
        oldRows = RowTarget(schema.values.map { VectorBuilder($0.type) })
    }

    /// Its store; none when nothing is kept.
    var stores: [ChangelogStore] { isNeeded ? [ChangelogStore(store, [part])] : [] }

    /// Keeps rows from now on, and tells the old ones.
    func demandOldValues() {
        isNeeded = true
        tellsOld = true
    }

    /// Keeps rows from now on.
    func keepForReading() { isNeeded = true }

    /// The bytes of a row's key, valid until the next call.
    func key(_ batch: Batch, _ row: Int) -> UnsafeRawBufferPointer {
        scratch.clear()
        keyCodec.append(batch.columns[..<keyCount], row: row, to: scratch)
        if hasWindows, let windows = batch.windows {
            scratch.append(windows.starts[row].bigEndian)
            scratch.append(windows.ends[row].bigEndian)
        }
        return scratch.bytes
    }

    /// Keeps the rows, and tells what was there before.
    ///
    /// - Throws: `.stateLimit`.
    func apply(_ batch: Batch) throws(EngineError) -> Batch {
        guard isNeeded else { return batch }
        let values = RowColumns(batch.columns[keyCount...])
        var result = batch
        var oldPresent = [Bool](repeating: false, count: batch.count)
        for row in 0..<batch.count { oldPresent[row] = try put(batch, row, values) }
        guard tellsOld else { return batch }
        result.old = .init(
            columns: Array(batch.columns[..<keyCount]) + oldRows.builders.map { $0.finish() },
            present: Validity(all: oldPresent))
        return result
    }

    /// Keeps a row or deletes it; `oldRows` get what was there before, or nulls.
    ///
    /// - Parameter values: the columns behind the key.
    /// - Returns: whether there was one.
    private func put(_ batch: Batch, _ row: Int, _ values: RowColumns) throws(EngineError) -> Bool {
        let key = key(batch, row)
        let hash = hashBytes(key)
        let place = table.find(key, hash: hash)
        if tellsOld {
            if place != 0 {
                var at = 8
                rowCodec.read(UnsafeRawBufferPointer(table.value(at: place)), at: &at, into: oldRows)
            } else {
                for builder in oldRows.builders { builder.appendNull() }
            }
        }
        if batch.present.isValid(row) {
            valueScratch.clear()
            valueScratch.append(batch.timestamps[row])
            rowCodec.append(values, row: row, to: valueScratch)
            try table.put(key, hash: hash, place: place, value: valueScratch.bytes)
        } else {
            table.remove(key, hash: hash, place: place)
        }
        return place != 0
    }

    /// Notes when the last result that a join made of a row was, until the row is put again.
    ///
    /// - Parameters:
    ///   - key: not of the table's memory.
    ///   - time: nil where it follows from the rows that are there.
    /// - Throws: `.stateLimit`.
    func setResultTime(_ key: UnsafeRawBufferPointer, _ time: Int64?) throws(EngineError) {
        let hash = hashBytes(key)
        let place = table.find(key, hash: hash)
        guard place != 0 else { return }
        let value = UnsafeRawBufferPointer(table.value(at: place))
        guard resultTime(value) != time else { return }
        valueScratch.clear()
        valueScratch.append(UnsafeRawBufferPointer(rebasing: value[..<(8 + rowCodec.byteCount(value, at: 8))]))
        if let time { valueScratch.append(time) }
        try table.put(key, hash: hash, place: place, value: valueScratch.bytes)
    }

    /// What `setResultTime` noted at a row that `lookup` gave.
    func resultTime(_ value: UnsafeRawBufferPointer) -> Int64? {
        let end = 8 + rowCodec.byteCount(value, at: 8)
        return end + 8 == value.count ? value.loadUnaligned(fromByteOffset: end, as: Int64.self) : nil
    }

    /// The row of a key: its timestamp and bytes for `rowCodec` from byte 8 on; nil when there is none.
    @inline(__always)
    func lookup(_ key: UnsafeRawBufferPointer) -> (timestamp: Int64, value: UnsafeRawBufferPointer)? {
        guard let value = table.value(key) else { return nil }
        return (value.loadUnaligned(as: Int64.self), value)
    }
}
