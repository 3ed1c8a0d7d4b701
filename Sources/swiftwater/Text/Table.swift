/// Rows under headings, aligned; numbers to the right.
struct Table {
    private var rows: [[String]] = []
    private let headings: [String]
    private let rightAligned: Set<Int>

    /// - Parameter columns: headings in upper case; those of number columns end in `#`, which is not shown.
    init(_ columns: String...) { self.init(columns) }

    init(_ columns: [String]) {
        headings = columns.map { $0.hasSuffix("#") ? String($0.dropLast()) : $0 }
        rightAligned = Set(columns.indices.filter { columns[$0].hasSuffix("#") })
    }

    mutating func add(_ cells: String...) { add(cells) }

    /// Adds a row. Others made the names in it, so control characters are shown, not sent to the terminal.
    mutating func add(_ cells: [String]) { rows.append(cells.map { RecordPrinter.visible($0) }) }

    /// Lines without the last line's end; only the headings when there are no rows.
    var text: String {
        let all = [headings] + rows
        let widths = headings.indices.map { column in all.map { Self.width($0[column]) }.max() ?? 0 }
        return all.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - Self.width(cell))
                line += rightAligned.contains(column) ? padding + cell : cell + padding
                if column < row.count - 1 { line += "  " }
            }
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }

    private static func width(_ text: String) -> Int { text.count }
}
