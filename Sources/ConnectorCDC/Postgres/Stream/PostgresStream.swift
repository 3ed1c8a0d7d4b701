internal import Bytes
internal import ConnectCore

/// Reads the log and makes events of it. One transaction may be of any length: nothing of it is kept.
///
/// A start gets transactions again from the slot's place on: those that are done are passed over whole, the changes of the
/// one that is under way up to the offset's row.
final class PostgresStream {
    /// A table of the log, with what its changes become.
    private final class Relation {
        let id: TableID
        /// nil for a table that nobody wants.
        let events: TableEvents?
        let isSignal: Bool
        let isCaptured: Bool
        /// Old rows have the whole key.
        let hasOldKey: Bool
        let columnCount: Int

        init(_ relation: PgOutputRelation, _ events: TableEvents?, isSignal: Bool, isCaptured: Bool) {
            id = TableID(relation.schema, relation.name)
            self.events = events
            self.isSignal = isSignal
            self.isCaptured = isCaptured
            columnCount = relation.columns.count
            hasOldKey =
                events.map { events in
                    events.keyColumns.allSatisfy { relation.columns[$0.index].isIdentity || relation.identity == .full }
                } ?? false
        }
    }

    private struct Transaction {
        var id: UInt32
        var commit: Lsn
        /// All of it is done.
        var isDone: Bool
        /// Changes of it that are done.
        var doneCount: Int64
        var count: Int64 = 0
        /// How many records there were before it.
        var addedBefore: Int
    }

    private let context: PostgresContext
    /// Looks up what only the catalog knows.
    private let catalog: () throws -> PostgresCatalog
    /// Where reading goes on; kept up to date with every change that is done.
    private(set) var position: PostgresPosition
    private var relations: [UInt32: Relation] = [:]
    private var transaction: Transaction?
    private var metadata: TransactionState?
    private var source: SourceInfo
    private let messages: MessageEvents
    let incremental: IncrementalSnapshot<PostgresServer>?
    /// Before the transaction that asks for a blocking snapshot, while that is not done: a start reads the signal again.
    private var held: PostgresPosition?
    /// Where the transaction was begun, or gone on with.
    private var begun: PostgresPosition
    /// Behind everything that has come.
    private(set) var received: Lsn
    private(set) var messageCount = 0
    /// Where another stream goes on when this one breaks.
    var restart: PostgresPosition { held ?? position }

    /// - Parameter catalog: of a connection for statements, with the types of now.
    init(
        _ context: PostgresContext, position: PostgresPosition, incremental: IncrementalSnapshot<PostgresServer>?,
        catalog: @escaping () throws -> PostgresCatalog
    ) throws(ConnectError) {
        self.context = context
        self.position = position
        begun = position
        self.catalog = catalog
        self.incremental = incremental
        received = position.commitLSN
        source = context.source()
        messages = try MessageEvents(context.config)
    }

    private var config: PostgresConfig { context.config }

    func setXmin(_ xmin: Int64?) { source.setXmin(xmin) }

    /// Whether the last transaction is done.
    var isBetweenTransactions: Bool { transaction == nil }

    /// Reads a message of the copy.
    ///
    /// - Returns: whether the server asks for an answer at once.
    /// - Throws: `WireError`, `ConnectError`, `PostgresError`, `StopError`.
    func read(_ bytes: UnsafeRawBufferPointer) throws -> Bool {
        var cursor = ByteCursor(bytes)
        switch try cursor.byte() {
        case UInt8(ascii: "w"):
            let start = Lsn(rawValue: try cursor.bigEndian(8))
            let end = Lsn(rawValue: try cursor.bigEndian(8))
            try cursor.skip(8)
            received = max(received, max(start, end))
            messageCount += 1
            try handle(try PgOutputDecoder.message(cursor.rest), at: start)
            return false
        case UInt8(ascii: "k"):
            let end = Lsn(rawValue: try cursor.bigEndian(8))
            try cursor.skip(8)
            let wantsAnswer = try cursor.byte() == 1
            received = max(received, end)
            // Everything that committed before has been told.
            if transaction == nil, end > position.commitLSN {
                position.commitLSN = end
                position.messageType = nil
                try context.flush(offset: position.offset)
            }
            return wantsAnswer
        case let kind: throw WireError.corrupt("a message of the unknown kind \(kind) in the copy")
        }
    }

    private func handle(_ message: PgOutputMessage, at lsn: Lsn) throws {
        switch message {
        case .begin(let commit, let microseconds, let id): try begin(id, commit, microseconds, at: lsn)
        case .commit(_, let end, let microseconds): try commit(end, microseconds, at: lsn)
        case .origin(let place, let name): source.setOrigin(name, place)
        case .relation(let relation): try define(relation)
        case .type: break
        case .insert(let oid, let new):
            guard let relation = try change(oid, at: lsn) else { return }
            if relation.isSignal { try signal(relation, new) }
            try row(relation, .insert, old: nil, new: new, at: lsn)
        case .update(let oid, let old, let new):
            guard let relation = try change(oid, at: lsn) else { return }
            try row(relation, .update, old: old, new: new, at: lsn)
        case .delete(let oid, let old):
            guard let relation = try change(oid, at: lsn) else { return }
            try row(relation, .delete, old: old, new: nil, at: lsn)
        case .truncate(let oids):
            guard try isNew(at: lsn) else { return }
            for oid in oids { if let relation = relations[oid] { truncate(relation, at: lsn) } }
            try flushIfFull()
        case .message(let isTransactional, let place, let prefix, let content):
            try self.message(isTransactional, place, prefix, content, at: lsn)
        }
    }

    // MARK: Transactions

    private func begin(_ id: UInt32, _ commit: Lsn, _ microseconds: Int64, at lsn: Lsn) throws {
        if let until = position.seenUntil, commit >= until {
            position.seen = nil
            position.seenUntil = nil
        }
        var next = Transaction(
            id: id, commit: commit, isDone: commit < position.commitLSN, doneCount: 0,
            addedBefore: context.addedCount)
        if let seen = position.seen, seen.contains(id) { next.isDone = true }
        if position.openCommit == commit { next.doneCount = position.rowCount }
        transaction = next
        source.setOrigin(nil, nil)
        source.setSnapshot(nil)
        source.setTime(microseconds: microseconds)
        source.setTransaction(Int64(id))
        guard !next.isDone else { return }
        begun = position
        position.openCommit = commit
        position.rowCount = next.doneCount
        position.transaction = Int64(id)
        position.microseconds = microseconds
        guard config.hasTransactions else { return }
        var state = TransactionState(id: "\(id):\(lsn.number)")
        if next.doneCount == 0, position.processedLSN == nil {
            context.add(
                state.begin(
                    microseconds / 1000, topic: config.transactionTopic, partition: context.partition,
                    offset: position.offset), byteCount: 200)
        }
        state.id = ""
        metadata = state
    }

    private func commit(_ endLSN: Lsn, _ microseconds: Int64, at lsn: Lsn) throws {
        guard let transaction else { throw WireError.corrupt("a commit without a beginning") }
        self.transaction = nil
        held = nil
        var before = begun
        before.incremental = position.incremental
        position.commitLSN = max(position.commitLSN, endLSN)
        guard !transaction.isDone else { return }
        position.lsn = max(position.lsn, lsn)
        position.openCommit = nil
        position.rowCount = 0
        position.processedLSN = nil
        position.lastCommit = endLSN
        position.messageType = "COMMIT"
        let end = position
        // Until their rows are there, a start reads the signals of blocking snapshots again.
        let hasBlocking = incremental?.hasBlocking ?? false
        if hasBlocking { position = before }
        let behind = position.offset
        if var metadata {
            metadata.id = "\(transaction.id):\(lsn.number)"
            context.add(
                metadata.end(
                    microseconds / 1000, topic: config.transactionTopic, partition: context.partition, offset: behind),
                byteCount: 500)
        }
        metadata = nil
        if context.addedCount > transaction.addedBefore || transaction.doneCount > 0 || hasBlocking {
            context.lastChange = end.commitLSN
        }
        // So that the server may forget a transaction as soon as it is stored.
        context.setLastOffset(behind)
        try context.flush(offset: behind, endsTransaction: true)
        if let incremental {
            if hasBlocking {
                var own = source
                own.setPlace(lsn, lastCommit: endLSN)
                try incremental.runBlocking(source: own, offset: behind, end: end.offset)
                position = end
            }
            try proceed(incremental)
        }
    }

    private func proceed(_ incremental: IncrementalSnapshot<PostgresServer>) throws {
        let position = position
        try incremental.proceed { entries in
            var behind = position
            behind.incremental = entries
            return behind.offset
        }
        self.position.incremental = incremental.entries
        try context.flush(offset: self.position.offset, endsTransaction: true)
    }

    /// Signals that did not come by the table, between transactions.
    func takeSignals(_ inbox: SignalInbox) throws {
        guard transaction == nil, let incremental else { return }
        try incremental.takeSignals(inbox) { signal in
            try self.signal(signal.id, signal.type, signal.data, isOuter: true)
        } place: {
            var own = source
            own.setPlace(position.lsn, lastCommit: position.lastCommit)
            own.setTransaction(position.transaction)
            return (own, position.offset)
        } proceed: {
            try proceed(incremental)
        }
    }

    /// Counts a change.
    ///
    /// - Returns: whether it is not done yet.
    private func isNew(at lsn: Lsn) throws(WireError) -> Bool {
        guard var current = transaction else { throw .corrupt("a change outside of a transaction") }
        current.count += 1
        transaction = current
        guard !current.isDone else { return false }
        if current.count <= current.doneCount { return false }
        if let processed = position.processedLSN {
            // The original's offset says no more than the place of the last change that is done.
            guard lsn > processed else { return false }
            position.processedLSN = nil
        }
        return true
    }

    private func change(_ oid: UInt32, at lsn: Lsn) throws -> Relation? {
        guard try isNew(at: lsn) else {
            // Transaction blocks of later events count it.
            if transaction?.isDone == false, metadata != nil, let relation = relations[oid], relation.isCaptured {
                metadata?.count(relation.id)
            }
            return nil
        }
        guard let relation = relations[oid] else {
            throw WireError.corrupt("a change of table \(oid), which the log has not named")
        }
        return relation
    }

    // MARK: Tables

    private func define(_ relation: PgOutputRelation) throws {
        let id = TableID(relation.schema, relation.name)
        let isSignal = context.filters.isSignal(id)
        let isCaptured = context.filters.isCaptured(id)
        guard isSignal || isCaptured else {
            relations[relation.oid] = Relation(relation, nil, isSignal: false, isCaptured: false)
            return
        }
        let catalog = try catalog()
        if relation.columns.contains(where: { context.types[$0.type] == nil }) {
            // Made since the last look.
            context.types = try PostgresTypes(catalog.connection)
        }
        let table = try PostgresCatalog(connection: catalog.connection, types: context.types).definition(of: relation)
        let isOther = context[id].map { $0.definition != table.definition } ?? true
        context.set(table)
        if isOther { incremental?.tableChanged(id) }
        relations[relation.oid] = Relation(
            relation, context.events(of: id), isSignal: isSignal, isCaptured: isCaptured)
    }

    // MARK: Changes

    /// Sets the place of a change that is being made an event.
    private func place(_ relation: Relation, at lsn: Lsn, _ type: String) {
        source.setPlace(lsn, lastCommit: position.lastCommit)
        source.setTable(schema: relation.id.database, relation.id.table)
        metadata?.id = "\(transaction?.id ?? 0):\(lsn.number)"
        position.lsn = lsn
        position.messageType = type
    }

    private func row(
        _ relation: Relation, _ operation: RowEmitter.Operation, old: PgOutputMessage.OldRow?, new: [Cell]?, at lsn: Lsn
    ) throws {
        let count = transaction?.count ?? 0
        defer { position.rowCount = count }
        guard relation.isCaptured, let events = relation.events else { return }
        guard (new?.count ?? relation.columnCount) == relation.columnCount,
            (old?.cells.count ?? relation.columnCount) == relation.columnCount
        else { throw WireError.corrupt("a row of \(relation.id) with another number of columns than the table has") }
        var new = new
        if let old, !old.isKeyOnly, var cells = new {
            // The row as it was has what the new one does not repeat.
            for (index, cell) in cells.enumerated() { if case .unchanged = cell { cells[index] = old.cells[index] } }
            new = cells
        }
        let (code, type) =
            switch operation {
            case .insert: ("c", "INSERT")
            case .update: ("u", "UPDATE")
            case .delete: ("d", "DELETE")
            }
        guard !config.skippedOperations.contains(code) else { return }
        if config.skipsUnchanged, operation == .update, let old, !old.isKeyOnly, let new,
            try events.isSame(old.cells, new)
        {
            return
        }
        metadata?.count(relation.id)
        var start = position
        start.rowCount = count - 1
        place(relation, at: lsn, type)
        var behind = position
        behind.rowCount = count
        let emitter = RowEmitter(
            context, events, operation, isWritten: incremental.map { !$0.wantsKeys(of: relation.id) } ?? true)
        let keyStays = old == nil || !relation.hasOldKey
        let offset = (held ?? behind).offset
        let isWritten = try emitter.write(
            before: old?.cells, after: new, source: source, transaction: metadata, table: relation.id,
            startOffset: offset, keyStays: keyStays)
        if isWritten {
            context.setOffset(offset)
        } else {
            let byteCount = (old?.cells ?? []).byteCount + (new ?? []).byteCount
            let keys = try emitter.emit(
                before: old?.cells, after: new, source: source, transaction: &metadata, table: relation.id,
                startOffset: (held ?? start).offset, offset: offset, byteCount: byteCount, keyStays: keyStays)
            incremental?.saw(relation.id, keys: keys)
        }
        position.rowCount = count
        try flushIfFull()
    }

    private func flushIfFull() throws {
        if context.isChunkFull { try context.flush(offset: restart.offset) }
    }

    private func truncate(_ relation: Relation, at lsn: Lsn) {
        guard relation.isCaptured, let events = relation.events, !config.skippedOperations.contains("t") else { return }
        place(relation, at: lsn, "TRUNCATE")
        metadata?.count(relation.id)
        position.rowCount = transaction?.count ?? 0
        context.add(
            events.record(
                key: .null, before: .null, after: .null, source: source.value,
                transaction: metadata?.block(relation.id),
                operation: .string("t"), headers: context.headers,
                origin: .source(partition: context.partition, offset: restart.offset)), byteCount: 500)
    }

    // MARK: Messages

    private func message(
        _ isTransactional: Bool, _ place: Lsn, _ prefix: String, _ content: [UInt8], at lsn: Lsn
    ) throws {
        if isTransactional {
            guard try isNew(at: lsn) else { return }
        } else {
            // It stands between transactions. One at the end of the last commit may still be to come.
            guard
                lsn > position.commitLSN
                    || (lsn == position.commitLSN && position.messageType != PostgresPosition.message)
            else { return }
            position.commitLSN = lsn
            position.lastCommit = lsn
            source.setTransaction(nil)
        }
        position.lsn = lsn
        position.messageType = PostgresPosition.message
        position.rowCount = transaction?.count ?? 0
        guard messages.wants(prefix) else { return }
        source.setPlace(lsn, lastCommit: position.lastCommit)
        source.setTable(schema: "", "")
        if isTransactional {
            metadata?.id = "\(transaction?.id ?? 0):\(lsn.number)"
            metadata?.count(MessageEvents.collection)
        }
        context.add(
            messages.record(
                prefix, content, source: source,
                transaction: isTransactional ? metadata?.block(MessageEvents.collection) : nil,
                origin: .source(partition: context.partition, offset: restart.offset),
                headers: []), byteCount: content.count + 500)
        if isTransactional {
            try flushIfFull()
        } else {
            context.lastChange = position.commitLSN
            try context.flush(offset: position.offset, endsTransaction: true)
        }
    }

    // MARK: Signals

    /// A row of the signal table: id, type and data.
    private func signal(_ relation: Relation, _ cells: [Cell]) throws {
        guard let events = relation.events else { return }
        var texts: [String] = []
        for column in events.columns.prefix(3) {
            let value = try column.codec.value(cells[column.index], isStreaming: true)
            texts.append(value.string ?? value.integer.map(String.init) ?? "")
        }
        guard let id = texts.first else { return }
        try signal(id, texts.count > 1 ? texts[1] : "", texts.count > 2 ? texts[2] : "", isOuter: false)
    }

    private func signal(_ id: String, _ type: String, _ data: String, isOuter: Bool) throws {
        guard let incremental else { return }
        let position = position
        let restart = restart
        var own = source
        own.setPlace(position.lsn, lastCommit: position.lastCommit)
        try incremental.signal(
            id: id, type: type, data: data, place: position.lsn.description, source: own, isOuter: isOuter
        ) { entries in
            var behind = restart
            behind.incremental = entries
            return behind.offset
        }
        self.position.incremental = incremental.entries
        if !isOuter, held != nil || incremental.hasBlocking {
            var start = begun
            start.incremental = self.position.incremental
            held = start
        }
    }
}

extension [Cell] {
    /// About how much memory the cells take.
    fileprivate var byteCount: Int {
        reduce(0) { sum, cell in if case .bytes(let bytes) = cell { sum + bytes.count } else { sum } }
    }
}
