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

    /// Makes offsets of what they keep of it.
    typealias Offset = (_ entries: [String: String]) -> ConnectMap

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
    /// The id of the signal that asked last, which notifications have.
    private var correlation: String?
    /// Rows of the present table that were read since the start.
    private var scannedCount: Int64 = 0
    private var isOpen = false
    private var isPaused = false
    /// Whether its stream has come to a place between transactions.
    private var hasBegun = false
    /// Signals that end what is read, once the rows of the present chunk are out.
    private var stops: [(signal: SnapshotSignal, data: String)] = []
    /// What `runBlocking` is to do.
    private var blocking: [BlockingSnapshot<Connection>.Request] = []

    /// - Parameters:
    ///   - entries: what an offset keeps of it.
    ///   - broken: of the stream that broke: it has what offsets do not keep, and a chunk that is read again.
    ///   - connect: makes a connection of its own.
    init(
        _ context: any CapturedTables, entries: [String: String], after broken: IncrementalSnapshot? = nil,
        connect: @escaping () throws -> Connection
    ) {
        self.context = context
        self.connect = connect
        if let broken {
            requests = broken.requests
            last = broken.last
            maximum = broken.maximum
            correlation = broken.correlation
            scannedCount = broken.scannedCount
            isPaused = broken.isPaused
            stops = broken.stops
            return
        }
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
        correlation = entries["incremental_snapshot_correlation_id"]
        last = Self.literals(entries["incremental_snapshot_primary_key"])
        maximum = Self.literals(entries["incremental_snapshot_maximum_key"])
    }

    private static func literals(_ text: String?) -> [String]? {
        text.flatMap { JSONValue.parse(Array($0.utf8)) }?.elements?.compactMap(\.text)
    }

    /// What offsets keep of it: not what is to end with the present chunk, whose signal is done for a start.
    var entries: [String: String] {
        var requests = requests
        for (signal, data) in stops {
            let stopped = wanted(signal, data)
            requests.removeAll { stopped.contains($0.table) }
        }
        guard let first = requests.first?.table else { return [:] }
        let isUnderWay = first == self.requests.first?.table
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
        if let correlation { entries["incremental_snapshot_correlation_id"] = correlation }
        guard isUnderWay else { return entries }
        if let last { entries["incremental_snapshot_primary_key"] = text(.array(last.map { .string($0) })) }
        if let maximum { entries["incremental_snapshot_maximum_key"] = text(.array(maximum.map { .string($0) })) }
        return entries
    }

    // MARK: Signals

    /// - Parameters:
    ///   - place: where the signal is, for people.
    ///   - isOuter: it does not come from the table of signals.
    ///   - source: of the signal's row.
    ///   - offset: behind the signal, with these entries.
    /// - Throws: `ConnectError`, the database's failures, `StopError`.
    func signal(
        id: String, type: String, data: String, place: String, source: SourceInfo, isOuter: Bool = false, offset: Offset
    ) throws {
        // Windows are the connector's own rows, whatever channels there are.
        let isWindow = type == "snapshot-window-open" || type == "snapshot-window-close"
        guard isOuter ? !isWindow : isWindow || context.options.signalChannels.contains("source") else { return }
        switch type {
        case "snapshot-window-open": if id == chunk.map({ $0 + "-open" }) { isOpen = true }
        case "snapshot-window-close":
            if id == chunk.map({ $0 + "-close" }) || (context.options.deletesWatermarks && id == chunk) {
                try closeWindow(source, offset)
            }
        case "execute-snapshot":
            if let signal = SnapshotSignal(id: id, data: data, log: context.log) { execute(signal, data, offset) }
        case "stop-snapshot":
            if let signal = SnapshotSignal(id: id, data: data, log: context.log) { stop(signal, data, offset) }
        case "pause-snapshot": pause(true, offset)
        case "resume-snapshot": pause(false, offset)
        case "log":
            let message = JSONValue.parse(Array(data.utf8))?["message"]?.text ?? data
            context.log(.info, message.replacing("{}", with: place))
        default: context.log(.warning, "the signal '\(id)' of type '\(type)' is not known")
        }
    }

    private func pause(_ pauses: Bool, _ offset: Offset) {
        guard isPaused != pauses, !requests.isEmpty else { return }
        isPaused = pauses
        notify(pauses ? .paused : .resumed, [("data_collections", collections)], offset)
    }

    // MARK: Notifications

    private var collections: String { Notification.list(requests.map(\.table)) }

    private func notify(_ kind: Notification.Kind, _ data: [(key: String, value: String)], _ offset: Offset) {
        context.notify(
            Notification(aggregate: .incremental, kind: kind, id: correlation, data: data), offset: offset(entries))
    }

    /// The first table is done, or cannot be read.
    private func next(_ status: Notification.Scan, _ offset: Offset) {
        guard let table = requests.first?.table else { return }
        notify(
            .tableScanCompleted,
            [
                ("data_collections", collections), ("scanned_collection", table.description),
                ("total_rows_scanned", String(scannedCount)), ("status", status.rawValue),
            ], offset)
        requests.removeFirst()
        forgetTable()
        if requests.isEmpty { complete(offset) }
    }

    private func complete(_ offset: Offset) {
        notify(.completed, [], offset)
        correlation = nil
        isPaused = false
    }

    /// A key as people read it.
    private static func text(_ literals: [String]) -> String {
        literals.map { literal in
            if literal == "NULL" { return "<null>" }
            guard literal.utf8.count > 1, literal.first == "'", literal.last == "'" else { return literal }
            return String(literal.dropFirst().dropLast()).replacing("''", with: "'")
        }.joined(separator: ",")
    }

    private func execute(_ signal: SnapshotSignal, _ data: String, _ offset: Offset) {
        if signal.kind == .incremental, context.options.signalTable == nil {
            context.log(
                .warning,
                "the signal '\(signal.id)': Incremental snapshot is not properly configured, either sinalling data "
                    + "collection is not provided or connector-specific snapshotting not set. Set signal.data.collection, or "
                    + "ask for a blocking snapshot")
            return
        }
        let tables = signal.tables(context)
        let missing = signal.kind == .incremental ? signal.missing(context) : []
        if tables.isEmpty {
            context.log(.warning, "the signal '\(signal.id)' names no table that is captured: \(data)")
            if missing.isEmpty { return }
        }
        if signal.kind == .blocking {
            blocking.append(
                BlockingSnapshot<Connection>.Request(
                    signal: signal.id, tables: tables.map { (table: $0, statement: signal.filter(of: $0)) }))
            return
        }
        correlation = signal.id
        for table in tables + missing where !requests.contains(where: { $0.table == table }) {
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
        notify(.started, [("data_collections", collections)], offset)
    }

    private func stop(_ signal: SnapshotSignal, _ data: String, _ offset: Offset) {
        guard let first = requests.first?.table else {
            context.log(.warning, "the signal '\(signal.id)' stops an incremental snapshot, and none is under way")
            return
        }
        guard chunk == nil else {
            stops.append((signal, data))
            return
        }
        let wanted = wanted(signal, data)
        // As with the original, the table that is being read is the last one to go.
        var stopped = requests.map(\.table).filter { $0 != first && wanted.contains($0) }
        if wanted.contains(first) {
            stopped.append(first)
            forgetTable()
        }
        guard !stopped.isEmpty else { return }
        requests.removeAll { stopped.contains($0.table) }
        if requests.isEmpty { complete(offset) }
        notify(.aborted, [("data_collections", Notification.list(stopped))], offset)
    }

    /// The tables that a `stop-snapshot` names; all where it names none.
    private func wanted(_ signal: SnapshotSignal, _ data: String) -> [TableID] {
        let names = JSONValue.parse(Array(data.utf8))?["data-collections"]?.elements ?? []
        return names.isEmpty ? requests.map(\.table) : signal.tables(context)
    }

    private func stopAsAsked(_ offset: Offset) {
        let waiting = stops
        stops = []
        for (signal, data) in waiting { stop(signal, data, offset) }
    }

    /// Whether there is something to read, or to end.
    var isUnderWay: Bool { !requests.isEmpty }

    /// Whether signals of the transaction that ends have asked for rows before the log goes on.
    var hasBlocking: Bool { !blocking.isEmpty }

    /// Between transactions: see `BlockingSnapshot.run`.
    func runBlocking(source: SourceInfo, offset: ConnectMap, end: ConnectMap, signalMark: Int64? = nil) throws {
        while let request = blocking.first {
            blocking.removeFirst()
            let isLast = blocking.isEmpty
            try BlockingSnapshot<Connection>(context: context).run(
                request, connect, source: source, offset: offset, end: isLast ? end : offset,
                signalMark: isLast ? signalMark : nil)
        }
    }

    /// Does what the signals of an inbox ask for, between transactions: as with the original, rows are read before the next
    /// signal counts.
    ///
    /// - Parameters:
    ///   - note: notes what a signal asks for, by `signal`.
    ///   - place: what rows of a blocking snapshot say of the log, and where a start goes on.
    ///   - proceed: reads on, by `proceed`.
    func takeSignals(
        _ inbox: SignalInbox, note: (Signal) throws -> Void, place: () -> (source: SourceInfo, offset: ConnectMap),
        proceed: () throws -> Void
    ) throws {
        if !hasBegun {
            hasBegun = true
            // What was under way goes on, also when the log has nothing to tell.
            if isUnderWay { try proceed() }
        }
        while let signal = inbox.first {
            try note(signal)
            if hasBlocking {
                let (source, offset) = place()
                try runBlocking(source: source, offset: offset, end: offset, signalMark: signal.nextOffset)
            }
            context.setSignalMark(signal.nextOffset)
            // Until here a connection that breaks leaves it for the next stream.
            inbox.removeFirst()
            try proceed()
        }
    }

    private func forgetTable() {
        last = nil
        maximum = nil
        scannedCount = 0
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

    /// A chunk of a table that has changed is read again. One that is gone is passed over where the next chunk is due, which
    /// tells of it.
    func tableChanged(_ table: TableID, isDropped: Bool = false) {
        guard let first = requests.first?.table, first == table else { return }
        if isDropped { forgetTable() } else { forgetChunk() }
    }

    /// Between transactions: reads the next chunk when there is something to read.
    func proceed(_ offset: Offset) throws {
        guard chunk == nil else { return }
        stopAsAsked(offset)
        guard !isPaused else { return }
        while let request = requests.first {
            guard let events = context.events(of: request.table) else {
                context.log(.warning, "\(request.table) is not known: its incremental snapshot is passed over")
                next(.unknownSchema, offset)
                continue
            }
            guard events.keySchema != nil else {
                context.log(.warning, "\(request.table) has no key: incremental snapshots need one")
                next(.noPrimaryKey, offset)
                continue
            }
            do {
                if try read(request, events) {
                    notify(
                        .inProgress,
                        [
                            ("data_collections", collections),
                            ("current_collection_in_progress", request.table.description),
                            ("maximum_key", maximum.map(Self.text) ?? "\"<null>\""),
                            ("last_processed_key", nextLast.map(Self.text) ?? ""),
                        ], offset)
                    return
                }
                next(maximum == nil ? .empty : .succeeded, offset)
            } catch let error as any SourceFailure where !error.isConnectionLost {
                let signal = request.signal.map { " of the signal '\($0)'" } ?? ""
                context.log(
                    .warning,
                    "the incremental snapshot\(signal) cannot read \(request.table), which is passed over: \(error). "
                        + "Check the signal's filter, and that the user may INSERT into \(context.options.signalTable ?? "")"
                )
                connection = nil
                next(.failed, offset)
            }
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

    private func closeWindow(_ source: SourceInfo, _ place: Offset) throws {
        // A task that is cut off between them reads the chunk again: only the last row is behind it.
        let again = place(entries)
        last = nextLast ?? last
        let behind = place(entries)
        let done = rows.filter { $0.key.schema != nil }
        scannedCount += Int64(rows.count)
        forgetChunk()
        let now = wallClockNanoseconds()
        // As with the original, the rows are of the transaction that closed the window.
        var own = source
        own.setSnapshot("incremental")
        own.forgetPlace()
        own.setTime(microseconds: now / 1000, nanoseconds: now)
        for (index, (_, row)) in done.enumerated() {
            own.set(row.events.table.id)
            let offset = index == done.count - 1 ? behind : again
            context.add(row.record(own, "r", context, offset), byteCount: row.byteCount)
            if context.isChunkFull { try context.flush() }
        }
        stopAsAsked(place)
    }
}
