internal import ConnectCore

/// Makes records of changed rows.
final class RowEmitter {
    enum Operation: Sendable { case insert, update, delete }

    private let context: RecordOutput
    let events: TableEvents
    private let operation: Operation
    /// nil where records go as values.
    private let writer: TableWriter?
    private var oldKey: [UInt8] = []
    private var newKey: [UInt8] = []
    private var oldRow: [UInt8] = []
    private var newRow: [UInt8] = []
    private var sourceBytes: [UInt8] = []

    /// - Parameter isWritten: whether rows may be written at once.
    init(_ context: RecordOutput, _ events: TableEvents, _ operation: Operation, isWritten: Bool) {
        self.context = context
        self.events = events
        self.operation = operation
        let isCompleted = context.completion != nil && operation != .delete
        writer = isWritten && !isCompleted ? context.writer(of: events) : nil
    }

    private static let newKey = "__debezium.newkey"
    private static let oldKey = "__debezium.oldkey"

    private static let operations: [ConnectValue] = [.string("c"), .string("u"), .string("d")]

    /// - Parameters:
    ///   - before, after: parallel to the table's columns.
    ///   - startOffset: to go on with this row; `offset`: behind it. Only a row's last record has the latter, so that the
    ///     others come again with it.
    ///   - keyStays: whatever the row as it was says: it may not have the key.
    /// - Returns: the keys that the row has had.
    func emit(
        before: [Cell]?, after: [Cell]?, source: SourceInfo, transaction: inout TransactionState?, table: TableID,
        startOffset: ConnectMap, offset: ConnectMap, byteCount: Int, keyStays: Bool = false
    ) throws(ConnectError) -> [SchemaAndValue] {
        let config = context.options
        let oldKey: SchemaAndValue =
            try before.map { (cells) throws(ConnectError) in try events.key(cells, isStreaming: true) } ?? .null
        let newKey: SchemaAndValue =
            try after.map { (cells) throws(ConnectError) in try events.key(cells, isStreaming: true) } ?? .null
        let oldRow: ConnectValue =
            try before.map { (cells) throws(ConnectError) in try events.row(cells, isStreaming: true) } ?? .null
        var newRow: ConnectValue =
            try after.map { (cells) throws(ConnectError) in try events.row(cells, isStreaming: true) } ?? .null
        if let after, let completion = context.completion {
            newRow = try completion.completed(events, after, row: newRow)
        }
        let source = source.value
        switch operation {
        case .insert:
            add(newKey, .null, newRow, source, transaction?.block(table), 0, [], offset, byteCount)
            return [newKey]
        case .delete:
            add(
                oldKey, oldRow, .null, source, transaction?.block(table), 2, [],
                config.hasTombstones ? startOffset : offset, byteCount)
            tombstone(oldKey, [], offset)
            return [oldKey]
        case .update:
            guard let schema = events.keySchema, !keyStays, oldKey.value != newKey.value else {
                add(
                    newKey.schema == nil ? .null : newKey, oldRow, newRow, source, transaction?.block(table), 1, [],
                    offset, byteCount * 2)
                return [newKey]
            }
            // A row with another key is another row.
            let toNew = [ConnectHeader(Self.newKey, schema, newKey.value)]
            add(oldKey, oldRow, .null, source, transaction?.block(table), 2, toNew, startOffset, byteCount)
            tombstone(oldKey, toNew, startOffset)
            transaction?.count(table)
            add(
                newKey, .null, newRow, source, transaction?.block(table), 0,
                [ConnectHeader(Self.oldKey, schema, oldKey.value)], offset, byteCount)
            return [oldKey, newKey]
        }
    }

    /// Writes a row's event at once. The one who calls tells where to go on behind it, with `RecordOutput.setOffset`.
    ///
    /// - Parameters: as of `emit`.
    /// - Returns: false when it is to be emitted.
    func write(
        before: [Cell]?, after: [Cell]?, source: SourceInfo, transaction: TransactionState?, table: TableID,
        startOffset: ConnectMap, keyStays: Bool = false
    ) throws(ConnectError) -> Bool {
        guard let writer else { return false }
        oldKey.removeAll(keepingCapacity: true)
        newKey.removeAll(keepingCapacity: true)
        oldRow.removeAll(keepingCapacity: true)
        newRow.removeAll(keepingCapacity: true)
        sourceBytes.removeAll(keepingCapacity: true)
        if let before {
            guard try writer.writeKey(before, isStreaming: true, to: &oldKey),
                try writer.writeRow(before, isStreaming: true, to: &oldRow)
            else { return false }
        }
        if let after {
            guard try writer.writeKey(after, isStreaming: true, to: &newKey),
                try writer.writeRow(after, isStreaming: true, to: &newRow)
            else { return false }
        }
        // A row with another key is another row: that takes several records, with headers.
        if before != nil, after != nil, events.keySchema != nil, !keyStays, oldKey != newKey { return false }
        guard let transaction = writer.transaction(transaction?.block(table)),
            writer.writeSource(source, to: &sourceBytes)
        else { return false }
        let now = wallClockNanoseconds()
        let kind: TableWriter.Operation =
            switch operation {
            case .insert: .create
            case .update: .update
            case .delete: .delete
            }
        let key = writer.key(after == nil ? oldKey : newKey)
        let hasTombstone = after == nil && context.options.hasTombstones
        context.add(to: writer.topic, offset: startOffset) { written in
            written.append(key: key) { output in
                writer.writeEvent(
                    kind, before: before == nil ? nil : oldRow, after: after == nil ? nil : newRow,
                    source: sourceBytes, transaction: transaction, now: now, to: &output)
                return true
            }
            if hasTombstone { written.append(key: key) { _ in false } }
        }
        return true
    }

    private func add(
        _ key: SchemaAndValue, _ before: ConnectValue, _ after: ConnectValue, _ source: ConnectValue,
        _ transaction: ConnectValue?, _ operation: Int, _ headers: [ConnectHeader], _ offset: ConnectMap,
        _ byteCount: Int
    ) {
        context.add(
            events.record(
                key: key, before: before, after: after, source: source, transaction: transaction,
                operation: Self.operations[operation], headers: headers + context.headers,
                origin: .source(partition: context.partition, offset: offset)),
            byteCount: byteCount + 300)
    }

    private func tombstone(_ key: SchemaAndValue, _ headers: [ConnectHeader], _ offset: ConnectMap) {
        guard context.options.hasTombstones else { return }
        context.add(
            ConnectRecord(
                topic: events.topic, key: key, headers: headers + context.headers,
                origin: .source(partition: context.partition, offset: offset)), byteCount: 100)
    }
}
