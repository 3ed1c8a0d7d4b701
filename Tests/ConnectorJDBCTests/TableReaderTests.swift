import ConnectCore
import SQLTypes
import Testing

@testable import ConnectorJDBC

/// Rows that a test has, and perhaps a failure behind them.
private final class TestRows: RowCursor {
    let columns = [ResultColumn(name: "id", type: .int64, isOptional: false, typeName: "BIGINT")]
    private var rest: ArraySlice<[RawValue]>
    private let failure: SQLFailure?

    init(_ rows: [[RawValue]], _ failure: SQLFailure?) {
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
    private let found: [[RawValue]]
    private let failure: SQLFailure?

    init(_ rows: [[RawValue]], _ failure: SQLFailure? = nil) {
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
    func rows(_ sql: String) throws(SQLFailure) -> any RowCursor { TestRows(found, failure) }
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

    @Test func `rows with other columns than described are a failure`() throws {
        let reader = try reader()
        try reader.begin(TestDatabase([[.integer(2)], []]))
        #expect(throws: SourceFailure.self) { _ = try reader.next(countMax: 100) }
        #expect(reader.offset == SourceOffset(incrementing: 1))
    }
}
