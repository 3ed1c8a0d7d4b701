internal import ConnectCore

/// `io.debezium.processors.reselect.ReselectColumnsPostProcessor`: columns of changed rows that the log does not tell, or
/// that are null, are asked for in the database.
struct Reselection: Sendable {
    static let className = "io.debezium.processors.reselect.ReselectColumnsPostProcessor"

    let included: String?
    let excluded: String?
    let takesUnavailable: Bool
    let takesNull: Bool
    /// The row is looked for by the event's key, not by the table's.
    let usesEventKey: Bool
    let failsOnError: Bool

    /// What `post.processors` names.
    ///
    /// - Returns: nil for none.
    /// - Throws: `.config` for a class that is not there, and for options that are wrong.
    static func make(_ properties: [String: String]) throws(ConnectError) -> Reselection? {
        let names = (properties["post.processors"] ?? "").split(separator: ",").map(\.trimmingSpaces)
            .filter { !$0.isEmpty }
        guard let name = names.first else { return nil }
        guard names.count == 1 else {
            throw ConfigValidator.invalid(
                "post.processors", "There is one, \(className), and its options take expressions for any columns")
        }
        let type = properties["\(name).type"]?.trimmingSpaces ?? ""
        guard type == className else {
            throw ConfigValidator.invalid(
                "post.processors", "The class '\(type)' of '\(name).type' is not available; there is \(className)")
        }
        func text(_ option: String) throws(ConnectError) -> String? {
            guard let text = properties["\(name).reselect.\(option)"], !text.trimmingSpaces.isEmpty else { return nil }
            _ = try NamePatterns(text, of: "post.processors", from: "\(name).reselect.\(option)")
            return text
        }
        func flag(_ option: String, _ fallback: Bool) -> Bool {
            let text = properties["\(name).reselect.\(option)"]?.trimmingSpaces.lowercased() ?? ""
            return text.isEmpty ? fallback : text == "true"
        }
        let mode = properties["\(name).reselect.error.handling.mode"]?.trimmingSpaces.lowercased() ?? "warn"
        guard ["warn", "fail", ""].contains(mode) else {
            throw ConfigValidator.invalid(
                "post.processors", "'\(name).reselect.error.handling.mode': Value must be one of warn, fail")
        }
        return Reselection(
            included: try text("columns.include.list"), excluded: try text("columns.exclude.list"),
            takesUnavailable: flag("unavailable.values", true), takesNull: flag("null.values", true),
            usesEventKey: flag("use.event.key", false), failsOnError: mode == "fail")
    }
}

/// What completes rows before they become events. Used by the thread that reads the log.
protocol RowCompletion: AnyObject {
    /// - Parameters:
    ///   - cells: the row in the log, parallel to the table's columns.
    ///   - row: by the events' schema.
    /// - Throws: `ConnectError` where the configuration wants that.
    func completed(_ events: TableEvents, _ cells: [Cell], row: ConnectValue) throws(ConnectError) -> ConnectValue
}

/// Looks rows up as `Reselection` says.
final class Reselector<Connection: SnapshotConnection>: RowCompletion {
    private let options: Reselection
    private unowned let context: any CapturedTables
    private let connect: () throws -> Connection
    private var connection: Connection?
    private let included: NamePatterns?
    private let excluded: NamePatterns?

    /// - Parameter context: owns it.
    init(
        _ options: Reselection, _ context: any CapturedTables, connect: @escaping () throws -> Connection
    ) throws(ConnectError) {
        self.options = options
        self.context = context
        self.connect = connect
        included = try options.included.map { (text) throws(ConnectError) in try NamePatterns(text) }
        excluded = try options.excluded.map { (text) throws(ConnectError) in try NamePatterns(text) }
    }

    private func wants(_ table: TableID, _ column: String) -> Bool {
        let name = "\(table):\(column)"
        if let included { return included.matches(name) }
        return !(excluded?.matches(name) ?? false)
    }

    func completed(
        _ events: TableEvents, _ cells: [Cell], row: ConnectValue
    ) throws(ConnectError) -> ConnectValue {
        guard events.keySchema != nil, case .structure(let given) = row, !context.filters.isSignal(events.table.id)
        else { return row }
        var places: [Int] = []
        for (place, column) in events.columns.enumerated() {
            let isMissing: Bool
            if case .unchanged = cells[column.index] {
                isMissing = options.takesUnavailable
            } else {
                isMissing = options.takesNull && given.values[place].isNull
            }
            if isMissing, wants(events.table.id, events.table.columns[column.index].name) { places.append(place) }
        }
        guard !places.isEmpty else { return row }
        let keyIndexes =
            options.usesEventKey
            ? events.keyColumns.map(\.index) : events.table.primaryKey.compactMap { events.table.index(of: $0) }
        guard !keyIndexes.isEmpty else { return row }
        var conditions: [String] = []
        for index in keyIndexes {
            let codec = context.codec(index, of: events)
            let name = Connection.identifier(events.table.columns[index].name)
            switch cells[index] {
            case .null: conditions.append("\(name) IS NULL")
            case let cell:
                guard let literal = try Connection.literal(cell, events.table.columns[index], codec) else {
                    try failed(events, "its key's column \(name) cannot be asked for")
                    return row
                }
                conditions.append("\(name) = \(literal)")
            }
        }
        do {
            return try read(events, places, " WHERE " + conditions.joined(separator: " AND "), given) ?? row
        } catch let error as ConnectError {
            throw error
        } catch {
            try failed(events, "\(error)")
            return row
        }
    }

    /// - Returns: nil where the row is gone.
    private func read(
        _ events: TableEvents, _ places: [Int], _ condition: String, _ given: ConnectStruct
    ) throws -> ConnectValue? {
        var values: [ConnectValue]?
        func ask(_ server: Connection) throws {
            try server.forEachRow(events, statement: nil, also: [], condition: condition) { cells, _, _ in
                var found = given.values
                for place in places {
                    let column = events.columns[place]
                    let value = try column.codec.value(cells[column.index], isStreaming: false)
                    found[place] =
                        column.rewrite.map { ColumnRules.apply($0, to: value, length: column.length) } ?? value
                }
                values = found
            }
        }
        if let open = connection {
            do {
                try ask(open)
            } catch let error as any SourceFailure where error.isConnectionLost {
                connection = nil
                values = nil
            }
        }
        if connection == nil {
            let made = try connect()
            try ask(made)
            connection = made
        }
        guard let values else {
            try failed(events, "the row\(condition) is not there")
            return nil
        }
        return .structure(ConnectStruct(events.rowSchema, values: values))
    }

    private func failed(_ events: TableEvents, _ what: String) throws(ConnectError) {
        let message = "Failed to re-select columns for table \(events.table.id): \(what)"
        guard !options.failsOnError else { throw ConnectError(.connect, message) }
        context.log(.warning, message)
    }
}
