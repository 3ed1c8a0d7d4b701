internal import ConnectCore

/// Rows of tables that are read at once when a signal asks for it, while the log waits. What the log has not told yet may
/// be in the rows already: it is told again behind them, so that a row's last event is right.
struct BlockingSnapshot<Connection: SnapshotConnection> {
    struct Request {
        /// The id of its signal.
        var signal: String
        var tables: [(table: TableID, statement: String?)]
    }

    let context: any CapturedTables

    /// - Parameters:
    ///   - source: of the end of the signal's transaction.
    ///   - offset: of all rows but the last: a task that is cut off reads the signal again.
    ///   - end: behind the signal.
    ///   - signalMark: where the next signal of its topic is: goes with the last row.
    /// - Throws: the database's failure when a connection is lost, `ConnectError`, `StopError`.
    func run(
        _ request: Request, _ connect: () throws -> Connection, source: SourceInfo, offset: ConnectMap,
        end: ConnectMap, signalMark: Int64? = nil
    ) throws {
        let start = wallClockNanoseconds()
        let connection: Connection
        do {
            connection = try connect()
            try connection.beginSnapshot()
        } catch let error as any SourceFailure {
            try passOver(request, "cannot begin", error)
            return
        }
        let rows = SnapshotRows(context, offset: offset)
        let tables = request.tables.map(\.table)
        context.notify(Notification(aggregate: .initial, kind: .started), offset: offset)
        for (index, (table, statement)) in request.tables.enumerated() {
            guard let events = context.events(of: table), !events.columns.isEmpty || events.keySchema != nil else {
                continue
            }
            var own = source
            own.set(table)
            let clock = wallClockNanoseconds()
            own.setTime(microseconds: clock / 1000, nanoseconds: clock)
            let selected = statement ?? context.options.properties["snapshot.select.statement.overrides.\(table)"]
            context.notify(.inProgress(table, of: tables), offset: offset)
            var rowCount: Int64 = 0
            do {
                try rows.read(events, source: own, isFirst: index == 0) { take in
                    try connection.forEachRow(events, statement: selected, also: [], condition: "") {
                        cells, _, byteCount in
                        rowCount += 1
                        try take(cells, byteCount)
                    }
                }
                context.notify(.scanned(table, rowCount: rowCount, of: tables), offset: offset)
            } catch let error as any SourceFailure {
                try passOver(request, "cannot read \(table)", error)
                // A transaction in which something failed gives nothing more.
                try connection.execute("ROLLBACK")
                try connection.beginSnapshot()
            }
        }
        context.setSignalMark(signalMark)
        try rows.finish(offset: end)
        context.notify(Notification(aggregate: .initial, kind: .completed), offset: end)
        try context.flush(endsTransaction: true)
        context.log(
            .info,
            "the blocking snapshot of the signal '\(request.signal)' ended after "
                + "\((wallClockNanoseconds() - start) / 1_000_000) ms")
    }

    private func passOver(_ request: Request, _ what: String, _ error: any SourceFailure) throws {
        guard !error.isConnectionLost else { throw error }
        context.log(
            .warning, "the blocking snapshot of the signal '\(request.signal)' \(what), which is passed over: \(error)")
    }
}
