/// The little of Markdown that generated references are made of.
struct Markdown {
    private(set) var text = ""

    /// - Parameter source: what the text is made of.
    init(title: String, from source: String) {
        text = "# \(title)\n\n<!-- Made by `./dev docs` from \(source): change that, not this file. -->\n"
    }

    mutating func heading(_ level: Int, _ title: String) {
        text += "\n\(String(repeating: "#", count: level)) \(title)\n"
    }

    mutating func paragraph(_ paragraph: String) { text += "\n\(paragraph)\n" }

    mutating func code(_ language: String, _ code: String) { text += "\n```\(language)\n\(code)\n```\n" }

    mutating func list(_ items: [String]) {
        guard !items.isEmpty else { return }
        text += "\n" + items.map { "- \($0)\n" }.joined()
    }

    /// - Parameter rows: cells as Markdown, without line ends and bars of their own: `cell` takes care of both.
    mutating func table(_ headings: [String], _ rows: [[String]]) {
        guard !rows.isEmpty else { return }
        text += "\n| \(headings.joined(separator: " | ")) |\n|\(String(repeating: "---|", count: headings.count))\n"
        for row in rows { text += "| \(row.joined(separator: " | ")) |\n" }
    }

    /// Prose in a table.
    static func cell(_ text: String) -> String {
        var cell = ""
        for character in text.trimmed {
            switch character {
            case "|": cell += "\\|"
            case "<": cell += "&lt;"
            case "*": cell += "\\*"
            case _ where character.isNewline: cell += " "
            default: cell.append(character)
            }
        }
        return cell
    }

    /// A name or value as code; nothing for nothing.
    static func code(_ text: String) -> String {
        guard !text.isEmpty else { return "" }
        let line = String(text.map { $0.isNewline ? " " : $0 }).replacing("|", with: "\\|")
        return line.contains("`") ? "`` \(line) ``" : "`\(line)`"
    }
}
