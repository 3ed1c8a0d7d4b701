/// Statements as the history keeps them: lines joined to one, but for what stands between quotes, which would be another text
/// then, and for statements with comments, which would swallow what follows them.
package enum HistoryText {
    package static func joined(_ statement: String) -> String {
        var text = ""
        var quote: Character?
        var isBehindLine = false
        for character in statement {
            if let open = quote {
                if character == open { quote = nil }
                text.append(character)
                continue
            }
            if character == "-", text.last == "-", !isBehindLine { return statement }
            if character.isNewline {
                while text.last == " " || text.last == "\t" { text.removeLast() }
                isBehindLine = true
                continue
            }
            if isBehindLine {
                if character == " " || character == "\t" { continue }
                if !text.isEmpty { text.append(" ") }
                isBehindLine = false
            }
            if "'\"`".contains(character) { quote = character }
            text.append(character)
        }
        return text
    }
}
