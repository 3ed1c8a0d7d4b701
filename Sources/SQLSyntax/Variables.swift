/// A place where a statement refers to a variable.
struct VariableUse: Hashable, Sendable {
    enum Context: Hashable, Sendable {
        /// `${name}` inside a string.
        case text
        /// Where only a name can stand.
        case identifier
        /// Where only a literal can stand.
        case literal
        /// Where only a string can stand.
        case string
        /// Where a literal can stand, or the name of a column.
        case value
    }

    var context: Context
    var position: Position
    var end: Int32

    init(_ context: Context, _ token: Token) {
        self.context = context
        position = token.position
        end = token.end
    }
}

/// Variables of DEFINE and of requests: names are the same in any case.
package struct SQLVariables: Hashable, Sendable, ExpressibleByDictionaryLiteral {
    private var values: [String: String] = [:]

    package init() {}

    package init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { self[name] = value }
    }

    package init(_ values: [String: String]) {
        // In order, so that of two names that differ in case the same one wins every time.
        for (name, value) in values.sorted(by: { $0.key < $1.key }) { self[name] = value }
    }

    package subscript(name: String) -> String? {
        get { values[name.lowercased()] }
        set { values[name.lowercased()] = newValue }
    }
}

/// Puts values where a statement refers to variables.
///
/// Inside strings the text is put in as it is (quotes doubled) and unknown names stay; `$${name}` is `${name}` without its
/// first `$`. Elsewhere a name has to be known and its value to be what can stand there: an identifier, quoted or not, or a
/// literal: a number, a boolean, text in single quotes. A value can therefore not turn one statement into two.
struct VariableSubstitution {
    let source: [UInt8]
    /// Of the statement, for messages.
    let range: Range<Int>
    let variables: SQLVariables

    func apply(to uses: [VariableUse]) throws(SQLSyntaxError) -> [UInt8] {
        var output: [UInt8] = []
        var at = range.lowerBound
        for use in uses.sorted(by: { $0.position < $1.position }) {
            let start = Int(use.position.offset)
            guard start >= at else { continue }
            output += source[at..<start]
            at = Int(use.end)
            if use.context == .text {
                output += Self.text(source[start..<at], variables)
            } else {
                output += try replacement(for: use, name: name(source[start..<at])).utf8
            }
        }
        return output + source[at..<range.upperBound]
    }

    private func name(_ reference: ArraySlice<UInt8>) -> String {
        String(decoding: reference.dropFirst(2).dropLast(), as: UTF8.self)
    }

    private func replacement(for use: VariableUse, name: String) throws(SQLSyntaxError) -> String {
        let value = variables[name]
        switch use.context {
        case .identifier:
            guard let value, Self.isIdentifier(value) else { throw illegal(use, value ?? "${\(name)}", isName: true) }
            return value
        case .literal, .string, .value:
            if let value {
                if let literal = Self.literal(value), use.context != .string || literal.hasPrefix("'") {
                    return literal
                }
                if use.context == .value, Self.isIdentifier(value) { return value }
            }
            throw illegal(use, value ?? "${\(name)}", isName: false)
        case .text: return ""
        }
    }

    private func illegal(_ use: VariableUse, _ value: String, isName: Bool) -> SQLSyntaxError {
        let rule =
            isName ? " Identifier names cannot start with '@' and may only contain alphanumeric values and '_'." : ""
        return SQLSyntaxError(
            .variable, "Illegal argument at \(use.position).\(rule) Got: '\(value)'", at: use.position,
            count: Int(use.end - use.position.offset), in: source, range: range,
            hint: value.hasPrefix("${") ? "the variable is not defined" : nil)
    }

    /// A string literal, its quotes included, with known variables put in.
    static func text(_ literal: ArraySlice<UInt8>, _ variables: SQLVariables) -> [UInt8] {
        var output: [UInt8] = []
        var at = literal.startIndex
        while at < literal.endIndex {
            guard literal[at] == UInt8(ascii: "$"), let end = endOfReference(literal, at) else {
                output.append(literal[at])
                at += 1
                continue
            }
            let name = String(decoding: literal[(at + 2)..<(end - 1)], as: UTF8.self)
            if output.last == UInt8(ascii: "$") {
                output.removeLast()
                output += literal[at..<end]
            } else if let value = variables[name] {
                output += value.replacing("'", "''").utf8
            } else {
                output += literal[at..<end]
            }
            at = end
        }
        return output
    }

    /// The place after `${name}` that begins at `at`.
    private static func endOfReference(_ bytes: ArraySlice<UInt8>, _ at: Int) -> Int? {
        guard at + 3 < bytes.endIndex, bytes[at + 1] == UInt8(ascii: "{") else { return nil }
        guard bytes[at + 2].isLetter || bytes[at + 2] == UInt8(ascii: "_") else { return nil }
        var end = at + 3
        while end < bytes.endIndex, bytes[end].isIdentifierPart { end += 1 }
        return end < bytes.endIndex && bytes[end] == UInt8(ascii: "}") ? end + 1 : nil
    }

    private static func isIdentifier(_ value: String) -> Bool {
        var name = Array(value.utf8)
        if name.count > 2, let first = name.first, first == name.last, first == UInt8(ascii: "`") || first == 0x22 {
            name = Array(name.dropFirst().dropLast())
        }
        guard let head = name.first, head.isLetter || head == UInt8(ascii: "_") else { return false }
        return name.allSatisfy(\.isIdentifierPart)
    }

    /// As SQL, with quotes inside doubled.
    private static func literal(_ value: String) -> String? {
        if value.utf8.count >= 2, value.hasPrefix("'"), value.hasSuffix("'") {
            let content = String(value.dropFirst().dropLast())
            return "'" + content.replacing("'", "''") + "'"
        }
        if value.lowercased() == "true" || value.lowercased() == "false" { return value }
        var number = value.utf8.map { $0 }[...]
        if number.first == UInt8(ascii: "-") { number = number.dropFirst() }
        guard let first = number.first, first.isDigit || first == UInt8(ascii: ".") else { return nil }
        var lexer = Lexer(Array(number))
        let token = lexer.next()
        switch token.kind {
        case .integerValue, .decimalValue, .floatingPointValue: return Int(token.end) == number.count ? value : nil
        default: return nil
        }
    }
}
