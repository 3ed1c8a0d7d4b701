import SQLTypes
import TestKit
import Testing

@testable import SQLFunctions

/// Functions, casts and aggregates have a value or an error for everything; none of them traps.
@Suite struct NeverTrapTests {
    @Test(arguments: 1...4)
    func `scalar functions take anything of their types`(seed: UInt64) {
        var values = RandomValues(random: SeededRandom(seed: seed))
        var limits = FunctionLimits()
        limits.elementsMax = 1000
        limits.byteCountMax = 10_000
        var calls = Calls(seed: seed, limits: limits)
        for function in FunctionCatalog.builtIn.scalars.values.sorted(by: { $0.name < $1.name }) {
            for overload in function.overloads {
                for _ in 0..<40 {
                    var parameters = overload.parameters
                    if let place = overload.variadicAt {
                        let times = Int.random(in: 0...3, using: &values.random)
                        parameters.replaceSubrange(
                            place...place, with: Array(repeating: parameters[place], count: times))
                    }
                    var generics: [String: SQLType] = [:]
                    let arguments = parameters.map { argument($0.type, &values, &generics) }
                    _ = try? calls.call(function.name, arguments)
                }
            }
        }
    }

    private func argument(
        _ type: ParameterType, _ values: inout RandomValues, _ generics: inout [String: SQLType]
    ) -> Calls.Argument {
        if case .lambda(let inputs, let result) = type {
            let made = concrete(result, &values, &generics)
            let value = values.value(made)
            return .lambda(inputs.count, { _ in made }) { _, _ throws(EvaluationError) in value }
        }
        if type == .intervalUnit {
            return .unit(["DAYS", "MILLISECOND", "HOURS", "FORTNIGHT"].randomElement(using: &values.random) ?? "")
        }
        let made = concrete(type, &values, &generics)
        return .value(values.value(made), made)
    }

    private func concrete(
        _ type: ParameterType, _ values: inout RandomValues, _ generics: inout [String: SQLType]
    ) -> SQLType {
        switch type {
        case .boolean: return .boolean
        case .int: return .int
        case .bigint: return .bigint
        case .double: return .double
        case .decimal: return .decimal(precision: 20, scale: Int.random(in: 0...20, using: &values.random))
        case .string: return .string
        case .bytes: return .bytes
        case .time: return .time
        case .date: return .date
        case .timestamp: return .timestamp
        case .array(let element): return .array(concrete(element, &values, &generics))
        case .map(let key, let value):
            return .map(key: concrete(key, &values, &generics), value: concrete(value, &values, &generics))
        case .structure(let fields):
            return .structure(fields.map { SQLField($0.name, concrete($0.type, &values, &generics)) })
        case .generic(let name):
            let made = generics[name] ?? values.type()
            generics[name] = made
            return made
        case .any, .lambda, .intervalUnit: return values.type()
        }
    }

    @Test(arguments: 1...3)
    func `aggregates take anything of their types and any state`(seed: UInt64) {
        var values = RandomValues(random: SeededRandom(seed: seed))
        var calls = Calls(seed: seed)
        for function in FunctionCatalog.builtIn.aggregates.values.sorted(by: { $0.name < $1.name }) {
            for overload in function.overloads {
                for _ in 0..<5 {
                    var generics: [String: SQLType] = [:]
                    let types = overload.parameters.map { concrete($0.type, &values, &generics) }
                    let literals: [SQLValue?] = types.map {
                        $0 == .int ? .int(3) : $0 == .boolean ? .boolean(false) : .null
                    }
                    guard let bound = try? function.bind(types.map { .type($0) }, literals: literals) else { continue }
                    let aggregate = bound.implementation
                    var state = aggregate.initial
                    var other = aggregate.initial
                    for _ in 0..<30 {
                        let row = bound.argumentTypes.map { values.value($0) }
                        try? aggregate.add(row, &state, &calls.context)
                        if Bool.random(using: &values.random) { try? aggregate.add(row, &other, &calls.context) }
                        if Bool.random(using: &values.random) { try? aggregate.undo?(row, &state, &calls.context) }
                        _ = aggregate.result(state)
                    }
                    try? aggregate.merge(&state, other, &calls.context)
                    _ = aggregate.result(state)
                }
            }
        }
    }

    @Test(arguments: 1...5)
    func `casts take anything`(seed: UInt64) {
        var values = RandomValues(random: SeededRandom(seed: seed))
        for _ in 0..<3000 {
            let (from, to) = (values.type(), values.type())
            guard let cast = try? SQLCast(from: from, to: to) else { continue }
            for _ in 0..<5 { _ = try? cast(values.value(from)) }
        }
    }
}
