// Each kind of primary stays a function of its own: inlined, they would make the frame of `primary`, of which there is one
// for every level of nesting, several times as large.

extension Parser {
    /// What operators connect; sets `height`.
    mutating func primary() throws(SQLSyntaxError) -> Expression {
        let position = position
        switch kind {
        case .integerValue, .decimalValue, .floatingPointValue, .minus:
            return literal(try number(), position)
        case .text: return literal(.string(acceptedString()), position)
        case .null:
            advance()
            return literal(.null, position)
        case .true, .false:
            let value = kind == .true
            advance()
            return literal(.boolean(value), position)
        case .leftParenthesis:
            advance()
            let inner = try expression()
            try closeParenthesis()
            return inner
        case .case: return try caseExpression()
        case .cast: return try cast()
        case .array where kind(after: 1) == .leftBracket: return try arrayConstructor()
        case .map where kind(after: 1) == .leftParenthesis: return try mapConstructor()
        case .struct where kind(after: 1) == .leftParenthesis: return try structConstructor()
        case .variable where kind(after: 1) != .dot && kind(after: 1) != .leftParenthesis:
            variables.append(VariableUse(.value, token))
            let name = String(text(of: token).dropFirst(2).dropLast())
            advance()
            return literal(.variable(name), position)
        case .decimal where kind(after: 1) == .text: return try decimalConstructor()
        default:
            guard isIdentifier else {
                expected.insert(.anExpression)
                throw failure()
            }
            return try named()
        }
    }

    private mutating func literal(_ literal: Literal, _ position: Position) -> Expression {
        height = 1
        return Expression(.literal(literal), position: position)
    }

    /// A column or a call.
    @inline(never)
    private mutating func named() throws(SQLSyntaxError) -> Expression {
        let token = token
        let name = try identifier()
        switch kind {
        case .leftParenthesis: return try call(name)
        case .dot:
            advance()
            height = 1
            let column = try identifier()
            return Expression(.qualifiedColumn(source: name, column: column), position: name.position)
        case .text:
            throw invalid(
                "Failed to prepare statement: Unknown type: \(name.text), location:\(name.position)", at: token)
        default:
            height = 1
            let isParameter = lambdaParameters[name.text] != nil
            return Expression(isParameter ? .lambdaParameter(name) : .column(name), position: name.position)
        }
    }

    @inline(never)
    private mutating func call(_ function: Identifier) throws(SQLSyntaxError) -> Expression {
        advance()
        var arguments: [Expression] = []
        var heights = 0
        if kind == .asterisk, kind(after: 1) == .rightParenthesis {
            advance()
        } else if kind != .rightParenthesis {
            repeat {
                arguments.append(try argument())
                heights = max(heights, height)
            } while accept(.comma)
        }
        try expect(.rightParenthesis)
        try raise(above: heights)
        return Expression(.call(function: function, arguments: arguments), position: function.position)
    }

    @inline(never)
    private mutating func argument() throws(SQLSyntaxError) -> Expression {
        switch kind {
        case .milliseconds, .millisecond, .seconds, .minutes, .hours, .days:
            guard let unit = TimeUnit(word: kind.word) else { throw failure() }
            height = 1
            let position = position
            advance()
            return Expression(.timeUnit(unit), position: position)
        case .leftParenthesis where isLambda: return try lambda()
        default:
            if isIdentifier, kind(after: 1) == .lambda { return try lambda() }
            return try expression()
        }
    }

    /// Whether the parenthesis opens the parameters of a lambda.
    private var isLambda: Bool {
        var distance = 1
        while Self.isIdentifier(kind(after: distance)) {
            switch kind(after: distance + 1) {
            case .comma: distance += 2
            case .rightParenthesis: return kind(after: distance + 2) == .lambda
            default: return false
            }
        }
        return false
    }

    @inline(never)
    private mutating func lambda() throws(SQLSyntaxError) -> Expression {
        let position = position
        var parameters: [Identifier] = []
        if accept(.leftParenthesis) {
            repeat { parameters.append(try identifier()) } while accept(.comma)
            try expect(.rightParenthesis)
        } else {
            parameters.append(try identifier())
        }
        try expect(.lambda)
        for parameter in parameters { lambdaParameters[parameter.text, default: 0] += 1 }
        defer {
            for parameter in parameters {
                let count = lambdaParameters[parameter.text] ?? 0
                lambdaParameters[parameter.text] = count > 1 ? count - 1 : nil
            }
        }
        let body = try expression()
        try raise(above: height)
        return Expression(.lambda(parameters: parameters, body: body), position: position)
    }

    @inline(never)
    private mutating func caseExpression() throws(SQLSyntaxError) -> Expression {
        let position = position
        advance()
        var heights = 0
        var operand: Expression?
        if kind != .when {
            operand = try value()
            heights = height
        }
        var whens: [Expression.When] = []
        repeat {
            try expect(.when)
            let condition = try expression()
            heights = max(heights, height)
            try expect(.then)
            let result = try expression()
            heights = max(heights, height)
            whens.append(Expression.When(condition, result))
        } while kind == .when
        var otherwise: Expression?
        if accept(.else) {
            otherwise = try expression()
            heights = max(heights, height)
        } else {
            expected.insert(.when)
        }
        try expect(.end)
        try raise(above: heights)
        guard let operand else { return Expression(.searchedCase(whens, otherwise: otherwise), position: position) }
        return Expression(.simpleCase(operand, whens, otherwise: otherwise), position: position)
    }

    @inline(never)
    private mutating func cast() throws(SQLSyntaxError) -> Expression {
        let position = position
        advance()
        try expect(.leftParenthesis)
        let value = try expression()
        let valueHeight = height
        try expect(.as)
        let type = try type()
        try expect(.rightParenthesis)
        try raise(above: max(valueHeight, height))
        return Expression(.cast(value, type), position: position)
    }

    @inline(never)
    private mutating func arrayConstructor() throws(SQLSyntaxError) -> Expression {
        let position = position
        advance()
        advance()
        if accept(.rightBracket) {
            height = 1
            return Expression(.array([]), position: position)
        }
        let elements = try expressions()
        try expect(.rightBracket)
        try raise(above: height)
        return Expression(.array(elements), position: position)
    }

    @inline(never)
    private mutating func mapConstructor() throws(SQLSyntaxError) -> Expression {
        let position = position
        advance()
        advance()
        var entries: [Expression.MapEntry] = []
        var heights = 0
        if kind != .rightParenthesis {
            repeat {
                let key = try expression()
                heights = max(heights, height)
                try expect(.assign)
                let value = try expression()
                heights = max(heights, height)
                entries.append(Expression.MapEntry(key, value))
            } while accept(.comma)
        }
        try expect(.rightParenthesis)
        try raise(above: heights)
        return Expression(.map(entries), position: position)
    }

    @inline(never)
    private mutating func structConstructor() throws(SQLSyntaxError) -> Expression {
        let position = position
        advance()
        advance()
        var fields: [Expression.StructField] = []
        var heights = 0
        if kind != .rightParenthesis {
            repeat {
                let name = try identifier()
                try expect(.assign)
                fields.append(Expression.StructField(name, try expression()))
                heights = max(heights, height)
            } while accept(.comma)
        }
        try expect(.rightParenthesis)
        try raise(above: heights)
        return Expression(.structure(fields), position: position)
    }

    /// `DECIMAL '1.20'`.
    @inline(never)
    private mutating func decimalConstructor() throws(SQLSyntaxError) -> Expression {
        let position = position
        advance()
        let token = token
        let text = try string()
        var digits = text[...]
        if digits.hasPrefix("-") || digits.hasPrefix("+") { digits.removeFirst() }
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        let isNumber =
            parts.count <= 2 && parts.allSatisfy { $0.utf8.allSatisfy(\.isDigit) } && digits.contains { $0 != "." }
        guard isNumber else {
            throw invalid("Failed to prepare statement: Invalid numeric literal: \(text)", at: token)
        }
        let sign = text.hasPrefix("-") ? "-" : ""
        return literal(.decimal(sign + Self.decimal(String(digits))), position)
    }

    // MARK: Numbers

    func startsNumber(after distance: Int) -> Bool {
        switch kind(after: distance) {
        case .integerValue, .decimalValue, .floatingPointValue: true
        default: false
        }
    }

    /// A number with perhaps a minus.
    @inline(never)
    mutating func number() throws(SQLSyntaxError) -> Literal {
        let start = token
        let isNegative = kind == .minus && startsNumber(after: 1)
        if isNegative { advance() }
        let kind = kind
        guard startsNumber(after: 0) else {
            for kind: TokenKind in [.minus, .integerValue, .decimalValue, .floatingPointValue] { expected.insert(kind) }
            throw failure()
        }
        let text = (isNegative ? "-" : "") + text(of: token)
        let at = start.position
        defer { advance() }
        switch kind {
        case .integerValue:
            if let value = Int32(text) { return .integer(value) }
            if let value = Int64(text) { return .bigint(value) }
            throw invalid("line \(at.line):\(at.column): Invalid numeric literal: \(text)", at: start)
        case .decimalValue:
            let digits = isNegative ? String(text.dropFirst()) : text
            return .decimal((isNegative ? "-" : "") + Self.decimal(digits))
        default:
            guard let value = Double(text) else {
                throw invalid("line \(at.line):\(at.column): Invalid numeric literal: \(text)", at: start)
            }
            guard value.isFinite else {
                throw invalid("line \(at.line):\(at.column): Number overflows DOUBLE: \(text)", at: start)
            }
            return .double(value)
        }
    }

    /// With a point, a digit before it, and no zeros that mean nothing.
    private static func decimal(_ digits: String) -> String {
        let parts = digits.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let whole = String(parts[0].drop { $0 == "0" })
        return (whole.isEmpty ? "0" : whole) + "." + (parts.count > 1 ? parts[1] : "")
    }

    /// A whole number of a clause.
    mutating func wholeNumber(of clause: String) throws(SQLSyntaxError) -> Int32 {
        let token = token
        guard case .integer(let value) = try number() else {
            throw invalid("Failed to prepare statement: Value must be integer for command: \(clause)", at: token)
        }
        return value
    }

    /// A whole number and a unit of time.
    mutating func timeSpan() throws(SQLSyntaxError) -> TimeSpan {
        let token = token
        let count: Int64
        switch try number() {
        case .integer(let value): count = Int64(value)
        case .bigint(let value): count = value
        default:
            throw invalid(
                "Failed to prepare statement: \(token.position): Value must be integer: a number of time units",
                at: token)
        }
        guard let unit = TimeUnit(word: kind.isWord ? kind.word : "") else {
            for kind: TokenKind in [.milliseconds, .seconds, .minutes, .hours, .days] { expected.insert(kind) }
            throw failure()
        }
        advance()
        return TimeSpan(count, unit, position: token.position)
    }
}
