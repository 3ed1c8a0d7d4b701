/// The name of a column, a source, a field, a function, a type.
///
/// Names are equal when their texts are: `` `ID` `` and `id` mean the same.
package struct Identifier: Hashable, Sendable, CustomStringConvertible {
    /// Unquoted names are upper-cased, quoted ones as they stand between the quotes.
    package var text: String
    package var isQuoted: Bool
    package var position: Position

    package init(_ text: String, isQuoted: Bool = false, position: Position = Position()) {
        self.text = text
        self.isQuoted = isQuoted
        self.position = position
    }

    package static func == (a: Self, b: Self) -> Bool { a.text == b.text }
    package func hash(into hasher: inout Hasher) { hasher.combine(text) }

    /// Without quotes, as messages show it.
    package var description: String { text }

    /// As SQL: in back-quotes where it would mean something else without.
    package var sql: String { Self.quoteIfNeeded(text) }

    /// Whether `name` has to be quoted to mean itself: it is no identifier, a reserved word, or not in upper case.
    package static func needsQuotes(_ name: String) -> Bool { !Words.isPlain(name) }

    package static func quoteIfNeeded(_ name: String) -> String { needsQuotes(name) ? quote(name) : name }

    /// In back-quotes whatever it is, as schema texts show it.
    package static func quote(_ name: String) -> String {
        "`" + (name.contains("`") ? name.replacing("`", "``") : name) + "`"
    }

    /// Whether the language gives the word a meaning of its own and it therefore cannot name anything unquoted.
    package static func isReserved(_ word: String) -> Bool {
        guard let key = Words.Key(Array(word.utf8)[...]), let kind = Words.kinds[key] else { return false }
        return !TokenSet.nonReserved.contains(kind)
    }

    /// A reference `${name}` that nothing was put in for yet.
    package var isVariable: Bool { !isQuoted && text.hasPrefix("${") }
}

extension String {
    /// With every `old` replaced.
    func replacing(_ old: Character, _ new: String) -> String {
        var output = ""
        for character in self { if character == old { output += new } else { output.append(character) } }
        return output
    }
}
