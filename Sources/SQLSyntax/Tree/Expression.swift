/// An expression with the place that messages about it name: the operator of an operation, else the first token.
package struct Expression: Hashable, Sendable {
    package indirect enum Kind: Hashable, Sendable {
        case literal(Literal)
        case column(Identifier)
        /// `source.column`, where the source is named by its alias.
        case qualifiedColumn(source: Identifier, column: Identifier)
        /// A parameter of a lambda around it.
        case lambdaParameter(Identifier)
        /// A bare word like `DAYS` as argument of a function. `DAY`, `HOUR`, `MINUTE` and `SECOND` are columns where they
        /// stand, as in ksqlDB; see `TimeUnit.init(word:)`.
        case timeUnit(TimeUnit)
        case unary(UnaryOperator, Expression)
        case arithmetic(ArithmeticOperator, Expression, Expression)
        case comparison(ComparisonOperator, Expression, Expression)
        case logical(LogicalOperator, Expression, Expression)
        case not(Expression)
        case isNull(Expression)
        case isNotNull(Expression)
        case between(Expression, lower: Expression, upper: Expression)
        case inList(Expression, [Expression])
        case like(Expression, pattern: Expression, escape: Character?)
        /// `a || b` is a call of CONCAT; `COUNT(*)` has no arguments.
        case call(function: Identifier, arguments: [Expression])
        case lambda(parameters: [Identifier], body: Expression)
        case cast(Expression, TypeExpression)
        case searchedCase([When], otherwise: Expression?)
        case simpleCase(Expression, [When], otherwise: Expression?)
        case array([Expression])
        case map([MapEntry])
        case structure([StructField])
        case subscripted(Expression, index: Expression)
        /// `base->field`.
        case field(Expression, Identifier)
        case atTimeZone(Expression, String)
    }

    /// `WHEN condition THEN result`.
    package struct When: Hashable, Sendable {
        package var condition: Expression
        package var result: Expression

        package init(_ condition: Expression, _ result: Expression) {
            self.condition = condition
            self.result = result
        }
    }

    package struct MapEntry: Hashable, Sendable {
        package var key: Expression
        package var value: Expression

        package init(_ key: Expression, _ value: Expression) {
            self.key = key
            self.value = value
        }
    }

    package struct StructField: Hashable, Sendable {
        package var name: Identifier
        package var value: Expression

        package init(_ name: Identifier, _ value: Expression) {
            self.name = name
            self.value = value
        }
    }

    package var kind: Kind
    package var position: Position

    package init(_ kind: Kind, position: Position = Position()) {
        self.kind = kind
        self.position = position
    }
}

package enum UnaryOperator: String, Hashable, Sendable {
    case plus = "+"
    case minus = "-"
}

package enum ArithmeticOperator: String, Hashable, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case modulus = "%"

    /// As ksqlDB's messages call it.
    package var name: String {
        switch self {
        case .add: "ADD"
        case .subtract: "SUBTRACT"
        case .multiply: "MULTIPLY"
        case .divide: "DIVIDE"
        case .modulus: "MODULUS"
        }
    }
}

package enum ComparisonOperator: String, Hashable, Sendable {
    case equal = "="
    case notEqual = "<>"
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    /// `IS NOT DISTINCT FROM` is the `not` of it.
    case isDistinctFrom = "IS DISTINCT FROM"

    /// As ksqlDB's messages call it.
    package var name: String {
        switch self {
        case .equal: "EQUAL"
        case .notEqual: "NOT_EQUAL"
        case .less: "LESS_THAN"
        case .lessOrEqual: "LESS_THAN_OR_EQUAL"
        case .greater: "GREATER_THAN"
        case .greaterOrEqual: "GREATER_THAN_OR_EQUAL"
        case .isDistinctFrom: "IS_DISTINCT_FROM"
        }
    }
}

package enum LogicalOperator: String, Hashable, Sendable {
    case and = "AND"
    case or = "OR"
}
