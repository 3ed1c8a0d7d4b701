internal import ConnectCore

/// Rows of tables that are read at once when a signal asks for it, while the log waits. What the log has not told yet may
/// be in the rows already: it is told again behind them, so that a row's last event is right.
struct BlockingSnapshot {
    struct Request {
        /// The id of its signal.
        var signal: String
        var tables: [(table: TableID, statement: String?)]
    }

    let context: ReaderContext

    /// - Parameters:
    ///   - source: of the end of the signal's transaction.
    ///   - offset: of all rows but the last: a task that is cut off reads the signal again.
    ///   - end: behind the signal.
    /// - Throws: `MySQLError` of a connection that is lost, `ConnectError`, `StopError`.
    func run(
        _ request: Request, _ connect: () throws(MySQLError) -> MySQLServer, source: SourceInfo, offset: ConnectMap,
        end: ConnectMap
    ) throws {
        let start = wallClockNanoseconds()
        let rows: SnapshotRows
        let server: MySQLServer
        do throws(MySQLError) {
            server = try connect()
            try server.normalise(context.config)
            try server.connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            try server.connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            rows = SnapshotRows(context, server.connection, offset: offset)
        } catch {
            try passOver(request, "cannot begin", error)
            return
        }
        for (index, (table, statement)) in request.tables.enumerated() {
            guard let events = context.events(of: table), !events.columns.isEmpty || events.keySchema != nil else {
                continue
            }
            var own = source
            own.setTable(table.database, table.table)
            let clock = wallClockNanoseconds()
            own.setTime(microseconds: clock / 1000, nanoseconds: clock)
            do {
                try rows.read(events, source: own, isFirst: index == 0, statement: statement)
            } catch let error as MySQLError {
                try passOver(request, "cannot read \(table)", error)
            }
        }
        try rows.finish(offset: end)
        try context.flush(endsTransaction: true)
        context.log(
            .info,
            "the blocking snapshot of the signal '\(request.signal)' ended after "
                + "\((wallClockNanoseconds() - start) / 1_000_000) ms")
    }

    private func passOver(_ request: Request, _ what: String, _ error: MySQLError) throws(MySQLError) {
        guard !error.isConnectionLost else { throw error }
        context.log(
            .warning, "the blocking snapshot of the signal '\(request.signal)' \(what), which is passed over: \(error)")
    }
}
