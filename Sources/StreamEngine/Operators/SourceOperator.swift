import Columns
import SQLPlan
import SQLTypes

/// Reads records of a topic as rows of a stream or changes of a table.
///
/// Records that cannot be read, or have no valid timestamp, are counted, noted and passed over. A table passes over
/// records without a key.
final class SourceOperator: Operator {
    let source: SourceStep
    private let keyDecoder: any RecordDecoder
    private let valueDecoder: any RecordDecoder
    /// Value columns that are decoded, and where each stands among them.
    private let wanted: [Int]
    let timestampIndex: (isKey: Bool, place: Int, type: SQLType)?
    let timestampPattern: TimestampText?
    /// Reads the timestamp column alone.
    var timestampDecoder: (any RecordDecoder)?
    private let table: TableState?
    private(set) var isRestoring = false

    init(_ step: PlanStep, _ source: SourceStep, _ context: TaskContext) throws(EngineError) {
        self.source = source
        var wanted: [Int] = []
        for origin in source.origins {
            if case .value(let index) = origin, !wanted.contains(index) { wanted.append(index) }
        }
        var timestampIndex: (Bool, Int, SQLType)?
        var pattern: TimestampText?
        if let timestamp = source.timestamp {
            if let index = source.valueColumns.firstIndex(where: { $0.name == timestamp.column }) {
                if !wanted.contains(index) { wanted.append(index) }
                timestampIndex = (false, wanted.firstIndex(of: index) ?? 0, source.valueColumns[index].type)
            } else if let index = source.keyColumns.firstIndex(where: { $0.name == timestamp.column }) {
                timestampIndex = (true, index, source.keyColumns[index].type)
            } else {
                throw EngineError(.invalidPlan, "The timestamp column \(timestamp.column) is not in the source.")
            }
            if let format = timestamp.format { pattern = try context.formats.timestampText(format) }
        }
        self.wanted = wanted
        self.timestampIndex = timestampIndex
        timestampPattern = pattern
        keyDecoder = try context.formats.decoder(
            source.keyFormat, topic: source.topic, isKey: true, columns: source.keyColumns,
            wanted: Array(source.keyColumns.indices))
        valueDecoder = try context.formats.decoder(
            source.valueFormat, topic: source.topic, isKey: false, columns: source.valueColumns, wanted: wanted)
        table =
            step.isTable ? TableState(step.schema, store: source.store?.name ?? step.name, context.settings) : nil
        super.init(step, context)
    }

    override var stores: [ChangelogStore] { table?.stores ?? [] }
    override var isReadable: Bool { table != nil }
    override func keepForReading() { table?.keepForReading() }

    override func read(_ read: TableRead, _ receiver: RowReceiver) throws(ReadEnd) {
        if let table { try self.read(read, of: table, receiver) }
    }
    override func demandOldValues() { table?.demandOldValues() }

    /// Whether all rows up to the sink say which record they came of.
    private lazy var keepsAllOrigins: Bool = {
        guard table == nil else { return false }
        var next = above
        var below: Operator = self
        while let item = next {
            guard item.keepsOrigins(from: below) else { return false }
            below = item
            next = item.above
        }
        return true
    }()

    /// Processes records. Results have the headers of the record that they came of.
    func read(_ records: SourceBatch) {
        guard !records.headers.isEmpty, !isRestoring else { return readRun(records) }
        defer { context.headers = [] }
        context.headers = records.headers
        if keepsAllOrigins { return readRun(records) }
        // What aggregates and joins put out while they process some records is of those: they get such with equal headers.
        var from = 0
        while from < records.count, context.failure == nil {
            var to = from + 1
            while to < records.count, records.headers[to] == records.headers[from] { to += 1 }
            context.headers = [records.headers[from]]
            readRun(records.slice(from..<to))
            from = to
        }
    }

    private func readRun(_ records: SourceBatch) {
        counters.input += records.count
        context.sourceTopic = records.topic
        ending = nil
        dropped = nil
        notes = []
        var windows: Batch.Windows?
        var keys = records.keys
        var keyFailures: [DecodedRecords.Failure] = []
        if let window = source.window {
            (keys, windows) = WindowedKeys.split(records.keys, window, failures: &keyFailures)
        }
        let key = keyDecoder.decode(keys)
        let value = valueDecoder.decode(records.values)
        func drop(_ row: Int) {
            if dropped == nil { dropped = [Bool](repeating: false, count: records.count) }
            dropped?[row] = true
        }
        // A registry that does not answer is waited for, by trying the query again: passed over, the record would be lost.
        let areFatal = context.settings.failsOnDeserializationError && !isRestoring
        let fatal = (keyFailures + key.failures + value.failures).lazy.filter { areFatal || $0.mayPass }
        if let first = fatal.min(by: { $0.row < $1.row }) {
            end(first.row, EngineError(first.mayPass ? .unavailable : .fatalRecord, first.message))
        }
        for failure in keyFailures + key.failures { failed(failure, records, isKey: true, drop) }
        for failure in value.failures { failed(failure, records, isKey: false, drop) }
        let present = records.values.validity.without(value.absent, count: records.count)
        let hasKey = keys.validity.without(key.absent, count: records.count)
        if step.isTable, hasKey.nullCount > 0 {
            for row in 0..<records.count where !hasKey.isValid(row) {
                if !isDropped(row) { counters.filtered += 1 }
                drop(row)
            }
        }
        let timestamps = timestamps(records, present, key, value, drop)
        var result = Batch(
            count: records.count, columns: [], timestamps: timestamps, present: present, hasKey: hasKey,
            windows: windows)
        result.columns = source.origins.map { origin in
            switch origin {
            case .key(let index): key.columns[index]
            case .value(let index): value.columns[wanted.firstIndex(of: index) ?? 0]
            case .headers: headers(records)
            case .header(let name): header(name, records)
            case .pseudo(let pseudo): self.pseudo(pseudo, result, records)
            }
        }
        if keepsAllOrigins, !context.headers.isEmpty {
            result.origins = (0..<records.count).map { Int32(truncatingIfNeeded: $0) }
        }
        let end = ending?.row ?? records.count
        if dropped == nil, end == records.count { return emitRows(result) }
        // What is noted of a record comes behind all that its predecessors give.
        var rows: [Int32] = []
        func flush() {
            if !rows.isEmpty { emitRows(result.gathered(rows)) }
            rows = []
        }
        let inOrder = notes.enumerated().sorted { ($0.element.row, $0.offset) < ($1.element.row, $1.offset) }
        var rest = inOrder.map(\.element)[...]
        for row in 0..<end {
            if rest.first?.row == row { flush() }
            while let first = rest.first, first.row == row {
                note(first.entry)
                rest.removeFirst()
            }
            if !isDropped(row) { rows.append(Int32(truncatingIfNeeded: row)) }
        }
        flush()
        for last in rest where last.row == end { note(last.entry) }
        if let ending { context.fail(ending.error) }
    }

    /// Of the records that are read: which are passed over, and what is to be told of them.
    private var dropped: [Bool]?
    private var notes: [(row: Int, entry: ProcessingLogEntry)] = []

    func isDropped(_ row: Int) -> Bool { dropped?[row] == true }

    /// Notes later, in the order of the records.
    func note(_ row: Int, _ entry: ProcessingLogEntry) { notes.append((row, entry)) }

    private func note(_ entry: ProcessingLogEntry) {
        guard context.failure == nil else { return }
        counters.failed += 1
        context.note(entry)
    }

    /// A record that ends the query, and why; the results of those before it come first.
    private var ending: (row: Int, error: EngineError)?

    func end(_ row: Int, _ error: EngineError) {
        if ending.map({ $0.row > row }) ?? true { ending = (row, error) }
    }

    func isBehindEnd(_ row: Int) -> Bool { ending.map { row > $0.row } ?? false }

    /// Tables: keeps rows as if they had been processed, and says nothing. For tasks that begin in the middle of a topic.
    func restore(_ records: SourceBatch) {
        guard table != nil else { return }
        let before = counters
        isRestoring = true
        read(records)
        isRestoring = false
        counters = before
    }

    private func emitRows(_ batch: Batch) {
        guard let table else { return emitInOrder(batch) }
        do throws(EngineError) {
            let changed = try table.apply(batch)
            if !isRestoring { emitInOrder(changed) }
        } catch { context.fail(error) }
    }

    private func failed(
        _ failure: DecodedRecords.Failure, _ records: SourceBatch, isKey: Bool, _ drop: (Int) -> Void
    ) {
        // What is wrong with a record is told once: of a key that cannot be read, and then of nothing else.
        guard !isDropped(failure.row) else { return }
        drop(failure.row)
        // Told when the record was processed, or never, if it is read by a later attempt.
        if isRestoring || isBehindEnd(failure.row) || failure.mayPass { return }
        let bytes = (isKey ? records.keys : records.values).array(failure.row)
        note(
            failure.row,
            ProcessingLogEntry(
                kind: .deserialization, step: step.name,
                message: failure.message, topic: records.topic, partition: records.partition,
                offset: records.offsets[failure.row], record: bytes, timestamp: records.timestamps[failure.row]))
    }

    // MARK: Columns that are not in the bytes

    private func pseudo(_ pseudo: PseudoColumn, _ batch: Batch, _ records: SourceBatch) -> Vector {
        switch pseudo {
        case .rowTime: .int64(FixedColumn(values: batch.timestamps))
        case .rowPartition: .constant(.int(records.partition), count: records.count)
        case .rowOffset: .int64(FixedColumn(values: records.offsets))
        case .windowStart: bound(batch.windows?.starts, batch)
        case .windowEnd: bound(batch.windows?.ends, batch)
        }
    }

    /// Of the windows of keys: a record without a key has none.
    private func bound(_ bounds: ColumnBuffer<Int64>?, _ batch: Batch) -> Vector {
        guard let bounds else { return .nulls(batch.count) }
        return .int64(FixedColumn(values: bounds, validity: batch.hasKey))
    }

    private func headers(_ records: SourceBatch) -> Vector {
        .values(
            (0..<records.count).map { row in
                guard !records.headers.isEmpty else { return .array([]) }
                return .array(
                    records.headers[row].map { header in
                        .structure([.string(header.key), header.value.map { .bytes($0) } ?? .null])
                    })
            })
    }

    private func header(_ name: String, _ records: SourceBatch) -> Vector {
        guard !records.headers.isEmpty else { return .nulls(records.count) }
        return Vector(
            records.headers.map { headers in
                headers.last { $0.key == name }.flatMap { $0.value.map { .bytes($0) } } ?? .null
            }, .bytes)
    }
}
