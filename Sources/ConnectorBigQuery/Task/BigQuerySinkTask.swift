import ConnectCore
import HTTPCalls

/// Writes records as rows. `put` returns when its rows are in their tables, so that all that was put may be committed.
///
/// It never waits for another attempt: `put` then asks for its records again after a pause, which the worker ends when the
/// task is to stop.
///
/// `@unchecked Sendable`: the contract has one caller at a time.
final class BigQuerySinkTask: SinkTask, @unchecked Sendable {
    private let settings: BigQuerySettings
    private let context: any SinkTaskContext
    private let converter: RowConverter
    private let attempts = Attempts()
    private var client: BigQueryClient?
    private var writer: RowWriter?
    private var tables: Tables?
    /// nil: rows are appended.
    private var merger: Merger?
    /// What is done of records that `put` has asked for again.
    private var done: Set<RecordPlace> = []
    /// How often in a row it has, after all attempts of a request.
    private var restartCount = 0
    /// Rounds of the batch in which a table or columns were not known yet.
    private var settlingCount = 0

    /// Requests of 500 rows, several at once.
    var recordCountWanted: Int { 5000 }

    init(_ settings: BigQuerySettings, _ context: any SinkTaskContext) {
        self.settings = settings
        self.context = context
        converter = RowConverter(settings)
    }

    func start() async throws(ConnectError) {
        let log: @Sendable (TaskLogLevel, String) -> Void = { [context] in context.log($0, $1) }
        let client = try BigQueryClient(settings, attempts, now: { [context] in context.now }, log)
        self.client = client
        let tables = Tables(settings, client, log)
        self.tables = tables
        merger = settings.merging.map { merging in
            Merger(
                settings, merging, client, tables, task: context.identity.task, now: context.now, log)
        }
        writer = RowWriter(settings: settings, client: client)
    }

    func put(_ records: [ConnectRecord]) async throws(ConnectError) {
        do throws(ConnectError) {
            try await write(records)
            merger?.settle()
            if try await merger?.advance(context.now) == true { context.requestCommit() }
        } catch {
            guard error.isRetriable else { throw error }
            if let pause = attempts.endRound() {
                context.retry(after: pause)
                throw error
            }
            guard restartCount < settings.restartCountMax else {
                throw ConnectError(.connect, error.message)
            }
            restartCount += 1
            throw error
        }
        restartCount = 0
        settlingCount = 0
        attempts.forgetAll()
        done = []
    }

    /// What comes again of these, if they come back, is another's to have written.
    func close(_ partitions: [SinkPartition]) async {
        let gone = Set(partitions)
        done = done.filter { !gone.contains($0.topicPartition) }
        await merger?.close(partitions)
    }

    func preCommit(_ offsets: [SinkPartition: Int64]) async throws(ConnectError) -> [SinkPartition: Int64] {
        guard let merger else { return offsets }
        var committable = offsets
        for (partition, offset) in offsets { committable[partition] = merger.committable(partition, put: offset) }
        return committable
    }

    func stop() async {
        await merger?.stop()
        merger = nil
        await client?.close()
        client = nil
        writer = nil
        tables = nil
    }

    // MARK: one batch

    private func write(_ records: [ConnectRecord]) async throws(ConnectError) {
        guard let writer, let tables else { throw ConnectError(.connect, "The task was not started") }
        var groups: [(target: RowTarget, rows: [Row])] = []
        for (name, records) in try named(records) {
            let valued = merger == nil ? records : records.filter { !$0.value.value.isNull }
            if valued.isEmpty, try await !tables.isThere(name) {
                // Nothing is there that could be deleted.
                for record in records { done.insert(RecordPlace(record)) }
                continue
            }
            if settings.looksAtTables { try await prepare(name, valued, tables) }
            if settings.hasDecorator { try checkPartitions(name, tables) }
            var places: [RowTarget: Int] = [:]
            for record in records {
                do throws(ConnectError) {
                    // A row that comes again in another batch, after its partition was away, is another one: BigQuery
                    // must not leave it out because it has the one that is not merged any more.
                    let place = merger?.place(record, in: name)
                    let row = Row(
                        record: record, insertID: RowConverter.insertID(record, batch: place?.batch),
                        json: try json(record, place))
                    let target =
                        if let merger { RowTarget(table: name, intermediate: merger.intermediate(name)) } else {
                            RowTarget(table: name, decorator: try decorator(record))
                        }
                    if let group = places[target] {
                        groups[group].rows.append(row)
                    } else {
                        places[target] = groups.count
                        groups.append((target, [row]))
                    }
                } catch {
                    guard error.code == .data else { throw error }
                    try await refuse(record, error)
                }
            }
            try await addColumns(&groups, places.values.sorted(), tables)
            if let merger {
                for place in places.values where !groups[place].rows.isEmpty {
                    _ = try await merger.prepare(name, for: groups[place].rows.map(\.record))
                }
            }
        }
        let chunks = groups.flatMap { RowChunk.cut($0.rows, for: $0.target, settings) }
        try await send(chunks, writer, tables)
    }

    /// - Parameter place: in the intermediate table.
    private func json(_ record: ConnectRecord, _ place: MergeRounds.Place?) throws(ConnectError) -> [UInt8] {
        guard let place else { return try converter.row(record, now: context.now) }
        guard !record.key.value.isNull else {
            throw .data("Record keys must be non-null when upsert/delete is enabled")
        }
        var seconds = Double(context.now) / 1000
        if settings.hasDecorator, settings.hasMessageTime {
            guard let time = record.timestamp else { throw Self.noTime }
            seconds = Double(time) / 1000
        }
        return try converter.row(
            record, at: place, now: context.now, seconds: seconds)
    }

    private static let noTime = ConnectError.data(
        "Message has no timestamp type, cannot use message timestamp to partition.")

    /// Records that are rows, by their tables, in the order in which tables come.
    private func named(
        _ records: [ConnectRecord]
    ) throws(ConnectError) -> [(TableName, [ConnectRecord])] {
        var groups: [(TableName, [ConnectRecord])] = []
        var places: [TableName: Int] = [:]
        var names: [String: TableName] = [:]
        for record in records {
            // Without a value there is no row, as the original has it, but for deletions.
            if record.value.value.isNull, settings.merging?.deletes != true { continue }
            if done.contains(RecordPlace(record)) { continue }
            let name: TableName
            if let known = names[record.topic] {
                name = known
            } else {
                name = try TableName(topic: record.topic, settings)
                names[record.topic] = name
            }
            if let place = places[name] {
                groups[place].1.append(record)
            } else {
                places[name] = groups.count
                groups.append((name, [record]))
            }
        }
        return groups
    }

    /// A record of which no columns can be made must not keep others from their table.
    private func prepare(
        _ name: TableName, _ records: [ConnectRecord], _ tables: Tables
    ) async throws(ConnectError) {
        do throws(ConnectError) {
            return try await tables.prepare(name, for: records)
        } catch {
            guard error.code == .data else { throw error }
            let plain = records.filter { (try? converter.row($0, now: 0)) != nil }  // the others are refused below
            guard !plain.isEmpty, plain.count < records.count else {
                throw ConnectError(.connect, "\(name) cannot be made: \(error.message)")
            }
            do throws(ConnectError) { return try await tables.prepare(name, for: plain) } catch {
                throw error.code == .data ? ConnectError(.connect, "\(name) cannot be made: \(error.message)") : error
            }
        }
    }

    /// - Throws: `.connect` for a table whose partitions are no days.
    private func checkPartitions(_ name: TableName, _ tables: Tables) throws(ConnectError) {
        guard tables.fields(name) != nil else { return }
        let partitioning = tables.partitioning(name)
        let reason: String
        if partitioning == nil {
            reason = "it is not partitioned by day"
        } else if let type = partitioning?.type, type != "DAY" {
            reason = "it is partitioned by \(type.lowercased()) and not by day"
        } else if let field = partitioning?.field, merger != nil {
            reason = "it is partitioned by its column \(field) and not by the time of ingestion"
        } else {
            return
        }
        throw ConnectError(
            .connect,
            "Cannot use decorator syntax to write to \(name) as \(reason): set bigQueryPartitionDecorator=false")
    }

    private func decorator(_ record: ConnectRecord) throws(ConnectError) -> String? {
        guard settings.hasDecorator else { return nil }
        guard settings.hasMessageTime else { return ColumnTime.decorator(context.now) }
        guard let time = record.timestamp else { throw Self.noTime }
        return ColumnTime.decorator(time)
    }

    /// Before rows are sent that a table has no columns for, it gets them; rows that must not bring any are refused.
    private func addColumns(
        _ groups: inout [(target: RowTarget, rows: [Row])], _ places: [Int], _ tables: Tables
    ) async throws(ConnectError) {
        for place in places {
            let name = groups[place].target.table
            let newcomers = try await rows(of: &groups[place].rows, lackingIn: name, tables)
            guard !newcomers.isEmpty else { continue }
            do throws(ConnectError) {
                _ = try await tables.update(name, for: newcomers.map(\.record))
            } catch {
                guard error.code == .data else { throw error }
                try await addColumnsOneByOne(&groups[place].rows, name, tables)
            }
        }
    }

    /// One schema must not bring what it has; others may.
    private func addColumnsOneByOne(
        _ rows: inout [Row], _ name: TableName, _ tables: Tables
    ) async throws(ConnectError) {
        var failures: [ConnectSchema?: ConnectError] = [:]
        var refused: Set<RecordPlace> = []
        for row in try await self.rows(of: &rows, lackingIn: name, tables) {
            let schema = row.record.value.schema
            if failures[schema] == nil, try tables.lacksFields(name, of: row.record) {
                do throws(ConnectError) {
                    _ = try await tables.update(name, for: [row.record])
                } catch {
                    guard error.code == .data else { throw error }
                    failures[schema] = error
                }
            }
            guard let failure = failures[schema] else { continue }
            let words = "Failed to write a row to \(name): \(failure.message) (\(row.shownPlace))"
            try await refuse(row.record, ConnectError(.connect, words))
            refused.insert(row.place)
        }
        rows.removeAll { refused.contains($0.place) }
    }

    /// Rows with fields that the table has not. Those that make no columns are refused, and taken out.
    private func rows(
        of rows: inout [Row], lackingIn name: TableName, _ tables: Tables
    ) async throws(ConnectError) -> [Row] {
        var lacking: [Row] = []
        var unfit: [(row: Row, error: ConnectError)] = []
        for row in rows {
            do throws(ConnectError) {
                if try tables.lacksFields(name, of: row.record) { lacking.append(row) }
            } catch {
                unfit.append((row, error))
            }
        }
        guard !unfit.isEmpty else { return lacking }
        for (row, error) in unfit { try await refuse(row.record, error) }
        let refused = Set(unfit.map(\.row.place))
        rows.removeAll { refused.contains($0.place) }
        return lacking
    }

    /// To the dead letters, or the end of the task.
    private func refuse(_ record: ConnectRecord, _ error: ConnectError) async throws(ConnectError) {
        try await context.report(record, error)
        done.insert(RecordPlace(record))
    }

    // MARK: requests

    private func send(
        _ chunks: [RowChunk], _ writer: RowWriter, _ tables: Tables
    ) async throws(ConnectError) {
        var round = SendingRound(open: chunks)
        while !round.open.isEmpty {
            let results = await writer.send(round.open)
            round.begin()
            var failure: ConnectError?
            for (chunk, result) in results {
                do throws(ConnectError) {
                    try await handle(chunk, try result.get(), tables, &round)
                } catch {
                    // What others of the requests did is taken notice of first. One that ends the task comes first.
                    if failure?.isRetriable ?? true { failure = error }
                }
            }
            if let failure { throw failure }
            try rest(round)
        }
    }

    /// - Throws: `.retriable` when rows should come again after a pause, which is noted.
    private func rest(_ round: SendingRound) throws(ConnectError) {
        var isPaused = false
        if round.isSettling {
            settlingCount += 1
            guard settlingCount <= settings.settlingCountMax else {
                throw ConnectError(
                    .connect,
                    "Failed to write rows after BQ table creation or schema update within \(settings.settlingCountMax) attempts: "
                        + round.reason)
            }
            // Mostly the table is known at once.
            if settlingCount > 1 {
                context.log(.info, "the table or its columns are not known everywhere yet: \(round.reason)")
                attempts.fail(Self.settling, pause: settings.settlingPauses.pause(settlingCount - 2))
                isPaused = true
            }
        }
        if round.isLater {
            let count = attempts.failureCount(Self.later)
            guard count < settings.usualRetryCount + settings.retryCount else {
                attempts.giveUp()
                throw ConnectError(.retriable, "Exceeded \(count + 1) attempts of a request: \(round.reason)")
            }
            attempts.fail(Self.later, pause: settings.usualPauses.pause(count))
            isPaused = true
        }
        if isPaused { throw ConnectError(.retriable, round.reason) }
    }

    /// Names in `attempts`, which are no requests'.
    private static let settling = "rows of a table that is not known yet"
    private static let later = "rows that are to come later"

    private func handle(
        _ chunk: RowChunk, _ verdict: InsertVerdict, _ tables: Tables, _ round: inout SendingRound
    ) async throws(ConnectError) {
        let name = chunk.target.table
        switch verdict {
        case .failed(let failure):
            throw ConnectError(
                .connect, "Failed to write to \(name): \(client?.explained(failure, name) ?? failure.description)")
        case .missingTable(let failure) where chunk.target.intermediate != nil:
            round.settle(chunk.rows, chunk.target, failure.description)
        case .missingTable(let failure):
            guard settings.createsTables else {
                throw ConnectError(
                    .connect,
                    "Failed to write to \(name): \(failure.description) (autoCreateTables=true makes tables that are not there)"
                )
            }
            tables.forget(name)
            try await prepare(name, chunk.rows.map(\.record), tables)
            round.settle(chunk.rows, chunk.target, failure.description)
        case .tooLarge(let failure):
            if chunk.rows.count > 1 {
                let half = chunk.rows.count / 2
                round.open.append(RowChunk(target: chunk.target, rows: Array(chunk.rows[..<half])))
                round.open.append(RowChunk(target: chunk.target, rows: Array(chunk.rows[half...])))
            } else if let row = chunk.rows.first {
                try await refuse(
                    row.record,
                    ConnectError(
                        .connect,
                        "Failed to write to \(name): \(failure.description); the row has \(row.json.count) bytes (\(row.shownPlace))"
                    ))
            }
        case .rows(let verdicts): try await handle(chunk, verdicts, tables, &round)
        }
    }

    private func handle(
        _ chunk: RowChunk, _ verdicts: [InsertVerdict.OfRow], _ tables: Tables, _ round: inout SendingRound
    ) async throws(ConnectError) {
        let name = chunk.target.table
        var again: [Row] = []
        var misfits: [(row: Row, verdict: InsertVerdict.OfRow, words: String)] = []
        var refused: [(row: Row, words: String)] = []
        var failure: String?
        for (row, verdict) in zip(chunk.rows, verdicts) {
            switch verdict {
            case .taken: done.insert(RecordPlace(row.record))
            case .stopped: again.append(row)
            case .later(let words):
                again.append(row)
                round.later(words)
            case .unknownField(let words), .missingField(let words): misfits.append((row, verdict, words))
            case .refused(let words): refused.append((row, words))
            case .failed(let words): failure = failure ?? "\(words) (\(row.shownPlace))"
            }
        }
        if let failure { throw ConnectError(.connect, "Failed to write to \(name): \(failure)") }
        if again.count == chunk.rows.count, !round.isLater {
            // Stopped by none: nothing tells that another time would be better, but for time.
            round.later("all rows of a request were stopped")
        }
        if !misfits.isEmpty {
            let hints = try await misfit(name, misfits, tables)
            var settling: [Row] = []
            for (misfit, hint) in zip(misfits, hints) {
                if let hint { refused.append((misfit.row, misfit.words + hint)) } else { settling.append(misfit.row) }
            }
            if !settling.isEmpty { round.settle(settling, chunk.target, misfits.first?.words ?? "") }
        }
        if !again.isEmpty { round.open.append(RowChunk(target: chunk.target, rows: again)) }
        for (row, words) in refused {
            try await refuse(
                row.record, ConnectError(.connect, "Failed to write a row to \(name): \(words) (\(row.shownPlace))"))
        }
    }

    private typealias Misfit = (row: Row, verdict: InsertVerdict.OfRow, words: String)

    /// Gives the table what rows need that do not fit it.
    ///
    /// - Returns: for each row nil when it should come again; why it need not, otherwise.
    private func misfit(
        _ name: TableName, _ misfits: [Misfit], _ tables: Tables
    ) async throws(ConnectError) -> [String?] {
        guard settings.looksAtTables else { return try await change(name, misfits, tables, isChanged: false) }
        // Columns that the table has may be unknown to the streaming side for minutes.
        let isChanged = try await tables.renew(name)
        let isWaiting = misfits.map { misfit in
            guard case .unknownField = misfit.verdict, tables.fields(name) != nil else { return false }
            return tables.unknownName(name, in: misfit.row) == nil
        }
        let others = zip(misfits, isWaiting).filter { !$1 }.map(\.0)
        var hints = ArraySlice<String?>()
        if !others.isEmpty { hints = try await change(name, others, tables, isChanged: isChanged)[...] }
        if others.count < misfits.count {
            // Others may have given the table what the intermediate one lacks.
            let waiting = zip(misfits, isWaiting).filter { $1 }.map(\.0.row.record)
            _ = try await merger?.prepare(name, for: waiting)
        }
        return isWaiting.map { $0 ? nil : hints.popFirst() ?? nil }
    }

    private func change(
        _ name: TableName, _ misfits: [Misfit], _ tables: Tables, isChanged isRenewed: Bool
    ) async throws(ConnectError) -> [String?] {
        func all(_ hint: String) -> [String?] { Array(repeating: hint, count: misfits.count) }
        let records = misfits.map(\.row.record).filter { $0.value.schema != nil }
        guard !records.isEmpty else {
            return misfits.map { misfit in
                let unknown = tables.unknownName(name, in: misfit.row)
                return (unknown.map { "; the table has no column \($0), and" } ?? ";")
                    + " records without a schema do not change a table"
            }
        }
        guard settings.allowsNewFields || settings.allowsRelaxation else {
            return all(
                "; You may want to enable schema updates by specifying allowNewBigQueryFields=true or "
                    + "allowBigQueryRequiredFieldRelaxation=true")
        }
        func lacksColumns(_ misfit: Misfit) -> Bool {
            if case .missingField = misfit.verdict { true } else { false }
        }
        let isChanged: Bool
        do throws(ConnectError) {
            let isOther = try await tables.update(
                name, for: records, lacksColumns: misfits.contains(where: lacksColumns))
            // The intermediate table has the modes that the columns had.
            let isFollowed = try await merger?.prepare(name, for: records) ?? false
            isChanged = isRenewed || isOther || isFollowed
        } catch {
            guard error.code == .data else { throw error }
            return all("; " + error.message)
        }
        return misfits.map { misfit in
            let hasSchema = misfit.row.record.value.schema != nil
            if isChanged, hasSchema { return nil }
            if lacksColumns(misfit) {
                return settings.allowsRelaxation
                    ? nil : "; Set allowBigQueryRequiredFieldRelaxation to true, to change the mode to NULLABLE"
            }
            // Columns that are there may not be known everywhere yet. Those that nothing brings never will be.
            guard let unknown = tables.unknownName(name, in: misfit.row) else { return nil }
            return hasSchema
                ? "; the table has no column \(unknown), and the record's schema brings none"
                : "; the table has no column \(unknown), and records without a schema do not change a table"
        }
    }
}
