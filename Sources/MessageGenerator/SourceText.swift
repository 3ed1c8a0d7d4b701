/// Swift source as it is printed, line by line, with indentation by nesting.
struct SourceText {
    private(set) var text = ""
    private var depth = 0

    mutating func line(_ content: String = "") {
        if !content.isEmpty { text += String(repeating: "    ", count: depth) + content }
        text += "\n"
    }

    /// `opening` + " {", the lines that `body` prints one level deeper, "}".
    mutating func block(_ opening: String, _ body: (inout SourceText) throws -> Void) rethrows {
        line(opening + " {")
        try indented(body)
        line("}")
    }

    /// The lines that `body` prints, one level deeper.
    mutating func indented(_ body: (inout SourceText) throws -> Void) rethrows {
        depth += 1
        try body(&self)
        depth -= 1
    }

    /// The body alone when `condition` always holds, nothing when it never does.
    mutating func when(_ condition: VersionRange.Condition, _ body: (inout SourceText) -> Void) {
        switch condition {
        case .always: body(&self)
        case .never: break
        case .when(let expression): block("if \(expression)", body)
        }
    }

    /// A list in brackets, on one line where it fits into 120 columns, else broken after commas.
    mutating func list(_ opening: String, _ items: [String], _ closing: String) {
        let whole = opening + items.joined(separator: ", ") + closing
        if depth * 4 + whole.count <= 120 { return line(whole) }
        line(opening)
        depth += 1
        var current = ""
        for (index, item) in items.enumerated() {
            let piece = item + (index == items.count - 1 ? "" : ",")
            if !current.isEmpty, depth * 4 + current.count + 1 + piece.count > 120 {
                line(current)
                current = ""
            }
            current += (current.isEmpty ? "" : " ") + piece
        }
        line(current)
        depth -= 1
        line(closing)
    }
}
