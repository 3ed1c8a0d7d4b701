/// All functions by name.
package struct FunctionCatalog: Sendable {
    package private(set) var scalars: [String: ScalarFunction] = [:]
    package private(set) var aggregates: [String: AggregateFunction] = [:]
    package private(set) var tables: [String: TableFunction] = [:]

    /// The functions that every server has.
    package static let builtIn: FunctionCatalog = {
        var catalog = FunctionCatalog()
        let groups: [[ScalarFunction]] = [
            NumericFunctions.all, RoundingFunctions.all, ExtremeFunctions.all, ArrayFunctions.all, MapFunctions.all,
            LambdaFunctions.all, NullFunctions.all, StringFunctions.all, PaddingFunctions.all, MaskFunctions.all,
            RegexFunctions.all, ByteFunctions.all, JSONFunctions.all, DateTimeFunctions.all, LegacyTimeFunctions.all,
            URLFunctions.all,
        ]
        for function in groups.joined() { catalog.scalars[function.name] = function }
        for function in AggregateFunctions.all { catalog.aggregates[function.name] = function }
        for function in TableFunctions.all { catalog.tables[function.name] = function }
        return catalog
    }()

    package init() {}

    package enum Kind: Sendable { case scalar, aggregate, table }

    /// nil when there is no function of that name, which counts in any case.
    package func kind(of name: String) -> Kind? {
        let name = name.uppercased()
        if scalars[name] != nil { return .scalar }
        if aggregates[name] != nil { return .aggregate }
        return tables[name] != nil ? .table : nil
    }

    /// - Throws: `.unknownFunction`: "Can't find any functions with the name 'X'".
    package func scalar(_ name: String) throws(FunctionError) -> ScalarFunction {
        guard let function = scalars[name.uppercased()] else { throw Self.unknown(name) }
        return function
    }

    /// - Throws: `.unknownFunction`.
    package func aggregate(_ name: String) throws(FunctionError) -> AggregateFunction {
        guard let function = aggregates[name.uppercased()] else { throw Self.unknown(name) }
        return function
    }

    /// - Throws: `.unknownFunction`.
    package func table(_ name: String) throws(FunctionError) -> TableFunction {
        guard let function = tables[name.uppercased()] else { throw Self.unknown(name) }
        return function
    }

    package static func unknown(_ name: String) -> FunctionError {
        FunctionError(.unknownFunction, "Can't find any functions with the name '\(name)'")
    }

    /// What SHOW FUNCTIONS lists, in the order of the names.
    package var listing: [(name: String, category: FunctionCategory)] {
        let all =
            scalars.values.map { ($0.name, $0.category) } + aggregates.values.map { ($0.name, .aggregate) }
            + tables.values.map { ($0.name, .table) }
        return all.sorted { $0.0 < $1.0 }
    }

    /// What DESCRIBE FUNCTION shows.
    package struct Documentation: Sendable {
        package struct Variation: Sendable {
            /// "SUBSTRING(VARCHAR text, INT position)"
            package var signature: String
            /// The type of the result, where it does not depend on the arguments.
            package var returns: String
            package var description: String
        }

        package var name: String
        package var overview: String
        /// SCALAR, AGGREGATE or TABLE.
        package var type: String
        package var variations: [Variation]
    }

    /// - Throws: `.unknownFunction`.
    package func documentation(of name: String) throws(FunctionError) -> Documentation {
        let key = name.uppercased()
        if let function = scalars[key] {
            return Documentation(
                name: function.name, overview: function.description, type: "SCALAR",
                variations: function.overloads.map { overload in
                    let returns: String
                    if case .type(let type) = overload.result { returns = type.description } else { returns = "" }
                    return .init(
                        signature: overload.signature(function.name), returns: returns,
                        description: overload.description.isEmpty ? function.description : overload.description)
                })
        }
        if let function = aggregates[key] {
            return Documentation(
                name: function.name, overview: function.description, type: "AGGREGATE",
                variations: function.overloads.map {
                    .init(
                        signature: $0.signature(function.name), returns: $0.returns,
                        description: $0.description.isEmpty ? function.description : $0.description)
                })
        }
        if let function = tables[key] {
            return Documentation(
                name: function.name, overview: function.description, type: "TABLE",
                variations: function.overloads.map {
                    .init(
                        signature: $0.signature(function.name), returns: $0.result.description,
                        description: function.description)
                })
        }
        throw Self.unknown(name)
    }
}
