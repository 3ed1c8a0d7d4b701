import Avro
import ConnectCore
import SQLTypes

/// Makes values of an Avro schema as its `arg.properties` describe them. One stream of random numbers drives all of them, so
/// that a seed and a number of earlier values say what comes next.
struct RecordGenerator: Sendable {
    /// How values of one place of the schema are made.
    indirect enum Node: Sendable {
        case constant(ConnectValue)
        case options([ConnectValue])
        case integers(slot: Int, isInt: Bool, LogicalType?)
        case fractions(slot: Int, isFloat: Bool)
        case flags(slot: Int)
        case numbered(slot: Int, prefix: String, suffix: String)
        case boolean(odds: Double?)
        case anyInt(LogicalType?)
        case anyLong(LogicalType?)
        case int(min: Int64, span: Double, LogicalType?)
        case long(min: Int64, span: Double, LogicalType?)
        case float(min: Float, span: Float)
        case double(min: Double, span: Double)
        case bytes(Lengths)
        case fixed(byteCount: Int)
        case decimal(precision: Int, scale: Int)
        case decimalRange(min: Double, span: Double, scale: Int)
        case text(Lengths, prefix: String, suffix: String)
        case pattern(RandomText, Lengths, prefix: String, suffix: String)
        case kind(TextKind)
        /// At times, of which there are `rate` of 1, a text that is no value of the kind.
        case malformed(rate: Double, Node)
        case array(Node, Lengths)
        case map(keys: Node, values: Node, Lengths)
        /// Entries of an array that Connect holds as a map.
        case entries(key: Int, value: Int, Node, Lengths)
        case record(ConnectSchema, [Node])
        case union([Branch], weights: [Double]?, position: Int?)
    }

    struct Branch: Sendable {
        /// nil for null.
        var node: Node?
        /// Where a union is a struct with a field for each branch: it and the field's place.
        var wrapper: (schema: ConnectSchema, place: Int)?
    }

    /// Lengths in the original's words: the greatest is not reached.
    struct Lengths: Sendable, Hashable {
        var min: Int
        var end: Int

        static let standard = Lengths(min: 8, end: 16)

        func draw(_ random: inout JavaRandom) -> Int { min + random.nextIndex(end - min) }
        var range: ClosedRange<Int> { min...Swift.max(min, end - 1) }
    }

    enum TextKind: String, Sendable, CaseIterable { case uuid, email, name }

    /// The schema of the values.
    let schema: ConnectSchema
    private let root: Node
    private var integers: [Iteration]
    private var fractions: [FractionIteration]
    private var flags: [Bool]
    var random: JavaRandom

    init(_ program: GeneratorProgram, random: JavaRandom) {
        schema = program.schema
        root = program.root
        integers = program.integers
        fractions = program.fractions
        flags = program.flags
        self.random = random
    }

    /// The next value; a struct.
    mutating func next() -> ConnectValue { value(root) }

    private mutating func value(_ node: Node) -> ConnectValue {
        switch node {
        case .constant(let value): return value
        case .options(let options): return options[random.nextIndex(options.count)]
        case .integers(let slot, let isInt, let logical):
            let number = integers[slot].next()
            return isInt ? Self.int(Int32(truncatingIfNeeded: number), logical) : Self.long(number, logical)
        case .fractions(let slot, let isFloat):
            let number = fractions[slot].next()
            return isFloat ? .float32(Float(number)) : .float64(number)
        case .flags(let slot):
            let flag = flags[slot]
            flags[slot] = !flag
            return .boolean(flag)
        case .numbered(let slot, let prefix, let suffix):
            return .string(prefix + String(Int32(truncatingIfNeeded: integers[slot].next())) + suffix)
        case .boolean(let odds):
            guard let odds else { return .boolean(random.nextBoolean()) }
            return .boolean(random.nextDouble() < odds)
        case .anyInt(let logical): return Self.int(random.nextInt(), logical)
        case .anyLong(let logical): return Self.long(random.nextLong(), logical)
        case .int(let min, let span, let logical):
            return Self.int(Int32(truncatingIfNeeded: min + Int64(random.nextDouble() * span)), logical)
        case .long(let min, let span, let logical):
            // A span may be twice what a long holds.
            let distance = random.nextDouble() * span
            return Self.long(
                distance < 0x1p63
                    ? min &+ Int64(distance) : min &+ Int64.max &+ 1 &+ Int64(distance - 0x1p63), logical)
        case .float(let min, let span): return .float32(min + random.nextFloat() * span)
        case .double(let min, let span): return .float64(min + random.nextDouble() * span)
        case .bytes(let lengths): return .bytes(random.nextBytes(lengths.draw(&random)))
        case .fixed(let byteCount): return .bytes(random.nextBytes(byteCount))
        case .decimal(let precision, let scale): return .decimal(decimal(precision, scale))
        case .decimalRange(let min, let span, let scale):
            let number = min + random.nextDouble() * span
            let exact = try? SQLDecimal(exactly: number)  // finite: both ends are
            return .decimal((exact ?? .zero).rescaled(to: scale, rounding: .floor))
        case .text(let lengths, let prefix, let suffix):
            return .string(prefix + anyText(lengths.draw(&random)) + suffix)
        case .pattern(let pattern, let lengths, let prefix, let suffix):
            let text = pattern.text(lengths.range, &random)
            return .string(prefix.isEmpty && suffix.isEmpty ? text : prefix + text + suffix)
        case .kind(let kind): return .string(text(of: kind))
        case .malformed(let rate, let inner):
            guard random.nextDouble() < rate else { return value(inner) }
            return .string(anyText(Lengths.standard.draw(&random)))
        case .array(let element, let lengths):
            let count = lengths.draw(&random)
            var elements: [ConnectValue] = []
            elements.reserveCapacity(count)
            for _ in 0..<count { elements.append(value(element)) }
            return .array(elements)
        case .map(let keys, let values, let lengths):
            var map = ConnectMap()
            for _ in 0..<lengths.draw(&random) {
                let key = value(keys)
                map[key] = value(values)
            }
            return .map(map)
        case .entries(let key, let place, let element, let lengths):
            var map = ConnectMap()
            for _ in 0..<lengths.draw(&random) {
                guard case .structure(let entry) = value(element) else { continue }
                map[entry.values[key]] = entry.values[place]
            }
            return .map(map)
        case .record(let schema, let fields):
            var values: [ConnectValue] = []
            values.reserveCapacity(fields.count)
            for field in fields { values.append(value(field)) }
            return .structure(ConnectStruct(schema, values: values))
        case .union(let branches, let weights, let position):
            let branch = branches[position ?? choice(branches.count, weights)]
            guard let node = branch.node else { return .null }
            let inner = value(node)
            guard let (schema, place) = branch.wrapper else { return inner }
            var structure = ConnectStruct(schema)
            structure[place] = inner
            return .structure(structure)
        }
    }

    private mutating func choice(_ count: Int, _ weights: [Double]?) -> Int {
        guard let weights else { return random.nextIndex(count) }
        var place = random.nextDouble() * weights.reduce(0, +)
        for (index, weight) in weights.enumerated() {
            if place < weight { return index }
            place -= weight
        }
        return weights.lastIndex { $0 > 0 } ?? 0
    }

    @inline(__always) private static func int(_ value: Int32, _ logical: LogicalType?) -> ConnectValue {
        switch logical {
        case .date: .instant(Int64(value) * 86_400_000)
        case .time: .instant(Int64(value.magnitude) % 86_400_000)
        default: .int32(value)
        }
    }

    @inline(__always) private static func long(_ value: Int64, _ logical: LogicalType?) -> ConnectValue {
        logical == .timestamp ? .instant(value) : .int64(value)
    }

    /// Digits are drawn fifteen at a time, which is what a double holds; those beyond the precision go.
    private mutating func decimal(_ precision: Int, _ scale: Int) -> SQLDecimal {
        let step = SQLDecimal(1_000_000_000_000_000)
        var number = SQLDecimal.zero
        var digits = 0
        while digits < precision {
            number = number * step + SQLDecimal(Int64(random.nextDouble() * 1_000_000_000_000_000))
            digits += 15
        }
        // As a number with `digits - precision` places, without them.
        let shifted = number * SQLDecimal(unscaled: 1, scale: digits - precision)
        let whole = shifted.rescaled(to: 0, rounding: .down) * SQLDecimal(unscaled: 1, scale: scale)
        return random.nextBoolean() ? -whole : whole
    }

    private mutating func anyText(_ length: Int) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(length)
        for _ in 0..<length { bytes.append(UInt8(truncatingIfNeeded: random.nextInt(128))) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func text(of kind: TextKind) -> String {
        switch kind {
        case .uuid: return SampleNames.uuid(random.nextBytes(16))
        case .name: return SampleNames.full(random.nextIndex(SampleNames.fullCount))
        case .email:
            let name = SampleNames.full(random.nextIndex(SampleNames.fullCount))
            return SampleNames.email(name, number: random.nextIndex(1000))
        }
    }
}
