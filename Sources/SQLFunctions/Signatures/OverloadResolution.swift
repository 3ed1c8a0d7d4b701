import SQLTypes

extension ScalarFunction {
    /// Chooses the signature for a call: one that takes the arguments as they are, else one that takes them after
    /// implicit casts. Of several the one without variadic parameter, with more parameters, with fewer generic ones.
    ///
    /// - Parameter typedName: the name as the statement has it, for errors.
    /// - Throws: `.noMatch`, `.ambiguous`, `.invalidArgument` in ksqlDB's words.
    package func bind(_ arguments: [FunctionArgument], typedName: String? = nil) throws(FunctionError) -> BoundFunction
    {
        let typedName = typedName ?? name
        let signatures = overloads.map { SignatureMatch(parameters: $0.parameters, variadicAt: $0.variadicAt) }
        let index = try SignatureMatch.choose(
            signatures, arguments, typedName: typedName, alternatives: overloads.map { $0.signature(name) })
        let overload = overloads[index]
        guard let parameters = overload.parameters(forCount: arguments.count) else {
            throw FunctionError(.noMatch, "Function '\(typedName)' does not accept parameters.")
        }

        var bindings: ParameterType.Bindings = [:]
        for (parameter, argument) in zip(parameters, arguments) {
            if let type = argument.type { _ = parameter.type.accepts(type, &bindings, allowsCasts: true) }
        }
        var lambdaTypes: [[SQLType]] = []
        for (parameter, argument) in zip(parameters, arguments) {
            guard case .lambda(let inputs, let result) = parameter.type, case .lambda(_, let body) = argument else {
                continue
            }
            var types: [SQLType] = []
            for input in inputs {
                guard let type = input.resolved(bindings) else { throw Self.unbound(input) }
                types.append(type)
            }
            let type = try body(types)
            guard result.accepts(type, &bindings, allowsCasts: false) else {
                throw FunctionError(
                    .noMatch,
                    "Function '\(typedName)' does not accept a lambda that returns \(type); expected "
                        + "\(result.resolved(bindings)?.description ?? result.description).")
            }
            lambdaTypes.append(types)
        }

        var types: [SQLType?] = []
        var casts: [SQLCast?] = []
        for (parameter, argument) in zip(parameters, arguments) {
            switch argument {
            case .lambda: continue
            case .null, .intervalUnit:
                types.append(nil)
                casts.append(nil)
            case .type(let type):
                let target = parameter.type.target(for: type, bindings)
                types.append(target ?? type)
                do {
                    casts.append(try target.map { target throws(SQLTypesError) in try SQLCast(from: type, to: target) })
                } catch {
                    throw FunctionError(.invalidArgument, error.message)
                }
            }
        }
        let returnType: SQLType
        switch overload.result {
        case .type(let type):
            guard let resolved = type.resolved(bindings) else { throw Self.unbound(type) }
            returnType = resolved
        case .rule(let rule): returnType = try rule(types)
        }
        return BoundFunction(
            function: self, overload: overload, arguments: types, returnType: returnType, casts: casts,
            lambdaParameterTypes: lambdaTypes)
    }

    private static func unbound(_ type: ParameterType) -> FunctionError {
        FunctionError(.invalidArgument, "Could not find mapping for generic type: \(type)")
    }
}

/// The part of a signature that choosing among several looks at; scalar, aggregate and table functions alike.
struct SignatureMatch {
    var parameters: [FunctionParameter]
    var variadicAt: Int?

    /// The place of the signature that fits best.
    ///
    /// - Throws: `.noMatch`, `.ambiguous`.
    static func choose(
        _ signatures: [SignatureMatch], _ arguments: [FunctionArgument], typedName: String, alternatives: [String],
        allowsCasts: Bool = true
    ) throws(FunctionError) -> Int {
        for casts in allowsCasts ? [false, true] : [false] {
            let fitting = signatures.indices.filter { signatures[$0].accepts(arguments, allowsCasts: casts) }
            guard let first = fitting.first else { continue }
            var best = first
            var isTied = false
            for candidate in fitting.dropFirst() {
                let order = signatures[candidate].compare(to: signatures[best])
                if order > 0 {
                    best = candidate
                    isTied = false
                } else if order == 0 {
                    isTied = true
                }
            }
            if !isTied { return best }
            throw FunctionError(
                .ambiguous,
                "Function '\(typedName)' cannot be resolved due to ambiguous method parameters \(list(arguments)).\n"
                    + "Use CAST() to explicitly cast your parameters to one of the supported function calls.\n"
                    + "Valid function calls are:\n" + ending(alternatives))
        }
        throw FunctionError(
            .noMatch,
            "Function '\(typedName)' does not accept parameters \(list(arguments)).\nValid alternatives are:\n"
                + ending(alternatives))
    }

    private static func list(_ arguments: [FunctionArgument]) -> String {
        "(" + arguments.map(\.description).joined(separator: ", ") + ")"
    }

    private static func ending(_ alternatives: [String]) -> String {
        alternatives.joined(separator: "\n")
            + "\nFor detailed information on a function run: DESCRIBE FUNCTION <Function-Name>;"
    }

    private func accepts(_ arguments: [FunctionArgument], allowsCasts: Bool) -> Bool {
        let expanded: [FunctionParameter]
        if let variadicAt {
            let times = arguments.count - (parameters.count - 1)
            guard times >= 0 else { return false }
            expanded =
                parameters[..<variadicAt] + Array(repeating: parameters[variadicAt], count: times)
                + parameters[(variadicAt + 1)...]
        } else {
            guard arguments.count == parameters.count else { return false }
            expanded = parameters
        }
        var bindings: ParameterType.Bindings = [:]
        for (parameter, argument) in zip(expanded, arguments) {
            switch (parameter.type, argument) {
            case (.lambda(let inputs, _), .lambda(let count, _)): guard inputs.count == count else { return false }
            case (_, .lambda), (.lambda, _): return false
            case (.intervalUnit, .intervalUnit): break
            case (_, .intervalUnit), (.intervalUnit, _): return false
            case (_, .null): break
            case (_, .type(let type)):
                guard parameter.type.accepts(type, &bindings, allowsCasts: allowsCasts) else { return false }
            }
        }
        return true
    }

    /// Positive when this one is to be preferred.
    private func compare(to other: Self) -> Int {
        func order(_ a: Int, _ b: Int) -> Int { a < b ? -1 : (a == b ? 0 : 1) }
        let byVariadic = order(variadicAt == nil ? 1 : 0, other.variadicAt == nil ? 1 : 0)
        if byVariadic != 0 { return byVariadic }
        let byCount = order(parameters.count, other.parameters.count)
        if byCount != 0 { return byCount }
        return order(other.genericCount, genericCount)
    }

    private var genericCount: Int { parameters.count { $0.type.hasGenerics || $0.type == .any } }
}
