internal import ConnectCore
internal import JSONFormat

/// Rows of tables that are read while the log goes on, in chunks by their keys, when a signal asks for it.
///
/// A chunk is read between two marks that are written to the signal table. Rows that change between the marks in the log
/// are taken from the log; the rest of the chunk becomes events when the second mark comes. Everything happens on the
/// thread that reads the log.
final class IncrementalSnapshot<Connection: SnapshotConnection> {
    private struct Request {
        var table: TableID
        var condition: String?
        /// A column by which chunks go in the place of the key.
        var surrogateKey: String?
        /// The id of its signal; nil when it came out of an offset.
        var signal: String?
    }

    private let context: any CapturedTables
    private let connect: () throws -> Connection
    private var connection: Connection?
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
    private var blocking: [BlockingSnapshot<Connection>.Request] = []

    /// - Parameters:
    ///   - entries: what an offset keeps of it.
    ///   - connect: makes a connection of its own.
    init(
        _ context: any CapturedTables, entries: [String: String], connect: @escaping () throws -> Connection
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

    /// - Parameters:
    ///   - place: where the signal is, for people.
    ///   - source: of the signal's row.
    ///   - offset: behind the signal, with these entries.
    /// - Throws: `ConnectError`, the database's failures, `StopError`.
    func signal(
        id: String, type: String, data: String, place: String, source: SourceInfo,
        offset: (_ entries: [String: String]) -> ConnectMap
    ) throws {
        switch type {
        case "snapshot-window-open": if id == chunk.map({ $0 + "-open" }) { isOpen = true }
        case "snapshot-window-close":
            if id == chunk.map({ $0 + "-close" }) || (context.options.deletesWatermarks && id == chunk) {
                try closeWindow(source, offset)
            }
        case "execute-snapshot":
            if let signal = SnapshotSignal(id: id, data: data, log: context.log) { execute(signal, data) }
        case "stop-snapshot":
            if let signal = SnapshotSignal(id: id, data: data, log: context.log) { stop(signal, data) }
        case "pause-snapshot": isPaused = true
        case "resume-snapshot": isPaused = false
        case "log":
            let message = JSONValue.parse(Array(data.utf8))?["message"]?.text ?? data
            context.log(.info, message.replacing("{}", with: place))
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
                BlockingSnapshot<Connection>.Request(
                    signal: signal.id, tables: tables.map { (table: $0, statement: signal.filter(of: $0)) }))
            return
        }
        for table in tables where !requests.contains(where: { $0.table == table }) {
            var request = Request(
                table: table, condition: signal.filter(of: table), surrogateKey: signal.surrogateKey, signal: signal.id)
            if let name = request.surrogateKey, context.events(of: table)?.table.index(of: name) == nil {
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

    /// Between transactions: see `BlockingSnapshot.run`.
    func runBlocking(source: SourceInfo, offset: ConnectMap, end: ConnectMap) throws {
        while let request = blocking.first {
            blocking.removeFirst()
            try BlockingSnapshot<Connection>(context: context).run(
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
    func tableChanged(_ table: TableID, isDropped: Bool = false) {
        guard let first = requests.first?.table, first == table else { return }
        forgetChunk()
        if isDropped {
            requests.removeFirst()
            forgetTable()
        }
    }

    /// Between transactions: reads the next chunk when there is something to read.
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
            } catch let error as any SourceFailure where !error.isConnectionLost {
                let signal = request.signal.map { " of the signal '\($0)'" } ?? ""
                context.log(
                    .warning,
                    "the incremental snapshot\(signal) cannot read \(request.table), which is passed over: \(error). "
                        + "Check the signal's filter, and that the user may INSERT into \(context.options.signalTable ?? "")"
                )
                connection = nil
            }
            requests.removeFirst()
            forgetTable()
        }
        connection = nil
    }

    /// - Returns: false when the table has no more rows.
    private func read(_ request: Request, _ events: TableEvents) throws -> Bool {
        let server: Connection
        if let open = connection {
            server = open
        } else {
            server = try connect()
            connection = server
        }
        guard let signalTable = context.options.signalTable, let dot = signalTable.firstIndex(of: ".") else {
            return false
        }
        let signals = Connection.name(
            TableID(String(signalTable[..<dot]), String(signalTable[signalTable.index(after: dot)...])))
        let keyColumns = keyColumns(request, events)
        let keys = keyColumns.map { Connection.identifier(events.table.columns[$0.index].name) }
        let order = KeyOrder(
            keys: keys, optional: keyColumns.map { events.table.columns[$0.index].isOptional },
            sortsNullsLast: Connection.sortsNullsLast)
        if maximum == nil {
            let descending = keys.map { $0 + " DESC" }.joined(separator: ", ")
            let condition = request.condition.map { " WHERE (\($0))" } ?? ""
            let found = try server.literals(
                "SELECT \(keys.joined(separator: ", ")) FROM \(Connection.name(request.table))\(condition) ORDER BY "
                    + "\(descending) LIMIT 1", keyColumns.map(\.codec))
            guard let found else { return false }
            maximum = found
        }
        guard let maximum else { return false }
        var conditions = ["NOT \(order.isBehind(maximum))"]
        if let last { conditions.append(order.isBehind(last)) }
        if let own = request.condition { conditions.append("(\(own))") }
        let condition =
            " WHERE " + conditions.joined(separator: " AND ") + " ORDER BY " + keys.joined(separator: ", ")
            + " LIMIT \(context.options.chunkRowCount)"
        chunkNumber += 1
        let id = "\(context.options.prefix)-\(wallClockNanoseconds())-\(chunkNumber)"
        let marks = "{}"
        try server.execute(
            "INSERT INTO \(signals) VALUES (\(Connection.text(id + "-open")), 'snapshot-window-open', \(Connection.text(marks)))"
        )
        forgetChunk()
        try server.forEachRow(events, statement: nil, also: keyColumns, condition: condition) {
            cells, literal, byteCount in
            let key = try events.key(cells, isStreaming: false)
            nextLast = keyColumns.map { literal($0.index) }
            places[key.value] = rows.count
            rows.append(
                (
                    key,
                    SnapshotRow(
                        events: events, key: key, row: try events.row(cells, isStreaming: false), byteCount: byteCount)
                ))
        }
        chunk = id
        try server.execute(
            "INSERT INTO \(signals) VALUES (\(Connection.text(id + "-close")), 'snapshot-window-close', \(Connection.text(marks)))"
        )
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
        return [(index, context.codec(index, of: events))]
    }

    private func closeWindow(_ source: SourceInfo, _ offset: (_ entries: [String: String]) -> ConnectMap) throws {
        last = nextLast ?? last
        let offset = offset(entries)
        let done = rows
        forgetChunk()
        let now = wallClockNanoseconds()
        // As with the original, the rows are of the transaction that closed the window.
        var own = source
        own.setSnapshot("incremental")
        own.setTime(microseconds: now / 1000, nanoseconds: now)
        for (key, row) in done where key.schema != nil {
            own.set(row.events.table.id)
            context.add(row.record(own, "r", context, offset), byteCount: row.byteCount)
            if context.isChunkFull { try context.flush() }
        }
    }
}
