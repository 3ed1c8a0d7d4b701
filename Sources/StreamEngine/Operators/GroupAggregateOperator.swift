import Columns
import SQLPlan
import SQLTypes

/// Of a stream without windows, or of a table.
final class GroupAggregateOperator: AggregateOperator {
    private var table: SlabTable

    override init(_ step: PlanStep, _ aggregate: AggregateStep, input: Operator, _ context: TaskContext)
        throws(EngineError)
    {
        table = SlabTable(capturesChanges: context.settings.capturesChanges)
        try super.init(step, aggregate, input: input, context)
    }

    override var stores: [ChangelogStore] {
        [ChangelogStore(aggregate.store.name, [TablePart(table, isValid: recordCheck)])]
    }

    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        let collector = takeCollector(receiver)
        if let keys = try read.keys.bytes(keyCodec, collector.keyScratch) {
            for key in keys {
                try key.withKey { (key) throws(ReadEnd) in
                    if let state = table.value(key) { try give(key, state, window: nil, to: collector) }
                }
            }
        } else {
            try table.forEach { (key, state) throws(ReadEnd) in
                try give(key, state, window: nil, to: collector)
            }
        }
        try finish(collector)
    }

    override func adopt(_ old: Operator) {
        if let old = old as? GroupAggregateOperator, hasLayout(of: old) { table = old.table }
    }

    override func process(_ batch: Batch, input: Int) {
        counters.input += batch.count
        begin(batch)
        let arguments = layout.arguments(batch, self)
        let undo = batch.oldBatch.map { (batch: $0, arguments: layout.arguments($0, self, isOld: true)) }
        guard context.mayKeep() else { return }
        let plain = undo == nil ? self.plain : nil
        do throws(EngineError) {
            for row in 0..<batch.count {
                if let plain {
                    let key = keys[row]
                    try updatePlain(
                        table, key, keyByteCount: key.count, row, timestamp: batch.timestamps[row], window: nil,
                        to: plain)
                } else {
                    try update(table, keys[row], batch, row, arguments, undo: undo, window: nil)
                }
                try emitLarge()
            }
            try emitResults()
        } catch {
            fail(error)
        }
    }
}
