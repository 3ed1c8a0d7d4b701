/// A table as ksqlDB's command line prints it: columns between bars, a ruler under the headings and one at the end.
struct TextGrid {
    private let headings: [String]
    private var rows: [[String]] = []

    init(_ headings: [String]) { self.headings = headings }

    mutating func add(_ cells: [String]) {
        rows.append((0..<headings.count).map { cells.indices.contains($0) ? cells[$0] : "" })
    }

    /// Lines without the last line's end. Cells of several lines make rows of several lines.
    var text: String {
        let split = ([headings] + rows).map { row in
            row.map { $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }
        }
        let widths = headings.indices.map { column in
            split.map { row in row[column].map(TextWidth.of).max() ?? 0 }.max() ?? 0
        }
        // A bar and two spaces with every column but the first one, which has one space on each side.
        let ruler = String(repeating: "-", count: widths.reduce(0) { $0 + $1 + 3 } - 1)
        var lines: [String] = []
        for (index, row) in split.enumerated() {
            let height = row.map(\.count).max() ?? 1
            for line in 0..<height {
                let cells = row.enumerated().map { column, parts in
                    TextWidth.padded(parts.indices.contains(line) ? parts[line] : "", to: widths[column])
                }
                lines.append(" " + cells.joined(separator: " | ") + " ")
            }
            if index == 0 { lines.append(ruler) }
        }
        lines.append(ruler)
        return lines.joined(separator: "\n")
    }

    /// A message in a box of its own.
    static func message(_ text: String) -> String {
        var grid = TextGrid(["Message"])
        grid.add([text])
        return grid.text
    }
}

/// How many cells of a terminal a text takes.
enum TextWidth {
    static func of(_ text: some StringProtocol) -> Int { text.reduce(0) { $0 + width(of: $1) } }

    static func padded(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - of(text)))
    }

    /// The longest beginning of a text that fits, at least one character.
    static func prefix(of text: Substring, width: Int) -> Substring {
        var used = 0
        var end = text.startIndex
        while end < text.endIndex {
            let next = self.width(of: text[end])
            if used + next > width, end > text.startIndex { break }
            used += next
            end = text.index(after: end)
        }
        return text[..<end]
    }

    /// A text whose control characters, but for ends of lines, are written as in JSON.
    /// - Parameter tabs: whether tabs stay, too.
    static func withoutControls(_ text: String, tabs: Bool = false) -> String {
        func isControl(_ scalar: Unicode.Scalar) -> Bool {
            if scalar == "\t" { return !tabs }
            return scalar.value < 0x20 && scalar != "\n" || (0x7F...0x9F).contains(scalar.value)
        }
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\t" where !tabs: result += "\\t"
            case "\r": result += "\\r"
            case _ where isControl(scalar):
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// 2 for ideographs and emoji, 0 for what has no width of its own: Unicode's East Asian Width, roughly.
    private static func width(of character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first, scalar.value >= 0x300 else { return 1 }
        // A sign that is asked to be shown as an emoji, such as a heart.
        if character.unicodeScalars.dropFirst().first?.value == 0xFE0F { return 2 }
        switch scalar.value {
        case 0x300...0x36F, 0x200B...0x200F, 0xFE00...0xFE0F: return 0
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
            0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F1E6...0x1F320,
            0x20000...0x3FFFD:
            return 2
        default: return scalar.properties.isEmojiPresentation ? 2 : 1
        }
    }
}
