package import SQLSyntax
package import SQLTypes

/// An expression whose names and types are resolved, ready to be compiled: no evaluation of it can meet a type that it
/// does not know.
///
/// Where types of operands have to agree, the planner puts in `cast`s, so that both sides of a comparison, all branches of
/// a CASE, all elements of ARRAY and so on have one type.
package struct TypedExpression: Hashable, Sendable {
    package indirect enum Node: Hashable, Sendable {
        /// Of the input's schema.
        case column(Int)
        /// Also the result of constant parts, which are computed by the planner.
        case literal(SQLValue)
        /// A parameter of a lambda around it: `depth` 0 is the innermost lambda.
        case lambdaParameter(depth: Int, index: Int)
        /// A bare unit of time as argument of a call: its upper-case name. The type means nothing.
        case timeUnit(String)
        case call(FunctionCall)
        /// Only as argument of a call; the type is that of the body.
        case lambda(Lambda)
        /// Both sides are numbers: INT and BIGINT and DOUBLE have the type of the result, DECIMALs their own.
        case arithmetic(ArithmeticOperator, TypedExpression, TypedExpression)
        case negate(TypedExpression)
        /// Sides have the same type (DECIMALs may differ in precision and scale). ARRAY, MAP and STRUCT: `equal`,
        /// `notEqual` and `isDistinctFrom` only.
        case comparison(ComparisonOperator, TypedExpression, TypedExpression)
        case and(TypedExpression, TypedExpression)
        case or(TypedExpression, TypedExpression)
        case not(TypedExpression)
        case isNull(TypedExpression)
        case isNotNull(TypedExpression)
        case between(TypedExpression, lower: TypedExpression, upper: TypedExpression)
        case inList(TypedExpression, [TypedExpression])
        /// STRINGs.
        case like(TypedExpression, pattern: TypedExpression, escape: Character?)
        /// The first case that is true; else `otherwise` or null.
        case searchedCase([When], otherwise: TypedExpression?)
        case array([TypedExpression])
        case map([MapEntry])
        /// In the order of the type's fields.
        case structure([TypedExpression])
        /// Of an array (an INT, from 1, or from the end if negative) or a map (a key).
        case subscripted(TypedExpression, index: TypedExpression)
        /// A field of a struct by its index; null of a null.
        case field(TypedExpression, Int)
        /// To the type of this node, by the rules of CAST.
        case cast(TypedExpression)
        /// To a text by the rules of CAST, and "null" of a null.
        case castWithNulls(TypedExpression)
        /// In the type that an operator needs. Unlike a CAST, it does not become null on its own where it fails.
        case converted(TypedExpression)
    }

    package struct When: Hashable, Sendable {
        package var condition: TypedExpression
        package var result: TypedExpression

        package init(_ condition: TypedExpression, _ result: TypedExpression) {
            self.condition = condition
            self.result = result
        }
    }

    package struct MapEntry: Hashable, Sendable {
        package var key: TypedExpression
        package var value: TypedExpression

        package init(_ key: TypedExpression, _ value: TypedExpression) {
            self.key = key
            self.value = value
        }
    }

    package struct Lambda: Hashable, Sendable {
        package var parameters: [SQLType]
        package var body: TypedExpression

        package init(parameters: [SQLType], body: TypedExpression) {
            self.parameters = parameters
            self.body = body
        }
    }

    package var node: Node
    package var type: SQLType
    /// Takes no part in equality.
    package var position: Position

    package init(_ node: Node, _ type: SQLType, position: Position = Position()) {
        self.node = node
        self.type = type
        self.position = position
    }
}

/// A call of a scalar function. Which of its overloads is meant the arguments' types tell: bind it by `functionArguments`.
/// An argument that is a `.literal(.null)` is a bare NULL, which fits every parameter.
package struct FunctionCall: Hashable, Sendable {
    /// In upper case.
    package var function: String
    package var arguments: [TypedExpression]

    package init(function: String, arguments: [TypedExpression]) {
        self.function = function
        self.arguments = arguments
    }
}

/// A call of a table function.
package struct TableFunctionCall: Hashable, Sendable {
    package var function: String
    package var arguments: [TypedExpression]
    /// Of the column of its results.
    package var type: SQLType

    package init(function: String, arguments: [TypedExpression], type: SQLType) {
        self.function = function
        self.arguments = arguments
        self.type = type
    }
}

/// A call of an aggregate function.
package struct AggregateFunctionCall: Hashable, Sendable {
    package var function: String
    /// Those that vary by row, over the input's columns.
    package var arguments: [TypedExpression]
    /// Those that are constant and come last: `k` of TOPK.
    package var parameters: [TypedExpression]
    /// Of the state that is kept and written to changelogs.
    package var stateType: SQLType
    /// Of the result.
    package var type: SQLType

    package init(
        function: String, arguments: [TypedExpression], parameters: [TypedExpression], stateType: SQLType,
        type: SQLType
    ) {
        self.function = function
        self.arguments = arguments
        self.parameters = parameters
        self.stateType = stateType
        self.type = type
    }
}
