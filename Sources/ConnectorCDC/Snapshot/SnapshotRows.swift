internal import ConnectCore

/// A row on its way out of a snapshot.
struct SnapshotRow {
    var events: TableEvents
    var key: SchemaAndValue
    var row: ConnectValue
    var byteCount: Int

    func record(
        _ source: SourceInfo, _ operation: String, _ context: RecordOutput, _ offset: ConnectMap
    ) -> ConnectRecord {
        events.record(
            key: key, before: .null, after: row, source: source.value, transaction: nil, operation: .string(operation),
            headers: context.headers, origin: .source(partition: context.partition, offset: offset))
    }
}

/// The rows of tables, as they come from the server. One row is held back: only when the next one comes, or none, is it
/// known how its event is marked.
final class SnapshotRows {
    private enum Content {
        case value(SnapshotRow)
        case written(TableWriter, key: [UInt8], row: [UInt8])
    }

    private struct Held {
        var content: Content
        var source: SourceInfo
        var isFirstOfTable: Bool
        var isFirst: Bool
    }

    private let context: RecordOutput
    private let offset: ConnectMap
    private var held: Held?
    /// The source block of the table's rows that have no mark of their own.
    private var plainSource: [UInt8] = []
    /// Memory of rows that have gone.
    private var spareKey: [UInt8] = []
    private var spareRow: [UInt8] = []

    /// - Parameter offset: of all rows but the last.
    init(_ context: RecordOutput, offset: ConnectMap) {
        self.context = context
        self.offset = offset
    }

    /// Reads a table.
    ///
    /// - Parameters:
    ///   - source: of its events, without a mark.
    ///   - forEachRow: gives each row, parallel to the table's columns, with about how much memory its event takes.
    /// - Throws: what `forEachRow` throws; `ConnectError`, `StopError`.
    func read(
        _ events: TableEvents, source: SourceInfo, isFirst: Bool,
        _ forEachRow: (_ take: (_ cells: [Cell], _ byteCount: Int) throws -> Void) throws -> Void
    ) throws {
        var plain = source
        plain.setSnapshot("true")
        var writer = context.writer(of: events)
        // The row that is held may be of the table before.
        var nextSource = writer.flatMap { $0.source(plain) }
        if nextSource == nil { writer = nil }
        var isFirstOfTable = true
        try forEachRow { cells, byteCount in
            let content = try content(events, cells, byteCount, writer)
            try release(mark: isFirstOfTable ? .lastOfTable : .none)
            if let next = nextSource {
                plainSource = next
                nextSource = nil
            }
            held = Held(
                content: content, source: source, isFirstOfTable: isFirstOfTable, isFirst: isFirst && isFirstOfTable)
            isFirstOfTable = false
        }
    }

    /// Hands the last row over, with its own offset.
    func finish(offset: ConnectMap) throws { try release(mark: .last, offset: offset) }

    private func content(
        _ events: TableEvents, _ cells: [Cell], _ byteCount: Int, _ writer: TableWriter?
    ) throws -> Content {
        if let writer {
            var key: [UInt8] = []
            var bytes: [UInt8] = []
            swap(&key, &spareKey)
            swap(&bytes, &spareRow)
            key.removeAll(keepingCapacity: true)
            bytes.removeAll(keepingCapacity: true)
            let isWritten =
                try writer.writeKey(cells, isStreaming: false, to: &key)
                && writer.writeRow(cells, isStreaming: false, to: &bytes)
            if isWritten { return .written(writer, key: key, row: bytes) }
        }
        return .value(
            SnapshotRow(
                events: events, key: try events.key(cells, isStreaming: false),
                row: try events.row(cells, isStreaming: false), byteCount: byteCount))
    }

    // MARK: Marks

    private enum Mark { case none, lastOfTable, last }

    private static func text(_ mark: Mark, _ held: Held) -> String {
        switch mark {
        case .last: "last"
        case _ where held.isFirst: "first"
        case .lastOfTable: "last_in_data_collection"
        case .none: held.isFirstOfTable ? "first_in_data_collection" : "true"
        }
    }

    private func release(mark: Mark, offset own: ConnectMap? = nil) throws {
        guard let held else { return }
        self.held = nil
        let text = Self.text(mark, held)
        var source = held.source
        source.setSnapshot(text)
        switch held.content {
        case .value(let row):
            context.add(row.record(source, "r", context, own ?? offset), byteCount: row.byteCount)
        case .written(let writer, let key, let row):
            let block: [UInt8]
            if text == "true" {
                block = plainSource
            } else if let marked = writer.source(source) {
                block = marked
            } else {
                throw ConnectError(.data, "The source block of \(writer.topic) cannot be written")
            }
            let now = wallClockNanoseconds()
            context.add(to: writer.topic, offset: own ?? offset) { written in
                written.append(key: writer.key(key)) { output in
                    writer.writeEvent(
                        .read, before: nil, after: row, source: block, transaction: writer.withoutTransaction,
                        now: now, to: &output)
                    return true
                }
            }
            if let own { context.setOffset(own) }
            spareKey = key
            spareRow = row
        }
        if context.isChunkFull { try context.flush() }
    }
}
