import Columns
import SQLPlan
import SQLTypes

/// Rows as values of the records of a repartition topic. The record's key is the row's in the topic's key format, which
/// decides its partition; its timestamp is the row's.
///
/// | part    | bytes                                                                      |
/// |---------|----------------------------------------------------------------------------|
/// | flags   | 1: bit 0 the row has a value, 1 it has a key, 2 it has a window,           |
/// |         | 3 it tells what was there before, 4 there was something                    |
/// | window  | 16 if bit 2: start and end                                                 |
/// | row     | all columns, by `RowCodec`                                                 |
/// | old row | the columns that are not the key's, if bit 4                               |
struct RepartitionRows {
    struct Flags: OptionSet {
        var rawValue: UInt8
        static let present = Flags(rawValue: 1)
        static let key = Flags(rawValue: 2)
        static let window = Flags(rawValue: 4)
        static let old = Flags(rawValue: 8)
        static let oldPresent = Flags(rawValue: 16)
    }

    private let schema: RowSchema
    private let row: RowCodec
    private let oldRow: RowCodec

    init(_ schema: RowSchema) {
        self.schema = schema
        row = RowCodec(schema.columns.map(\.type))
        oldRow = RowCodec(schema.values.map(\.type))
    }

    func encode(_ batch: Batch) -> BytesColumn? {
        let builder = ColumnBuilder(.bytes)
        let scratch = ScratchBytes()
        let columns = RowColumns(batch.columns)
        let oldColumns = batch.old.map { RowColumns($0.columns[schema.keyCount...]) }
        for at in 0..<batch.count {
            scratch.clear()
            var flags: Flags = []
            if batch.present.isValid(at) { flags.insert(.present) }
            if batch.hasKey.isValid(at) { flags.insert(.key) }
            if batch.windows != nil { flags.insert(.window) }
            if batch.old != nil { flags.insert(.old) }
            if batch.old?.present.isValid(at) == true { flags.insert(.oldPresent) }
            scratch.append(flags.rawValue)
            if let windows = batch.windows {
                scratch.append(windows.starts[at])
                scratch.append(windows.ends[at])
            }
            row.append(columns, row: at, to: scratch)
            if let oldColumns, flags.contains(.oldPresent) { oldRow.append(oldColumns, row: at, to: scratch) }
            guard builder.append(bytes: scratch.bytes) else { return nil }
        }
        guard case .bytes(let column) = builder.finish() else { return nil }
        return column
    }

    /// Rows of records, and the records that are none: anybody can write to a topic.
    func decode(_ records: SourceBatch, hasOld: Bool) -> (batch: Batch, failures: [Int]) {
        let builder = BatchBuilder(
            schema.columns.map(\.type), hasWindows: schema.window != nil, hasOld: hasOld)
        let target = RowTarget(builder.columns)
        var failures: [Int] = []
        for at in 0..<records.count {
            let done: Bool? = records.values.withBytes(at) { bytes in
                append(UnsafeRawBufferPointer(bytes), records.timestamps[at], builder, target)
            }
            if done != true { failures.append(at) }
        }
        return (builder.finish(), failures)
    }

    private func append(
        _ bytes: UnsafeRawBufferPointer, _ timestamp: Int64, _ builder: BatchBuilder, _ target: RowTarget
    ) -> Bool {
        guard let first = bytes.first, timestamp >= 0 else { return false }
        let flags = Flags(rawValue: first)
        var at = 1
        var window: (start: Int64, end: Int64)?
        if flags.contains(.window) {
            guard bytes.count >= 17 else { return false }
            window = (ValueCodec.fixed(bytes, &at), ValueCodec.fixed(bytes, &at))
        }
        // Everything is looked at before the first column is appended: reading trusts the bytes.
        var end = at
        // Groups of windowed sources once had windows here, which nothing reads.
        guard window != nil || schema.window == nil, row.skip(bytes, &end) else { return false }
        let oldStart = end
        if flags.contains(.oldPresent), !oldRow.skip(bytes, &end) { return false }
        guard end == bytes.count else { return false }
        row.read(bytes, at: &at, into: target)
        let keyCount = schema.keyCount
        if builder.hasOld {
            var keyAt = flags.contains(.window) ? 17 : 1
            var index = 0
            let values = row.values(bytes, at: &keyAt)
            for old in builder.oldColumns[..<keyCount] {
                old.append(values[index])
                index += 1
            }
            if flags.contains(.oldPresent) {
                var oldAt = oldStart
                oldRow.read(bytes, at: &oldAt, into: builder.oldColumns[keyCount...])
            } else {
                for old in builder.oldColumns[keyCount...] { old.appendNull() }
            }
        }
        if let window { builder.window(start: window.start, end: window.end) }
        builder.endRow(
            timestamp: timestamp, present: flags.contains(.present), hasKey: flags.contains(.key),
            oldPresent: flags.contains(.oldPresent))
        return true
    }
}
