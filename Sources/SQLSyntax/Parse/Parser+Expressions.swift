// Precedence, from low to high: OR; AND; NOT; one predicate (comparison, BETWEEN, IN, LIKE, IS); ||; + -; * / %; unary + -;
// AT TIME ZONE; subscripts and fields.

extension Parser {
    /// An expression of any kind; sets `height`.
    mutating func expression() throws(SQLSyntaxError) -> Expression { try boolean(.or) }

    private enum BooleanLevel: Int { case or = 1, and, not }

    private mutating func boolean(_ minimum: BooleanLevel) throws(SQLSyntaxError) -> Expression {
        try enter()
        defer { leave() }
        var left: Expression
        let position = position
        if kind == .not {
            advance()
            let operand = try boolean(.not)
            try raise(above: height)
            left = Expression(.not(operand), position: position)
        } else {
            left = try predicated(from: nil)
        }
        try continueBoolean(&left, minimum)
        return left
    }

    /// The operators AND and OR behind `left`.
    private mutating func continueBoolean(
        _ left: inout Expression, _ minimum: BooleanLevel
    ) throws(SQLSyntaxError) {
        while true {
            let position = position
            let sign: LogicalOperator
            switch kind {
            case .and where minimum.rawValue <= BooleanLevel.and.rawValue: sign = .and
            case .or where minimum == .or: sign = .or
            default: return
            }
            advance()
            let leftHeight = height
            let right = try boolean(sign == .and ? .not : .and)
            try raise(above: max(leftHeight, height))
            left = Expression(.logical(sign, left, right), position: position)
        }
    }

    /// A value and perhaps one predicate about it.
    private mutating func predicated(from primary: Expression?) throws(SQLSyntaxError) -> Expression {
        let value = try value(.concat, from: primary)
        let position = position
        let sign: ComparisonOperator
        switch kind {
        case .equal: sign = .equal
        case .notEqual: sign = .notEqual
        case .less: sign = .less
        case .lessOrEqual: sign = .lessOrEqual
        case .greater: sign = .greater
        case .greaterOrEqual: sign = .greaterOrEqual
        case .not:
            let next = kind(after: 1)
            guard next == .between || next == .in || next == .like else { return value }
            advance()
            let predicate = try predicate(of: value, at: position)
            try raise(above: height)
            return Expression(.not(predicate), position: position)
        case .between, .in, .like: return try predicate(of: value, at: position)
        case .is: return try isPredicate(of: value, at: position)
        default: return value
        }
        advance()
        let valueHeight = height
        let other = try self.value(.concat, from: nil)
        try raise(above: max(valueHeight, height))
        return Expression(.comparison(sign, value, other), position: position)
    }

    /// BETWEEN, IN or LIKE.
    @inline(never)
    private mutating func predicate(of value: Expression, at position: Position) throws(SQLSyntaxError) -> Expression {
        var heights = height
        if accept(.between) {
            let lower = try self.value(.concat, from: nil)
            heights = max(heights, height)
            try expect(.and)
            let upper = try self.value(.concat, from: nil)
            try raise(above: max(heights, height))
            return Expression(.between(value, lower: lower, upper: upper), position: position)
        }
        if accept(.in) {
            try expect(.leftParenthesis)
            let list = try expressions()
            try expect(.rightParenthesis)
            try raise(above: max(heights, height))
            return Expression(.inList(value, list), position: position)
        }
        try expect(.like)
        let pattern = try self.value(.concat, from: nil)
        heights = max(heights, height)
        var escape: Character?
        if kind == .escape {
            advance()
            let token = token
            let text = try string()
            guard text.count == 1, let character = text.first else {
                throw invalid(
                    "Failed to prepare statement: \(token.position): Expected single character escape but got: \(text)",
                    at: token)
            }
            escape = character
        }
        try raise(above: heights)
        return Expression(.like(value, pattern: pattern, escape: escape), position: position)
    }

    @inline(never)
    private mutating func isPredicate(of value: Expression, at position: Position) throws(SQLSyntaxError) -> Expression
    {
        advance()
        let valueHeight = height
        let isNegated = accept(.not)
        if accept(.null) {
            try raise(above: valueHeight)
            return Expression(isNegated ? .isNotNull(value) : .isNull(value), position: position)
        }
        guard try accept(.distinct, .from) else { throw failure() }
        let other = try self.value(.concat, from: nil)
        try raise(above: max(valueHeight, height))
        let comparison = Expression(.comparison(.isDistinctFrom, value, other), position: position)
        guard isNegated else { return comparison }
        try raise(above: height)
        return Expression(.not(comparison), position: position)
    }

    /// One or more, with commas; `height` is that of the highest.
    mutating func expressions() throws(SQLSyntaxError) -> [Expression] {
        var list: [Expression] = []
        var heights = 0
        repeat {
            list.append(try expression())
            heights = max(heights, height)
        } while accept(.comma)
        height = heights
        return list
    }

    // MARK: Values

    enum ValueLevel: Int { case concat = 1, additive, multiplicative, unary }

    /// A value: no comparison and no logic unless in parentheses.
    mutating func value() throws(SQLSyntaxError) -> Expression { try value(.concat, from: nil) }

    /// - Parameter primary: what has been read already, with `height` its height.
    mutating func value(_ minimum: ValueLevel, from primary: Expression?) throws(SQLSyntaxError) -> Expression {
        try enter()
        defer { leave() }
        var left: Expression
        if let primary {
            left = try zoned(try postfix(primary))
        } else {
            left = try prefixed()
        }
        while let (level, sign) = valueOperator, level.rawValue >= minimum.rawValue {
            let position = position
            advance()
            let leftHeight = height
            let next: ValueLevel =
                switch level {
                case .concat: .additive
                case .additive: .multiplicative
                case .multiplicative, .unary: .unary
                }
            let right = try value(next, from: nil)
            try raise(above: max(leftHeight, height))
            if let sign {
                left = Expression(.arithmetic(sign, left, right), position: position)
            } else {
                let concat = Identifier("CONCAT", position: position)
                left = Expression(.call(function: concat, arguments: [left, right]), position: position)
            }
        }
        return left
    }

    private var valueOperator: (ValueLevel, ArithmeticOperator?)? {
        switch kind {
        case .concat: (.concat, nil)
        case .plus: (.additive, .add)
        case .minus: (.additive, .subtract)
        case .asterisk: (.multiplicative, .multiply)
        case .slash: (.multiplicative, .divide)
        case .percent: (.multiplicative, .modulus)
        default: nil
        }
    }

    /// A primary with its signs and zones.
    private mutating func prefixed() throws(SQLSyntaxError) -> Expression {
        guard startsSign else { return try zoned(try postfix(try primary())) }
        return try signed()
    }

    private var startsSign: Bool { kind == .plus || (kind == .minus && !startsNumber(after: 1)) }

    @inline(never)
    private mutating func signed() throws(SQLSyntaxError) -> Expression {
        var signs: [(UnaryOperator, Position)] = []
        while startsSign {
            signs.append((kind == .minus ? .minus : .plus, position))
            advance()
        }
        var value = try zoned(try postfix(try primary()))
        for (sign, position) in signs.reversed() {
            if sign == .minus, case .literal(let literal) = value.kind, let negative = literal.negated {
                value = Expression(.literal(negative), position: position)
            } else {
                try raise(above: height)
                value = Expression(.unary(sign, value), position: position)
            }
        }
        return value
    }

    @inline(never)
    private mutating func zoned(_ value: Expression) throws(SQLSyntaxError) -> Expression {
        var value = value
        while kind == .at {
            let position = position
            advance()
            try expect(.time)
            try expect(.zone)
            let zone = try string()
            try raise(above: height)
            value = Expression(.atTimeZone(value, zone), position: position)
        }
        return value
    }

    /// The subscripts and fields behind `base`.
    @inline(never)
    private mutating func postfix(_ base: Expression) throws(SQLSyntaxError) -> Expression {
        var base = base
        while true {
            if kind == .leftBracket {
                advance()
                let baseHeight = height
                let index = try value()
                try expect(.rightBracket)
                try raise(above: max(baseHeight, height))
                base = Expression(.subscripted(base, index: index), position: base.position)
            } else if kind == .arrow, kind(after: 1) != .asterisk {
                advance()
                let baseHeight = height
                let field = try identifier()
                try raise(above: baseHeight)
                base = Expression(.field(base, field), position: base.position)
            } else {
                return base
            }
        }
    }

    // MARK: Lists in parentheses that may be missing

    /// `a, b` or `(a, b)` or `()`, where `(a) + b, c` is the former.
    mutating func grouping() throws(SQLSyntaxError) -> [Expression] {
        guard kind == .leftParenthesis else { return try values() }
        advance()
        if accept(.rightParenthesis) { return [] }
        let first = try expression()
        if kind == .comma {
            advance()
            let list = [first] + (try expressions())
            try expect(.rightParenthesis)
            return list
        }
        try closeParenthesis()
        var expression = try predicated(from: first)
        try continueBoolean(&expression, .or)
        guard accept(.comma) else { return [expression] }
        return [expression] + (try values())
    }

    /// As ksqlDB says it.
    mutating func closeParenthesis() throws(SQLSyntaxError) {
        if accept(.rightParenthesis) { return }
        guard !isAtEnd else { throw failure() }
        throw syntaxError("missing ')' at '\(found)'")
    }

    /// One or more that need no parentheses, with commas. Predicates are let through: there is nothing else they could be.
    private mutating func values() throws(SQLSyntaxError) -> [Expression] { try expressions() }
}

extension Literal {
    /// Of a number that is not negative; nil for all others, and for the one that has no opposite of its type.
    var negated: Literal? {
        switch self {
        case .integer(let value) where value >= 0: .integer(-value)
        case .bigint(let value) where value == 1 << 31: .integer(.min)
        case .bigint(let value) where value > 0: .bigint(-value)
        case .decimal(let digits) where !digits.hasPrefix("-"): .decimal("-" + digits)
        case .double(let value) where value.sign == .plus: .double(-value)
        default: nil
        }
    }
}
