import ConnectCore
import Synchronization
import Testing

@testable import ConnectorCDC

/// What offsets have of snapshots that signals ask for, with a database that is made up.
@Suite struct IncrementalSnapshotTests {
    /// Tables whose rows are numbers from 1; a connection breaks when it is told to.
    private final class Database {
        var rowCounts: [TableID: Int] = [:]
        /// Chunks whose marks were written.
        var marks: [String] = []
        var isBroken = false
    }

    private struct Connection: SnapshotConnection {
        let database: Database
        static var sortsNullsLast: Bool { false }
        static func name(_ table: TableID) -> String { table.description }
        static func identifier(_ name: String) -> String { name }
        static func text(_ text: String) -> String { "'\(text)'" }
        static func literal(_ cell: Cell, _ column: ColumnDefinition, _ codec: ColumnCodec) -> String? { nil }

        private func check() throws {
            if database.isBroken { throw MySQLError(number: 2013, message: "lost") }
        }

        func execute(_ sql: String) throws {
            try check()
            // INSERT INTO d.sig VALUES ('ID-open', ...
            if let text = sql.split(separator: "'").dropFirst().first { database.marks.append(String(text)) }
        }
        func beginSnapshot() throws { try check() }

        func literals(_ sql: String, _ columns: [ColumnCodec]) throws -> [String]? {
            try check()
            let count = database.rowCounts.first { sql.contains("FROM \($0.key) ") }?.value ?? 0
            return count == 0 ? nil : [String(count)]
        }

        func forEachRow(
            _ events: TableEvents, statement: String?, also others: [(index: Int, codec: ColumnCodec)],
            condition: String,
            _ take: (_ cells: [Cell], _ literal: (_ index: Int) -> String, _ byteCount: Int) throws -> Void
        ) throws {
            try check()
            // NOT (id > MAX) AND (id > LAST)
            let numbers = condition.split { !$0.isNumber }.compactMap { Int($0) }
            let count = database.rowCounts[events.table.id] ?? 0
            let isAll = condition.isEmpty
            let last = !isAll && numbers.count > 2 ? numbers[1] : 0
            let limit = isAll ? count : numbers.last ?? 0
            for number in stride(from: last + 1, through: min(count, last + limit), by: 1) {
                try take([.integer(Int64(number)), .null], { _ in String(number) }, 100)
            }
        }
    }

    private final class Lines: Sendable {
        let lines = Mutex<[String]>([])
    }

    private final class Reader {
        let context: ReaderContext
        let queue = RecordQueue(recordCountMax: 1000, byteCountMax: 1 << 20)
        let database = Database()
        var snapshot: IncrementalSnapshot<Connection>
        let lines = Lines()

        init(_ options: [String: String] = [:], entries: [String: String] = [:]) throws {
            let plain = [
                "database.hostname": "h", "database.user": "u", "database.password": "p", "database.server.id": "5",
                "topic.prefix": "s", "include.schema.changes": "false", "signal.data.collection": "d.sig",
                "table.include.list": "d.t,d.u", "incremental.snapshot.chunk.size": "2",
                "notification.enabled.channels": "sink", "notification.sink.topic.name": "notes",
            ]
            let lines = lines
            context = try ReaderContext(
                try MySQLConfig(.mysql, plain.merging(options) { $1 }), history: MemorySchemaHistory(), queue: queue,
                version: "1", writings: { (_, _, _) throws(ConnectError) in nil }
            ) { _, line in lines.lines.withLock { $0.append(line) } }
            let database = database
            database.rowCounts = [TableID("d", "t"): 3, TableID("d", "u"): 1]
            snapshot = IncrementalSnapshot(context, entries: entries) { Connection(database: database) }
            for name in ["t", "u"] {
                _ = try context.apply(
                    ddl: "CREATE TABLE \(name) (id INT PRIMARY KEY, v INT)", database: "d", position: ConnectMap(),
                    source: context.source(), offset: ConnectMap())
            }
        }

        static func offset(_ entries: [String: String]) -> ConnectMap {
            var map = ConnectMap()
            for (name, text) in entries { map[name] = .string(text) }
            return map
        }

        func signal(_ id: String, _ type: String, _ data: String = "{}", isOuter: Bool = false) throws {
            try snapshot.signal(
                id: id, type: type, data: data, place: "here", source: context.source(), isOuter: isOuter,
                offset: Self.offset)
        }

        func proceed() throws { try snapshot.proceed(Self.offset) }

        /// The marks of the last chunk, as they come in the log.
        func readMarks() throws {
            for mark in database.marks.suffix(2) {
                try signal(mark, mark.hasSuffix("-open") ? "snapshot-window-open" : "snapshot-window-close")
            }
        }

        /// Another stream after a connection broke.
        func reconnect() {
            let database = database
            database.isBroken = false
            snapshot = IncrementalSnapshot(context, entries: [:], after: snapshot) { Connection(database: database) }
        }

        func records() async throws -> [ConnectRecord] {
            try context.flush(endsTransaction: true)
            return try await queue.take(countMax: 1000, timeout: .zero).records
        }
    }

    private static func last(_ record: ConnectRecord) -> String? {
        guard case .source(_, let offset) = record.origin else { return nil }
        return offset["incremental_snapshot_primary_key"]?.string ?? "-"
    }

    private static func rows(_ records: [ConnectRecord]) -> [ConnectRecord] { records.filter { $0.topic != "notes" } }

    private static func told(_ records: [ConnectRecord]) -> [String] {
        records.filter { $0.topic == "notes" }.compactMap { $0.value.value.structure?["type"]?.string }
    }

    private static let both = #"{"data-collections": ["d.t", "d.u"]}"#

    /// A worker may store any part of a chunk.
    @Test(arguments: ["2048", "1"])
    func `only a chunk's last row is behind it`(batchSize: String) async throws {
        let reader = try Reader(["max.batch.size": batchSize, "max.queue.size": "4096"])
        try reader.signal("one", "execute-snapshot", Self.both)
        try reader.proceed()
        _ = try await reader.records()
        try reader.readMarks()
        #expect(Self.rows(try await reader.records()).map(Self.last) == ["-", #"["2"]"#])
        try reader.proceed()
        try reader.readMarks()
        #expect(Self.rows(try await reader.records()).map(Self.last) == [#"["3"]"#])
    }

    /// A row that the log has changed is none of the chunk's any more.
    @Test func `the last row that is left is behind the chunk`() async throws {
        let reader = try Reader()
        try reader.signal("one", "execute-snapshot", Self.both)
        try reader.proceed()
        let marks = reader.database.marks
        try reader.signal(try #require(marks.first), "snapshot-window-open")
        let table = TableID("d", "t")
        let events = try #require(reader.context.events(of: table))
        reader.snapshot.saw(table, keys: [try events.key([.integer(2), .null], isStreaming: true)])
        try reader.signal(try #require(marks.last), "snapshot-window-close")
        #expect(Self.rows(try await reader.records()).map(Self.last) == [#"["2"]"#])
    }

    @Test(
        arguments: [
            (#"{"data-collections": ["d.t"]}"#, ["d.u"]), (#"{"data-collections": ["d.u"]}"#, ["d.t"]), ("{}", []),
        ])
    func `what is to end is in no offset`(data: String, left: [String]) async throws {
        let reader = try Reader()
        try reader.signal("one", "execute-snapshot", Self.both)
        try reader.proceed()
        try reader.signal("two", "stop-snapshot", data)
        let entries = reader.snapshot.entries
        let text = entries["incremental_snapshot_collections"] ?? ""
        for table in ["d.t", "d.u"] { #expect(text.contains(table) == left.contains(table)) }
        // The key is that of the first table.
        #expect((entries["incremental_snapshot_maximum_key"] != nil) == left.contains("d.t"))
        // A start from there reads the rest.
        let next = try Reader(entries: entries)
        try next.proceed()
        #expect(next.snapshot.isUnderWay == !left.isEmpty)
        #expect(next.database.marks.isEmpty == left.isEmpty)
        // And here the window's end is the snapshot's.
        try reader.readMarks()
        #expect(Self.told(try await reader.records()).contains("ABORTED"))
        #expect((reader.snapshot.entries["incremental_snapshot_collections"] ?? "") == text)
    }

    @Test func `a connection that breaks loses no signal`() async throws {
        let reader = try Reader()
        try reader.signal("one", "execute-snapshot", Self.both)
        try reader.proceed()
        try reader.signal("two", "stop-snapshot", #"{"data-collections": ["d.t"]}"#)
        reader.reconnect()
        try reader.proceed()
        #expect(Self.told(try await reader.records()).contains("ABORTED"))
        try reader.readMarks()
        try reader.signal("three", "pause-snapshot")
        reader.reconnect()
        let count = reader.database.marks.count
        try reader.proceed()
        #expect(reader.database.marks.count == count)
        try reader.signal("four", "resume-snapshot")
        try reader.proceed()
        let told = Self.told(try await reader.records())
        #expect(told.contains("PAUSED") && told.contains("RESUMED") && told.last == "COMPLETED")
    }

    @Test func `a chunk that is read again is counted once`() async throws {
        let reader = try Reader()
        try reader.signal("one", "execute-snapshot", #"{"data-collections": ["d.u"]}"#)
        try reader.proceed()
        reader.reconnect()
        try reader.proceed()
        try reader.readMarks()
        try reader.proceed()
        let scanned = try await reader.records().compactMap { record -> String? in
            guard case .map(let data)? = record.value.value.structure?["additional_data"] else { return nil }
            return data["total_rows_scanned"]?.string
        }
        #expect(scanned == ["1"])
    }

    @Test func `the end of a table is told, and of what was paused`() async throws {
        let reader = try Reader()
        try reader.signal("one", "execute-snapshot", #"{"data-collections": ["d.t"]}"#)
        try reader.proceed()
        let changes = try reader.context.apply(
            ddl: "DROP TABLE t", database: "d", position: ConnectMap(), source: reader.context.source(),
            offset: ConnectMap())
        #expect(changes.count == 1)
        reader.snapshot.tableChanged(TableID("d", "t"), isDropped: true)
        try reader.proceed()
        #expect(Self.told(try await reader.records()).suffix(2) == ["TABLE_SCAN_COMPLETED", "COMPLETED"])
        #expect(!reader.snapshot.isUnderWay && reader.snapshot.entries.isEmpty)
    }

    /// The group of a topic's signals moves with the last row.
    @Test func `a blocking snapshot's mark goes with its last row`() async throws {
        let reader = try Reader(["max.batch.size": "1", "max.queue.size": "4096", "notification.enabled.channels": ""])
        try reader.signal(
            "one", "execute-snapshot", #"{"data-collections": ["d.t"], "type": "blocking"}"#, isOuter: true)
        try reader.snapshot.runBlocking(
            source: reader.context.source(), offset: ConnectMap(), end: ConnectMap(), signalMark: 7)
        var marks: [Int64?] = []
        while true {
            let taken = try await reader.queue.take(countMax: 1, timeout: .zero)
            if taken.records.isEmpty { break }
            marks.append(taken.signalMark)
        }
        #expect(marks == [nil, nil, 7])
    }
}
