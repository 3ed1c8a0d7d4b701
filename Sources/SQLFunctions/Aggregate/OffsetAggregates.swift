import SQLTypes

/// EARLIEST_BY_OFFSET and LATEST_BY_OFFSET. A value is kept with the number of when it came, {SEQ, VAL}.
enum OffsetAggregates {
    static let earliest = function("EARLIEST_BY_OFFSET", "first", isLatest: false)
    static let latest = function("LATEST_BY_OFFSET", "last", isLatest: true)

    private static func function(_ name: String, _ word: String, isLatest: Bool) -> AggregateFunction {
        let t = ParameterType.generic("T")
        @Sendable func isIgnoring(_ value: SQLValue) -> Bool { value.boolean ?? true }
        @Sendable func count(_ value: SQLValue) throws(FunctionError) -> Int {
            guard let count = value.int, count > 0 else {
                throw FunctionError(.invalidArgument, "earliestN must be 1 or greater")
            }
            return Int(count)
        }
        return AggregateFunction(
            name: name, description: "The \(word) value, or the \(word) few values, in the order in which they came.",
            overloads: [
                AggregateOverload(["val": t], returns: "T", "Nulls do not count.") { types, _ throws(FunctionError) in
                    single(types[0], isLatest, ignoresNulls: true)
                },
                AggregateOverload(
                    ["val": t, "ignoreNulls": .boolean], constants: 1, returns: "T", "Nulls count if wanted."
                ) { types, constants throws(FunctionError) in
                    single(types[0], isLatest, ignoresNulls: isIgnoring(constants[0]))
                },
                AggregateOverload(
                    ["val": t, "\(word)N": .int], constants: 1, returns: "ARRAY<T>",
                    "So many of them; nulls do not count."
                ) { types, constants throws(FunctionError) in
                    several(types[0], try count(constants[0]), isLatest, ignoresNulls: true)
                },
                AggregateOverload(
                    ["val": t, "\(word)N": .int, "ignoreNulls": .boolean], constants: 2, returns: "ARRAY<T>",
                    "So many of them; nulls count if wanted."
                ) { types, constants throws(FunctionError) in
                    several(types[0], try count(constants[0]), isLatest, ignoresNulls: isIgnoring(constants[1]))
                },
            ], hasUndo: false)
    }

    private static func entry(_ value: SQLValue, _ context: inout EvaluationContext) -> SQLValue {
        context.sequence &+= 1
        return .structure([.bigint(context.sequence), value])
    }

    private static func entryType(_ type: SQLType) -> SQLType {
        .structure([SQLField("SEQ", .bigint), SQLField("VAL", type)])
    }

    private static func sequence(_ entry: SQLValue) -> Int64 { entry.structure?.first?.bigint ?? 0 }
    private static func value(_ entry: SQLValue) -> SQLValue { entry.structure?.last ?? .null }

    private static func single(_ type: SQLType, _ isLatest: Bool, ignoresNulls: Bool) -> AggregateImplementation {
        AggregateImplementation(
            stateType: entryType(type), resultType: type, initial: .null,
            add: { arguments, state, context throws(EvaluationError) in
                if arguments[0].isNull, ignoresNulls { return }
                if isLatest || state.isNull { state = entry(arguments[0], &context) }
            },
            merge: { state, other, _ throws(EvaluationError) in
                if other.isNull { return }
                if state.isNull {
                    state = other
                } else if isLatest == (sequence(other) > sequence(state)) {
                    state = other
                }
            },
            result: { value($0) }, undo: nil)
    }

    private static func several(
        _ type: SQLType, _ count: Int, _ isLatest: Bool, ignoresNulls: Bool
    ) -> AggregateImplementation {
        AggregateImplementation(
            stateType: .array(entryType(type)), resultType: .array(type), initial: .array([]),
            add: { arguments, state, context throws(EvaluationError) in
                if arguments[0].isNull, ignoresNulls { return }
                let entry = entry(arguments[0], &context)
                try state.updateArray { entries throws(EvaluationError) in
                    if isLatest {
                        entries.append(entry)
                        if entries.count > count { entries.removeFirst() }
                    } else if entries.count < count {
                        entries.append(entry)
                    }
                }
            },
            merge: { state, other, _ throws(EvaluationError) in
                try state.updateArray { entries throws(EvaluationError) in
                    let all = (entries + other.arrayArgument).sorted { sequence($0) < sequence($1) }
                    entries = isLatest ? Array(all.suffix(count)) : Array(all.prefix(count))
                }
            },
            result: { .array($0.arrayArgument.map(value)) }, undo: nil)
    }
}
