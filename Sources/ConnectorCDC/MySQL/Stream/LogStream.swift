internal import Bytes
internal import ConnectCore

/// Reads the log and makes events of it. One transaction may be of any length: nothing of it is kept.
///
/// Places: a group is what commits together: from its GTID or BEGIN to its XID or COMMIT, or a definition by itself. An
/// offset names the group's beginning, how many of its events are done and how many rows of the next. A start reads the
/// group again from its beginning and passes over what is done, so that table maps and counts are as they were.
final class LogStream {
    let context: ReaderContext
    private let isMariaDB: Bool
    private var decoder: BinlogDecoder
    /// Where reading goes on; kept up to date with every event that is done.
    var position: LogPosition
    /// The file that the server sends.
    private var file: String
    /// Where the last event of the file ended.
    private var fileEnd: Int64
    /// Events of the first file up to here are passed over: the server was asked for the whole file.
    var passedUntil: Int64?
    var groupIsOpen = false
    private var isInTransaction = false
    /// Events and rows of the first group that were done before the start.
    private var skippedEvents: Int64
    private var skippedRows: Int64
    var isSkipping: Bool
    private var gtid: String?
    /// The group's source is filtered out.
    private var isForeign = false
    private var transaction: TransactionState?
    var source: SourceInfo
    private var statement: String?
    var cells: [Cell] = []
    private var otherCells: [Cell] = []
    let incremental: IncrementalSnapshot<MySQLServer>?
    /// Before the group that asks for a blocking snapshot, while that is not done: a start reads the signal again.
    var held: LogPosition?
    private let gtidFilter: GTIDFilter
    private var unknownTables: Set<TableID> = []
    private(set) var eventCount: Int64 = 0
    /// Where another stream goes on when this one breaks.
    var restart: LogPosition { held ?? position }

    init(
        _ context: ReaderContext, isMariaDB: Bool, checksumByteCount: Int, position: LogPosition,
        passesOver: Bool = false, gtidFilter: GTIDFilter, incremental: IncrementalSnapshot<MySQLServer>?
    ) {
        self.context = context
        self.isMariaDB = isMariaDB
        self.position = position
        self.gtidFilter = gtidFilter
        self.incremental = incremental
        file = position.file
        fileEnd = position.position
        passedUntil = passesOver ? position.position : nil
        decoder = BinlogDecoder(isMariaDB: isMariaDB, checksumByteCount: checksumByteCount)
        skippedEvents = position.eventCount
        skippedRows = position.rowCount
        isSkipping = skippedEvents > 0 || skippedRows > 0
        source = context.source()
    }

    private var config: MySQLConfig { context.config }
    private var usesGTIDs: Bool { config.flavor == .mariadb || !isMariaDB }

    /// - Throws: `WireError`, `ConnectError`, `MySQLError`, `StopError`.
    func read(_ packet: UnsafeRawBufferPointer) throws {
        var header = try decoder.header(packet)
        guard Int(header.byteCount) == packet.count else {
            throw WireError.corrupt("an event of \(header.byteCount) bytes came in \(packet.count)")
        }
        if !header.isArtificial, !header.isHeartbeat {
            header.widen(after: fileEnd)
            fileEnd = header.nextPosition
            if let place = passedUntil, header.type != BinlogType.formatDescription {
                if file == position.file, fileEnd <= place { return }
                passedUntil = nil
            }
        }
        let event: BinlogEvent
        do { event = try decoder.event(header, packet) } catch {
            try unreadable(header, error)
            return
        }
        try handle(header, event, packet)
    }

    /// What of an event that cannot be read becomes is the configuration's business.
    private func unreadable(_ header: BinlogHeader, _ error: any Error) throws {
        let mode =
            config.properties["event.processing.failure.handling.mode"]
            ?? config.properties["event.deserialization.failure.handling.mode"]
        let message =
            "The event at \(file):\(header.position) cannot be read: \(error)"
        switch mode?.lowercased() {
        case "warn":
            context.log(.warning, message)
            if !header.isArtificial { count(header) }
        case "skip", "ignore": if !header.isArtificial { count(header) }
        default: throw ConnectError(.connect, message)
        }
    }

    private func handle(
        _ header: BinlogHeader, _ event: BinlogEvent, _ packet: UnsafeRawBufferPointer
    ) throws {
        switch event {
        case .rotate(let name, let start):
            // The name may have a checksum behind it when the server does not yet know of ours.
            file = name
            fileEnd = start
            if header.nextPosition != 0, !header.isArtificial || start == 4 { decoder.forgetTables() }
            if !groupIsOpen, !isSkipping, position.file != file || start > position.position {
                position.file = file
                position.position = start
            }
        case .formatDescription, .other: break
        case .heartbeat: try context.flush(offset: groupIsOpen ? nil : position.offset)
        case .gtid(let event):
            open(header)
            gtid = event.gtid
            isForeign = event.gtid.map { !gtidFilter.keeps($0) } ?? false
            source.setGTID(usesGTIDs ? gtid : nil)
            source.setThread(isMariaDB ? 0 : nil)
            if event.begins { try begin(header) }
            count(header)
        case .query(let query): try handle(header, query)
        case .xid:
            open(header)
            try end(header)
        case .tableMap:
            open(header)
            count(header)
        case .rows(let rows):
            open(header)
            try handle(header, rows, packet)
            count(header)
        case .statement(let text): statement = config.hasQuery ? text : nil
        case .transaction(let bytes): try inner(header, bytes)
        }
    }

    /// A compressed transaction counts as one event; its own are read in turn, rows counted through all of them.
    private func inner(_ header: BinlogHeader, _ bytes: [UInt8]) throws {
        open(header)
        try bytes.withUnsafeBytes { whole in
            var at = 0
            while at < whole.count {
                let rest = UnsafeRawBufferPointer(rebasing: whole[at...])
                var inner = try decoder.header(rest)
                let byteCount = Int(inner.byteCount)
                guard byteCount >= BinlogHeader.byteCount, byteCount <= rest.count else { throw WireError.truncated }
                let packet = UnsafeRawBufferPointer(rebasing: rest[..<byteCount])
                let event = try decoder.event(inner, packet, hasChecksum: false)
                // They have no place of their own.
                inner.nextPosition = header.nextPosition
                try handle(inner, event, packet)
                at += byteCount
            }
        }
    }

    // MARK: Groups

    private func open(_ header: BinlogHeader) {
        guard !groupIsOpen else { return }
        groupIsOpen = true
        position.file = file
        position.position = header.position
        // Also those that are passed over are counted, from the group's beginning.
        position.eventCount = 0
        position.rowCount = 0
        position.serverID = Int64(header.serverID)
        source.setServer(Int64(header.serverID))
    }

    /// One more event of the group is done.
    private func count(_ header: BinlogHeader) {
        position.eventCount += 1
        position.rowCount = 0
        if isSkipping, position.eventCount > skippedEvents {
            isSkipping = false
            skippedRows = 0
        }
    }

    /// Whether the present event was done before the start.
    private var isDone: Bool { isSkipping && position.eventCount < skippedEvents }

    private func begin(_ header: BinlogHeader) throws {
        isInTransaction = true
        guard config.hasTransactions, !isForeign else { return }
        let id = usesGTIDs && gtid != nil ? gtid ?? "" : "file=\(position.file),pos=\(position.position)"
        let state = TransactionState(id: id)
        transaction = state
        guard !isSkipping else { return }
        context.add(
            state.begin(
                Int64(header.timestamp) * 1000, topic: config.transactionTopic, partition: context.partition,
                offset: position.offset), byteCount: 200)
    }

    private func end(_ header: BinlogHeader) throws {
        var start = position
        start.eventCount = 0
        start.rowCount = 0
        close(header)
        let behind = position
        let hasBlocking = incremental?.hasBlocking ?? false
        // Until their rows are there, a start reads the signals again.
        if hasBlocking {
            position = start
            context.setLastOffset(start.offset)
        }
        if let transaction {
            context.add(
                transaction.end(
                    Int64(header.timestamp) * 1000, topic: config.transactionTopic, partition: context.partition,
                    offset: position.offset), byteCount: 500)
        }
        transaction = nil
        try context.flush(offset: position.offset, endsTransaction: true)
        if let incremental {
            if hasBlocking {
                var own = source
                own.setPlace(file: file, position: header.position)
                own.setRow(0)
                own.setQuery(nil)
                own.setThread(nil)
                try incremental.runBlocking(source: own, offset: position.offset, end: behind.offset)
                position = behind
            }
            try proceed(incremental)
        }
    }

    private func close(_ header: BinlogHeader) {
        groupIsOpen = false
        isInTransaction = false
        held = nil
        isSkipping = false
        skippedEvents = 0
        skippedRows = 0
        isForeign = false
        statement = nil
        position.file = file
        position.position = header.nextPosition
        position.eventCount = 0
        position.rowCount = 0
        position.seconds = Int64(header.timestamp)
        if usesGTIDs, let gtid { position.gtids.add(gtid) }
        gtid = nil
    }

    // MARK: Statements

    private func handle(_ header: BinlogHeader, _ query: QueryEvent) throws {
        let sql = query.sql
        let word = DDLLexer.firstWord(of: sql)
        open(header)
        switch word {
        case "BEGIN":
            source.setThread(Int64(query.threadID))
            try begin(header)
            count(header)
            return
        case "COMMIT":
            try end(header)
            return
        case "ROLLBACK" where !isSavepoint(sql):
            try end(header)
            return
        case "XA":
            // XA END stands before the rest of the group, which XA PREPARE or a commit ends.
            if sql.uppercased().contains("START") { try begin(header) }
            count(header)
            return
        default: break
        }
        if isInTransaction, !isDefinition(word) {
            // Savepoints, and changes that were logged as statements.
            if ["INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"].contains(word),
                context.filters.isCaptured(database: query.database)
            {
                context.log(
                    .warning,
                    "the log holds a statement instead of rows at \(file):\(header.position): binlog_format is not ROW")
            }
            count(header)
            return
        }
        let wasInTransaction = isInTransaction
        if !isDone, !isForeign, isDefinition(word) { try define(header, query) }
        if wasInTransaction {
            // Atomic definitions: the group goes on.
            count(header)
        } else {
            close(header)
            try context.flush(offset: position.offset, endsTransaction: true)
        }
    }

    private func isSavepoint(_ sql: String) -> Bool { sql.uppercased().contains(" TO ") }

    private func isDefinition(_ word: String) -> Bool {
        ["CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "SET"].contains(word)
    }

    private func define(_ header: BinlogHeader, _ query: QueryEvent) throws {
        source.setTime(microseconds: Int64(header.timestamp) * 1_000_000)
        source.setPlace(file: file, position: header.position)
        source.setSnapshot(nil)
        source.setRow(0)
        source.setQuery(nil)
        // The history names the place behind the statement; a group that goes on is read again from its beginning.
        var place = position
        place.file = file
        place.position = header.nextPosition
        place.eventCount = 0
        place.rowCount = 0
        place.seconds = Int64(header.timestamp)
        if usesGTIDs, let gtid { place.gtids.add(gtid) }
        var after = place
        if isInTransaction {
            after = position
            after.eventCount += 1
            after.rowCount = 0
        }
        let changes = try context.apply(
            ddl: query.sql, database: query.database, position: place.offset, source: source,
            offset: (held ?? after).offset)
        unknownTables.removeAll()
        for change in changes {
            guard let table = change.table else { continue }
            if case .drop = change {
                incremental?.tableChanged(table, isDropped: true)
            } else {
                incremental?.tableChanged(table)
            }
        }
        guard !config.skippedOperations.contains("t") else { return }
        for case .truncate(let table) in changes where context.filters.isCaptured(table) {
            guard let events = context.events(of: table) else { continue }
            source.setTable(table.database, table.table)
            let now = wallClockNanoseconds()
            context.add(
                ConnectRecord(
                    topic: events.topic,
                    value: SchemaAndValue(
                        events.envelope,
                        .structure(
                            ConnectStruct(
                                events.envelope,
                                values: [
                                    .null, .null, source.value, .null, .string("t"), .int64(now / 1_000_000),
                                    .int64(now / 1000), .int64(now),
                                ]))), headers: context.headers,
                    origin: .source(partition: context.partition, offset: (held ?? after).offset)),
                byteCount: 500)
        }
    }

    // MARK: Rows

    private func handle(_ header: BinlogHeader, _ rows: RowsEvent, _ packet: UnsafeRawBufferPointer) throws {
        guard let map = decoder.tables[rows.number] else {
            // The number that ends a statement without rows.
            if rows.number == 0xFF_FFFF { return }
            throw ConnectError(
                .connect, "The rows at \(file):\(header.position) belong to no table that the log has named")
        }
        let isSignal = context.filters.isSignal(map.id)
        guard context.filters.isCaptured(map.id) || isSignal else { return }
        guard !isForeign else { return }
        guard let events = context.events(of: map.id) else {
            try inconsistent(header, map.id, "is not known")
            return
        }
        guard events.table.columns.count == map.types.count, rows.columnCount == map.types.count else {
            try inconsistent(
                header, map.id,
                "has \(map.types.count) columns in the log and \(events.table.columns.count) in the schema history")
            return
        }
        let code =
            switch rows.operation {
            case .insert: "c"
            case .update: "u"
            case .delete: "d"
            }
        let isWanted = context.filters.isCaptured(map.id) && !config.skippedOperations.contains(code)
        source.setTime(microseconds: Int64(header.timestamp) * 1_000_000)
        source.setPlace(file: file, position: header.position)
        source.setSnapshot(nil)
        source.setTable(map.id.database, map.id.table)
        source.setQuery(statement)
        position.seconds = Int64(header.timestamp)
        let emitter = RowEmitter(
            context, events, rows.operation,
            isWritten: isWanted && incremental.map { !$0.wantsKeys(of: map.id) } ?? true)
        if let inflated = rows.inflated {
            try inflated.withUnsafeBytes { try images(rows, map, $0, emitter, isWanted, isSignal) }
        } else {
            guard rows.start <= rows.end, rows.end <= packet.count else { throw WireError.truncated }
            try images(
                rows, map, UnsafeRawBufferPointer(rebasing: packet[rows.start..<rows.end]), emitter, isWanted, isSignal)
        }
    }

    private func images(
        _ rows: RowsEvent, _ map: TableMap, _ bytes: UnsafeRawBufferPointer, _ emitter: RowEmitter, _ isWanted: Bool,
        _ isSignal: Bool
    ) throws {
        var cursor = ByteCursor(bytes)
        var index = 0
        let wasDone = isDone
        let doneRows = isSkipping && position.eventCount == skippedEvents ? skippedRows : 0
        let count = map.types.count
        let skipsSame = config.skipsUnchanged && rows.operation == .update
        // Only "row" changes from one row to the next, and signals change more.
        var offset = restart.offset
        // The records that were written last do not know yet where to go on.
        var isBehind = false
        func settle() {
            guard isBehind else { return }
            isBehind = false
            move()
            context.setOffset(offset)
        }
        func move() { if held == nil { offset["row"] = .int64(position.rowCount) } }
        while cursor.at < bytes.count {
            let before = cursor.at
            try image(rows.before, count, map, &cursor, &cells)
            if rows.operation == .update { try image(rows.after, count, map, &cursor, &otherCells) }
            guard cursor.at > before else { throw WireError.corrupt("a row without bytes") }
            defer { index += 1 }
            let isEvent = try isWanted && !(skipsSame && emitter.events.isSame(cells, otherCells))
            if isEvent { transaction?.count(map.id) }
            if wasDone || Int64(index) < doneRows { continue }
            if isSignal, rows.operation == .insert {
                settle()
                position.rowCount = Int64(index)
                try signal(emitter.events)
                // The row's own event has what the signal asks for: a start passes over the row.
                offset = restart.offset
            }
            guard isEvent else {
                position.rowCount = Int64(index + 1)
                continue
            }
            source.setRow(index)
            let old = rows.operation == .insert ? nil : cells
            let new = rows.operation == .delete ? nil : (rows.operation == .update ? otherCells : cells)
            let isWritten = try emitter.write(
                before: old, after: new, source: source, transaction: transaction, table: map.id, startOffset: offset)
            if isWritten {
                position.rowCount = Int64(index + 1)
                isBehind = true
            } else {
                settle()
                let start = offset
                position.rowCount = Int64(index + 1)
                move()
                let key = try emitter.emit(
                    before: old, after: new, source: source, transaction: &transaction, table: map.id,
                    startOffset: start, offset: offset, byteCount: cursor.at - before)
                incremental?.saw(map.id, keys: key)
            }
            eventCount += 1
            if context.isChunkFull {
                settle()
                try context.flush()
            }
        }
        settle()
    }

    /// Reads one image; columns that it does not have are NULL.
    private func image(
        _ present: [UInt8], _ count: Int, _ map: TableMap, _ cursor: inout ByteCursor, _ cells: inout [Cell]
    ) throws(WireError) {
        if cells.count != count { cells = [Cell](repeating: .null, count: count) }
        var presentCount = 0
        for byte in present { presentCount += byte.nonzeroBitCount }
        let nulls = try cursor.slice((presentCount + 7) / 8)
        var place = 0
        for index in 0..<count {
            guard present[index >> 3] >> UInt8(index & 7) & 1 == 1 else {
                cells[index] = .null
                continue
            }
            if place >> 3 < nulls.count, nulls[place >> 3] >> UInt8(place & 7) & 1 == 1 {
                cells[index] = .null
            } else {
                cells[index] = try ColumnImage.cell(map.types[index], map.metadata[index], &cursor)
            }
            place += 1
        }
    }

    private func inconsistent(_ header: BinlogHeader, _ table: TableID, _ what: String) throws {
        let message =
            "Table \(table) \(what), at \(file):\(header.position). The schema history does not have the table as it was "
            + "there: start once with snapshot.mode=recovery, or take a new snapshot"
        switch config.inconsistentSchemas {
        case .fail: throw ConnectError(.connect, message)
        case .warn: if unknownTables.insert(table).inserted { context.log(.warning, message) }
        case .skip: break
        }
    }
}
