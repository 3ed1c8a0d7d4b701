extension Expression: CustomStringConvertible {
    /// As messages show it: operations in parentheses, names as they are.
    package var description: String {
        var printer = ExpressionPrinter(quotes: false)
        printer.print(self)
        return printer.output
    }

    /// As SQL, which reads back as an equal expression: names in quotes where they need them.
    package var sql: String {
        var printer = ExpressionPrinter(quotes: true)
        printer.print(self)
        return printer.output
    }
}

/// ksqlDB's canonical text of expressions. Where that would read back as something else (a negated base of a subscript), it
/// is parenthesised.
struct ExpressionPrinter {
    let quotes: Bool
    var output = ""

    init(quotes: Bool) { self.quotes = quotes }

    private mutating func name(_ identifier: Identifier) {
        output += quotes && !identifier.isVariable ? identifier.sql : identifier.text
    }

    /// In quotes where it would be something else in this place, besides the places where every name needs them.
    private mutating func name(_ identifier: Identifier, isQuoted: Bool) {
        if quotes, isQuoted { output += Identifier.quote(identifier.text) } else { name(identifier) }
    }

    mutating func print(_ expression: Expression) {
        switch expression.kind {
        case .literal(let literal): output += literal.sql
        case .column(let column): name(column)
        case .qualifiedColumn(let source, let column):
            name(source)
            output += "."
            name(column, isQuoted: column.text.utf8.first?.isDigit ?? false)
        case .lambdaParameter(let parameter): name(parameter)
        case .timeUnit(let unit): output += unit.rawValue
        case .unary(let sign, let value):
            var operand = ExpressionPrinter(quotes: quotes)
            operand.print(value)
            output += sign.rawValue
            if sign == .minus, let first = operand.output.utf8.first {
                // Two minuses would begin a comment; `-5[1]` is an element of -5.
                if first == UInt8(ascii: "-") { output += " " }
                if first.isDigit, !value.isLiteral { operand.output = "(" + operand.output + ")" }
            }
            output += operand.output
        case .arithmetic, .logical: if !chain(expression) { operation(expression) }
        case .comparison(let sign, let left, let right): binary(left, sign.rawValue, right)
        case .not(let value):
            output += "(NOT "
            print(value)
            output += ")"
        case .isNull(let value): predicate(value, " IS NULL")
        case .isNotNull(let value): predicate(value, " IS NOT NULL")
        case .between(let value, let lower, let upper):
            output += "("
            print(value)
            output += " BETWEEN "
            print(lower)
            output += " AND "
            print(upper)
            output += ")"
        case .inList(let value, let list):
            output += "("
            print(value)
            output += " IN ("
            print(list)
            output += "))"
        case .like(let value, let pattern, let escape):
            output += "("
            print(value)
            output += " LIKE "
            print(pattern)
            if let escape { output += " ESCAPE " + Literal.quote(String(escape)) }
            output += ")"
        case .call(let function, let arguments):
            if function.text == "CONCAT", chain(expression) { return }
            name(function, isQuoted: function.text == "MAP" || function.text == "STRUCT")
            output += "("
            if arguments.isEmpty, function.text == "COUNT" { output += "*" }
            print(arguments)
            output += ")"
        case .lambda(let parameters, let body):
            output += "("
            for (index, parameter) in parameters.enumerated() {
                if index > 0 { output += ", " }
                name(parameter)
            }
            output += ") => "
            print(body)
        case .cast(let value, let type):
            output += "CAST("
            print(value)
            output += " AS " + (quotes ? type.sql : type.description) + ")"
        case .searchedCase(let whens, let otherwise):
            output += "(CASE"
            print(whens, otherwise)
        case .simpleCase(let operand, let whens, let otherwise):
            output += "(CASE "
            print(operand)
            print(whens, otherwise)
        case .array(let elements):
            output += "ARRAY["
            print(elements)
            output += "]"
        case .map(let entries):
            output += "MAP("
            for (index, entry) in entries.enumerated() {
                if index > 0 { output += ", " }
                print(entry.key)
                output += ":="
                print(entry.value)
            }
            output += ")"
        case .structure(let fields):
            output += "STRUCT("
            for (index, field) in fields.enumerated() {
                if index > 0 { output += ", " }
                name(field.name)
                output += ":="
                print(field.value)
            }
            output += ")"
        case .subscripted(let base, let index):
            if case .column(let column) = base.kind, column.text == "ARRAY" {
                name(column, isQuoted: true)
            } else {
                self.base(base)
            }
            output += "["
            print(index)
            output += "]"
        case .field(let base, let field):
            self.base(base)
            output += "->"
            name(field)
        case .atTimeZone(let value, let zone):
            output += "("
            self.base(value)
            output += " AT TIME ZONE " + Literal.quote(zone) + ")"
        }
    }

    private mutating func operation(_ expression: Expression) {
        guard let (left, _, sign, right) = expression.operation else { return }
        binary(left, sign, right)
    }

    /// Operations of one precedence that hang on each other's left side by the hundreds, as programs write them: with one
    /// pair of parentheses around all, since one pair around each would be nested too deep to be read back.
    private mutating func chain(_ expression: Expression) -> Bool {
        guard let (_, level, _, _) = expression.operation else { return false }
        var rights: [(sign: String, right: Expression)] = []
        var first = expression
        while let (left, itsLevel, sign, right) = first.operation, itsLevel == level {
            rights.append((sign, right))
            first = left
        }
        guard rights.count > Self.nestedOperationsMax else { return false }
        output += "("
        print(first)
        for (sign, right) in rights.reversed() {
            output += " " + sign + " "
            print(right)
        }
        output += ")"
        return true
    }

    private static let nestedOperationsMax = 60

    private mutating func binary(_ left: Expression, _ sign: String, _ right: Expression) {
        output += "("
        print(left)
        output += " " + sign + " "
        print(right)
        output += ")"
    }

    private mutating func predicate(_ value: Expression, _ text: String) {
        output += "("
        print(value)
        output += text + ")"
    }

    /// What a postfix follows binds less than it.
    private mutating func base(_ expression: Expression) {
        guard case .unary = expression.kind else { return print(expression) }
        output += "("
        print(expression)
        output += ")"
    }

    private mutating func print(_ list: [Expression]) {
        for (index, expression) in list.enumerated() {
            if index > 0 { output += ", " }
            print(expression)
        }
    }

    private mutating func print(_ whens: [Expression.When], _ otherwise: Expression?) {
        for when in whens {
            output += " WHEN "
            print(when.condition)
            output += " THEN "
            print(when.result)
        }
        if let otherwise {
            output += " ELSE "
            print(otherwise)
        }
        output += " END)"
    }
}

extension Expression {
    /// What an operator of the language that associates to the left connects; its precedence is `level`.
    fileprivate var operation: (left: Expression, level: Int, sign: String, right: Expression)? {
        switch kind {
        case .logical(.or, let left, let right): (left, 0, "OR", right)
        case .logical(.and, let left, let right): (left, 1, "AND", right)
        case .call(let function, let arguments) where function.text == "CONCAT" && arguments.count == 2:
            (arguments[0], 2, "||", arguments[1])
        case .arithmetic(let sign, let left, let right):
            (left, sign == .add || sign == .subtract ? 3 : 4, sign.rawValue, right)
        default: nil
        }
    }

    fileprivate var isLiteral: Bool { if case .literal = kind { true } else { false } }
}
