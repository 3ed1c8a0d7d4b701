import Columns
import SQLPlan
import SQLTypes

/// Joins two tables where a value of the left row is the key of the right one. The result has the left key.
///
/// The rules are Kafka Streams': which change tells what is decided by the old and the new foreign key of the left row.
/// A change of the right side tells every left row that refers to it, in the order of the bytes of their keys. The time of
/// a result is that of the right row that changed, and otherwise the later one of the left row and the right one that was
/// looked up: for a deletion of an INNER join, the one that the left row referred to before.
final class ForeignKeyJoinOperator: Operator {
    private let left: Operator
    private let right: Operator
    private let join: ForeignKeyJoinStep
    private let foreignKey: CompiledExpression
    private let condition: JoinCondition?
    /// Rows that might meet, on their way to `condition`.
    private let candidate: BatchBuilder
    private let leftTable: TableState
    private let rightTable: TableState
    private let rightKeys: KeyCodec
    private let keyOrder: StoredKeyOrder
    /// Keys of left rows by foreign key, in bytes.
    private var subscriptions = SubscriptionTable()
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
        condition = try JoinCondition(join.residual, context.functions)
        candidate = BatchBuilder(step.schema.columns.map(\.type))
        leftTable = TableState(
            left.step.schema, store: left.step.tableStore ?? step.name + "-left", context.settings)
        rightTable = TableState(
            right.step.schema, store: right.step.tableStore ?? step.name + "-right", context.settings)
        leftTable.demandOldValues()
        rightTable.keepForReading()
        keyOrder = try StoredKeyOrder(Array(left.step.schema.keys), join.formats.key, context)
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
    /// The subscriptions follow from the left rows.
    override var stores: [ChangelogStore] { leftTable.stores + rightTable.stores + result.stores }
    override var derivedTables: [SlabTable] { subscriptions.tables }
    override var isReadable: Bool { true }

    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        let collector = takeCollector(receiver)
        func give(_ key: UnsafeRawBufferPointer) throws(ReadEnd) {
            guard let found = leftRow(key) else { return }
            var failures: [CompiledExpression.Failure] = []  // told when the row was processed
            let foreign = bytes(foreignKey.evaluate(found.batch.columns, count: 1, failures: &failures), 0)
            let match = foreign.flatMap { key in key.withUnsafeBytes { rightTable.lookup($0) } }
            if match == nil, !isLeftJoin { return }
            failures = []
            let right = meeting(found.batch, 0, match?.value, isDeleted: false, &failures)
            appendPair(found.batch, 0, right, isDeleted: false, to: collector.builder)
            let noted = leftTable.lookup(key).flatMap { leftTable.resultTime($0.value) }
            try collector.endRow(timestamp: noted ?? max(found.timestamp, match?.timestamp ?? .min))
        }
        if let keys = try read.keys.bytes(leftTable.keyCodec, collector.keyScratch) {
            for key in keys { try key.withKey { (key) throws(ReadEnd) in try give(key) } }
        } else {
            try leftTable.table.forEach { (key, _) throws(ReadEnd) in try give(key) }
        }
        try finish(collector)
    }
    override func demandOldValues() { result.demandOldValues() }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        let newKeys = input == 0 ? evaluate(foreignKey, batch, what: "Error computing the foreign key") : nil
        guard context.mayKeep() else { return }
        do throws(EngineError) {
            if let newKeys { try processLeft(batch, newKeys) } else { try processRight(batch) }
            try emitResult()
        } catch { context.fail(error) }
    }

    private func emitResult() throws(EngineError) { emitInOrder(try result.apply(builder.finish())) }

    private var isLeftJoin: Bool { join.kind == .left }

    private func processLeft(_ batch: Batch, _ newKeys: Vector) throws(EngineError) {
        let changed = try leftTable.apply(batch)
        guard let old = changed.oldBatch else { return }
        var failures: [CompiledExpression.Failure] = []  // told when the rows were new
        let oldKeys = foreignKey.evaluate(old.columns, count: old.count, failures: &failures)
        for row in 0..<batch.count {
            if builder.isLarge { try emitResult() }
            let isNew = batch.present.isValid(row)
            let wasThere = old.present.isValid(row)
            let new = isNew ? bytes(newKeys, row) : nil
            let before = wasThere ? bytes(oldKeys, row) : nil
            let own = [UInt8](leftTable.key(batch, row))
            try own.withRawBytes { own throws(EngineError) in
                if let before, before != new { before.withUnsafeBytes { subscriptions.remove($0, own) } }
                try new?.withRawBytes { new throws(EngineError) in try subscriptions.insert(new, own) }
            }
            let time = batch.timestamps[row]
            guard isNew else {
                // A row that was never joined has nothing to delete.
                if wasThere, before != nil || isLeftJoin {
                    try append(batch, row, nil, deletionTime(time, before), isDeleted: true)
                }
                continue
            }
            let match = new.flatMap { key in key.withUnsafeBytes { rightTable.lookup($0) } }
            if let match {
                try append(batch, row, match.value, max(time, match.timestamp), isDeleted: false)
                continue
            }
            counters.unmatched += 1
            if isLeftJoin {
                try append(batch, row, nil, time, isDeleted: false)
            } else if let before, before != new {
                try append(batch, row, nil, new == nil ? deletionTime(time, before) : time, isDeleted: true)
            }
        }
    }

    /// - Parameter before: what the left row referred to.
    private func deletionTime(_ time: Int64, _ before: [UInt8]?) -> Int64 {
        guard !isLeftJoin, let before else { return time }
        return max(time, before.withUnsafeBytes { rightTable.lookup($0) }?.timestamp ?? .min)
    }

    private func processRight(_ batch: Batch) throws(EngineError) {
        for row in 0..<batch.count {
            let key = [UInt8](rightTable.key(batch, row))
            _ = try rightTable.apply(batch.gathered([Int32(truncatingIfNeeded: row)]))
            let found = key.withUnsafeBytes { subscriptions.subscribers($0) }
            let subscribers = keyOrder.sorted(found, isOfBytes: true) { ([], $0[...], []) }
            if subscribers.isEmpty { counters.unmatched += 1 }
            let isThere = batch.present.isValid(row)
            for own in subscribers {
                let found: (timestamp: Int64, batch: Batch)? = own.withUnsafeBytes { leftRow($0) }
                guard let found else { continue }
                let match = key.withUnsafeBytes { rightTable.lookup($0) }
                let time = batch.timestamps[row]
                try append(
                    found.batch, 0, isThere ? match?.value : nil, time, isDeleted: !isThere && !isLeftJoin)
                if isThere || isLeftJoin {
                    // What a read would take for the time of this result.
                    let usual = isThere ? max(time, found.timestamp) : found.timestamp
                    try own.withRawBytes { own throws(EngineError) in
                        try leftTable.setResultTime(own, time == usual ? nil : time)
                    }
                }
                if builder.isLarge { try emitResult() }
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

    override func didRestore() throws(EngineError) {
        subscriptions = SubscriptionTable()
        try leftTable.table.forEach { (key, _) throws(EngineError) in
            guard let left = leftRow(key) else { return }
            var failures: [CompiledExpression.Failure] = []  // told when the row was processed
            let keys = foreignKey.evaluate(left.batch.columns, count: 1, failures: &failures)
            try bytes(keys, 0)?.withRawBytes { foreign throws(EngineError) in try subscriptions.insert(foreign, key) }
        }
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
    ) throws(EngineError) {
        var failures: [CompiledExpression.Failure] = []
        let match = meeting(batch, row, match, isDeleted: isDeleted, &failures)
        if !failures.isEmpty {
            // What is noted of the rows before comes first.
            try emitResult()
            note(failures.map { .init(row: row, message: $0.message) }, batch, what: JoinCondition.failed)
        }
        appendPair(batch, row, match, isDeleted: isDeleted, to: builder)
        builder.endRow(timestamp: time, present: !isDeleted)
    }

    /// The right row that a left one meets: nil for one that does not fulfil the join's condition.
    private func meeting(
        _ batch: Batch, _ row: Int, _ match: UnsafeRawBufferPointer?, isDeleted: Bool,
        _ failures: inout [CompiledExpression.Failure]
    ) -> UnsafeRawBufferPointer? {
        guard let condition, match != nil, !isDeleted else { return match }
        appendPair(batch, row, match, isDeleted: false, to: candidate)
        candidate.endRow(timestamp: 0)
        return condition.holds(candidate.finish().columns, count: 1, failures: &failures)[0] ? match : nil
    }

    private func appendPair(
        _ batch: Batch, _ row: Int, _ match: UnsafeRawBufferPointer?, isDeleted: Bool, to target: BatchBuilder
    ) {
        var others: [SQLValue] = []
        if let match {
            var at = 8
            others = rightTable.rowCodec.values(match, at: &at)
        }
        let rightKeyCount = right.step.schema.keyCount
        let rightKey = match == nil ? SQLValue.null : foreignKeyValue(batch, row)
        for (column, builder) in zip(join.columns, target.columns) {
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
    }

    private func foreignKeyValue(_ batch: Batch, _ row: Int) -> SQLValue {
        var failures: [CompiledExpression.Failure] = []
        let single = batch.columns.map { $0.gathered([Int32(truncatingIfNeeded: row)]) }
        return foreignKey.evaluate(single, count: 1, failures: &failures).value(0, foreignKey.type)
    }
}
