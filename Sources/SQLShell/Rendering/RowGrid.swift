import JSONFormat

/// The rows of a query in a grid that fits the terminal. Widths are those of the first rows; a cell that is longer goes on
/// in the next line, or is cut.
struct RowGrid {
    enum Overflow: Sendable { case wrap, clip }

    private let widths: [Int]
    private let headings: [String]
    private let overflow: Overflow

    /// - Parameters:
    ///   - rows: the first rows, which say how wide columns are.
    ///   - available: columns of the terminal; nil for no limit.
    ///   - fixedWidth: of every column, where the user wants it so.
    init(headings: [String], rows: [[String]], available: Int?, fixedWidth: Int? = nil, overflow: Overflow = .wrap) {
        self.headings = headings
        self.overflow = overflow
        let wanted = headings.indices.map { column in
            max(
                TextWidth.of(headings[column]), 3,
                rows.map { $0.indices.contains(column) ? TextWidth.of($0[column]) : 0 }.max() ?? 0)
        }
        if let fixedWidth {
            widths = wanted.map { _ in max(1, fixedWidth) }
        } else if let available {
            widths = Self.shared(available - headings.count - 1, wanted)
        } else {
            widths = wanted
        }
    }

    /// Narrow columns get what they want; the wide ones share what is left, and nobody gets less than 3 cells.
    private static func shared(_ total: Int, _ wanted: [Int]) -> [Int] {
        var widths = wanted
        var left = total
        for (rank, column) in wanted.indices.sorted(by: { wanted[$0] < wanted[$1] }).enumerated() {
            let share = max(3, left / (wanted.count - rank))
            widths[column] = min(wanted[column], share)
            left -= widths[column]
        }
        return widths
    }

    var ruler: String { "+" + widths.map { String(repeating: "-", count: $0) + "+" }.joined() }

    var head: String { [ruler, line(headings), ruler].joined(separator: "\n") }

    /// One or more lines, without the last one's end.
    func line(_ cells: [String]) -> String {
        var rest = widths.indices.map { column -> [Substring] in
            let text = cells.indices.contains(column) ? cells[column] : ""
            return text.split(separator: "\n", omittingEmptySubsequences: false)
        }
        var lines: [String] = []
        repeat {
            var line = "|"
            for column in widths.indices {
                guard let part = rest[column].first else {
                    line += String(repeating: " ", count: widths[column]) + "|"
                    continue
                }
                let piece = TextWidth.prefix(of: part, width: widths[column])
                line += TextWidth.padded(String(piece), to: widths[column]) + "|"
                let behind = part[piece.endIndex...]
                if behind.isEmpty || overflow == .clip {
                    rest[column].removeFirst()
                } else {
                    rest[column][0] = behind
                }
            }
            lines.append(line)
        } while overflow == .wrap && rest.contains { !$0.isEmpty }
        return lines.joined(separator: "\n")
    }

    /// A cell as people read it: text without quotes, everything else as JSON, `null` for nothing. Lines stay lines; other
    /// control characters, which would move the cursor or worse, are written as in JSON.
    static func cell(_ value: JSONValue) -> String {
        if case .string(let text) = value { return TextWidth.withoutControls(text) }
        return String(decoding: value.bytes, as: UTF8.self)
    }
}
