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
            row.append(batch.columns, row: at, to: scratch)
            if let old = batch.old, flags.contains(.oldPresent) {
                oldRow.append(old.columns[schema.keyCount...], row: at, to: scratch)
            }
            guard builder.append(bytes: scratch.bytes) else { return nil }
        }
        guard case .bytes(let column) = builder.finish() else { return nil }
        return column
    }

    /// Rows of records, and the records that are none: anybody can write to a topic.
    func decode(_ records: SourceBatch, hasOld: Bool) -> (batch: Batch, failures: [Int]) {
        let builder = BatchBuilder(
            schema.columns.map(\.type), hasWindows: schema.window != nil, hasOld: hasOld)
        var failures: [Int] = []
        for at in 0..<records.count {
            let done: Bool? = records.values.withBytes(at) { bytes in
                append(UnsafeRawBufferPointer(bytes), records.timestamps[at], builder)
            }
            if done != true { failures.append(at) }
        }
        return (builder.finish(), failures)
    }

    private func append(_ bytes: UnsafeRawBufferPointer, _ timestamp: Int64, _ builder: BatchBuilder) -> Bool {
        guard let first = bytes.first, timestamp >= 0 else { return false }
        let flags = Flags(rawValue: first)
        var at = 1
        var window: (start: Int64, end: Int64)?
        if flags.contains(.window) {
            guard bytes.count >= 17 else { return false }
            window = (ValueCodec.fixed(bytes, &at), ValueCodec.fixed(bytes, &at))
        }
        // Everything is looked at before the first column is appended: reading trusts the bytes.
        guard (window != nil) == (schema.window != nil), var end = row.checkedEnd(bytes, from: at) else { return false }
        let oldStart = end
        if flags.contains(.oldPresent) {
            guard let oldEnd = oldRow.checkedEnd(bytes, from: end) else { return false }
            end = oldEnd
        }
        guard end == bytes.count else { return false }
        row.read(bytes, at: &at, into: builder.columns[...])
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

extension RowCodec {
    /// The end of the row that begins at `start`, if the bytes there are one: for bytes that somebody else may have written.
    func checkedEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        let nullBytes = (types.count + 7) / 8
        guard start >= 0, bytes.count - start >= nullBytes else { return nil }
        var at = start + nullBytes
        for (index, type) in types.enumerated() where bytes[start + index >> 3] & (1 << UInt8(index & 7)) == 0 {
            switch VectorKind(type) {
            case .boolean: at += 1
            case .int32: at += 4
            case .int64, .double: at += 8
            case .string, .bytes:
                guard let end = ValueCodec.checkedRunEnd(bytes, from: at) else { return nil }
                at = end
            case .values:
                guard let end = ValueCodec.checkedEnd(bytes, from: at, depth: 0) else { return nil }
                at = end
            }
            guard at <= bytes.count else { return nil }
        }
        return at
    }
}

extension ValueCodec {
    private static let depthMax = 200

    static func checkedLength(_ bytes: UnsafeRawBufferPointer, from start: Int) -> (value: Int, end: Int)? {
        var value: UInt = 0
        var shift: UInt = 0
        var at = start
        while at < bytes.count, shift < 63 {
            let byte = bytes[at]
            at += 1
            value |= UInt(byte & 0x7F) << shift
            if byte < 0x80 { return Int(exactly: value).map { ($0, at) } }
            shift += 7
        }
        return nil
    }

    static func checkedRunEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard let (count, at) = checkedLength(bytes, from: start), count <= bytes.count - at else { return nil }
        return at + count
    }

    /// The end of the value that begins at `start`, if the bytes there are one.
    static func checkedEnd(_ bytes: UnsafeRawBufferPointer, from start: Int, depth: Int) -> Int? {
        guard start < bytes.count, depth < depthMax else { return nil }
        let at = start + 1
        switch bytes[start] {
        case 0, 1, 2: return at
        case 3, 4, 5: return at + 4 <= bytes.count ? at + 4 : nil
        case 6, 7, 8: return at + 8 <= bytes.count ? at + 8 : nil
        case 9, 10: return checkedRunEnd(bytes, from: at)
        case 11:
            guard let (_, unscaled) = checkedLength(bytes, from: at) else { return nil }
            return checkedRunEnd(bytes, from: unscaled)
        case 12, 13, 14:
            guard let (count, first) = checkedLength(bytes, from: at), count <= bytes.count - first else { return nil }
            var end = first
            for _ in 0..<(bytes[start] == 13 ? 2 * count : count) {
                guard let next = checkedEnd(bytes, from: end, depth: depth + 1) else { return nil }
                end = next
            }
            return end
        default: return nil
        }
    }
}
