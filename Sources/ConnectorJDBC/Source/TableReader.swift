internal import ConnectCore
internal import SQLTypes

/// Reads one table, or one query, a stretch of rows at a time.
final class TableReader {
    enum Subject: Sendable {
        case table(SourceTable)
        case query(String)

        var name: String {
            switch self {
            case .table(let table): "table \(table.fullName)"
            case .query: "query"
            }
        }
    }

    let subject: Subject
    private let settings: SourceSettings
    private let criteria: SourceCriteria
    private let topic: String
    private let partition: ConnectMap
    /// Behind the last row that was handed out.
    private(set) var offset: SourceOffset
    private var cursor: (any RowCursor)?
    private var layout: Layout?
    /// The next row, which is looked at before the one in front of it goes.
    private var ahead: [RawValue]?
    /// When the table is asked again, in milliseconds of the task's clock.
    var due: Int64 = 0
    var failureCount = 0

    /// What rows of a result become.
    private struct Layout {
        var columns: [ResultColumn]
        var fields: [(place: Int, field: SourceField)]
        var schema: ConnectSchema
        /// Places of the columns with times, and the one of the number.
        var times: [(place: Int, field: SourceField)] = []
        var number: (place: Int, field: SourceField)?
    }

    init(
        _ subject: Subject, _ settings: SourceSettings, timestampColumns: [String], incrementingColumn: String?,
        _ offset: SourceOffset
    ) {
        self.subject = subject
        self.settings = settings
        self.offset = offset
        criteria = SourceCriteria(
            dialect: settings.dialect, timestampColumns: timestampColumns, incrementingColumn: incrementingColumn,
            zone: settings.mapping.zone)
        switch subject {
        case .table(let table):
            topic = settings.topicPrefix + table.id.name
            // Without offsets the original knows tables by their names alone.
            partition =
                settings.mode == .bulk
                ? ConnectMap([("table", .string(table.id.name))]) : SourceOffset.partitions(table.id)[0]
        case .query:
            topic = settings.topicPrefix
            partition = SourceOffset.queryPartition
        }
    }

    var isReading: Bool { cursor != nil }

    /// - Parameter end: microseconds since 1970.
    func statement(end: Int64) -> String {
        var sql =
            switch subject {
            case .table(let table): "SELECT * FROM " + settings.dialect.quoted(table.id)
            case .query(let text): text
            }
        if settings.mode != .bulk { sql += criteria.clause(offset, end: end) }
        if !settings.querySuffix.isEmpty { sql += " " + settings.querySuffix }
        return sql
    }

    func begin(_ database: any SourceDatabase) throws(SQLFailure) {
        var end: Int64 = 0
        if settings.mode.hasTime {
            end = try database.now(settings.mapping.zone) - settings.timestampDelay * 1000
        }
        cursor = try database.rows(statement(end: end))
    }

    /// Ends a query, if one runs.
    func end() {
        cursor?.close()
        cursor = nil
        ahead = nil
    }

    /// What a stretch of rows came to.
    struct Stretch: Sendable {
        var records: [ConnectRecord] = []
        /// Columns that are not in records.
        var leftOut: [ResultColumn] = []
        var isOver = false
    }

    func next(countMax: Int) throws(SourceFailure) -> Stretch {
        let offsetBefore = offset
        let layoutBefore = layout
        do throws(SourceFailure) {
            return try stretch(countMax: countMax)
        } catch {
            // The records in front of the failure go with it, and so does what was noticed of their columns: the next
            // query begins where this stretch did.
            offset = offsetBefore
            layout = layoutBefore
            throw error
        }
    }

    private func stretch(countMax: Int) throws(SourceFailure) -> Stretch {
        var stretch = Stretch()
        guard let cursor else { return Stretch(isOver: true) }
        let layout: Layout
        if let known = self.layout, known.columns == cursor.columns {
            layout = known
        } else {
            layout = try SourceFailure.final { () throws(ConnectError) in try self.layout(cursor.columns) }
            self.layout = layout
            stretch.leftOut = cursor.columns.filter { $0.type == .unsupported }
        }
        if ahead == nil { ahead = try Self.row(cursor) }
        while let row = ahead, stretch.records.count < countMax {
            let following = try Self.row(cursor)
            stretch.records.append(
                try SourceFailure.final { () throws(ConnectError) in
                    try record(row, following: following, layout)
                })
            ahead = following
        }
        if ahead == nil {
            end()
            stretch.isOver = true
        }
        return stretch
    }

    /// The next row, with a value for each of the columns; nil at the end.
    private static func row(_ cursor: any RowCursor) throws(SourceFailure) -> [RawValue]? {
        let row = try SourceFailure.of { () throws(SQLFailure) in try cursor.next() }
        // Values are found by the places of their columns.
        if let row, row.count != cursor.columns.count {
            throw .database(
                SQLFailure(
                    .again, state: "0A000",
                    "a row has \(row.count) values for \(cursor.columns.count) columns: the table was changed while it "
                        + "was asked"))
        }
        return row
    }

    private func layout(_ columns: [ResultColumn]) throws(ConnectError) -> Layout {
        var fields: [(place: Int, field: SourceField)] = []
        for (place, column) in columns.enumerated() {
            if let field = settings.mapping.field(column) { fields.append((place, field)) }
        }
        let schemaFields = fields.map { ConnectSchema.Field($0.field.column.name, $0.field.schema) }
        do throws(ConnectError) {
            try ConnectSchema.checkFields(schemaFields)
        } catch {
            throw ConnectError(
                error.code, "\(error.message): give the columns of the query different names (SELECT a.id AS a_id ...)")
        }
        let name: String? = if case .table(let table) = subject { table.id.name } else { nil }
        var layout = Layout(columns: columns, fields: fields, schema: .structure(schemaFields, name: name))
        func place(_ wanted: String) -> (place: Int, field: SourceField)? {
            fields.first { $0.field.column.name == wanted }
                ?? fields.first { $0.field.column.name.lowercased() == wanted.lowercased() }
        }
        func known() -> String { columns.map(\.name).joined(separator: ",") }
        guard settings.mode != .bulk else { return layout }
        for column in criteria.timestampColumns {
            guard let found = place(column) else {
                throw .data("Timestamp column \(column) not found in \(known()): the query has to select it")
            }
            // SQLite's columns hold times whatever they were declared as.
            guard found.field.column.type.isTime || settings.dialect.product == .sqlite else {
                throw ConnectError(
                    .connect,
                    "Column \(column) of type \(found.field.column.typeName) is no timestamp column: "
                        + "timestamp.column.name needs columns of dates and times")
            }
            layout.times.append(found)
        }
        if let column = criteria.incrementingColumn {
            guard let found = place(column) else {
                throw .data("Incrementing column \(column) not found in \(known())")
            }
            layout.number = found
        }
        return layout
    }

    private func time(_ row: [RawValue], _ layout: Layout) throws(ConnectError) -> Int64? {
        for (place, field) in layout.times {
            if let micros = try field.timestamp(row[place], isOffset: true) { return micros }
        }
        return nil
    }

    private func record(
        _ row: [RawValue], following: [RawValue]?, _ layout: Layout
    ) throws(ConnectError) -> ConnectRecord {
        var values: [ConnectValue] = []
        values.reserveCapacity(layout.fields.count)
        var number: Int64?
        for (place, field) in layout.fields {
            let value = try field.value(row[place])
            if place == layout.number?.place { number = try Self.number(value, field) }
            values.append(value)
        }
        switch settings.mode {
        case .bulk: break
        case .incrementing: offset = SourceOffset(incrementing: number)
        case .both: offset = SourceOffset(incrementing: number, timestamp: try time(row, layout))
        case .timestamp:
            // The offset passes a time only with the last row that has it: a restart between two rows of one time
            // reads both again and loses none.
            let own = try time(row, layout)
            let next = try following.map { (row) throws(ConnectError) in try time(row, layout) } ?? nil
            if let own, following == nil || next.map({ own < $0 }) ?? true { offset = SourceOffset(timestamp: own) }
        }
        let structure = ConnectStruct(layout.schema, values: values)
        return ConnectRecord(
            topic: topic, value: SchemaAndValue(layout.schema, .structure(structure)),
            origin: .source(partition: partition, offset: settings.mode == .bulk ? ConnectMap() : offset.map))
    }

    private static func number(_ value: ConnectValue, _ field: SourceField) throws(ConnectError) -> Int64 {
        if let number = value.integer { return number }
        switch value {
        case .null:
            throw ConnectError(.connect, "Null value for incrementing column of type: \(field.schema.kind.rawValue)")
        case .decimal(let decimal):
            guard let whole = decimal.rescaledExactly(to: 0) else {
                throw ConnectError(.connect, "Scale of Decimal value for incrementing column must be 0")
            }
            guard let number = Int64(whole.description) else {
                throw ConnectError(.connect, "Decimal value for incrementing column exceeded Long.MAX_VALUE")
            }
            return number
        default:
            throw ConnectError(.connect, "Invalid type for incrementing column: \(field.schema.kind.rawValue)")
        }
    }
}

/// Why a stretch of rows did not come.
enum SourceFailure: Error, Sendable {
    /// Of the database.
    case database(SQLFailure)
    /// Reading again changes nothing.
    case final(ConnectError)

    static func of<Value>(_ body: () throws(SQLFailure) -> Value) throws(SourceFailure) -> Value {
        do throws(SQLFailure) { return try body() } catch { throw .database(error) }
    }

    static func final<Value>(_ body: () throws(ConnectError) -> Value) throws(SourceFailure) -> Value {
        do throws(ConnectError) { return try body() } catch { throw .final(error) }
    }
}
