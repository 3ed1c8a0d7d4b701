import Columns
import SQLPlan
import SQLTypes

/// Joins two tables where a value of the left row is the key of the right one. The result has the left key.
///
/// The rules are Kafka Streams': which change tells what is decided by the old and the new foreign key of the left row.
/// A change of the right side tells every left row that refers to it, in the order of the bytes of their keys.
final class ForeignKeyJoinOperator: Operator {
    private let left: Operator
    private let right: Operator
    private let join: ForeignKeyJoinStep
    private let foreignKey: CompiledExpression
    private let leftTable: TableState
    private let rightTable: TableState
    private let rightKeys: KeyCodec
    /// Keys of left rows by foreign key, in bytes.
    private var subscriptions: [[UInt8]: Set<[UInt8]>] = [:]
    /// Known results, if old values are asked for.
    private let result: TableState
    private let builder: BatchBuilder
    private let keyTypes: [SQLType]
    private let leftTypes: [SQLType]
    private let rightTypes: [SQLType]

    init(
        _ step: PlanStep, _ join: ForeignKeyJoinStep, left: Operator, right: Operator, _ context: TaskContext
    ) throws(EngineError) {
        self.left = left
        self.right = right
        self.join = join
        foreignKey = try CompiledExpression(join.foreignKey, functions: context.functions)
        leftTable = TableState(
            left.step.schema, store: left.step.tableStore ?? step.name + "-left", context.settings)
        rightTable = TableState(
            right.step.schema, store: right.step.tableStore ?? step.name + "-right", context.settings)
        leftTable.isNeeded = true
        rightTable.isNeeded = true
        rightKeys = KeyCodec(right.step.schema.keys.map(\.type))
        result = TableState(step.schema, store: step.name + "-result", context.settings)
        builder = BatchBuilder(step.schema.columns.map(\.type))
        keyTypes = left.step.schema.keys.map(\.type)
        leftTypes = left.step.schema.values.map(\.type)
        rightTypes = right.step.schema.values.map(\.type)
        super.init(step, context)
        left.connect(to: self, input: 0)
        right.connect(to: self, input: 1)
    }

    override var inputs: [Operator] { [left, right] }
    override var state: (rows: Int, bytes: Int) {
        let sizes = [leftTable.size, rightTable.size, result.size]
        return (sizes.reduce(0) { $0 + $1.rows }, sizes.reduce(0) { $0 + $1.bytes })
    }
    override func drainChanges(_ body: (StateChange) -> Void) {
        for table in [leftTable, rightTable, result] { table.drainChanges(body) }
    }
    override func demandOldValues() { result.isNeeded = true }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        if input == 0 { processLeft(batch) } else { processRight(batch) }
        emit(result.apply(builder.finish()))
    }

    private var isLeftJoin: Bool { join.kind == .left }

    private func processLeft(_ batch: Batch) {
        let changed = leftTable.apply(batch)
        let newKeys = evaluate(foreignKey, batch, what: "Error computing the foreign key")
        guard let old = changed.oldBatch else { return }
        let oldKeys = evaluate(foreignKey, old, what: "Error computing the foreign key")
        for row in 0..<batch.count {
            if builder.isLarge { emit(result.apply(builder.finish())) }
            let isNew = batch.present.isValid(row)
            let wasThere = old.present.isValid(row)
            let new = isNew ? bytes(newKeys, row) : nil
            let before = wasThere ? bytes(oldKeys, row) : nil
            let own = [UInt8](leftTable.key(batch, row))
            if let before, before != new { unsubscribe(before, own) }
            if let new { subscriptions[new, default: []].insert(own) }
            let time = batch.timestamps[row]
            guard isNew else {
                // A row that was never joined has nothing to delete.
                if wasThere, before != nil || isLeftJoin { append(batch, row, nil, time, isDeleted: true) }
                continue
            }
            let match = new.flatMap { key in key.withUnsafeBytes { rightTable.lookup($0) } }
            if let match {
                append(batch, row, match.value, max(time, match.timestamp), isDeleted: false)
                continue
            }
            counters.unmatched += 1
            if isLeftJoin {
                append(batch, row, nil, time, isDeleted: false)
            } else if let before, before != new {
                append(batch, row, nil, time, isDeleted: true)
            }
        }
    }

    private func processRight(_ batch: Batch) {
        for row in 0..<batch.count {
            let key = [UInt8](rightTable.key(batch, row))
            _ = rightTable.apply(batch.gathered([Int32(truncatingIfNeeded: row)]))
            guard let subscribers = subscriptions[key] else {
                counters.unmatched += 1
                continue
            }
            let isThere = batch.present.isValid(row)
            for own in subscribers.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                let found: (timestamp: Int64, batch: Batch)? = own.withUnsafeBytes { leftRow($0) }
                guard let found else { continue }
                let time = max(batch.timestamps[row], found.timestamp)
                let match = key.withUnsafeBytes { rightTable.lookup($0) }
                append(found.batch, 0, isThere ? match?.value : nil, time, isDeleted: !isThere && !isLeftJoin)
                if builder.isLarge { emit(result.apply(builder.finish())) }
            }
        }
    }

    /// The left row of a key as a batch of one.
    private func leftRow(_ key: UnsafeRawBufferPointer) -> (timestamp: Int64, batch: Batch)? {
        guard let row = leftTable.lookup(key) else { return nil }
        let keys = keyTypes.map { VectorBuilder($0) }
        leftTable.keyCodec.read(key, into: keys[...])
        let values = leftTypes.map { VectorBuilder($0) }
        var at = 8
        leftTable.rowCodec.read(row.value, at: &at, into: values[...])
        let columns = (keys + values).map { $0.finish() }
        return (row.timestamp, Batch(count: 1, columns: columns, timestamps: ColumnBuffer([row.timestamp])))
    }

    private func unsubscribe(_ key: [UInt8], _ own: [UInt8]) {
        subscriptions[key]?.remove(own)
        if subscriptions[key]?.isEmpty == true { subscriptions[key] = nil }
    }

    /// The bytes of a foreign key; nil for null.
    private func bytes(_ keys: Vector, _ row: Int) -> [UInt8]? {
        if keys.isNull(row) { return nil }
        let scratch = ScratchBytes()
        rightKeys.append([keys], row: row, to: scratch)
        return [UInt8](scratch.bytes)
    }

    private func append(
        _ batch: Batch, _ row: Int, _ match: UnsafeRawBufferPointer?, _ time: Int64, isDeleted: Bool
    ) {
        var others: [SQLValue] = []
        if let match {
            var at = 8
            others = rightTable.rowCodec.values(match, at: &at)
        }
        let rightKeyCount = right.step.schema.keyCount
        let rightKey = match == nil ? SQLValue.null : foreignKeyValue(batch, row)
        for (column, builder) in zip(join.columns, builder.columns) {
            switch column {
            case .key(let index): builder.append(from: batch.columns[index], row: row)
            case .left(let index):
                if isDeleted, index >= keyTypes.count {
                    builder.appendNull()
                } else {
                    builder.append(from: batch.columns[index], row: row)
                }
            case .right(let index):
                if index < rightKeyCount {
                    builder.append(rightKey)
                } else {
                    builder.append(match == nil ? .null : others[index - rightKeyCount])
                }
            }
        }
        builder.endRow(timestamp: time, present: !isDeleted)
    }

    private func foreignKeyValue(_ batch: Batch, _ row: Int) -> SQLValue {
        var failures: [CompiledExpression.Failure] = []
        let single = batch.columns.map { $0.gathered([Int32(truncatingIfNeeded: row)]) }
        return foreignKey.evaluate(single, count: 1, failures: &failures).value(0, foreignKey.type)
    }
}
