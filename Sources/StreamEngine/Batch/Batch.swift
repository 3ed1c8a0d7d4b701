package import Columns
import SQLTypes

/// Consecutive rows on their way through a query: events of a stream, or changes of a table.
///
/// `columns` are those of the step's schema, key columns first. A stream's row has values where `present` says so: a
/// record whose value is null has none. A table's row is the new value of its key, or a deletion where `present` says
/// no; `old` has what was there before, if the operators behind want to know.
package struct Batch: Sendable {
    package var count: Int
    package var columns: [Vector]
    /// Milliseconds; one per row.
    package var timestamps: ColumnBuffer<Int64>
    package var present: Validity
    /// Rows without a record key have null in all key columns; but not all rows with null in them have no key.
    package var hasKey: Validity
    /// Windows of the key.
    package var windows: Windows?
    package var old: OldRows?
    /// Which record of the source's batch each row came of, while somebody needs to know.
    var origins: [Int32]?
    /// Which row of those on their way each one was (`Operator.emitInOrder`), so that what is noted of them can be put in order.
    var places: [Int32]?

    package struct Windows: Sendable {
        package var starts: ColumnBuffer<Int64>
        package var ends: ColumnBuffer<Int64>

        package init(starts: ColumnBuffer<Int64>, ends: ColumnBuffer<Int64>) {
            self.starts = starts
            self.ends = ends
        }

        func gathered(_ rows: [Int32]) -> Windows {
            Windows(starts: starts.gathered(rows), ends: ends.gathered(rows))
        }
    }

    /// What a table had for the keys of the rows before.
    package struct OldRows: Sendable {
        /// As those of the batch, key columns included.
        package var columns: [Vector]
        package var present: Validity

        package init(columns: [Vector], present: Validity) {
            self.columns = columns
            self.present = present
        }
    }

    package init(
        count: Int, columns: [Vector], timestamps: ColumnBuffer<Int64>, present: Validity = .all,
        hasKey: Validity = .all, windows: Windows? = nil, old: OldRows? = nil
    ) {
        self.count = count
        self.columns = columns
        self.timestamps = timestamps
        self.present = present
        self.hasKey = hasKey
        self.windows = windows
        self.old = old
    }

    /// How many rows may be made of one row each of this batch before a column holds more bytes than it can: results of
    /// joins and table functions repeat rows, and are cut into batches of no more.
    var copiesMax: Int {
        var longest = 1
        for case .string(let column) in columns { longest = max(longest, column.longest) }
        for case .bytes(let column) in columns { longest = max(longest, column.longest) }
        return max(1, min(16_384, BatchBuilder.bytesMax / longest))
    }

    /// The rows of `rows`, in that order.
    package func gathered(_ rows: [Int32]) -> Batch {
        var result = Batch(
            count: rows.count, columns: columns.map { $0.gathered(rows) }, timestamps: timestamps.gathered(rows),
            present: present.gathered(rows), hasKey: hasKey.gathered(rows), windows: windows?.gathered(rows),
            old: old.map {
                OldRows(columns: $0.columns.map { $0.gathered(rows) }, present: $0.present.gathered(rows))
            })
        if let origins { result.origins = rows.map { origins[Int($0)] } }
        if let places { result.places = rows.map { places[Int($0)] } }
        return result
    }

    /// The old rows as a batch of their own; nil when they are not known.
    var oldBatch: Batch? {
        old.map {
            var batch = Batch(
                count: count, columns: $0.columns, timestamps: timestamps, present: $0.present, hasKey: hasKey,
                windows: windows)
            batch.places = places
            return batch
        }
    }
}

extension ColumnBuffer {
    func gathered(_ rows: [Int32]) -> ColumnBuffer {
        ColumnBuffer(count: rows.count) { target in
            for at in 0..<rows.count { target.initializeElement(at: at, to: self[Int(rows[at])]) }
        }
    }
}

/// Builds a batch row by row.
final class BatchBuilder {
    /// A quarter of a GiB, far below the 2 GiB that a column can hold: with more, a batch is passed on.
    static let bytesMax = 256 << 20

    let columns: [VectorBuilder]
    let oldColumns: [VectorBuilder]
    // 64 bits for each row: memory that is appended to without a check for exclusive access.
    private let timestamps = ScratchBytes()
    private let starts = ScratchBytes()
    private let ends = ScratchBytes()
    /// Rows that are not there, mostly few.
    private var absent: [Int] = []
    private var oldAbsent: [Int] = []
    private var keyless: [Int] = []
    private let hasWindows: Bool
    let hasOld: Bool

    init(_ types: [SQLType], hasWindows: Bool = false, hasOld: Bool = false) {
        columns = types.map { VectorBuilder($0) }
        oldColumns = hasOld ? types.map { VectorBuilder($0) } : []
        self.hasWindows = hasWindows
        self.hasOld = hasOld
    }

    var count: Int { timestamps.count / MemoryLayout<Int64>.size }

    /// Whether it should be finished before more rows come.
    var isLarge: Bool {
        columns.contains { $0.byteCount > Self.bytesMax } || oldColumns.contains { $0.byteCount > Self.bytesMax }
    }

    /// Ends a row: its columns, and old columns if there are any, have been appended.
    func endRow(timestamp: Int64, present: Bool = true, hasKey: Bool = true, oldPresent: Bool = false) {
        if !present { absent.append(count) }
        if !hasKey { keyless.append(count) }
        if hasOld, !oldPresent { oldAbsent.append(count) }
        timestamps.append(timestamp)
    }

    /// The window of the row that is ended next or was ended last.
    func window(start: Int64, end: Int64) {
        starts.append(start)
        ends.append(end)
    }

    /// The batch, and an empty builder again.
    func finish() -> Batch {
        let rows = count
        defer {
            timestamps.clear()
            starts.clear()
            ends.clear()
            absent.removeAll(keepingCapacity: true)
            oldAbsent.removeAll(keepingCapacity: true)
            keyless.removeAll(keepingCapacity: true)
        }
        return Batch(
            count: rows, columns: columns.map { $0.finish() }, timestamps: Self.numbers(timestamps),
            present: Validity(rows, without: absent), hasKey: Validity(rows, without: keyless),
            windows: hasWindows ? .init(starts: Self.numbers(starts), ends: Self.numbers(ends)) : nil,
            old: hasOld
                ? .init(columns: oldColumns.map { $0.finish() }, present: Validity(rows, without: oldAbsent)) : nil)
    }

    private static func numbers(_ bytes: ScratchBytes) -> ColumnBuffer<Int64> {
        let bytes = bytes.bytes
        return ColumnBuffer(count: bytes.count / MemoryLayout<Int64>.size) { target in
            for row in 0..<target.count {
                target.initializeElement(
                    at: row, to: bytes.load(fromByteOffset: row * MemoryLayout<Int64>.size, as: Int64.self))
            }
        }
    }
}

extension BatchBuilder {
    /// As `finish`, without the columns of a row that was begun and not ended.
    func finishEnded() -> Batch {
        let rows = (0..<count).map { Int32(truncatingIfNeeded: $0) }
        var batch = finish()
        batch.columns = batch.columns.map { $0.count == rows.count ? $0 : $0.gathered(rows) }
        if let old = batch.old {
            batch.old?.columns = old.columns.map { $0.count == rows.count ? $0 : $0.gathered(rows) }
        }
        return batch
    }
}

extension Validity {
    init(all isValid: [Bool]) {
        self = isValid.allSatisfy { $0 } ? .all : Validity(isValid)
    }

    /// Of rows that are there, but for some.
    fileprivate init(_ count: Int, without absent: [Int]) {
        guard !absent.isEmpty else {
            self = .all
            return
        }
        var isValid = [Bool](repeating: true, count: count)
        for row in absent where row < count { isValid[row] = false }
        self.init(isValid)
    }
}
