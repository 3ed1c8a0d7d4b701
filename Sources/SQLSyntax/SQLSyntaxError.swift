/// Why a text is no statement, or none that can be prepared.
///
/// The wording is ksqlDB's where users and tests look for it; `report` adds the line, a caret and a hint.
package struct SQLSyntaxError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The text is not in the language.
        case syntax
        /// It is, and can mean nothing: a KEY column of a table, a number beyond BIGINT.
        case invalid
        /// It is nested or chained too deep to be worked with.
        case tooDeep
        /// A variable is missing, or has a value that cannot stand where it is used.
        case variable
        /// An expression names a source that the query does not have.
        case unknownSource
    }

    /// One reference, whatever there is to tell: an error takes no room in the frames of functions that may throw it.
    private final class Storage: Sendable {
        let code: Code
        let position: Position
        let headline: String
        let statement: String
        let excerpt: String

        init(_ code: Code, _ position: Position, _ headline: String, statement: String, excerpt: String) {
            self.code = code
            self.position = position
            self.headline = headline
            self.statement = statement
            self.excerpt = excerpt
        }
    }

    private final class Help: Sendable {
        let hint: String?
        let expected: [String]

        init(hint: String?, expected: [String]) {
            self.hint = hint
            self.expected = expected
        }
    }

    private let storage: Storage
    private let help: Help?

    package var code: Code { storage.code }
    package var position: Position { storage.position }
    /// The first part of `message`, without the statement.
    package var headline: String { storage.headline }
    /// The statement in which it is, as it is written.
    package var statement: String { storage.statement }
    /// The line with the place and a caret below.
    package var excerpt: String { storage.excerpt }
    package var hint: String? { help?.hint }
    /// What could have stood there, as the language spells it.
    package var expected: [String] { help?.expected ?? [] }

    package static func == (a: Self, b: Self) -> Bool {
        a.code == b.code && a.headline == b.headline && a.statement == b.statement && a.hint == b.hint
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(code)
        hasher.combine(headline)
        hasher.combine(statement)
    }

    /// The same with what could have stood there and what may help.
    func with(hint: String? = nil, expected: [String]) -> SQLSyntaxError {
        SQLSyntaxError(storage, Help(hint: hint ?? self.hint, expected: expected))
    }

    private init(_ storage: Storage, _ help: Help?) {
        self.storage = storage
        self.help = help
    }

    /// What ksqlDB says.
    package var message: String { statement.isEmpty ? headline : headline + "\nStatement: " + statement }

    /// For people: the message, where it is, and what may help.
    package var report: String { headline + "\n" + excerpt + (hint.map { "\nHint: " + $0 } ?? "") }

    package var description: String { message }

    /// Longer statements are cut in messages.
    private static let statementByteCountMax = 64 << 10
    private static let lineByteCountMax = 120

    /// - Parameter range: of the statement in `source`.
    init(
        _ code: Code, _ headline: String, at position: Position, count: Int = 1, in source: [UInt8], range: Range<Int>,
        hint: String? = nil
    ) {
        let end = min(range.upperBound, range.lowerBound + Self.statementByteCountMax)
        let text = String(decoding: source[range.lowerBound..<end], as: UTF8.self)
        storage = Storage(
            code, position, headline, statement: text + (end < range.upperBound ? " ..." : ""),
            excerpt: Self.excerpt(of: source, at: position, count: count))
        help = hint.map { Help(hint: $0, expected: []) }
    }

    /// An error without a line of text.
    init(_ code: Code, _ headline: String, at position: Position, statement: String) {
        storage = Storage(code, position, headline, statement: statement, excerpt: "")
        help = nil
    }

    private static func excerpt(of source: [UInt8], at position: Position, count: Int) -> String {
        let at = min(max(0, Int(position.offset)), source.count)
        var start = at
        while start > 0, at - start < lineByteCountMax / 2, source[start - 1] != UInt8(ascii: "\n") { start -= 1 }
        while start < at, source[start] & 0xC0 == 0x80 { start += 1 }
        var end = at
        while end < source.count, end - start < lineByteCountMax, source[end] != UInt8(ascii: "\n"),
            source[end] != UInt8(ascii: "\r")
        {
            end += 1
        }
        while end < source.count, end > at, source[end] & 0xC0 == 0x80 { end -= 1 }
        let number = String(position.line)
        let line = source[start..<end]
        // Tabs stay tabs, so that the caret stands where it should.
        let indent = String(
            decoding: source[start..<at].compactMap { byte -> UInt8? in
                if byte & 0xC0 == 0x80 { return nil }
                return byte == UInt8(ascii: "\t") ? byte : UInt8(ascii: " ")
            }, as: UTF8.self)
        let carets = String(repeating: "^", count: max(1, min(count, end - at)))
        let margin = String(repeating: " ", count: number.count)
        return "\(number) | \(String(decoding: line, as: UTF8.self))\n\(margin) | \(indent)\(carets)"
    }
}
