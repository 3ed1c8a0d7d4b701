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
            stateType: .array(entryType(type)), resultType: .array(type), initial: FewValues().state,
            add: { arguments, state, context throws(EvaluationError) in
                if arguments[0].isNull, ignoresNulls { return }
                var few = FewValues(taking: &state)
                context.sequence &+= 1
                if isLatest, few.values.count >= count { few.removeFirst() }
                if few.values.count < count { few.append(arguments[0], context.sequence) }
                state = few.state
            },
            merge: { state, other, _ throws(EvaluationError) in
                var few = FewValues(taking: &state)
                few.merge(FewValues(other))
                few.keep(count, isLatest: isLatest)
                state = few.state
            },
            result: { .array(FewValues($0).values) }, undo: nil)
    }
}

/// Some values in the order in which they came, and the numbers of when they did. The state has them apart, {numbers of 8
/// bytes, values}: a struct for each value would cost more than the value, for every row. That is what states of earlier
/// versions have, an array of {SEQ, VAL}.
private struct FewValues {
    private var numbers: [UInt8] = []
    private(set) var values: [SQLValue] = []

    init() {}

    init(_ state: SQLValue) {
        switch state {
        case .structure(let parts):
            guard parts.count == 2, case .bytes(let numbers) = parts[0], case .array(let values) = parts[1],
                numbers.count == values.count * 8
            else { return }
            (self.numbers, self.values) = (numbers, values)
        case .array(let entries):
            for entry in entries {
                guard let fields = entry.structure, fields.count == 2 else { continue }
                append(fields[1], fields[0].bigint ?? 0)
            }
        default: break
        }
    }

    /// Leaves nothing in the state, so that what is changed is not copied.
    init(taking state: inout SQLValue) {
        self.init(state)
        state = .null
    }

    var state: SQLValue { .structure([.bytes(numbers), .array(values)]) }

    private func number(_ index: Int) -> Int64 {
        numbers.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(fromByteOffset: index * 8, as: Int64.self)) }
    }

    mutating func append(_ value: SQLValue, _ number: Int64) {
        withUnsafeBytes(of: number.littleEndian) { numbers.append(contentsOf: $0) }
        values.append(value)
    }

    mutating func removeFirst() {
        numbers.removeFirst(8)
        values.removeFirst()
    }

    /// Those of both, by number; of equal numbers its own first.
    mutating func merge(_ other: FewValues) {
        let (a, b) = (self, other)
        (numbers, values) = ([], [])
        var (i, j) = (0, 0)
        while i < a.values.count || j < b.values.count {
            if j == b.values.count || i < a.values.count && a.number(i) <= b.number(j) {
                append(a.values[i], a.number(i))
                i += 1
            } else {
                append(b.values[j], b.number(j))
                j += 1
            }
        }
    }

    mutating func keep(_ count: Int, isLatest: Bool) {
        let surplus = values.count - count
        guard surplus > 0 else { return }
        if isLatest {
            numbers.removeFirst(surplus * 8)
            values.removeFirst(surplus)
        } else {
            numbers.removeLast(surplus * 8)
            values.removeLast(surplus)
        }
    }
}
