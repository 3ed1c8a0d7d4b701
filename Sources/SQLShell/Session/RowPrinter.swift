import JSONFormat
import SQLClient
import SQLSyntax
import Synchronization

/// Prints the rows of one query as they come. The first rows are held back for a moment: they say how wide columns are.
final class RowPrinter: Sendable {
    struct Look: Sendable {
        var format: ShellFormat
        var overflow: RowGrid.Overflow
        var columnWidth: Int?
        var width: Int?
    }

    private struct State {
        var headings: [String] = []
        var grid: RowGrid?
        var held: [[String]] = []
        var rowCount = 0
        var isHeaderThere = false
    }

    private let look: Look
    private let write: @Sendable (String) throws -> Void
    private let state = Mutex(State())
    /// Rows that are held back at most.
    private static let heldMax = 200

    init(_ look: Look, write: @escaping @Sendable (String) throws -> Void) {
        self.look = look
        self.write = write
    }

    var rowCount: Int { state.withLock { $0.rowCount } }

    func take(_ piece: QueryPiece) throws {
        switch piece {
        case .header(_, let schema):
            state.withLock {
                $0.headings = Self.names(schema)
                $0.isHeaderThere = true
            }
        case .row(let values, let isTombstone): try row(values, isTombstone)
        case .line(let text):
            // What PRINT says about the topic's formats is no record.
            let isRecord = !["Key format: ", "Value format: "].contains { text.hasPrefix($0) }
            if isRecord { state.withLock { $0.rowCount += 1 } }
            try write(text)
        case .message(let text):
            try flush()
            if look.format == .tabular { try write(text) }
        }
    }

    private static func names(_ schema: String) -> [String] {
        guard let columns = try? SQLParser.columns(schema) else { return [schema] }
        return columns.map(\.name.text)
    }

    private func row(_ values: [JSONValue], _ isTombstone: Bool) throws {
        try state.withLock { state in
            state.rowCount += 1
            guard look.format == .tabular else {
                var members = values.enumerated().map { index, value in
                    (state.headings.indices.contains(index) ? state.headings[index] : "COLUMN_\(index)", value)
                }
                if isTombstone { members.append(("@tombstone", .bool(true))) }
                try write(String(decoding: JSONValue.object(members).bytes, as: UTF8.self))
                return
            }
            var cells = values.map(RowGrid.cell)
            if isTombstone { cells = values.map { EntityText.isNull($0) ? "<TOMBSTONE>" : RowGrid.cell($0) } }
            if let grid = state.grid {
                try write(grid.line(cells))
            } else {
                state.held.append(cells)
                if state.held.count >= Self.heldMax { try begin(&state) }
            }
        }
    }

    private func begin(_ state: inout State) throws {
        let grid = RowGrid(
            headings: state.headings, rows: state.held, available: look.width, fixedWidth: look.columnWidth,
            overflow: look.overflow)
        state.grid = grid
        try write(grid.head)
        for cells in state.held { try write(grid.line(cells)) }
        state.held = []
    }

    /// Prints what is held back, if there is something: called a moment after the first row.
    func show() throws {
        try state.withLock { state in
            if state.grid == nil, !state.held.isEmpty { try begin(&state) }
        }
    }

    /// Ends the grid; a query without rows shows its columns.
    func flush() throws {
        try state.withLock { state in
            guard look.format == .tabular, state.isHeaderThere else { return }
            if state.grid == nil { try begin(&state) }
            if let grid = state.grid { try write(grid.ruler) }
            state.isHeaderThere = false
        }
    }
}
