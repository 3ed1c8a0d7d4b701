internal import Bytes
internal import ConnectCore
internal import JSONFormat

/// Rows of tables that are read while the log goes on, in chunks by their keys, when a signal asks for it.
///
/// A chunk is read between two marks that are written to the signal table. Rows that change between the marks in the log
/// are taken from the log; the rest of the chunk becomes events when the second mark comes. Everything happens on the
/// thread that reads the log.
final class IncrementalSnapshot {
    private struct Request {
        var table: TableID
        var condition: String?
        /// A column by which chunks go in the place of the key.
        var surrogateKey: String?
        /// The id of its signal; nil when it came out of an offset.
        var signal: String?
    }

    private let context: ReaderContext
    private let connect: () throws(MySQLError) -> MySQLServer
    private var server: MySQLServer?
    private var requests: [Request] = []
    /// Literals of the key behind which the next chunk begins, and of the table's last.
    private var last: [String]?
    private var maximum: [String]?
    private var rows: [(key: SchemaAndValue, row: SnapshotRow)] = []
    private var places: [ConnectValue: Int] = [:]
    private var nextLast: [String]?
    private var chunk: String?
    private var chunkNumber = 0
    private var isOpen = false
    private var isPaused = false
    /// What `runBlocking` is to do.
    private var blocking: [BlockingSnapshot.Request] = []

    init(
        _ context: ReaderContext, entries: [String: String], connect: @escaping () throws(MySQLError) -> MySQLServer
    ) {
        self.context = context
        self.connect = connect
        guard let text = entries["incremental_snapshot_collections"], let json = JSONValue.parse(Array(text.utf8))
        else {
            return
        }
        for next in json.elements ?? [] {
            guard let id = next["incremental_snapshot_collections_id"]?.text, let dot = id.firstIndex(of: ".") else {
                continue
            }
            requests.append(
                Request(
                    table: TableID(String(id[..<dot]), String(id[id.index(after: dot)...])),
                    condition: next["incremental_snapshot_collections_additional_condition"]?.text,
                    surrogateKey: next["incremental_snapshot_collections_surrogate_key"]?.text))
        }
        last = Self.literals(entries["incremental_snapshot_primary_key"])
        maximum = Self.literals(entries["incremental_snapshot_maximum_key"])
    }

    private static func literals(_ text: String?) -> [String]? {
        text.flatMap { JSONValue.parse(Array($0.utf8)) }?.elements?.compactMap(\.text)
    }

    /// What offsets keep of it.
    var entries: [String: String] {
        guard !requests.isEmpty else { return [:] }
        func text(_ json: JSONValue) -> String { String(decoding: json.bytes, as: UTF8.self) }
        var entries = [
            "incremental_snapshot_collections": text(
                .array(
                    requests.map {
                        .object([
                            ("incremental_snapshot_collections_id", .string($0.table.description)),
                            ("incremental_snapshot_collections_additional_condition", .string($0.condition)),
                            ("incremental_snapshot_collections_surrogate_key", .string($0.surrogateKey)),
                        ])
                    }))
        ]
        if let last { entries["incremental_snapshot_primary_key"] = text(.array(last.map { .string($0) })) }
        if let maximum { entries["incremental_snapshot_maximum_key"] = text(.array(maximum.map { .string($0) })) }
        return entries
    }

    // MARK: Signals

    /// - Throws: `ConnectError`, `MySQLError`, `StopError`.
    func signal(id: String, type: String, data: String, at position: LogPosition, source: SourceInfo) throws {
        switch type {
        case "snapshot-window-open": if id == chunk.map({ $0 + "-open" }) { isOpen = true }
        case "snapshot-window-close":
            if id == chunk.map({ $0 + "-close" }) || (context.config.deletesWatermarks && id == chunk) {
                try closeWindow(position, source)
            }
        case "execute-snapshot":
            if let signal = SnapshotSignal(id: id, data: data, log: context.log) { execute(signal, data) }
        case "stop-snapshot":
            if let signal = SnapshotSignal(id: id, data: data, log: context.log) { stop(signal, data) }
        case "pause-snapshot": isPaused = true
        case "resume-snapshot": isPaused = false
        case "log":
            let message = JSONValue.parse(Array(data.utf8))?["message"]?.text ?? data
            context.log(.info, message.replacing("{}", with: position.file + ":\(position.position)"))
        default: context.log(.warning, "the signal '\(id)' of type '\(type)' is not known")
        }
    }

    private func execute(_ signal: SnapshotSignal, _ data: String) {
        let tables = signal.tables(context)
        guard !tables.isEmpty else {
            context.log(.warning, "the signal '\(signal.id)' names no table that is captured: \(data)")
            return
        }
        if signal.kind == .blocking {
            blocking.append(
                BlockingSnapshot.Request(
                    signal: signal.id, tables: tables.map { (table: $0, statement: signal.filter(of: $0)) }))
            return
        }
        for table in tables where !requests.contains(where: { $0.table == table }) {
            var request = Request(
                table: table, condition: signal.filter(of: table), surrogateKey: signal.surrogateKey, signal: signal.id)
            if let name = request.surrogateKey, context.catalog[table]?.index(of: name) == nil {
                context.log(
                    .warning,
                    "the signal '\(signal.id)' names the surrogate-key '\(name)', which is no column of \(table): its "
                        + "key is taken")
                request.surrogateKey = nil
            }
            requests.append(request)
        }
    }

    private func stop(_ signal: SnapshotSignal, _ data: String) {
        let names = JSONValue.parse(Array(data.utf8))?["data-collections"]?.elements ?? []
        if names.isEmpty {
            requests = []
            forgetTable()
            return
        }
        let stopped = signal.tables(context)
        if let first = requests.first, stopped.contains(first.table) { forgetTable() }
        requests.removeAll { stopped.contains($0.table) }
    }

    /// Whether signals of the transaction that ends have asked for rows before the log goes on.
    var hasBlocking: Bool { !blocking.isEmpty }

    /// Between groups: see `BlockingSnapshot.run`.
    func runBlocking(source: SourceInfo, offset: ConnectMap, end: ConnectMap) throws {
        while let request = blocking.first {
            blocking.removeFirst()
            try BlockingSnapshot(context: context).run(
                request, connect, source: source, offset: offset, end: blocking.isEmpty ? end : offset)
        }
    }

    private func forgetTable() {
        last = nil
        maximum = nil
        forgetChunk()
    }

    private func forgetChunk() {
        rows = []
        places = [:]
        chunk = nil
        isOpen = false
        nextLast = nil
    }

    // MARK: The log

    /// Whether it wants to know the keys of the table's rows that the log changes.
    func wantsKeys(of table: TableID) -> Bool { isOpen && table == requests.first?.table }

    /// Keys of a row that the log has changed.
    func saw(_ table: TableID, keys: [SchemaAndValue]) {
        guard wantsKeys(of: table) else { return }
        for key in keys {
            if let place = places.removeValue(forKey: key.value) { rows[place].key = .null }
        }
    }

    /// A chunk of a table that has changed is read again.
    func tablesChanged(_ changes: [DDLChange]) {
        guard let table = requests.first?.table, changes.contains(where: { $0.table == table }) else { return }
        forgetChunk()
        if changes.contains(where: { if case .drop = $0 { true } else { false } }) {
            requests.removeFirst()
            forgetTable()
        }
    }

    /// Between groups: reads the next chunk when there is something to read.
    func proceed() throws {
        guard chunk == nil, !isPaused else { return }
        while let request = requests.first {
            guard let events = context.events(of: request.table), events.keySchema != nil else {
                context.log(.warning, "\(request.table) has no key: incremental snapshots need one")
                requests.removeFirst()
                forgetTable()
                continue
            }
            do {
                if try read(request, events) { return }
            } catch let error as MySQLError where !error.isConnectionLost {
                let signal = request.signal.map { " of the signal '\($0)'" } ?? ""
                context.log(
                    .warning,
                    "the incremental snapshot\(signal) cannot read \(request.table), which is passed over: \(error). "
                        + "Check the signal's filter, and that the user may INSERT into \(context.config.signalTable ?? "")"
                )
                self.server = nil
            }
            requests.removeFirst()
            forgetTable()
        }
        server = nil
    }

    /// - Returns: false when the table has no more rows.
    private func read(_ request: Request, _ events: TableEvents) throws -> Bool {
        let server: MySQLServer
        if let open = self.server {
            server = open
        } else {
            server = try connect()
            try server.normalise(context.config)
            self.server = server
        }
        guard let signalTable = context.config.signalTable, let dot = signalTable.firstIndex(of: ".") else {
            return false
        }
        let signals = TableID(
            String(signalTable[..<dot]), String(signalTable[signalTable.index(after: dot)...])
        ).sql
        let keyColumns = keyColumns(request, events)
        let keys = keyColumns.map { sqlIdentifier(events.table.columns[$0.index].name) }
        if maximum == nil {
            let order = keys.map { $0 + " DESC" }.joined(separator: ", ")
            let condition = request.condition.map { " WHERE (\($0))" } ?? ""
            var found: [String]?
            try server.connection.streamRows(
                "SELECT \(keys.joined(separator: ", ")) FROM \(request.table.sql)\(condition) ORDER BY \(order) LIMIT 1"
            ) { row in
                found = keyColumns.indices.map { Self.literal(row[$0], keyColumns[$0].codec) }
                return true
            }
            guard let found else { return false }
            maximum = found
        }
        guard let maximum else { return false }
        var conditions = ["NOT (\(Self.isBehind(keys, maximum)))"]
        if let last { conditions.append("(\(Self.isBehind(keys, last)))") }
        if let own = request.condition { conditions.append("(\(own))") }
        let select = SnapshotTable(
            events: events, overrides: [:], also: keyColumns,
            condition: " WHERE " + conditions.joined(separator: " AND ") + " ORDER BY " + keys.joined(separator: ", ")
                + " LIMIT \(context.config.chunkRowCount)")
        chunkNumber += 1
        let id = "\(context.config.prefix)-\(wallClockNanoseconds())-\(chunkNumber)"
        let marks = "{}"
        try server.connection.execute(
            "INSERT INTO \(signals) VALUES (\(sqlText(id + "-open")), 'snapshot-window-open', \(sqlText(marks)))")
        forgetChunk()
        try server.connection.streamRows(select.statement) { row in
            let values = try select.values(row)
            nextLast = select.literals(row, of: keyColumns)
            places[values.key.value] = rows.count
            rows.append(
                (
                    values.key,
                    SnapshotRow(events: events, key: values.key, row: values.row, byteCount: values.byteCount)
                ))
            return true
        }
        chunk = id
        try server.connection.execute(
            "INSERT INTO \(signals) VALUES (\(sqlText(id + "-close")), 'snapshot-window-close', \(sqlText(marks)))")
        if rows.isEmpty {
            forgetChunk()
            return false
        }
        return true
    }

    /// The columns by which a table's chunks go.
    private func keyColumns(_ request: Request, _ events: TableEvents) -> [(index: Int, codec: ColumnCodec)] {
        guard let name = request.surrogateKey, let index = events.table.index(of: name)
        else { return events.keyColumns }
        return [(index, ColumnCodec(events.table.columns[index], context.config.modes))]
    }

    static func literal(_ bytes: UnsafeRawBufferPointer?, _ codec: ColumnCodec) -> String {
        guard let bytes else { return "NULL" }
        switch codec.kind {
        case .int16, .int32, .int64, .unsignedDecimal, .decimal, .year: return String(decoding: bytes, as: UTF8.self)
        case .binary, .bits, .boolean, .point, .geometry:
            return "x'" + String(decoding: Hexadecimal.encode(bytes), as: UTF8.self) + "'"
        default: return sqlText(String(decoding: bytes, as: UTF8.self))
        }
    }

    /// Whether a row's key comes behind another, column by column.
    static func isBehind(_ keys: [String], _ values: [String]) -> String {
        var alternatives: [String] = []
        for index in keys.indices where index < values.count {
            let equal = (0..<index).map { "\(keys[$0]) = \(values[$0])" }
            alternatives.append("(" + (equal + ["\(keys[index]) > \(values[index])"]).joined(separator: " AND ") + ")")
        }
        return alternatives.joined(separator: " OR ")
    }

    private func closeWindow(_ position: LogPosition, _ source: SourceInfo) throws {
        last = nextLast ?? last
        var position = position
        position.incremental = entries
        let offset = position.offset
        let done = rows
        forgetChunk()
        let now = wallClockNanoseconds()
        // As with the original, the rows are of the server and thread that closed the window.
        var own = source
        own.setSnapshot("incremental")
        own.setPlace(file: position.file, position: position.position)
        own.setTime(microseconds: now / 1000, nanoseconds: now)
        own.setRow(0)
        own.setQuery(nil)
        for (key, row) in done where key.schema != nil {
            own.setTable(row.events.table.id.database, row.events.table.id.table)
            context.add(row.record(own, "r", context, offset), byteCount: row.byteCount)
            if context.isChunkFull { try context.flush() }
        }
    }
}
