import SQLPlan
import SQLTypes

/// Why reading ended before the last row.
enum ReadEnd: Error {
    /// Enough rows were read.
    case enough
    case failed(EngineError)
}

/// Rows of a table on their way to whom they are read for, some at a time.
struct RowReceiver {
    /// Takes rows; those that are not present count for nothing. Throws when there are enough.
    let take: (Batch) throws(ReadEnd) -> Void
}

/// Makes batches of rows that are read one by one.
final class RowCollector {
    private static let rowsMax = 1024

    let builder: BatchBuilder
    /// For the bytes of keys that are asked for.
    let keyScratch = ScratchBytes()
    /// nil between reads.
    var receiver: RowReceiver?

    init(_ schema: RowSchema) {
        builder = BatchBuilder(schema.columns.map(\.type), hasWindows: schema.window != nil)
    }

    /// Ends a row whose columns have been appended.
    func endRow(timestamp: Int64, window: (start: Int64, end: Int64)? = nil) throws(ReadEnd) {
        builder.endRow(timestamp: timestamp)
        if let window { builder.window(start: window.start, end: window.end) }
        if builder.count >= Self.rowsMax || builder.isLarge { try flush() }
    }

    func flush() throws(ReadEnd) {
        if builder.count > 0 { try receiver?.take(builder.finish()) }
    }
}

extension TableRead.Keys {
    /// The bytes of the keys that are asked for, each once; nil: all rows are to be looked at. Keys with a null in them are
    /// of no row.
    func bytes(_ codec: KeyCodec, _ scratch: ScratchBytes) throws(ReadEnd) -> [[UInt8]]? {
        guard case .keys(let keys) = self else { return nil }
        var seen: Set<[UInt8]> = []
        var result: [[UInt8]] = []
        for key in keys {
            guard key.count == codec.types.count else {
                throw .failed(
                    EngineError(
                        .invalidPlan,
                        "A key of \(key.count) columns was asked for; the table's has \(codec.types.count)."))
            }
            if key.contains(where: \.isNull) { continue }
            scratch.clear()
            codec.append(key, to: scratch)
            let bytes = [UInt8](scratch.bytes)
            if keys.count == 1 || seen.insert(bytes).inserted { result.append(bytes) }
        }
        return result
    }
}

/// Runs `body`; its errors of the engine end the reading.
func reading(_ body: () throws(EngineError) -> Void) throws(ReadEnd) {
    do throws(EngineError) { try body() } catch { throw .failed(error) }
}

extension TableState {
    /// Gives the rows of a table as they are now.
    func read(_ read: TableRead, _ schema: RowSchema, to collector: RowCollector) throws(ReadEnd) {
        let windowBytes = schema.window == nil ? 0 : 16
        func give(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(ReadEnd) {
            let inner = UnsafeRawBufferPointer(rebasing: key[..<(key.count - windowBytes)])
            keyCodec.read(inner, into: collector.builder.columns[..<schema.keyCount])
            var at = 8
            rowCodec.read(value, at: &at, into: collector.builder.columns[schema.keyCount...])
            var window: (start: Int64, end: Int64)?
            if windowBytes > 0 {
                window = (
                    Int64(bigEndian: key.loadUnaligned(fromByteOffset: inner.count, as: Int64.self)),
                    Int64(bigEndian: key.loadUnaligned(fromByteOffset: inner.count + 8, as: Int64.self))
                )
            }
            try collector.endRow(timestamp: value.loadUnaligned(as: Int64.self), window: window)
        }
        if let keys = try read.keys.bytes(keyCodec, collector.keyScratch) {
            if windowBytes == 0 {
                for key in keys {
                    try key.withKey { (key) throws(ReadEnd) in
                        if let value = table.value(key) { try give(key, value) }
                    }
                }
            } else {
                // The windows of a foreign table may be any.
                let wanted = Set(keys)
                try table.forEach { (key, value) throws(ReadEnd) in
                    if wanted.contains([UInt8](key[..<(key.count - windowBytes)])) { try give(key, value) }
                }
            }
        } else {
            try table.forEach { (key, value) throws(ReadEnd) in try give(key, value) }
        }
    }
}

extension [UInt8] {
    func withKey(_ body: (UnsafeRawBufferPointer) throws(ReadEnd) -> Void) throws(ReadEnd) {
        let result = withUnsafeBytes { bytes in
            do throws(ReadEnd) { return Result<Void, ReadEnd>.success(try body(bytes)) } catch {
                return Result<Void, ReadEnd>.failure(error)
            }
        }
        try result.get()
    }
}
