import ConnectCore

/// Brings rows into tables, in transactions with their offsets.
///
/// `@unchecked Sendable`: one caller at a time, which is the task that owns it.
final class TableWriter: @unchecked Sendable {
    private let settings: SnowflakeSettings
    private let client: SnowflakeClient
    private let offsets: OffsetTable
    private let log: @Sendable (TaskLogLevel, String) -> Void
    private var hasOffsetTable = false
    private var tables: [TableIdentifier: TableColumns] = [:]
    /// As they are in the table of offsets, as far as is known.
    private var tokens: [Channel: Int64] = [:]
    /// What this task has brought: a channel whose row was deleted goes on behind it.
    private var written: [Channel: Int64] = [:]
    /// What this task has tried to bring, whatever came of it.
    private var tried: [Channel: Int64] = [:]
    /// Where channels went back to, and how often in a row without getting further.
    private var returns: [Channel: (offset: Int64, count: Int)] = [:]
    /// Channels of which it was said that rows are passed over.
    private var told: Set<Channel> = []
    /// A channel that goes back to one place so often stores nothing.
    private static let returnCountMax = 3

    init(
        _ settings: SnowflakeSettings, connector: String, _ client: SnowflakeClient,
        _ log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) {
        self.settings = settings
        self.client = client
        self.log = log
        offsets = OffsetTable(settings, connector: connector, client)
    }

    /// Where it says what is in the tables.
    var offsetTable: TableIdentifier { offsets.name }

    /// Forgets partitions that came or went: somebody else may have written them.
    func forget(_ places: some Sequence<SinkPartition>) {
        let places = Set(places)
        tokens = tokens.filter { !places.contains($0.key.place) }
        written = written.filter { !places.contains($0.key.place) }
        tried = tried.filter { !places.contains($0.key.place) }
        returns = returns.filter { !places.contains($0.key.place) }
        told = told.filter { !places.contains($0.place) }
    }

    /// The highest offsets of partitions that are in any table; none of those that never brought a row.
    func highest(_ places: [SinkPartition]) async throws(ConnectError) -> [SinkPartition: Int64] {
        do throws(SnowflakeFailure) {
            try await client.prepare()
            return try await offsets.highest(places)
        } catch {
            // It is made with the first row; what else may be missing is told then.
            if error.kind == .missing { return [:] }
            throw error.connectError
        }
    }

    /// Brings rows of one table, in their order; those that are there already are passed over.
    ///
    /// - Parameters:
    ///   - rows: those of a partition by their offsets.
    ///   - finished: told how many rows, from the front, are done with, as soon as they are.
    ///   - refused: told of a row that Snowflake will not take; what it throws ends the call.
    /// - Returns: offsets from which partitions have to be read again, because the table has lost what it had taken. Rows that
    ///   are not done with are to be brought later, those of these partitions as they come again.
    /// - Throws: `.retriable` when the rows that are not done with may be brought later.
    func write(
        _ table: TableIdentifier, _ rows: [Row], finished: (Int) -> Void,
        refused: (Row, ConnectError) async throws(ConnectError) -> Void
    ) async throws(ConnectError) -> [SinkPartition: Int64] {
        var rest = rows[...]
        var fencedCount = 0
        // How many rows go into the next transaction; halved when one of them is at fault.
        var size = rest.count
        while !rest.isEmpty {
            size = min(max(size, 1), rest.count)
            let part = rest.prefix(size)
            do throws(SnowflakeFailure) {
                try await store(table, part)
                rest = rest.dropFirst(part.count)
                finished(part.count)
                // Behind a row at fault larger parts may work again.
                size *= 2
                fencedCount = 0
            } catch {
                switch error.kind {
                case .row where part.count > 1: size = part.count / 2
                case .row:
                    guard let row = part.first else { break }
                    try await refused(row, ConnectError(.connect, "\(error.message) (\(row.shown))"))
                    rest = rest.dropFirst()
                    finished(1)
                    size *= 2
                case .fenced where fencedCount < 5:
                    fencedCount += 1
                    log(.warning, error.message)
                    forgetTokens(table)
                case .missing:
                    // Dropped, or made otherwise, since it was looked at: next time it is looked at again.
                    tables[table] = nil
                    hasOffsetTable = false
                    forgetTokens(table)
                    throw error.connectError
                case .transient, .fenced:
                    forgetTokens(table)
                    throw ConnectError(.retriable, error.message)
                case .behind(let places):
                    log(.warning, error.message)
                    return places
                case .exists, .permanent: throw error.connectError
                }
            }
        }
        return [:]
    }

    private func forgetTokens(_ table: TableIdentifier) { tokens = tokens.filter { $0.key.table != table } }

    // MARK: one transaction

    private func store(_ table: TableIdentifier, _ rows: ArraySlice<Row>) async throws(SnowflakeFailure) {
        try await client.prepare()
        let known = try await columns(table)
        let current = try await load(table, rows)
        let fresh = rows.filter { $0.offset > current[$0.place] ?? -1 }
        if fresh.count < rows.count { tell(table, rows, current) }
        guard !fresh.isEmpty else { return }
        let columns = settings.isSchematized ? try await evolve(table, known, fresh) : known
        var moves: [SinkPartition: (expected: Int64, new: Int64)] = [:]
        for row in fresh { moves[row.place] = (current[row.place] ?? -1, row.offset) }

        for (place, offsets) in moves { tried[Channel(table: table, place: place)] = offsets.new }
        _ = try await client.execute("BEGIN TRANSACTION", what: "beginning a transaction for \(table)")
        do throws(SnowflakeFailure) {
            for part in parts(fresh) {
                let (sql, value) = try columns.insert(table, part, isSchematized: settings.isSchematized)
                let answer = try await client.execute(sql, [value], what: "inserting \(part.count) rows into \(table)")
                guard answer.count == part.count else {
                    throw SnowflakeFailure(
                        .permanent,
                        "inserting \(part.count) rows into \(table): Snowflake says it were "
                            + "\(answer.count.map { "\($0)" } ?? "it does not know how many")")
                }
            }
            try await offsets.move(table, moves)
            _ = try await client.execute("COMMIT", what: "committing rows of \(table)")
        } catch {
            await rollBack()
            throw error
        }
        for (place, offsets) in moves {
            let channel = Channel(table: table, place: place)
            // What was committed since it went back has stayed.
            if let back = returns[channel], offsets.expected > back.offset { returns[channel] = nil }
            tokens[channel] = offsets.new
            written[channel] = offsets.new
        }
    }

    /// Says of rows that are passed over, once for a channel, unless this task itself has brought them.
    private func tell(_ table: TableIdentifier, _ rows: ArraySlice<Row>, _ current: [SinkPartition: Int64]) {
        for row in rows {
            let channel = Channel(table: table, place: row.place)
            guard let token = current[row.place], row.offset <= token, row.offset > tried[channel] ?? -1,
                told.insert(channel).inserted
            else { continue }
            log(
                .warning,
                "records of partition \(row.place.partition) of '\(row.place.topic)' from offset \(row.offset) on are "
                    + "passed over: \(table) has all up to offset \(token) by OFFSET_TOKEN in \(offsets.name). If the topic "
                    + "was made anew, or is to be read again, delete the partition's row there and restart the task "
                    + "from the first record")
        }
    }

    private func rollBack() async {
        // Without its session there is no transaction any more.
        guard client.hasSession else { return }
        do throws(SnowflakeFailure) {
            _ = try await client.execute("ROLLBACK", what: "rolling back")
        } catch {
            // With its session the transaction ends, too.
            await client.endSession()
        }
    }

    /// Parts of rows that one statement takes.
    private func parts(_ rows: [Row]) -> [ArraySlice<Row>] {
        var parts: [ArraySlice<Row>] = []
        var start = rows.startIndex
        var byteCount = 0
        for index in rows.indices {
            let size = rows[index].byteCount
            if index > start, byteCount + size > settings.statementByteCountMax {
                parts.append(rows[start..<index])
                start = index
                byteCount = 0
            }
            byteCount += size
        }
        parts.append(rows[start...])
        return parts
    }

    private func load(
        _ table: TableIdentifier, _ rows: ArraySlice<Row>
    ) async throws(SnowflakeFailure) -> [SinkPartition: Int64] {
        let places = Set(rows.map(\.place))
        let unknown = places.filter { tokens[Channel(table: table, place: $0)] == nil }
        if !unknown.isEmpty {
            // Rows of a channel come from its first one on: nothing before that is to be looked for.
            var firsts: [SinkPartition: Int64] = [:]
            for row in rows where firsts[row.place] == nil { firsts[row.place] = row.offset }
            let found = try await offsets.load(table, Array(unknown)) {
                written[Channel(table: table, place: $0)] ?? (firsts[$0] ?? 0) - 1
            }
            for (place, offset) in found { tokens[Channel(table: table, place: place)] = offset }
            try check(table, found)
        }
        var current: [SinkPartition: Int64] = [:]
        for place in places { current[place] = tokens[Channel(table: table, place: place)] }
        return current
    }

    /// What was committed has to be there still: what is not there any more is read again.
    ///
    /// - Throws: `.behind`; `.permanent` where that does not help.
    private func check(_ table: TableIdentifier, _ found: [SinkPartition: Int64]) throws(SnowflakeFailure) {
        var starts: [SinkPartition: Int64] = [:]
        var message = ""
        for (place, offset) in found {
            let channel = Channel(table: table, place: place)
            guard let last = written[channel], offset < last else { continue }
            let before = returns[channel].flatMap { offset <= $0.offset ? $0.count : nil } ?? 0
            returns[channel] = (offset, before + 1)
            written[channel] = offset
            starts[place] = offset + 1
            message =
                "partition \(place.partition) of '\(place.topic)' was committed in \(table) up to offset \(last), and "
                + "OFFSET_TOKEN in \(offsets.name) is \(offset)"
            guard before + 1 < Self.returnCountMax else {
                throw SnowflakeFailure(
                    .permanent,
                    message
                        + ", \(before + 1) times in a row: Snowflake does not keep what it commits, or somebody sets it "
                        + "back; see who writes the two tables, then restart the task")
            }
        }
        if !starts.isEmpty { throw SnowflakeFailure(.behind(starts), message + ": it is read again from there") }
    }

    // MARK: tables

    /// The columns of a table, which is made when it is not there.
    private func columns(_ table: TableIdentifier) async throws(SnowflakeFailure) -> TableColumns {
        if !hasOffsetTable {
            try await offsets.create()
            hasOffsetTable = true
        }
        if let known = tables[table] { return known }
        let columns: TableColumns
        do throws(SnowflakeFailure) {
            columns = try await describe(table)
        } catch {
            guard error.kind == .missing else { throw error }
            try await create(table)
            columns = try await describe(table)
        }
        try columns.check(table, isSchematized: settings.isSchematized)
        tables[table] = columns
        return columns
    }

    private func describe(_ table: TableIdentifier) async throws(SnowflakeFailure) -> TableColumns {
        TableColumns(try await client.execute(Statements.describe(table), what: "looking at table \(table)").rows)
    }

    private func create(_ table: TableIdentifier) async throws(SnowflakeFailure) {
        do throws(SnowflakeFailure) {
            _ = try await client.execute(
                Statements.create(table, isSchematized: settings.isSchematized), what: "creating table \(table)")
        } catch {
            // Another task was faster.
            if error.kind == .exists { return }
            // There is nothing that could be looked at, so what is missing is around it.
            guard error.kind == .missing else { throw error }
            throw SnowflakeFailure(
                .permanent,
                error.message + "; check that the database and the schema are there and that the role may use them and "
                    + "create tables", code: error.code)
        }
        log(.info, "created table \(table)")
        try await offsets.drop(table)
        forgetTokens(table)
        written = written.filter { $0.key.table != table }
    }

    /// Adds columns and lets columns be NULL, as rows need it.
    private func evolve(
        _ table: TableIdentifier, _ known: TableColumns, _ rows: [Row]
    ) async throws(SnowflakeFailure) -> TableColumns {
        let changes = known.changes(for: rows)
        if changes.isEmpty { return known }
        for name in changes.nullable {
            _ = try await client.execute(
                Statements.dropNotNull(table, name), what: "letting column '\(name)' of \(table) be NULL")
        }
        for field in changes.added {
            do throws(SnowflakeFailure) {
                _ = try await client.execute(
                    Statements.addColumn(table, field.column, type: field.type, comment: field.comment),
                    what: "adding column '\(field.column)' to \(table)")
            } catch {
                // Another task was faster.
                if error.kind != .exists { throw error }
            }
        }
        if !changes.added.isEmpty {
            log(.info, "added to \(table): \(changes.added.map { "\($0.column) \($0.type)" }.joined(separator: ", "))")
        }
        let columns = try await describe(table)
        tables[table] = columns
        return columns
    }
}
