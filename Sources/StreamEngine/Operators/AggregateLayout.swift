import Columns
import SQLPlan
import SQLTypes

/// The states of an aggregation's functions as bytes, and what the functions do to them.
///
/// | bytes | part of a group's record in state                                  |
/// |------:|--------------------------------------------------------------------|
/// |     8 | timestamp                                                          |
/// |       | states of fixed size: counts, sums, averages, extremes of numbers  |
/// |       | the retained columns as `RowCodec` writes them                     |
/// |       | other states as `ValueCodec` writes them, in the order of functions|
///
/// The common functions over numbers have loops of their own here; their results are those of the library's functions.
final class AggregateLayout {
    enum Slot {
        /// Rows whose argument is not null; all rows without one.
        case count
        case sumInt, sumBigint, sumDouble
        /// Sum and count.
        case averageInt, averageBigint, averageDouble
        /// Whether there is a value, and the value.
        case extremeInt(isMax: Bool), extremeBigint(isMax: Bool), extremeDouble(isMax: Bool)
        case other(AggregateCall)

        fileprivate var fixedKind: FixedSlot.Kind? {
            switch self {
            case .count: .count
            case .sumInt: .sumInt
            case .sumBigint: .sumBigint
            case .sumDouble: .sumDouble
            case .averageInt: .averageInt
            case .averageBigint: .averageBigint
            case .averageDouble: .averageDouble
            case .extremeInt(let isMax): isMax ? .maxInt : .minInt
            case .extremeBigint(let isMax): isMax ? .maxBigint : .minBigint
            case .extremeDouble(let isMax): isMax ? .maxDouble : .minDouble
            case .other: nil
            }
        }

        var byteCount: Int {
            switch self {
            case .count, .sumInt, .sumBigint, .sumDouble: 8
            case .averageInt, .averageBigint, .averageDouble, .extremeInt, .extremeBigint, .extremeDouble: 16
            case .other: 0
            }
        }
    }

    struct Function {
        var name: String
        var slot: Slot
        var offset: Int
        var arguments: [CompiledExpression]
        /// Of the result.
        var type: SQLType
    }

    /// A function of fixed state without any reference in it, for the loop over rows.
    fileprivate struct FixedSlot: BitwiseCopyable {
        enum Kind: UInt8 {
            case count, sumInt, sumBigint, sumDouble, averageInt, averageBigint, averageDouble
            case minInt, maxInt, minBigint, maxBigint, minDouble, maxDouble
        }

        var kind: Kind
        var offset: Int
        /// Of its argument among `inputs`; -1: none.
        var input: Int
        /// Of its function.
        var place: Int
    }

    let functions: [Function]
    /// In memory of its own: the loop over rows counts no references.
    private let fixedSlots: UnsafeMutableBufferPointer<FixedSlot>
    private let inputs = RowInputs()
    private let oldInputs = RowInputs()
    /// Bytes of timestamp and fixed states.
    let fixedBytes: Int
    /// Functions whose states are values.
    let othersCount: Int
    var hasOthers: Bool { othersCount > 0 }
    /// States on their way into a record.
    private var stateBytes: [UInt8] = []

    init(_ calls: [AggregateFunctionCall], _ library: any FunctionLibrary, needsUndo: Bool) throws(EngineError) {
        var functions: [Function] = []
        var offset = 8
        var othersCount = 0
        for call in calls {
            var arguments: [CompiledExpression] = []
            for argument in call.arguments { arguments.append(try CompiledExpression(argument, functions: library)) }
            let slot: Slot
            if let fixed = Self.fixed(call) {
                slot = fixed
            } else {
                let aggregate = try library.aggregate(call)
                if needsUndo, aggregate.undo == nil {
                    throw EngineError(.invalidPlan, "The function \(call.function) cannot take rows of a table back.")
                }
                slot = .other(aggregate)
                othersCount += 1
            }
            functions.append(
                Function(name: call.function, slot: slot, offset: offset, arguments: arguments, type: call.type))
            offset += slot.byteCount
        }
        self.functions = functions
        var fixedSlots: [FixedSlot] = []
        var inputCount = 0
        for (place, function) in functions.enumerated() {
            guard let kind = function.slot.fixedKind else { continue }
            let hasInput = !function.arguments.isEmpty
            fixedSlots.append(
                FixedSlot(kind: kind, offset: function.offset, input: hasInput ? inputCount : -1, place: place))
            if hasInput { inputCount += 1 }
        }
        self.fixedSlots = .allocate(capacity: fixedSlots.count)
        _ = self.fixedSlots.initialize(from: fixedSlots)
        fixedBytes = offset
        self.othersCount = othersCount
    }

    deinit { fixedSlots.deallocate() }

    private static func fixed(_ call: AggregateFunctionCall) -> Slot? {
        guard call.parameters.isEmpty else { return nil }
        switch (call.function, call.arguments.first?.type) {
        case ("COUNT", _) where call.arguments.count <= 1: return .count
        case ("SUM", .int): return call.type == .int ? .sumInt : nil
        case ("SUM", .bigint): return .sumBigint
        case ("SUM", .double): return .sumDouble
        case ("AVG", .int): return .averageInt
        case ("AVG", .bigint): return .averageBigint
        case ("AVG", .double): return .averageDouble
        case ("MIN", .int): return .extremeInt(isMax: false)
        case ("MAX", .int): return .extremeInt(isMax: true)
        case ("MIN", .bigint): return .extremeBigint(isMax: false)
        case ("MAX", .bigint): return .extremeBigint(isMax: true)
        case ("MIN", .double): return .extremeDouble(isMax: false)
        case ("MAX", .double): return .extremeDouble(isMax: true)
        default: return nil
        }
    }

    // MARK: Rows

    /// The arguments of all functions for a batch; those of fixed states are made ready for `applyFixed`.
    func arguments(_ batch: Batch, _ owner: Operator, isOld: Bool = false) -> [[Vector]] {
        let arguments = functions.map { function in
            function.arguments.map {
                owner.evaluate($0, batch, what: "Error computing an argument of \(function.name)")
            }
        }
        let fixed = functions.indices.filter { functions[$0].slot.fixedKind != nil && !arguments[$0].isEmpty }
        if isOld {
            oldInputs.fill(fixed.map { arguments[$0][0] }, count: batch.count)
        } else {
            inputs.fill(fixed.map { arguments[$0][0] }, count: batch.count)
        }
        return arguments
    }

    /// Adds a row of the batch of `arguments` to the fixed states, or takes a row of the old one back.
    ///
    /// - Parameter state: the record from its timestamp on.
    @inline(__always)
    func applyFixed(_ state: UnsafeMutableRawPointer, _ row: Int, isUndo: Bool) {
        // Unowned: the loop over rows counts no references, and both live as long as this does.
        unowned(unsafe) let inputs = isUndo ? oldInputs : self.inputs
        for slot in fixedSlots {
            let at = state + slot.offset
            var bits: Int64 = 0
            if slot.input >= 0 {
                let place = inputs.place(slot.input, row)
                guard inputs.isThere[place] else { continue }
                bits = inputs.bits[place]
            }
            switch slot.kind {
            case .count: Self.bump(at, isUndo)
            case .sumInt: Self.add(Int32(truncatingIfNeeded: bits), at, isUndo)
            case .sumBigint: Self.add(bits, at, isUndo)
            case .sumDouble: Self.add(Double(bitPattern: UInt64(bitPattern: bits)), at, isUndo)
            case .averageInt:
                Self.add(Int32(truncatingIfNeeded: bits), at, isUndo)
                Self.bump(at + 8, isUndo)
            case .averageBigint:
                Self.add(bits, at, isUndo)
                Self.bump(at + 8, isUndo)
            case .averageDouble:
                Self.add(Double(bitPattern: UInt64(bitPattern: bits)), at, isUndo)
                Self.bump(at + 8, isUndo)
            case .minInt: Self.extreme(Int32(truncatingIfNeeded: bits), at) { $0 < $1 }
            case .maxInt: Self.extreme(Int32(truncatingIfNeeded: bits), at) { $0 > $1 }
            case .minBigint: Self.extreme(bits, at) { $0 < $1 }
            case .maxBigint: Self.extreme(bits, at) { $0 > $1 }
            case .minDouble:
                Self.extreme(Double(bitPattern: UInt64(bitPattern: bits)), at) { Self.javaOrder($0, $1) < 0 }
            case .maxDouble:
                Self.extreme(Double(bitPattern: UInt64(bitPattern: bits)), at) { Self.javaOrder($0, $1) > 0 }
            }
        }
    }

    @inline(__always)
    private static func bump(_ at: UnsafeMutableRawPointer, _ isUndo: Bool) {
        let count = at.loadUnaligned(as: Int64.self)
        at.storeBytes(of: isUndo ? count &- 1 : count &+ 1, as: Int64.self)
    }

    /// As Java's: sums wrap.
    @inline(__always)
    private static func add<Number: FixedWidthInteger>(_ value: Number, _ at: UnsafeMutableRawPointer, _ isUndo: Bool) {
        let sum = at.loadUnaligned(as: Number.self)
        at.storeBytes(of: isUndo ? sum &- value : sum &+ value, as: Number.self)
    }

    @inline(__always)
    private static func add(_ value: Double, _ at: UnsafeMutableRawPointer, _ isUndo: Bool) {
        let sum = at.loadUnaligned(as: Double.self)
        at.storeBytes(of: isUndo ? sum - value : sum + value, as: Double.self)
    }

    @inline(__always)
    private static func extreme<Number: BitwiseCopyable>(
        _ value: Number, _ at: UnsafeMutableRawPointer, _ isBetter: (Number, Number) -> Bool
    ) {
        let has = at.loadUnaligned(as: Int64.self) != 0
        if has, !isBetter(value, (at + 8).loadUnaligned(as: Number.self)) { return }
        at.storeBytes(of: 1, as: Int64.self)
        (at + 8).storeBytes(of: value, as: Number.self)
    }

    /// NaN is the largest, -0.0 is below 0.0.
    private static func javaOrder(_ a: Double, _ b: Double) -> Int {
        SQLValue.double(a).compare(to: .double(b)) ?? 0
    }

    // MARK: Other states

    func initialOthers() -> [SQLValue] {
        functions.compactMap { if case .other(let call) = $0.slot { call.initial() } else { nil } }
    }

    /// Adds a row to the states that have no fixed size, or takes it back.
    func applyOthers(
        _ states: inout [SQLValue], _ arguments: [[Vector]], _ row: Int, isUndo: Bool
    ) throws(EngineError) {
        var place = 0
        for (index, function) in functions.enumerated() {
            guard case .other(let call) = function.slot else { continue }
            let values = function.arguments.indices.map {
                arguments[index][$0].value(row, function.arguments[$0].type)
            }
            do throws(EvaluationFailure) {
                if isUndo {
                    try call.undo?(&states[place], values)
                } else {
                    try call.add(&states[place], values)
                }
            } catch { throw EngineError(.fatalRecord, error.message) }
            place += 1
        }
    }

    func readOthers(_ bytes: UnsafeRawBufferPointer, at: inout Int) -> [SQLValue] {
        functions.compactMap {
            if case .other = $0.slot { ValueCodec.read(bytes, at: &at) } else { nil }
        }
    }

    func appendOthers(_ states: [SQLValue], to bytes: ScratchBytes) {
        stateBytes.removeAll(keepingCapacity: true)
        for state in states { ValueCodec.append(state, to: &stateBytes) }
        stateBytes.withUnsafeBytes { bytes.append($0) }
    }

    /// Adds the fixed states of a later session to those of an earlier one.
    func mergeFixed(_ into: UnsafeMutableRawPointer, _ other: UnsafeRawPointer) {
        for function in functions {
            let at = into + function.offset
            let from = other + function.offset
            func add<Element: FixedWidthInteger>(_: Element.Type, _ offset: Int = 0) {
                let sum =
                    (at + offset).loadUnaligned(as: Element.self) &+ (from + offset).loadUnaligned(as: Element.self)
                (at + offset).storeBytes(of: sum, as: Element.self)
            }
            func addDouble() {
                at.storeBytes(
                    of: at.loadUnaligned(as: Double.self) + from.loadUnaligned(as: Double.self), as: Double.self)
            }
            func extreme(_ isLess: Bool) {
                guard from.loadUnaligned(as: Int64.self) != 0 else { return }
                guard at.loadUnaligned(as: Int64.self) == 0 || isLess else { return }
                at.copyMemory(from: from, byteCount: 16)
            }
            switch function.slot {
            case .count, .sumBigint: add(Int64.self)
            case .sumInt: add(Int32.self)
            case .sumDouble: addDouble()
            case .averageInt:
                add(Int32.self)
                add(Int64.self, 8)
            case .averageBigint:
                add(Int64.self)
                add(Int64.self, 8)
            case .averageDouble:
                addDouble()
                add(Int64.self, 8)
            case .extremeInt(let isMax):
                let (a, b) = ((at + 8).loadUnaligned(as: Int32.self), (from + 8).loadUnaligned(as: Int32.self))
                extreme(isMax ? b > a : b < a)
            case .extremeBigint(let isMax):
                let (a, b) = ((at + 8).loadUnaligned(as: Int64.self), (from + 8).loadUnaligned(as: Int64.self))
                extreme(isMax ? b > a : b < a)
            case .extremeDouble(let isMax):
                let a = SQLValue.double((at + 8).loadUnaligned(as: Double.self))
                let b = SQLValue.double((from + 8).loadUnaligned(as: Double.self))
                let order = b.compare(to: a) ?? 0
                extreme(isMax ? order > 0 : order < 0)
            case .other: continue
            }
        }
    }

    func mergeOthers(_ states: inout [SQLValue], _ later: [SQLValue]) throws(EngineError) {
        var place = 0
        for function in functions {
            guard case .other(let call) = function.slot else { continue }
            do throws(EvaluationFailure) {
                states[place] = try call.merge(states[place], later[place])
            } catch { throw EngineError(.fatalRecord, error.message) }
            place += 1
        }
    }

    // MARK: Results

    /// Appends the results of the functions to one builder each, from `first` on.
    func appendResults(
        _ state: UnsafeRawPointer, others: [SQLValue], to builders: [VectorBuilder], from first: Int
    ) throws(EngineError) {
        for slot in fixedSlots {
            // Results of fixed states are numbers, whose builders have cells.
            if let cells = builders[first &+ slot.place].cells { Self.appendResult(slot, state, to: cells) }
        }
        guard hasOthers else { return }
        var place = 0
        for (index, function) in functions.enumerated() {
            guard case .other(let call) = function.slot else { continue }
            do throws(EvaluationFailure) {
                builders[first + index].append(try call.result(others[place]))
            } catch { throw EngineError(.fatalRecord, error.message) }
            place += 1
        }
    }

    /// Appends the results of the functions, all of them of fixed state, to one column each.
    @inline(__always)
    func appendFixedResults(
        _ state: UnsafeRawPointer, to columns: UnsafeMutableBufferPointer<UnsafeMutablePointer<ColumnCells>>
    ) {
        for slot in fixedSlots { Self.appendResult(slot, state, to: columns[slot.place]) }
    }

    @inline(__always)
    private static func appendResult(
        _ slot: FixedSlot, _ state: UnsafeRawPointer, to cells: UnsafeMutablePointer<ColumnCells>
    ) {
        let at = state + slot.offset
        switch slot.kind {
        case .count, .sumBigint: cells.pointee.append(at.loadUnaligned(as: Int64.self))
        case .sumInt: cells.pointee.append(at.loadUnaligned(as: Int32.self))
        case .sumDouble: cells.pointee.append(at.loadUnaligned(as: Double.self))
        case .averageInt: average(Double(at.loadUnaligned(as: Int32.self)), at, cells)
        case .averageBigint: average(Double(at.loadUnaligned(as: Int64.self)), at, cells)
        case .averageDouble: average(at.loadUnaligned(as: Double.self), at, cells)
        case .minInt, .maxInt: extreme(Int32.self, at, cells)
        case .minBigint, .maxBigint: extreme(Int64.self, at, cells)
        case .minDouble, .maxDouble: extreme(Double.self, at, cells)
        }
    }

    @inline(__always)
    private static func extreme<Number: BitwiseCopyable>(
        _: Number.Type, _ at: UnsafeRawPointer, _ cells: UnsafeMutablePointer<ColumnCells>
    ) {
        if at.loadUnaligned(as: Int64.self) == 0 {
            cells.pointee.appendNull()
        } else {
            cells.pointee.append((at + 8).loadUnaligned(as: Number.self))
        }
    }

    @inline(__always)
    private static func average(_ sum: Double, _ at: UnsafeRawPointer, _ cells: UnsafeMutablePointer<ColumnCells>) {
        let count = (at + 8).loadUnaligned(as: Int64.self)
        cells.pointee.append(count == 0 ? 0.0 : sum / Double(count))
    }
}

/// The arguments of a batch's rows as 64 bits each, so that the loop over rows touches nothing but memory.
private final class RowInputs {
    private(set) var bits = UnsafeMutablePointer<Int64>.allocate(capacity: 1)
    private(set) var isThere = UnsafeMutablePointer<Bool>.allocate(capacity: 1)
    private var capacity = 1
    private var stride = 0

    deinit {
        bits.deallocate()
        isThere.deallocate()
    }

    @inline(__always)
    func place(_ input: Int, _ row: Int) -> Int { input &* stride &+ row }

    func fill(_ vectors: [Vector], count: Int) {
        stride = count
        if vectors.count * count > capacity {
            capacity = vectors.count * count
            bits.deallocate()
            isThere.deallocate()
            bits = .allocate(capacity: capacity)
            isThere = .allocate(capacity: capacity)
        }
        for (index, vector) in vectors.enumerated() {
            let first = index * count
            switch vector {
            case .int32(let column): fill(column, count, first) { Int64($0) }
            case .int64(let column): fill(column, count, first) { $0 }
            case .double(let column): fill(column, count, first) { Int64(bitPattern: $0.bitPattern) }
            default:
                for row in 0..<count {
                    (isThere + first + row).initialize(to: !vector.isNull(row))
                    switch vector {
                    case .constant(.int(let value), _): (bits + first + row).initialize(to: Int64(value))
                    case .constant(.bigint(let value), _): (bits + first + row).initialize(to: value)
                    case .constant(.double(let value), _):
                        (bits + first + row).initialize(to: Int64(bitPattern: value.bitPattern))
                    default: (bits + first + row).initialize(to: 0)  // COUNT asks only whether there is a value
                    }
                }
            }
        }
    }

    @inline(__always)
    private func fill<Element: BitwiseCopyable & Sendable>(
        _ column: FixedColumn<Element>, _ count: Int, _ first: Int, _ widen: (Element) -> Int64
    ) {
        column.values.withUnsafeBufferPointer { values in
            for row in 0..<count { (bits + first + row).initialize(to: widen(values[row])) }
        }
        for row in 0..<count { (isThere + first + row).initialize(to: column.validity.isValid(row)) }
    }
}
