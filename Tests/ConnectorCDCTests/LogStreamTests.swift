import ConnectCore
import Synchronization
import TestKit
import Testing

@testable import ConnectorCDC

/// Events of a log, made by hand after MySQL's "Binary Log Event" pages, without checksums.
private struct LogWriter {
    private(set) var position: Int64 = 4

    private static func bytes(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    private mutating func event(_ type: UInt8, _ body: [UInt8]) -> [UInt8] {
        let count = 19 + body.count
        position += Int64(count)
        return Self.bytes(1_700_000_000, 4) + [type] + Self.bytes(1, 4) + Self.bytes(count, 4)
            + Self.bytes(Int(position), 4) + [0, 0] + body
    }

    mutating func query(_ sql: String) -> [UInt8] {
        event(2, Self.bytes(7, 4) + Self.bytes(0, 4) + [1] + Self.bytes(0, 4) + Array("d\0".utf8) + sql.utf8)
    }

    mutating func end() -> [UInt8] { event(16, Self.bytes(1, 8)) }

    /// - Parameter types: INT (3) or VARCHAR (15) with the bytes that one may have.
    mutating func table(_ number: Int, _ name: String, _ types: [(type: UInt8, byteCount: Int)]) -> [UInt8] {
        let metadata = types.filter { $0.type == 15 }.flatMap { Self.bytes($0.byteCount, 2) }
        let names = [1] + Array("d\0".utf8) + [UInt8(name.utf8.count)] + Array(name.utf8) + [0]
        return event(
            19,
            Self.bytes(number, 6) + [0, 0] + names + [UInt8(types.count)] + types.map(\.type) + [UInt8(metadata.count)]
                + metadata + [0])
    }

    /// - Parameter rows: their bytes without NULLs; of updates, pairs.
    mutating func rows(_ type: UInt8, _ number: Int, columns: Int, _ rows: [[UInt8]]) -> [UInt8] {
        let bitmap: [UInt8] = type == 24 ? [0xFF, 0xFF] : [0xFF]
        return event(type, Self.bytes(number, 6) + [0, 0, UInt8(columns)] + bitmap + rows.flatMap { [0] + $0 })
    }

    static func row(_ id: Int, _ text: String, _ number: Int) -> [UInt8] {
        bytes(id, 4) + [UInt8(text.utf8.count)] + Array(text.utf8) + bytes(number, 4)
    }

    static func signal(_ id: String, _ type: String, _ data: String) -> [UInt8] {
        [UInt8(id.utf8.count)] + Array(id.utf8) + [UInt8(type.utf8.count)] + Array(type.utf8)
            + bytes(data.utf8.count, 2) + Array(data.utf8)
    }
}

/// From events of the log to records.
@Suite struct LogStreamTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var warnings: [String] { lines.withLock { $0 } }
    }

    /// A stream of a log that begins with the tables `t` and `sig`.
    private final class Reader {
        var log = LogWriter()
        let stream: LogStream
        let queue = RecordQueue(recordCountMax: 1000, byteCountMax: 1 << 20)
        let lines = Lines()
        let context: ReaderContext

        init(
            _ options: [String: String], failure: MySQLError = MySQLError(number: 1142, message: "no"),
            entries: [String: String] = [:]
        ) throws {
            let plain = [
                "database.hostname": "h", "database.user": "u", "database.password": "p", "database.server.id": "5",
                "topic.prefix": "s", "include.schema.changes": "false", "signal.data.collection": "d.sig",
                "table.include.list": "d.t",
            ]
            let config = try MySQLConfig(.mysql, plain.merging(options) { $1 })
            let lines = lines
            context = try ReaderContext(
                config, history: MemorySchemaHistory(), queue: queue, version: "1",
                writings: { (_, _, _) throws(ConnectError) in nil }
            ) { level, line in if level == .warning { lines.add(line) } }
            var position = LogPosition()
            position.file = "b.000001"
            position.position = 4
            stream = LogStream(
                context, isMariaDB: true, checksumByteCount: 0, position: position, gtidFilter: try GTIDFilter(config),
                incremental: IncrementalSnapshot(context, entries: entries) { () throws(MySQLError) in throw failure })
            try read(log.query("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(10), n INT)"))
            try read(log.query("CREATE TABLE sig (id VARCHAR(42) PRIMARY KEY, type VARCHAR(32), data VARCHAR(2048))"))
        }

        func read(_ packet: [UInt8]) throws { try packet.withUnsafeBytes { try stream.read($0) } }

        func change(_ type: UInt8, _ rows: [[UInt8]]) throws {
            try read(log.query("BEGIN"))
            try read(log.table(1, "t", [(3, 0), (15, 40), (3, 0)]))
            try read(log.rows(type, 1, columns: 3, rows))
            try read(log.end())
        }

        func signal(_ id: String, _ data: String) throws {
            try read(log.query("BEGIN"))
            try read(log.table(2, "sig", [(15, 168), (15, 128), (15, 8192)]))
            try read(log.rows(23, 2, columns: 3, [LogWriter.signal(id, "execute-snapshot", data)]))
            try read(log.end())
        }

        func records() async throws -> [ConnectRecord] {
            try await queue.take(countMax: 1000, timeout: .zero).records
        }
    }

    private static func operations(_ records: [ConnectRecord]) -> [String] {
        records.map { $0.value.value.structure?["op"]?.string ?? $0.value.value.structure?["status"]?.string ?? "-" }
    }

    /// As Debezium does it: two updates of a column that events do not have, one of a column that they have, one that a
    /// mask hides.
    @Test(
        arguments: [
            ("true", ["BEGIN", "d", "-", "c", "END"], 2), ("false", ["BEGIN", "u", "u", "u", "d", "-", "c", "END"], 5),
        ])
    func `updates without a change`(skips: String, operations: [String], count: Int64) async throws {
        let reader = try Reader([
            "column.include.list": "d.t.(id|v)", "skip.messages.without.change": skips,
            "column.mask.with.3.chars": "d.t.v", "provide.transaction.metadata": "true",
        ])
        try reader.change(
            24,
            [
                LogWriter.row(1, "a", 1), LogWriter.row(1, "a", 2), LogWriter.row(2, "a", 1), LogWriter.row(2, "b", 1),
                LogWriter.row(3, "a", 1), LogWriter.row(3, "a", 2), LogWriter.row(4, "a", 1), LogWriter.row(5, "a", 1),
            ])
        let records = try await reader.records()
        // A row whose key changes is two, with a tombstone between them.
        #expect(Self.operations(records) == operations)
        #expect(records.last?.value.value.structure?["event_count"] == .int64(count))
    }

    /// As recorded from Debezium 3.6: a row's own headers, then those of the context; none for transactions.
    @Test(arguments: [true, false]) func `records tell which run they are of`(isEnabled: Bool) async throws {
        let reader = try Reader([
            "extended.headers.enabled": "\(isEnabled)", "provide.transaction.metadata": "true",
            "include.schema.changes": "true",
        ])
        try reader.change(24, [LogWriter.row(4, "a", 1), LogWriter.row(5, "a", 1)])
        let records = try await reader.records()
        let context = isEnabled ? ["connectorLogicalName", "taskId", "connectorName", "runId"] : []
        let names = context.map { "__debezium.context." + $0 }
        #expect(
            records.map { $0.headers.map(\.name) } == [
                names, names, [], ["__debezium.newkey"] + names, ["__debezium.newkey"] + names,
                ["__debezium.oldkey"] + names, [],
            ])
        let values = records[0].headers.map(\.value.string)
        #expect(values.dropLast() == (isEnabled ? ["s", "0", "mysql"] : []))
        #expect(Set(records.compactMap { $0.headers.last?.value.string }).count == (isEnabled ? 1 : 0))
    }

    /// By hand from RFC 9562.
    @Test func `runs have UUIDs of version 7`() {
        #expect(
            ContextHeaders.runID(milliseconds: 0x01A2_1C43_655A, random: (0xFFF8, .max))
                == "01a21c43-655a-78ff-bfff-ffffffffffff")
    }

    /// The server's words for a missing right to INSERT.
    @Test func `a snapshot that fails leaves the log alone`() async throws {
        let reader = try Reader([:], failure: MySQLError(number: 1142, message: "INSERT command denied"))
        try reader.signal("one", #"{"data-collections": ["d.t"], "type": "incremental"}"#)
        try reader.signal("two", #"{"data-collections": ["d.t"], "type": "BLOCKING"}"#)
        try reader.signal("three", #"{"data-collections": ["d.t"], "type": "other"}"#)
        try reader.signal("four", #"{"data-collections": ["d.t"], "surrogate-key": "nosuch"}"#)
        try reader.change(23, [LogWriter.row(1, "a", 1)])
        // The signals' rows are events, too.
        #expect(Self.operations(try await reader.records()) == ["c", "c", "c", "c", "c"])
        let warnings = reader.lines.warnings
        #expect(warnings.count == 5)
        for (warning, words) in zip(
            warnings,
            [
                ["'one'", "d.t", "INSERT command denied"], ["blocking", "'two'", "INSERT command denied"],
                ["'three'", "'other'"], ["'four'", "'nosuch'"], ["'four'", "INSERT command denied"],
            ])
        {
            for word in words { #expect(warning.contains(word), "\(warning)") }
        }
        #expect(reader.stream.position.incremental.isEmpty)
        #expect(reader.stream.position.position == reader.log.position)
    }

    @Test func `a blocking snapshot begins again with its signal`() async throws {
        let reader = try Reader([:], failure: MySQLError(number: 2013, message: "lost"))
        let start = reader.log.position
        #expect(throws: MySQLError.self) {
            try reader.signal("one", #"{"data-collections": ["d.t"], "type": "blocking"}"#)
        }
        #expect(reader.stream.position.position == start)
        #expect(reader.stream.position.eventCount == 0)
    }

    private static func offset(_ record: ConnectRecord) -> ConnectMap {
        if case .source(_, let offset) = record.origin { offset } else { ConnectMap() }
    }

    /// A start passes over the row, so that its own event has to have what it asks for.
    @Test func `a signal's event has what it asks for`() async throws {
        let reader = try Reader([:], failure: MySQLError(number: 2013, message: "lost"))
        #expect(throws: MySQLError.self) {
            try reader.signal("one", #"{"data-collections": ["d.t"], "type": "incremental"}"#)
        }
        let record = try #require(try await reader.records().last)
        let place = try #require(LogPosition(Self.offset(record)))
        #expect(place.rowCount == 1)
        #expect(place.incremental["incremental_snapshot_collections"]?.contains("d.t") == true)
        #expect(reader.stream.restart.incremental == place.incremental)
    }

    /// Whatever part of the transaction is stored when the task is cut off.
    @Test(arguments: ["2048", "1"])
    func `events of a blocking signal's transaction are before it`(batchSize: String) async throws {
        let reader = try Reader(
            ["max.batch.size": batchSize, "max.queue.size": "4096", "provide.transaction.metadata": "true"],
            failure: MySQLError(number: 2013, message: "lost"))
        let start = reader.log.position
        try reader.read(reader.log.query("BEGIN"))
        try reader.read(reader.log.table(2, "sig", [(15, 168), (15, 128), (15, 8192)]))
        let asks = LogWriter.signal(
            "one", "execute-snapshot", #"{"data-collections": ["d.t"], "type": "blocking"}"#)
        try reader.read(
            reader.log.rows(23, 2, columns: 3, [asks, LogWriter.signal("two", "log", #"{"message": "x"}"#)]))
        try reader.read(reader.log.table(1, "t", [(3, 0), (15, 40), (3, 0)]))
        try reader.read(reader.log.rows(23, 1, columns: 3, [LogWriter.row(1, "a", 1), LogWriter.row(2, "b", 1)]))
        #expect(reader.stream.restart.position == start && reader.stream.restart.eventCount == 0)
        #expect(throws: MySQLError.self) { try reader.read(reader.log.end()) }
        var records: [ConnectRecord] = []
        while true {
            let next = try await reader.records()
            if next.isEmpty { break }
            records += next
        }
        #expect(Self.operations(records) == ["BEGIN", "c", "c", "c", "c", "END"])
        for record in records.dropFirst() {
            let place = try #require(LogPosition(Self.offset(record)))
            #expect(place.position == start && place.eventCount == 0 && place.rowCount == 0)
        }
    }

    @Test func `a signal from outside stays until it was followed`() async throws {
        let reader = try Reader([:], failure: MySQLError(number: 2013, message: "lost"))
        let inbox = SignalInbox()
        var signal = Signal(
            id: "one", type: "execute-snapshot", data: #"{"data-collections": ["d.t"], "type": "blocking"}"#)
        signal.nextOffset = 7
        #expect(inbox.add(signal))
        #expect(throws: MySQLError.self) { try reader.stream.takeSignals(inbox) }
        #expect(inbox.first?.id == "one" && reader.context.chunk.signalMark == nil)
        // What the server refuses is done.
        let next = try Reader([:], failure: MySQLError(number: 1142, message: "denied"))
        try next.stream.takeSignals(inbox)
        #expect(inbox.isEmpty && next.context.chunk.signalMark == 7)
    }

    @Test func `an incremental snapshot goes on where the log has nothing to tell`() throws {
        let entries = ["incremental_snapshot_collections": #"[{"incremental_snapshot_collections_id": "d.t"}]"#]
        let reader = try Reader([:], failure: MySQLError(number: 2013, message: "lost"), entries: entries)
        #expect(throws: MySQLError.self) { try reader.stream.takeSignals(SignalInbox()) }
        let other = try Reader([:], failure: MySQLError(number: 2013, message: "lost"))
        try other.stream.takeSignals(SignalInbox())
    }

    /// The example of Debezium's documentation.
    @Test func `signals say which rows`() throws {
        let reader = try Reader(["table.include.list": "d.*"])
        let signal = try #require(
            SnapshotSignal(
                id: "1",
                data: #"""
                    {"data-collections": ["d.t"], "type": "blocking", "surrogate-key": "v", "additional-conditions":
                     [{"data-collection": "d[.]t", "filter": "SELECT * FROM d.t WHERE id<3"}]}
                    """#
            ) { _, _ in })
        #expect(signal.kind == .blocking && signal.surrogateKey == "v")
        #expect(signal.tables(reader.context) == [TableID("d", "t")])
        #expect(signal.filter(of: TableID("d", "t")) == "SELECT * FROM d.t WHERE id<3")
        #expect(signal.filter(of: TableID("d", "sig")) == nil)
    }

    @Test func `snapshots read a statement of the signal's, and surrogate keys`() throws {
        let reader = try Reader(["column.include.list": "d.t.v"])
        let events = try #require(reader.context.events(of: TableID("d", "t")))
        let own = [SnapshotTable.override(of: TableID("d", "t")): "SELECT * FROM d.t WHERE id<3;"]
        #expect(
            SnapshotTable(events: events, overrides: own).statement
                == "SELECT `id`, `v` FROM (SELECT * FROM d.t WHERE id<3) AS overridden")
        let number = ColumnCodec(events.table.columns[2], HandlingModes())
        #expect(
            SnapshotTable(events: events, overrides: [:], also: [(2, number)], condition: " LIMIT 1").statement
                == "SELECT `id`, `v`, `n` FROM `d`.`t` LIMIT 1")
    }
}
