import ConnectCore
import SQLTypes
import Testing

@testable import ConnectorJDBC

/// Rows that a test has, and perhaps a failure behind them.
private final class TestRows: RowCursor {
    let columns: [ResultColumn]
    private var rest: ArraySlice<[RawValue]>
    private let failure: SQLFailure?

    init(_ columns: [ResultColumn], _ rows: [[RawValue]], _ failure: SQLFailure?) {
        self.columns = columns
        rest = rows[...]
        self.failure = failure
    }

    func next() throws(SQLFailure) -> [RawValue]? {
        if let row = rest.popFirst() { return row }
        if let failure { throw failure }
        return nil
    }

    func close() {}
}

/// A database whose every query has the same rows.
private final class TestDatabase: SourceDatabase {
    let dialect = Dialect(.postgresql)
    private let columns: [ResultColumn]
    private let found: [[RawValue]]
    private let failure: SQLFailure?

    init(
        _ rows: [[RawValue]], _ failure: SQLFailure? = nil,
        columns: [ResultColumn] = [.init(name: "id", type: .int64, isOptional: false, typeName: "BIGINT")]
    ) {
        self.columns = columns
        found = rows
        self.failure = failure
    }

    func execute(_ sql: String) throws(SQLFailure) {}
    func query(_ sql: String, _ texts: [String]) throws(SQLFailure) -> [[String?]] { [] }
    func run(_ sql: String, _ cells: [Cell]) throws(SQLFailure) -> Int { 0 }
    func describe(_ table: TableID, kinds: Set<TableDefinition.Kind>) throws(SQLFailure) -> TableDefinition? { nil }
    func write(_ write: TableWrite, _ rows: CellRows) throws(SQLFailure) {}
    func commit() throws(SQLFailure) {}
    func rollback() throws(SQLFailure) {}
    func close() {}
    func prepareReading(isolation: String?) throws(SQLFailure) {}
    func arm(_ stop: QueryStop) {}
    func rows(_ sql: String) throws(SQLFailure) -> any RowCursor { TestRows(columns, found, failure) }
    func tables(kinds: Set<String>) throws(SQLFailure) -> [SourceTable] { [] }
    func columns(of table: TableID) throws(SQLFailure) -> [SourceColumn] { [] }
    func now(_ zone: TimeZoneID) throws(SQLFailure) -> Int64 { 0 }
}

/// Stretches of rows, without a database.
@Suite struct TableReaderTests {
    private func reader() throws -> TableReader {
        let settings = try SourceSettings(["connection.url": "jdbc:postgresql://h/d", "mode": "incrementing"])
        return TableReader(
            .query("SELECT id FROM t"), settings, timestampColumns: [], incrementingColumn: "id",
            SourceOffset(incrementing: 1))
    }

    /// The rows in front of the failure were handed to nobody.
    @Test func `a failure gives back where its records began`() throws {
        let reader = try reader()
        let rows: [[RawValue]] = [[.integer(2)], [.integer(3)], [.integer(4)]]
        try reader.begin(TestDatabase(rows, SQLFailure(.again, state: "08006", "the connection broke")))
        let first = try reader.next(countMax: 1)
        #expect(first.records.count == 1 && reader.offset == SourceOffset(incrementing: 2))
        #expect(throws: SourceFailure.self) { _ = try reader.next(countMax: 100) }
        #expect(reader.offset == SourceOffset(incrementing: 2))
        reader.end()
        try reader.begin(TestDatabase([[.integer(3)], [.integer(4)]]))
        let second = try reader.next(countMax: 100)
        #expect(second.records.count == 2 && second.isOver && reader.offset == SourceOffset(incrementing: 4))
    }

    /// Records count days as Java's calendar does; the database is asked for what is later as it counts them.
    @Test(arguments: ["PROLEPTIC_GREGORIAN", "LEGACY"])
    func `offsets are times of the database`(calendar: String) throws {
        let settings = try SourceSettings([
            "connection.url": "jdbc:postgresql://h/d", "mode": "timestamp", "timestamp.column.name": "ts",
            "date.calendar.system": calendar,
        ])
        let reader = TableReader(
            .query("SELECT ts FROM t"), settings, timestampColumns: ["ts"], incrementingColumn: nil, SourceOffset())
        let column = ResultColumn(name: "ts", type: .timestamp, isOptional: false, typeName: "timestamp")
        try reader.begin(TestDatabase([[.text("1500-01-01 00:00:00")]], columns: [column]))
        let stretch = try reader.next(countMax: 10)
        #expect(reader.offset == SourceOffset(timestamp: -171_664 * 86_400_000_000))
        #expect(reader.statement(end: 0).contains("> '1500-01-01 00:00:00"))
        let days: Int64 = calendar == "LEGACY" ? -171_655 : -171_664
        #expect(stretch.records.first?.value.value.structure?.values == [.instant(days * 86_400_000)])
    }

    @Test func `rows with other columns than described are a failure`() throws {
        let reader = try reader()
        try reader.begin(TestDatabase([[.integer(2)], []]))
        #expect(throws: SourceFailure.self) { _ = try reader.next(countMax: 100) }
        #expect(reader.offset == SourceOffset(incrementing: 1))
    }
}
