internal import ConnectCore

/// Writes records to the database, each batch in a transaction.
///
/// `@unchecked Sendable`: made by a task (or a request) that calls it on one `WorkThread` only, one call after another.
final class RecordWriter: @unchecked Sendable {
    /// What came of a batch.
    enum Outcome: Sendable {
        case done
        /// All records before the one at the index are in the database; it will never be.
        case rejected(Int, ConnectError)
        case failed(WriteFailure)
    }

    private let settings: SinkSettings
    private let log: @Sendable (TaskLogLevel, String) -> Void
    private var database: (any Database)?
    private var structure: TableStructure
    /// By topic, or by name where the names are those of events.
    private var tables: [String: TableID] = [:]
    private var buffers: [TableID: TableBuffer] = [:]
    /// In the order of their first record, so that the same records make the same statements.
    private var order: [TableID] = []
    private var offsetsTable: OffsetsTable?
    /// What the offsets table has.
    private var stored: [SinkPartition: Int64] = [:]
    /// Offsets behind the records that are in the transaction.
    private var progress: [SinkPartition: Int64] = [:]
    /// Offsets behind the records of the batch that were committed before it failed: they are passed over when it comes
    /// again.
    private var committed: [SinkPartition: Int64] = [:]

    init(_ settings: SinkSettings, log: @escaping @Sendable (TaskLogLevel, String) -> Void) {
        self.settings = settings
        self.log = log
        structure = TableStructure(settings, log)
    }

    // MARK: The connection

    func connect() throws(WriteFailure) {
        guard database == nil else { return }
        do throws(SQLFailure) {
            let opened: any Database =
                switch settings.dialect.product {
                case .postgresql: try PostgreSQLDatabase(settings.url, settings.dialect)
                case .mysql: try MySQLDatabase(settings.url, settings.dialect)
                case .sqlite: try SQLiteDatabase(settings.url, settings.dialect)
                }
            database = opened
            try prepareOffsets(opened)
        } catch {
            disconnect()
            var failure = WriteFailure(error, trimmed: settings.trimsMessages)
            failure.error.message = "Cannot open the database: " + failure.error.message
            throw failure
        }
    }

    private func prepareOffsets(_ database: any Database) throws(SQLFailure) {
        guard let name = settings.offsetsTable else { return }
        let table: OffsetsTable
        do throws(ConnectError) {
            table = try OffsetsTable(name, database.dialect, connector: settings.connector)
        } catch {
            throw SQLFailure(.denied, state: "42602", error.message)
        }
        do throws(SQLFailure) {
            try database.execute(table.creation)
            try database.commit()
        } catch {
            // Another task may have been faster; the questions that follow tell.
            guard error.reaction == .refused else { throw error }
            try database.rollback()
        }
        offsetsTable = table
        // A commit whose answer got lost may have been one all the same.
        let partitions = Array(stored.keys)
        stored = [:]
        for partition in partitions { _ = try load(partition, table, database) }
        try database.rollback()
    }

    func disconnect() {
        database?.close()
        database = nil
        reset()
    }

    /// Drops what belongs to a transaction that is over.
    private func reset() {
        buffers = [:]
        order = []
        progress = [:]
        structure.forget()
    }

    // MARK: Offsets

    private func load(
        _ partition: SinkPartition, _ table: OffsetsTable, _ database: any Database
    ) throws(SQLFailure) -> Int64 {
        if let next = stored[partition] { return next }
        var next = try table.next(partition, database)
        if next == nil {
            do throws(SQLFailure) {
                try table.insert(partition, -1, database)
                try database.commit()
                next = -1
            } catch {
                try database.rollback()
                next = try table.next(partition, database)
                if next == nil { throw error }
            }
        }
        stored[partition] = next
        return next ?? -1
    }

    /// Where to go on with partitions that are this task's from now on; without those of which the database knows
    /// nothing,
    /// and empty without an offsets table.
    func open(_ partitions: [SinkPartition]) throws(WriteFailure) -> [SinkPartition: Int64] {
        for partition in partitions {
            stored[partition] = nil
            committed[partition] = nil
        }
        guard settings.offsetsTable != nil else { return [:] }
        try connect()
        guard let table = offsetsTable, let database else { return [:] }
        var offsets: [SinkPartition: Int64] = [:]
        do throws(SQLFailure) {
            for partition in partitions {
                let next = try load(partition, table, database)
                if next >= 0 { offsets[partition] = next }
            }
            try database.rollback()
        } catch {
            disconnect()
            throw WriteFailure(error, trimmed: settings.trimsMessages)
        }
        return offsets
    }

    func close(_ partitions: [SinkPartition]) {
        for partition in partitions {
            stored[partition] = nil
            committed[partition] = nil
        }
    }

    /// Sets the offsets of a connector that does not run.
    func alterOffsets(_ offsets: [SinkPartition: Int64?]) throws(ConnectError) {
        do throws(WriteFailure) {
            try connect()
        } catch {
            throw error.error
        }
        guard let table = offsetsTable, let database else { return }
        do throws(SQLFailure) {
            for (partition, offset) in offsets {
                try table.delete(partition, database)
                if let offset { try table.insert(partition, offset, database) }
            }
            try database.commit()
        } catch {
            throw ConnectError(.connect, error.text(withDetail: !settings.trimsMessages))
        }
    }

    // MARK: Records

    /// Writes records, those of one partition in their order.
    ///
    /// - Parameter isolates: whether to look for the record that is at fault when there is one.
    func put(_ records: [ConnectRecord], from first: Int, isolates: Bool) -> Outcome {
        do throws(WriteFailure) {
            try connect()
            try write(records[first...])
            return .done
        } catch  where error.reaction == .refused && isolates {
            return isolate(records, from: first)
        } catch {
            return .failed(error)
        }
    }

    /// Looks for the first record that is at fault, writing those before it: halves of what fails as a whole.
    private func isolate(_ records: [ConnectRecord], from first: Int) -> Outcome {
        var low = first
        var high = records.count
        while low < records.count {
            let middle = high - low > 1 ? low + (high - low) / 2 : high
            do throws(WriteFailure) {
                try connect()
                try write(records[low..<middle])
                low = middle
                // Alone it works: what was at fault was its company. On with all that is left.
                if low == high {
                    high = records.count
                    if low < high { try write(records[low...]) }
                    return .done
                }
            } catch  where error.reaction == .refused {
                if middle == low + 1 { return .rejected(low, error.error) }
                // Where nothing is left of the half, it was all the rest that failed.
                high = middle > low ? middle : records.count
            } catch {
                return .failed(error)
            }
        }
        return .done
    }

    /// Counts a record as done that is not written.
    func skip(_ record: ConnectRecord) { note(record) }

    /// Ends a batch: offsets of records that were only skipped are stored, too.
    func finish() -> Outcome {
        do throws(WriteFailure) {
            if !progress.isEmpty, offsetsTable != nil {
                try connect()
                try commit()
            }
            committed = [:]
            progress = [:]
            return .done
        } catch {
            fail(error)
            return .failed(error)
        }
    }

    private func write(_ records: ArraySlice<ConnectRecord>) throws(WriteFailure) {
        do throws(WriteFailure) {
            guard let database else { throw WriteFailure(.again, ConnectError(.connect, "no connection")) }
            for record in records where !isDone(record) {
                try take(record, database)
                note(record)
            }
            for table in order { try buffers[table]?.flush(database) }
            try commit()
        } catch {
            fail(error)
            throw error
        }
    }

    private func take(_ record: ConnectRecord, _ database: any Database) throws(WriteFailure) {
        guard let table = try table(record) else { return }
        var row = record
        if settings.flavour == .debezium {
            switch DebeziumEvent(record) {
            case .row(let inner): row = settings.keyMode == .recordHeader ? DebeziumEvent.keyed(inner) : inner
            case .deletion(let deletion):
                guard settings.deletes else { return skipped("deletion", record, "delete.enabled") }
                row = deletion
            case .truncation:
                guard settings.truncates else { return skipped("truncation", record, "truncate.enabled") }
                return try truncate(table, record, database)
            }
        }
        try buffer(table).add(row, database, &structure) { () throws(WriteFailure) in try checkpoint() }
    }

    private func skipped(_ what: String, _ record: ConnectRecord, _ option: String) {
        log(.debug, "A \(what) in topic \(record.topic) is skipped, as \(option) is false")
    }

    /// Empties a table, behind everything that came before.
    private func truncate(
        _ table: TableID, _ record: ConnectRecord, _ database: any Database
    ) throws(WriteFailure) {
        for table in order { try buffers[table]?.flush(database) }
        guard try structure.has(table, database) else {
            log(.info, "Table \(table), which is to be truncated, is not there")
            return
        }
        try checkpoint()
        let sql = database.dialect.truncateText(table)
        do throws(SQLFailure) {
            log(.info, "Truncating table \(table): \(sql)")
            try database.execute(sql)
        } catch {
            throw WriteFailure(error, trimmed: settings.trimsMessages)
        }
        // MySQL has committed; the offset follows at once.
        note(record)
        try checkpoint()
    }

    /// The table of a record; nil for one that has none.
    private func table(_ record: ConnectRecord) throws(WriteFailure) -> TableID? {
        let naming = settings.naming
        if !naming.readsEvents, let known = tables[record.topic] { return known }
        do throws(ConnectError) {
            guard let name = try naming.name(record) else {
                // Each deletion has its tombstone behind it; anything else was not to be expected.
                log(
                    record.value.value.isNull ? .debug : .warning,
                    "A record of topic \(record.topic), partition \(record.partition ?? 0), offset "
                        + "\(record.kafkaOffset ?? 0), is no change event, has no table and is skipped")
                return nil
            }
            let key = naming.readsEvents ? name : record.topic
            if let known = tables[key] { return known }
            let table = try settings.dialect.table(name)
            // Routers may make a topic of each record.
            if tables.count >= 10_000 { tables = [:] }
            tables[key] = table
            return table
        } catch {
            throw WriteFailure(.refused, error)
        }
    }

    private func buffer(_ table: TableID) -> TableBuffer {
        if let buffer = buffers[table] { return buffer }
        let buffer = TableBuffer(table, settings)
        buffers[table] = buffer
        order.append(table)
        return buffer
    }

    private func place(_ record: ConnectRecord) -> (SinkPartition, Int64)? {
        guard case .sink(let topic, let partition, let offset, _) = record.origin else { return nil }
        return (SinkPartition(topic: topic, partition: partition), offset)
    }

    private func isDone(_ record: ConnectRecord) -> Bool {
        guard !committed.isEmpty || offsetsTable != nil, let (partition, offset) = place(record) else { return false }
        return offset < max(committed[partition] ?? -1, stored[partition] ?? -1)
    }

    private func note(_ record: ConnectRecord) {
        guard let (partition, offset) = place(record) else { return }
        progress[partition] = max(progress[partition] ?? 0, offset + 1)
    }

    /// Around a change of a table: MySQL commits with it, whatever is under way, so everything has to be in order by
    /// then.
    private func checkpoint() throws(WriteFailure) {
        guard settings.dialect.product == .mysql, let database else { return }
        for table in order { try buffers[table]?.flush(database) }
        try commit()
    }

    private func commit() throws(WriteFailure) {
        guard let database else { return }
        do throws(SQLFailure) {
            if let table = offsetsTable {
                for (partition, next) in progress {
                    let known = try load(partition, table, database)
                    guard next > known else { continue }
                    guard try table.advance(partition, from: known, to: next, database) else {
                        throw SQLFailure(
                            .denied, state: "40001",
                            "the offset of \(partition.topic)-\(partition.partition) in the offsets table is not "
                                + "the one "
                                + "that this task has left there: another task has taken the partition over")
                    }
                }
            }
            try database.commit()
        } catch {
            throw WriteFailure(error, trimmed: settings.trimsMessages)
        }
        for (partition, next) in progress {
            if offsetsTable != nil { stored[partition] = max(stored[partition] ?? -1, next) }
            committed[partition] = max(committed[partition] ?? -1, next)
        }
        progress = [:]
    }

    private func fail(_ failure: WriteFailure) {
        guard failure.reaction != .again, let database else { return disconnect() }
        do throws(SQLFailure) {
            try database.rollback()
        } catch {
            return disconnect()
        }
        reset()
    }
}
