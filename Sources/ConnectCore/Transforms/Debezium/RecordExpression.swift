import SQLTypes

/// A condition over a record in the part of Groovy that filters are written in: `value.op == 'u' && value.after.id > 2`.
///
/// Names: `key`, `value`, `topic`, `keySchema`, `valueSchema`, `header` (`header.NAME` and `headers.NAME.value`). Operators: `? :`, `||`,
/// `&&`, `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `==~`, `+`, `-`, `*`, `/`, `%`, `!`; `.`, `?.` and `[ ]` for members;
/// methods of strings and lists. Members of null are null.
struct RecordExpression: Sendable {
    private indirect enum Node: Sendable {
        case literal(ConnectValue)
        case list([Node])
        case name(String)
        case member(Node, String)
        case index(Node, Node)
        case call(Node, String, [Node])
        case not(Node)
        case negative(Node)
        case binary(String, Node, Node)
        case choice(Node, Node, Node)
    }

    private let root: Node
    private let text: String
    private let asksForPresence: Bool

    /// - Parameter asksForPresence: JSONPath's rules for what is not there: a member alone is true when it is there, and
    ///   null is neither less nor more than anything.
    /// - Throws: `.config` for what is no expression of this language.
    init(_ text: String, asksForPresence: Bool = false) throws(ConnectError) {
        self.text = text
        self.asksForPresence = asksForPresence
        var parser = Parser(tokens: try Self.tokens(text), text: text)
        root = try parser.expression(depth: 0)
        guard parser.isAtEnd else { throw parser.failure("unexpected \(parser.current)") }
    }

    /// Groovy's truth of the result.
    func isTrue(_ record: ConnectRecord) throws(ConnectError) -> Bool { try isTrue(root, record) }

    private func isTrue(_ node: Node, _ record: ConnectRecord) throws(ConnectError) -> Bool {
        let value = try evaluate(node, record)
        switch node {
        case .member where asksForPresence, .index where asksForPresence: return !value.isNull
        default: return Self.truth(value)
        }
    }

    func value(_ record: ConnectRecord) throws(ConnectError) -> ConnectValue { try evaluate(root, record) }

    // MARK: reading

    private enum Token: Sendable, Equatable {
        case number(String)
        case string(String)
        case word(String)
        case sign(String)
    }

    private static let signs = [
        "==~", "?.", "==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "!", "(", ")", "[", "]",
        ".",
        ",", "?", ":",
    ]

    private static func tokens(_ text: String) throws(ConnectError) -> [Token] {
        guard text.utf8.count <= 64 << 10 else { throw .config("Expression is longer than 64 KiB") }
        var tokens: [Token] = []
        var rest = Substring(text)
        while let first = rest.first {
            if first.isWhitespace || first == ";" {
                rest.removeFirst()
            } else if first.isNumber {
                var digits = rest.prefix { $0.isNumber }
                let behind = rest[digits.endIndex...]
                if behind.first == ".", behind.dropFirst().first?.isNumber ?? false {
                    digits = rest[..<behind.dropFirst().drop { $0.isNumber }.startIndex]
                }
                rest = rest[digits.endIndex...]
                if let suffix = rest.first, "lLdDfFgGiI".contains(suffix) { rest.removeFirst() }
                tokens.append(.number(String(digits)))
            } else if first == "'" || first == "\"" {
                var content = ""
                rest.removeFirst()
                while let character = rest.popFirst(), character != first {
                    guard character == "\\", let escaped = rest.popFirst() else {
                        content.append(character)
                        continue
                    }
                    switch escaped {
                    case "n": content.append("\n")
                    case "t": content.append("\t")
                    default: content.append(escaped)
                    }
                }
                guard text[..<rest.startIndex].last == first else {
                    throw .config("Expression '\(text)': a text does not end")
                }
                tokens.append(.string(content))
            } else if first.isLetter || first == "_" || first == "$" {
                let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "$" }
                tokens.append(.word(String(word)))
                rest = rest[word.endIndex...]
            } else if let sign = signs.first(where: { rest.hasPrefix($0) }) {
                tokens.append(.sign(sign))
                rest = rest.dropFirst(sign.count)
            } else {
                throw .config("Expression '\(text)': unexpected '\(first)'")
            }
        }
        return tokens
    }

    private struct Parser {
        let tokens: [Token]
        let text: String
        private var at = 0

        init(tokens: [Token], text: String) {
            self.tokens = tokens
            self.text = text
        }

        var isAtEnd: Bool { at == tokens.count }

        var current: String {
            guard at < tokens.count else { return "end" }
            switch tokens[at] {
            case .number(let text), .string(let text), .word(let text), .sign(let text): return "'\(text)'"
            }
        }

        func failure(_ message: String) -> ConnectError { .config("Expression '\(text)': \(message)") }

        private mutating func take(_ sign: String) -> Bool {
            guard at < tokens.count, tokens[at] == .sign(sign) else { return false }
            at += 1
            return true
        }

        private mutating func expect(_ sign: String) throws(ConnectError) {
            guard take(sign) else { throw failure("expected '\(sign)', found \(current)") }
        }

        mutating func expression(depth: Int) throws(ConnectError) -> Node {
            guard depth < 64 else { throw failure("nested too deep") }
            let condition = try binary(0, depth)
            guard take("?") else { return condition }
            let first = try expression(depth: depth + 1)
            try expect(":")
            return .choice(condition, first, try expression(depth: depth + 1))
        }

        private static let levels: [[String]] = [
            ["||"], ["&&"], ["==", "!=", "==~"], ["<", "<=", ">", ">=", "in"], ["+", "-"], ["*", "/", "%"],
        ]

        private mutating func binary(_ level: Int, _ depth: Int) throws(ConnectError) -> Node {
            guard level < Self.levels.count else { return try unary(depth) }
            var left = try binary(level + 1, depth)
            while let sign = nextOperator(Self.levels[level]) {
                left = .binary(sign, left, try binary(level + 1, depth))
            }
            return left
        }

        private mutating func nextOperator(_ signs: [String]) -> String? {
            guard at < tokens.count else { return nil }
            switch tokens[at] {
            case .sign(let sign) where signs.contains(sign), .word(let sign) where sign == "in" && signs.contains(sign):
                at += 1
                return sign
            default: return nil
            }
        }

        private mutating func unary(_ depth: Int) throws(ConnectError) -> Node {
            guard depth < 64 else { throw failure("nested too deep") }
            if take("!") { return .not(try unary(depth + 1)) }
            if take("-") { return .negative(try unary(depth + 1)) }
            return try postfix(depth)
        }

        private mutating func postfix(_ depth: Int) throws(ConnectError) -> Node {
            var node = try primary(depth)
            while true {
                if take(".") || take("?.") {
                    guard at < tokens.count else { throw failure("a name is missing at the end") }
                    let name: String
                    switch tokens[at] {
                    case .word(let word), .string(let word): name = word
                    default: throw failure("expected a name, found \(current)")
                    }
                    at += 1
                    node = take("(") ? .call(node, name, try list(")", depth)) : .member(node, name)
                } else if take("[") {
                    let index = try expression(depth: depth + 1)
                    try expect("]")
                    node = .index(node, index)
                } else {
                    return node
                }
            }
        }

        private mutating func list(_ end: String, _ depth: Int) throws(ConnectError) -> [Node] {
            var nodes: [Node] = []
            if take(end) { return nodes }
            repeat { nodes.append(try expression(depth: depth + 1)) } while take(",")
            try expect(end)
            return nodes
        }

        private mutating func primary(_ depth: Int) throws(ConnectError) -> Node {
            if take("(") {
                let node = try expression(depth: depth + 1)
                try expect(")")
                return node
            }
            if take("[") { return .list(try list("]", depth)) }
            guard at < tokens.count else { throw failure("something is missing at the end") }
            defer { at += 1 }
            switch tokens[at] {
            case .number(let digits):
                if let number = Int64(digits) { return .literal(.int64(number)) }
                return .literal(.float64(Double(digits) ?? 0))
            case .string(let text): return .literal(.string(text))
            case .word("true"): return .literal(.boolean(true))
            case .word("false"): return .literal(.boolean(false))
            case .word("null"): return .literal(.null)
            case .word(let name):
                guard ["key", "value", "topic", "keySchema", "valueSchema", "header", "headers"].contains(name) else {
                    throw failure(
                        "unknown name '\(name)'; there are key, value, topic, keySchema, valueSchema and header")
                }
                return .name(name)
            case .sign(let sign): throw failure("unexpected '\(sign)'")
            }
        }
    }

    // MARK: evaluation

    private func evaluate(_ node: Node, _ record: ConnectRecord) throws(ConnectError) -> ConnectValue {
        switch node {
        case .literal(let value): return value
        case .list(let nodes):
            var values: [ConnectValue] = []
            for node in nodes { values.append(try evaluate(node, record)) }
            return .array(values)
        case .name(let name):
            switch name {
            case "key": return record.key.value
            case "value": return record.value.value
            case "topic": return .string(record.topic)
            case "keySchema": return Self.schemaValue(record.key.schema)
            case "valueSchema": return Self.schemaValue(record.value.schema)
            default:
                return .map(
                    ConnectMap(
                        record.headers.map { header in
                            // As text it is the value; `.value` of it is the value too.
                            (header.name, .map(ConnectMap([("value", header.value), ("name", .string(header.name))])))
                        }))
            }
        case .member(let base, let name): return Self.member(try evaluate(base, record), name)
        case .index(let base, let index):
            let value = try evaluate(base, record)
            switch (value, try evaluate(index, record)) {
            case (.array(let elements), let place):
                guard let number = place.integer,
                    let at = Int(exactly: number < 0 ? number &+ Int64(elements.count) : number),
                    elements.indices.contains(at)
                else { return .null }
                return elements[at]
            case (_, .string(let name)): return Self.member(value, name)
            case (.map(let map), let key): return map[key] ?? .null
            default: return .null
            }
        case .call(let base, let name, let arguments):
            var values: [ConnectValue] = []
            for argument in arguments { values.append(try evaluate(argument, record)) }
            return try call(try evaluate(base, record), name, values)
        case .not(let node): return .boolean(try !isTrue(node, record))
        case .negative(let node):
            let value = try evaluate(node, record)
            if let number = value.integer { return .int64(0 &- number) }
            guard let number = Self.double(value) else { throw failure("cannot negate \(value.javaClass)") }
            return .float64(-number)
        case .choice(let condition, let first, let second):
            return try evaluate(isTrue(condition, record) ? first : second, record)
        case .binary("&&", let left, let right):
            guard try isTrue(left, record) else { return .boolean(false) }
            return .boolean(try isTrue(right, record))
        case .binary("||", let left, let right):
            if try isTrue(left, record) { return .boolean(true) }
            return .boolean(try isTrue(right, record))
        case .binary(let sign, let left, let right):
            return try binary(sign, try evaluate(left, record), try evaluate(right, record))
        }
    }

    private func failure(_ message: String) -> ConnectError { .data("Expression '\(text)': \(message)") }

    private static func schemaValue(_ schema: ConnectSchema?) -> ConnectValue {
        guard let schema else { return .null }
        return .map(
            ConnectMap([
                ("name", schema.name.map { ConnectValue.string($0) } ?? .null),
                ("type", .string(schema.kind.rawValue)),
                ("version", schema.version.map { ConnectValue.int32($0) } ?? .null),
            ]))
    }

    private static func member(_ value: ConnectValue, _ name: String) -> ConnectValue {
        switch value {
        case .structure(let structure): structure[name] ?? .null
        case .map(let map): map[name] ?? .null
        default: .null
        }
    }

    private static func truth(_ value: ConnectValue) -> Bool {
        switch value {
        case .null: false
        case .boolean(let flag): flag
        case .string(let text): !text.isEmpty
        case .array(let elements): !elements.isEmpty
        case .map(let map): map.count > 0
        default: double(value) != 0
        }
    }

    private static func double(_ value: ConnectValue) -> Double? {
        if let number = value.integer { return Double(number) }
        switch value {
        case .float32(let number): return Double(number)
        case .float64(let number): return number
        case .decimal(let number): return number.doubleValue
        case .instant(let millis): return Double(millis)
        default: return nil
        }
    }

    private static func isEqual(_ a: ConnectValue, _ b: ConnectValue) -> Bool {
        if let first = a.integer, let second = b.integer { return first == second }
        if let first = double(a), let second = double(b) { return first == second }
        return a == b
    }

    private func binary(_ sign: String, _ a: ConnectValue, _ b: ConnectValue) throws(ConnectError) -> ConnectValue {
        switch sign {
        case "==": return .boolean(Self.isEqual(a, b))
        case "!=": return .boolean(!Self.isEqual(a, b))
        case "==~":
            guard case .string(let text) = a, case .string(let pattern) = b else { return .boolean(false) }
            return .boolean(try JavaRegex(pattern).matches(text))
        case "in": return .boolean(b.array?.contains { Self.isEqual(a, $0) } ?? false)
        case "<", "<=", ">", ">=":
            let order: Int
            if case .string(let first) = a, case .string(let second) = b {
                order = first == second ? 0 : first.utf16.lexicographicallyPrecedes(second.utf16) ? -1 : 1
            } else if let first = a.integer, let second = b.integer {
                order = first == second ? 0 : first < second ? -1 : 1
            } else if let first = Self.double(a), let second = Self.double(b) {
                order = first == second ? 0 : first < second ? -1 : 1
            } else if asksForPresence {
                return .boolean(false)
            } else if a.isNull || b.isNull {
                // Null is less than anything, as in Groovy.
                order = a.isNull && b.isNull ? 0 : a.isNull ? -1 : 1
            } else {
                throw failure("cannot compare \(a.javaClass) with \(b.javaClass)")
            }
            return .boolean(sign == "<" ? order < 0 : sign == "<=" ? order <= 0 : sign == ">" ? order > 0 : order >= 0)
        case "+":
            if case .string(let first) = a { return .string(first + JavaText.string(b)) }
            if case .string(let second) = b { return .string(JavaText.string(a) + second) }
        default: break
        }
        if let first = a.integer, let second = b.integer {
            switch sign {
            case "+": return .int64(first &+ second)
            case "-": return .int64(first &- second)
            case "*": return .int64(first &* second)
            case "%":
                guard second != 0 else { throw failure("division by zero") }
                return .int64(second == -1 ? 0 : first % second)
            default: break
            }
        }
        guard let first = Self.double(a), let second = Self.double(b) else {
            throw failure("cannot apply \(sign) to \(a.javaClass) and \(b.javaClass)")
        }
        switch sign {
        case "+": return .float64(first + second)
        case "-": return .float64(first - second)
        case "*": return .float64(first * second)
        case "%": return .float64(first.truncatingRemainder(dividingBy: second))
        default:
            guard second != 0 else { throw failure("division by zero") }
            return .float64(first / second)
        }
    }

    private func call(_ value: ConnectValue, _ name: String, _ arguments: [ConnectValue]) throws(ConnectError)
        -> ConnectValue
    {
        switch (value, name, arguments.first) {
        case (.null, _, _): return .null
        case (_, "equals", let other?): return .boolean(Self.isEqual(value, other))
        case (_, "toString", nil): return .string(JavaText.string(value))
        case (_, "get", .string(let field)?), (_, "getString", .string(let field)?),
            (_, "getInt64", .string(let field)?),
            (_, "getInt32", .string(let field)?), (_, "getStruct", .string(let field)?),
            (_, "getBoolean", .string(let field)?):
            return Self.member(value, field)
        case (_, "value", nil): return Self.member(value, "value")
        case (_, "name", nil): return Self.member(value, "name")
        case (.string(let text), _, let argument):
            let other = argument?.string
            switch name {
            case "contains": if let other { return .boolean(other.isEmpty || text.contains(other)) }
            case "startsWith": if let other { return .boolean(text.hasPrefix(other)) }
            case "endsWith": if let other { return .boolean(text.hasSuffix(other)) }
            case "equalsIgnoreCase": return .boolean(other.map { $0.lowercased() == text.lowercased() } ?? false)
            case "matches": if let other { return .boolean(try JavaRegex(other).matches(text)) }
            case "toLowerCase": return .string(text.lowercased())
            case "toUpperCase": return .string(text.uppercased())
            case "trim": return .string(text.trimmed)
            case "length", "size": return .int64(Int64(text.utf16.count))
            case "isEmpty": return .boolean(text.isEmpty)
            default: break
            }
        case (.array(let elements), "contains", let other?):
            return .boolean(elements.contains { Self.isEqual($0, other) })
        case (.array(let elements), "size", nil): return .int64(Int64(elements.count))
        case (.array(let elements), "isEmpty", nil): return .boolean(elements.isEmpty)
        case (.map(let map), "containsKey", let key?): return .boolean(map[key] != nil)
        case (.map(let map), "size", nil): return .int64(Int64(map.count))
        default: break
        }
        throw failure("\(value.javaClass) has no method \(name)")
    }
}
