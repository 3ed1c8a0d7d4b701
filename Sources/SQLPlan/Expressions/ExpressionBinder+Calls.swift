package import SQLFunctions
import SQLSyntax
import SQLTypes

extension ExpressionBinder {
    func call(
        _ function: Identifier, _ arguments: [Expression], _ position: Position
    ) throws(PlanError) -> TypedExpression {
        let name = function.text.uppercased()
        switch functions.kind(of: name) {
        case .scalar: break
        case .aggregate:
            throw PlanError(
                .function, "Aggregate function \(name) is only supported in SELECT and HAVING.", at: position)
        case .table: throw PlanError(.function, "Table function \(name) is only supported in SELECT.", at: position)
        case nil:
            let known = functions.listing.map(\.name)
            throw PlanError(
                .function, FunctionCatalog.unknown(name).message + Self.hint(name, known), at: position)
        }
        do {
            let scalar = try functions.scalar(name)
            var bound: [TypedExpression?] = []
            for argument in arguments {
                if case .lambda = argument.kind { bound.append(nil) } else { bound.append(try bind(argument)) }
            }
            let shapes = zip(arguments, bound).map { shape($0, $1) }
            let chosen = try scalar.bind(shapes, typedName: name.lowercased())
            var lambdaTypes = chosen.lambdaParameterTypes[...]
            var values: [TypedExpression] = []
            for (argument, value) in zip(arguments, bound) {
                if let value {
                    values.append(value)
                } else {
                    values.append(try lambda(argument, lambdaTypes.popFirst() ?? []))
                }
            }
            return TypedExpression(
                .call(FunctionCall(function: name, arguments: values)), chosen.returnType, position: position)
        } catch let error as FunctionError {
            throw PlanError(.function, error.message, at: position)
        } catch let error as PlanError {
            throw error
        } catch {
            throw PlanError(.function, "\(error)", at: position)
        }
    }

    /// What the choice among overloads sees of an argument; a lambda is bound once its parameters' types are known.
    private func shape(_ argument: Expression, _ bound: TypedExpression?) -> FunctionArgument {
        if let bound { return bound.functionArgument }
        guard case .lambda(let parameters, _) = argument.kind else { return .null }
        return .lambda(parameterCount: parameters.count) { types throws(FunctionError) in
            do throws(PlanError) { return try lambda(argument, types).type } catch {
                throw FunctionError(.invalidArgument, error.message)
            }
        }
    }

    private func lambda(_ expression: Expression, _ types: [SQLType]) throws(PlanError) -> TypedExpression {
        guard case .lambda(let parameters, let body) = expression.kind, parameters.count == types.count else {
            throw PlanError(.function, "Unexpected lambda: \(expression)", at: expression.position)
        }
        var inner = self
        inner.lambdas.append(zip(parameters, types).map { (name: $0.text, type: $1) })
        let result = try inner.bind(body)
        return TypedExpression(
            .lambda(.init(parameters: types, body: result)), result.type, position: expression.position)
    }
}

extension TypedExpression {
    /// How SQLFunctions sees it as argument of a call.
    package var functionArgument: FunctionArgument {
        switch node {
        case .literal(.null): .null
        case .timeUnit: .intervalUnit
        case .lambda(let lambda):
            .lambda(parameterCount: lambda.parameters.count) { _ throws(FunctionError) in lambda.body.type }
        default: .type(type)
        }
    }
}

extension FunctionCall {
    /// The function, ready to be called with the call's arguments.
    package func bind(_ functions: FunctionCatalog) throws(FunctionError) -> BoundFunction {
        try functions.scalar(function).bind(arguments.map(\.functionArgument))
    }
}

extension AggregateFunctionCall {
    /// The function, ready to aggregate the call's arguments.
    package func bind(_ functions: FunctionCatalog) throws(FunctionError) -> BoundAggregate {
        let constants = parameters.map { parameter in
            if case .literal(let value) = parameter.node { value } else { SQLValue.null }
        }
        return try functions.aggregate(function).bind(
            (arguments + parameters).map(\.functionArgument), literals: arguments.map { _ in nil } + constants)
    }
}

extension TableFunctionCall {
    /// The function, ready to be called with the call's arguments.
    package func bind(_ functions: FunctionCatalog) throws(FunctionError) -> BoundTableFunction {
        try functions.table(function).bind(arguments.map(\.functionArgument))
    }
}
