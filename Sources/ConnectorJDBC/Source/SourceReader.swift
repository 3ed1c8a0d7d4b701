internal import ConnectCore
internal import Glibc
internal import SQLTypes

/// The tables of a task and the connection that they are read by.
///
/// `@unchecked Sendable`: made by a task (or a request) that calls it on one `WorkThread` only, one call after another.
final class SourceReader: @unchecked Sendable {
    private let settings: SourceSettings
    private var database: (any SourceDatabase)?
    private var readers: [TableReader] = []
    /// Tables that were gone when they were to be read, with their stored offsets.
    private var waiting: [(table: SourceTable, offset: ConnectMap?)] = []
    /// When those are asked for again, in milliseconds of the task's clock.
    private var waitingDue: Int64 = 0
    private let log: @Sendable (TaskLogLevel, String) -> Void
    /// Ends what the reader waits for; from any thread.
    let stop = QueryStop()

    init(_ settings: SourceSettings, log: @escaping @Sendable (TaskLogLevel, String) -> Void) {
        self.settings = settings
        self.log = log
    }

    // MARK: Connection

    func connect() throws(SQLFailure) { _ = try connected() }

    private func connected() throws(SQLFailure) -> any SourceDatabase {
        if let database { return database }
        guard !stop.isEnding else { throw SQLFailure(.again, state: "57014", "the task is stopped or paused") }
        let opened: any SourceDatabase
        switch settings.dialect.product {
        case .postgresql: opened = try PostgreSQLDatabase(settings.url, settings.dialect)
        case .mysql: opened = try MySQLDatabase(settings.url, settings.dialect)
        case .sqlite:
            let path = settings.url.database
            // A source must not make the file that it was meant to find.
            guard !path.isEmpty, path != ":memory:", path.hasPrefix("file:") || access(path, F_OK) == 0 else {
                throw SQLFailure(
                    .denied, state: "14",
                    "there is no file '\(path)': connection.url is jdbc:sqlite: and the path of a database")
            }
            opened = try SQLiteDatabase(settings.url, settings.dialect)
        }
        opened.arm(stop)
        do throws(SQLFailure) {
            try opened.prepareReading(isolation: settings.isolation)
        } catch {
            stop.disarm()
            opened.close()
            throw error
        }
        database = opened
        return opened
    }

    func disconnect() {
        // Armed for as long as something may wait: a server that does not answer must not hold a stop up.
        for reader in readers { reader.end() }
        stop.disarm()
        database?.close()
        database = nil
    }

    /// Lets go of a connection that was shut down while nobody waited for it: its next query would fail, and be told.
    func disconnectIfBroken() {
        if stop.isBroken { disconnect() }
    }

    // MARK: Tables

    /// The tables that the configuration means, and names in `table.whitelist` that no table has.
    func tables() throws(SourceFailure) -> (tables: [SourceTable], missing: [String]) {
        let all = try SourceFailure.of { () throws(SQLFailure) in
            try connected().tables(kinds: settings.filter.kinds)
        }
        let tables = try SourceFailure.final { () throws(ConnectError) in
            try settings.filter.tables(all, settings.dialect)
        }
        return (tables, settings.filter.missing(all, settings.dialect))
    }

    /// Makes the readers of tables, each from its offset.
    func prepare(_ tables: [(table: SourceTable, offset: ConnectMap?)]) throws(SourceFailure) {
        readers = []
        waiting = []
        for (table, stored) in tables {
            if try add(table, stored) { continue }
            log(
                .warning,
                "Table \(table.fullName) is gone, or the user may not see its columns: it is not read until it is there"
            )
            waiting.append((table, stored))
        }
    }

    /// - Returns: whether the table is there.
    private func add(_ table: SourceTable, _ stored: ConnectMap?) throws(SourceFailure) -> Bool {
        guard settings.mode != .bulk else {
            add(.table(table), [], nil, SourceOffset())
            return true
        }
        let columns = try SourceFailure.of { () throws(SQLFailure) in try connected().columns(of: table.id) }
        guard !columns.isEmpty else { return false }
        let choice = try SourceFailure.final { () throws(ConnectError) in
            try ColumnChoice(table, columns, settings)
        }
        add(.table(table), choice.timestamps, choice.incrementing, try offset(stored))
        return true
    }

    /// Reads tables from now on that were gone and are back. The look at all tables does not find them: to it they are
    /// what they were.
    ///
    /// - Returns: what it failed with for good.
    private func addReturned(_ now: Int64) -> ConnectError? {
        guard !waiting.isEmpty, isIdle, waitingDue <= now else { return nil }
        waitingDue = now + max(settings.pollInterval, 1000)
        do throws(SourceFailure) {
            var index = 0
            while index < waiting.count {
                let (table, stored) = waiting[index]
                guard try add(table, stored) else {
                    index += 1
                    continue
                }
                waiting.remove(at: index)
                log(.info, "Table \(table.fullName) is back and is read")
            }
            return nil
        } catch {
            switch error {
            case .final(let error): return error
            case .database(let failure):
                // The next query finds a session of its own.
                disconnect()
                guard !stop.isEnding else { return nil }
                let message = "Tables cannot be looked for now: \(failure.text(withDetail: true))"
                if let hint = failure.finalHint { return ConnectError(.connect, message + ": " + hint) }
                log(.warning, message)
                return nil
            }
        }
    }

    func prepare(query: String, offset stored: ConnectMap?) throws(SourceFailure) {
        let number = settings.mode.hasNumber ? settings.incrementingColumn : nil
        let times = settings.mode.hasTime ? settings.timestampColumns : []
        readers = []
        waiting = []
        add(.query(query), times, number, settings.mode == .bulk ? SourceOffset() : try offset(stored))
    }

    private func add(_ subject: TableReader.Subject, _ times: [String], _ number: String?, _ offset: SourceOffset) {
        readers.append(
            TableReader(subject, settings, timestampColumns: times, incrementingColumn: number, offset))
    }

    /// The stored offset, or where `timestamp.initial` says.
    private func offset(_ stored: ConnectMap?) throws(SourceFailure) -> SourceOffset {
        if let stored { return SourceOffset(stored) }
        guard settings.mode.hasTime, let initial = settings.timestampInitial else { return SourceOffset() }
        guard initial < 0 else { return SourceOffset(timestamp: initial * 1000) }
        let zone = settings.mapping.zone
        return SourceOffset(
            timestamp: try SourceFailure.of { () throws(SQLFailure) in try connected().now(zone) })
    }

    // MARK: Rows

    enum Step: Sendable {
        case records([ConnectRecord])
        /// Nothing is due for so many milliseconds.
        case rest(Int64)
        /// The table had nothing new, or no more.
        case nothing
        case failed(ConnectError)
    }

    /// Whether no query is running, so that the connection is free for others.
    var isIdle: Bool { !readers.contains(where: \.isReading) }

    func step(now: Int64) -> Step {
        guard !stop.isStopped else { return .rest(.max) }
        if let error = addReturned(now) { return .failed(error) }
        let nextLook = waiting.isEmpty ? Int64.max : waitingDue
        let reading = readers.first(where: \.isReading)
        guard let reader = reading ?? readers.min(by: { $0.due < $1.due }) else {
            return .rest(waiting.isEmpty ? .max : nextLook - now)
        }
        if !reader.isReading, reader.due > now { return .rest(min(reader.due, nextLook) - now) }
        do throws(SourceFailure) {
            if !reader.isReading {
                try SourceFailure.of { () throws(SQLFailure) in try reader.begin(try connected()) }
            }
            let stretch = try reader.next(countMax: settings.batchCountMax)
            reader.failureCount = 0
            if !stretch.leftOut.isEmpty {
                let names = stretch.leftOut.map { "\($0.name) (\($0.typeName))" }.joined(separator: ", ")
                log(
                    .warning,
                    "Columns of \(reader.subject.name) are left out, as their types have no counterpart: \(names). "
                        + "A 'query' that casts them to texts brings them along")
            }
            if stretch.isOver { reader.due = now + settings.pollInterval }
            return stretch.records.isEmpty ? .nothing : .records(stretch.records)
        } catch {
            return failed(reader, error, now)
        }
    }

    private func failed(_ reader: TableReader, _ failure: SourceFailure, _ now: Int64) -> Step {
        reader.end()
        switch failure {
        case .final(let error):
            return .failed(ConnectError(error.code, "\(reader.subject.name): \(error.message)"))
        case .database(let failure):
            // The next query finds a session of its own.
            disconnect()
            guard !stop.isEnding else { return .nothing }
            let message = "Query of \(reader.subject.name) failed: \(failure.text(withDetail: true))"
            if let hint = failure.finalHint { return .failed(ConnectError(.connect, message + ": " + hint)) }
            reader.failureCount += 1
            if let most = settings.retryCountMax, reader.failureCount > most {
                return .failed(ConnectError(.connect, "Failed to Query table after retries: " + message))
            }
            reader.due = now + min(settings.pollInterval, 10_000)
            log(.warning, message + ": it is tried again")
            return .nothing
        }
    }
}

/// The columns that tell which rows of a table are new.
struct ColumnChoice: Sendable {
    var timestamps: [String] = []
    var incrementing: String?

    /// - Throws: `.connect` for columns that are missing, or that may be null though they must not.
    init(_ table: SourceTable, _ columns: [SourceColumn], _ settings: SourceSettings) throws(ConnectError) {
        let name = settings.dialect.quoted(table.id)
        func find(_ wanted: String, _ option: String) throws(ConnectError) -> SourceColumn {
            let found =
                columns.first { $0.name == wanted } ?? columns.first { $0.name.lowercased() == wanted.lowercased() }
            guard let found else {
                throw ConnectError(
                    .connect,
                    "Table \(name) has no column '\(wanted)', which \(option) names. Its columns are: "
                        + columns.map(\.name).joined(separator: ", ")
                        + ". Leave the table out (table.blacklist), or read it by a connector of its own")
            }
            return found
        }
        if settings.mode.hasTime {
            let mapped = try settings.timestampMapping.columns(table.fullName)
            let wanted = mapped ?? settings.timestampColumns
            let option = mapped == nil ? "timestamp.column.name" : "timestamp.columns.mapping"
            guard !wanted.isEmpty else {
                throw ConnectError(.connect, "No entry of timestamp.columns.mapping matches table \(table.fullName)")
            }
            var found: [SourceColumn] = []
            for column in wanted { found.append(try find(column, option)) }
            timestamps = found.map(\.name)
            if settings.requiresNonNull, found.allSatisfy(\.isOptional) {
                throw ConnectError(
                    .connect,
                    "Cannot make incremental queries using timestamp columns [\(wanted.joined(separator: ", "))] on "
                        + "\(name) because all of these columns nullable.")
            }
        }
        guard settings.mode.hasNumber else { return }
        let mapped = try settings.incrementingMapping.columns(table.fullName)?.first
        let wanted = mapped ?? settings.incrementingColumn
        let option = mapped == nil ? "incrementing.column.name" : "incrementing.column.mapping"
        let column: SourceColumn
        if wanted.isEmpty {
            guard let found = columns.first(where: \.isAutoIncrement) else {
                throw ConnectError(
                    .connect,
                    "Table \(name) has no column that the database counts up: incrementing.column.name has to name one. "
                        + "Its columns are: " + columns.map(\.name).joined(separator: ", "))
            }
            column = found
        } else {
            column = try find(wanted, option)
        }
        incrementing = column.name
        if settings.requiresNonNull, column.isOptional {
            throw ConnectError(
                .connect,
                "Cannot make incremental queries using incrementing column \(column.name) on \(name) because this column "
                    + "is nullable.")
        }
    }
}

extension SQLFailure {
    /// What to do about a failure that trying again does not mend; nil for all others.
    var finalHint: String? {
        switch state {
        case "42501",
            "42000" where message.range(of: "denied") != nil:
            return "grant SELECT on it to the user of connection.user"
        case "42703", "42S22": return "the columns that the configuration names have to be in the table or query"
        case "42P01", "42S02", "3F000": return nil
        default: break
        }
        switch reaction {
        case .again: return nil
        case .denied: return "see connection.url, connection.user and connection.password"
        case .refused, .split: return "see 'query' and 'query.suffix', or what the database's log says"
        }
    }
}
