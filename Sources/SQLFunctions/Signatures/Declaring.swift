import SQLTypes

/// Short forms in which the built-in functions are declared.
extension ScalarFunction {
    init(_ name: String, _ category: FunctionCategory, _ description: String, _ overloads: [FunctionOverload]) {
        self.init(name: name, category: category, description: description, overloads: overloads)
    }

    var lazy: Self {
        var copy = self
        copy.isLazy = true
        return copy
    }

    var volatile: Self {
        var copy = self
        copy.isVolatile = true
        return copy
    }
}

extension FunctionOverload {
    /// - Parameter parameters: names and types; a name that ends in "..." is variadic.
    init(
        _ parameters: KeyValuePairs<String, ParameterType>, _ result: Result, seesNulls: Bool, _ body: Body,
        _ description: String = ""
    ) {
        var list: [FunctionParameter] = []
        var variadicAt: Int?
        for (name, type) in parameters {
            if name.hasSuffix("...") {
                variadicAt = list.count
                list.append(FunctionParameter(String(name.dropLast(3)), type))
            } else {
                list.append(FunctionParameter(name, type))
            }
        }
        self.init(
            parameters: list, variadicAt: variadicAt, result: result, seesNulls: seesNulls, body: body,
            description: description)
    }

    /// A result of a fixed or generic type; the body sees no nulls.
    static func plain(
        _ parameters: KeyValuePairs<String, ParameterType>, _ result: ParameterType, _ description: String = "",
        _ body: @escaping ScalarBody
    ) -> Self {
        Self(parameters, .type(result), seesNulls: false, .values(body), description)
    }

    /// As `plain`, with a body that sees nulls.
    static func nullable(
        _ parameters: KeyValuePairs<String, ParameterType>, _ result: ParameterType, _ description: String = "",
        _ body: @escaping ScalarBody
    ) -> Self {
        Self(parameters, .type(result), seesNulls: true, .values(body), description)
    }
}

extension SQLValue {
    // The signature guarantees the type; what a caller gets wrong all the same becomes the neutral value, not a trap.
    var textArgument: String { string ?? "" }
    var intArgument: Int { int.map(Int.init) ?? bigint.map { Int($0) } ?? 0 }
    var doubleArgument: Double { double ?? asDouble ?? 0 }
    var arrayArgument: [SQLValue] { array ?? [] }
    var bytesArgument: [UInt8] { bytes ?? [] }
    var mapArgument: SQLMap { map ?? .empty }

    static func string(_ text: Substring) -> SQLValue { .string(String(text)) }
    static func optional(_ text: String?) -> SQLValue { text.map { .string($0) } ?? .null }
}

/// Runs code that fails with errors of SQLTypes.
func evaluating<T>(_ body: () throws(SQLTypesError) -> T) throws(EvaluationError) -> T {
    do { return try body() } catch { throw EvaluationError(error) }
}
