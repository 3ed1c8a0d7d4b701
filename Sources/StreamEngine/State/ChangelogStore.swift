/// A store of a plan, as its changelog sees it: parts whose records have keys of their own, told apart by a byte in front.
///
/// | first byte | the rest of the key                               | value                                           |
/// |-----------:|---------------------------------------------------|-------------------------------------------------|
/// |          0 | of a row: as the store's kind has it              | the row                                         |
/// |          1 | nothing                                           | times and counters, 8 bytes each, little-endian |
/// |          2 | of an unmatched row of an outer join: time, key   | the rows of that time                           |
struct ChangelogStore {
    var name: String
    var parts: [any ChangelogPart]

    init(_ name: String, _ parts: [any ChangelogPart]) {
        self.name = name
        self.parts = parts
    }
}

/// What results depend on besides the records that come.
///
/// Everything that a part holds is the sum of its changes: of those in the order in which they were told, and of the
/// latest one of each key alone.
protocol ChangelogPart: AnyObject {
    /// The first byte of its keys.
    var tag: UInt8 { get }
    /// Records.
    var count: Int { get }
    /// Bytes of them, wherever they are.
    var byteCount: Int { get }
    /// Those in memory of the process.
    var memoryByteCount: Int { get }

    /// Gives every key that changed since the last call, with its value or nil when it is gone.
    func drainChanges(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void)

    /// Gives all records.
    func forEachRecord(
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws

    /// Takes a change of another task's part; it is not a change of this one.
    ///
    /// - Throws: `.invalidState` for bytes that no part of this kind gives; `.stateLimit`.
    func restore(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) throws(EngineError)

    /// Keeps on disk from now on what is large, as far as the part can.
    func move(to place: StatePlace) throws(EngineError)
    func releasePages(_ pages: StatePages)
}

extension EngineError {
    static let foreignState = EngineError(
        .invalidState,
        "The changelog has a record that this query cannot have written. Drop the query with its internal topics and create "
            + "it again.")
}

/// Times and counters of a store.
final class TimesPart: ChangelogPart {
    private let get: () -> [Int64]
    private let set: ([Int64]) -> Void
    private var told: [Int64]

    init(get: @escaping () -> [Int64], set: @escaping ([Int64]) -> Void) {
        self.get = get
        self.set = set
        told = get()
    }

    var tag: UInt8 { 1 }
    var count: Int { 0 }
    var byteCount: Int { 0 }
    var memoryByteCount: Int { 0 }

    func drainChanges(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        let now = get()
        guard now != told else { return }
        told = now
        now.withUnsafeBytes { body(UnsafeRawBufferPointer(start: nil, count: 0), $0) }
    }

    func forEachRecord(
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try get().withUnsafeBytes { try body(UnsafeRawBufferPointer(start: nil, count: 0), $0) }
    }

    func restore(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) throws(EngineError) {
        guard key.isEmpty, let value, value.count == told.count * 8 else { throw .foreignState }
        told = told.indices.map { value.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self) }
        set(told)
    }

    func move(to place: StatePlace) {}
    func releasePages(_ pages: StatePages) {}
}

/// A table of records with a check of what comes from outside.
final class TablePart: ChangelogPart {
    private let table: SlabTable
    private let isValid: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool

    init(
        _ table: SlabTable, isValid: @escaping (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) {
        self.table = table
        self.isValid = isValid
    }

    var tag: UInt8 { 0 }
    var count: Int { table.count }
    var byteCount: Int { table.byteCount }
    var memoryByteCount: Int { table.memoryByteCount }

    func drainChanges(_ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        table.drainChanges(body)
    }

    func forEachRecord(
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void
    ) throws { try table.forEach(body) }

    func restore(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) throws(EngineError) {
        if let value, !isValid(key, value) { throw .foreignState }
        try table.restore(key, value)
    }

    func move(to place: StatePlace) throws(EngineError) { try table.move(to: place) }
    func releasePages(_ pages: StatePages) { table.releasePages(pages) }
}

extension [UInt8] {
    /// As `withUnsafeBytes`, for bodies with errors of the engine.
    func withRawBytes<Value>(
        _ body: (UnsafeRawBufferPointer) throws(EngineError) -> Value
    ) throws(EngineError) -> Value {
        let result = withUnsafeBytes { bytes in
            do throws(EngineError) { return Result<Value, EngineError>.success(try body(bytes)) } catch {
                return Result<Value, EngineError>.failure(error)
            }
        }
        return try result.get()
    }
}
