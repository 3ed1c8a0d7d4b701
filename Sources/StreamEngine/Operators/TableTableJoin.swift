import Columns
import SQLPlan
import SQLTypes

/// Joins two tables on their keys: a change of either side changes the result.
///
/// The rules are Kafka Streams': INNER says nothing while the other side is missing; a deletion is told, even if there
/// was nothing to delete, as long as the other side is there.
final class TableTableJoinOperator: Operator {
    private let sides: [Operator]
    private let join: TableTableJoinStep
    private let tables: [TableState]
    private let keyCount: Int
    private var sendsOld = false
    private let oldRows: [FoundRows]
    private let found: [FoundRows]
    private let condition: JoinCondition?

    init(
        _ step: PlanStep, _ join: TableTableJoinStep, left: Operator, right: Operator, _ context: TaskContext
    ) throws(EngineError) {
        sides = [left, right]
        self.join = join
        tables = sides.enumerated().map { index, side in
            let state = TableState(
                side.step.schema, store: side.step.tableStore ?? "\(step.name)-\(index)", context.settings)
            state.demandOldValues()
            return state
        }
        keyCount = left.step.schema.keyCount
        oldRows = sides.map { FoundRows($0.step.schema.values.map(\.type)) }
        found = sides.map { FoundRows($0.step.schema.values.map(\.type)) }
        condition = try JoinCondition(join.residual, context.functions)
        super.init(step, context)
        left.connect(to: self, input: 0)
        right.connect(to: self, input: 1)
    }

    override var inputs: [Operator] { sides }
    override var stores: [ChangelogStore] { tables.flatMap(\.stores) }
    override var isReadable: Bool { true }

    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        let collector = takeCollector(receiver)
        if let keys = try read.keys.bytes(tables[0].keyCodec, collector.keyScratch) {
            for key in keys {
                try key.withKey { (key) throws(ReadEnd) in
                    try give(key, tables[0].lookup(key), tables[1].lookup(key), collector)
                }
            }
        } else {
            try tables[0].table.forEach { (key, _) throws(ReadEnd) in
                try give(key, tables[0].lookup(key), tables[1].lookup(key), collector)
            }
            if join.kind == .full || join.kind == .right {
                try tables[1].table.forEach { (key, _) throws(ReadEnd) in
                    if tables[0].lookup(key) == nil { try give(key, nil, tables[1].lookup(key), collector) }
                }
            }
        }
        try finish(collector)
    }

    private typealias Found = (timestamp: Int64, value: UnsafeRawBufferPointer)

    private func give(
        _ key: UnsafeRawBufferPointer, _ left: Found?, _ right: Found?, _ collector: RowCollector
    ) throws(ReadEnd) {
        switch join.kind {
        case .inner where left == nil || right == nil: return
        case .left where left == nil: return
        case .right where right == nil: return
        default: if left == nil, right == nil { return }
        }
        let keyBuilders = tables[0].keyCodec.types.map { VectorBuilder($0) }
        tables[0].keyCodec.read(key, into: keyBuilders[...])
        let keys = zip(keyBuilders, tables[0].keyCodec.types).map { $0.finish().value(0, $1) }
        func values(_ side: Int, _ found: Found?) -> [SQLValue]? {
            guard let found else { return nil }
            var at = 8
            return keys + tables[side].rowCodec.values(found.value, at: &at)
        }
        var rows = [values(0, left), values(1, right)]
        if let condition, let a = rows[0], let b = rows[1] {
            let columns = join.columns.map { column in
                switch column {
                case .key(let index): Vector.constant(keys[index], count: 1)
                case .left(let index): Vector.constant(a[index], count: 1)
                case .right(let index): Vector.constant(b[index], count: 1)
                }
            }
            if !condition.holds(columns) { rows[join.kind == .left ? 1 : 0] = nil }
        }
        for (column, builder) in zip(join.columns, collector.builder.columns) {
            switch column {
            case .key(let index): builder.append(keys[index])
            case .left(let index): builder.append(rows[0]?[index] ?? .null)
            case .right(let index): builder.append(rows[1]?[index] ?? .null)
            }
        }
        let usual = max(left?.timestamp ?? .min, right?.timestamp ?? .min)
        let noted = left.flatMap { tables[0].resultTime($0.value) } ?? right.flatMap { tables[1].resultTime($0.value) }
        try collector.endRow(timestamp: noted ?? usual)
    }
    /// Both sides are kept here, which is all it takes.
    override func demandOldValues() { sendsOld = true }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        guard context.mayKeep() else { return }
        let before: Batch
        do throws(EngineError) { before = try tables[input].apply(batch) } catch { return context.fail(error) }
        let other = tables[1 - input]
        let keepsOwn = join.kind == .full || (input == 0 ? join.kind == .left : join.kind == .right)
        let keepsOther = join.kind == .full || (input == 0 ? join.kind == .right : join.kind == .left)
        var pairs = JoinPairs()
        var present: [Bool] = []
        var oldPresent: [Bool] = []
        for row in 0..<batch.count {
            let isNew = batch.present.isValid(row)
            let wasThere = before.old?.present.isValid(row) ?? false
            let key = other.key(batch, row)
            let match = other.lookup(key)
            if match == nil {
                counters.unmatched += 1
                guard keepsOwn, isNew || wasThere else { continue }
            }
            let index = match.map { found[1 - input].append($0.value, at: 8) } ?? -1
            let time = max(batch.timestamps[row], match?.timestamp ?? .min)
            pairs.append(row, index, time)
            if keepsOther, match != nil {
                // A deletion leaves no row that would tell its time.
                do throws(EngineError) {
                    try other.setResultTime(key, isNew || time == match?.timestamp ? nil : time)
                } catch {
                    return context.fail(error)
                }
            }
            // With a match the row is there if both are, or the other side counts alone.
            present.append(match == nil ? isNew : isNew || keepsOther)
            oldPresent.append(match == nil ? wasThere : wasThere || keepsOther)
            if found[1 - input].isLarge { flush(&pairs, &present, &oldPresent, before, input) }
        }
        flush(&pairs, &present, &oldPresent, before, input)
    }

    /// - Parameter batch: as it came, with what its side had before.
    private func flush(
        _ pairs: inout JoinPairs, _ present: inout [Bool], _ oldPresent: inout [Bool], _ batch: Batch, _ input: Int
    ) {
        let keys = (0..<keyCount).map { index in batch.columns[index].gathered(matchedRows(pairs)) }
        let others = keys + found[1 - input].finish()
        put(pairs, present, oldPresent, batch, others, input)
        pairs = JoinPairs()
        present = []
        oldPresent = []
    }

    /// - Parameter others: the rows of the other side that `pairs` tells the indexes of.
    private func put(
        _ pairs: JoinPairs, _ present: [Bool], _ oldPresent: [Bool], _ batch: Batch, _ others: [Vector], _ input: Int
    ) {
        let old = sendsOld ? batch.old : nil
        let columns = columns(pairs, batch.columns, batch.present, others, input)
        var oldColumns: [Vector]? = []
        if columns != nil, let old {
            oldColumns = self.columns(pairs, old.columns, old.present, others, input, isOld: true)
        }
        guard let columns, let oldColumns else {
            for (at, single) in pairs.singles.enumerated() where context.failure == nil {
                put(single, [present[at]], [oldPresent[at]], batch, others, input)
            }
            return
        }
        var result = Batch(
            count: pairs.own.count, columns: columns, timestamps: ColumnBuffer(pairs.timestamps),
            present: Validity(all: present))
        if old != nil { result.old = .init(columns: oldColumns, present: Validity(all: oldPresent)) }
        emitInOrder(result)
    }

    /// The columns of the result for rows of one side, new or old ones.
    ///
    /// - Parameter isOld: of failures of the join's condition was told when the later row of each two was new.
    /// - Returns: nil when the rows must come one by one.
    private func columns(
        _ pairs: JoinPairs, _ own: [Vector], _ present: Validity, _ others: [Vector], _ input: Int, isOld: Bool = false
    ) -> [Vector]? {
        let isLeft = input == 0
        guard let condition else {
            return pairs.columns(
                join.columns, own: blanked(own, present, input), others: others, isLeft: isLeft, types: types,
                keys: Array(own[..<keyCount]))
        }
        // Where two rows must not meet, only that of the side that the join keeps is there.
        var pairs = pairs
        let candidates = pairs.columns(join.columns, own: own, others: others, isLeft: isLeft, types: types)
        let isPair = pairs.own.indices.map { pairs.other[$0] >= 0 && present.isValid(Int(pairs.own[$0])) }
        var told: [CompiledExpression.Failure] = []
        let met =
            isOld
            ? condition.holds(candidates, count: pairs.own.count, failures: &told)
            : holds(condition, candidates, pairs, isPair: { isPair[$0] })
        guard let holds = met else { return nil }
        let keepsOwn = isLeft == (join.kind == .left)
        var isIn = (0..<(own.first?.count ?? 0)).map { present.isValid($0) }
        for at in isPair.indices where isPair[at] && !holds[at] {
            if keepsOwn { pairs.other[at] = -1 } else { isIn[Int(pairs.own[at])] = false }
        }
        let ownTypes = sides[input].step.schema.columns.map(\.type)
        return pairs.columns(
            join.columns, own: zip(own, ownTypes).map { $0.nulled($1) { !isIn[$0] } }, others: others, isLeft: isLeft,
            types: types, keys: Array(own[..<keyCount]))
    }

    private func matchedRows(_ pairs: JoinPairs) -> [Int32] {
        var rows: [Int32] = []
        for (own, other) in zip(pairs.own, pairs.other) where other >= 0 { rows.append(own) }
        return rows
    }

    /// Columns that are null where there is no row, those of its key among them: only the result's own key stays.
    private func blanked(_ columns: [Vector], _ present: Validity, _ input: Int) -> [Vector] {
        guard present.nullCount > 0 else { return columns }
        let types = sides[input].step.schema.columns.map(\.type)
        return zip(columns, types).map { $0.nulled($1) { !present.isValid($0) } }
    }
}
