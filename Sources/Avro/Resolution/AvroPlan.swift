/// How values of a writer's schema become values of a reader's schema: the rules of schema resolution, worked out once.
///
/// Steps refer to each other by number, so that types which contain themselves are steps which refer back.
///
/// - SeeAlso: Apache Avro specification, "Schema Resolution".
struct AvroPlan: Sendable {
    typealias StepID = Int

    enum Step: Sendable {
        case null, boolean, int, long, float, double, bytes, string
        case intToLong, intToFloat, intToDouble, longToFloat, longToDouble, floatToDouble
        case bytesToString, stringToBytes
        case fixed(size: Int)
        /// The reader's symbol for each of the writer's, nil for those that it cannot read.
        case enumeration([String?], name: String)
        case array(StepID)
        case map(StepID)
        case record(Record)
        /// The writer's union: a step for each branch, all of them making a value of the reader's type.
        case writerUnion([StepID])
        /// A value that becomes a branch of the reader's union.
        case readerUnion(branch: Int, StepID)
        /// Data that needs this cannot be read.
        case impossible(String)
        /// A step whose number was given away before it was known.
        case pending
    }

    struct Record: Sendable {
        /// The writer's fields in order: where the value goes in the reader's record, and how it is read.
        var fields: [(target: Int?, step: StepID)] = []
        /// The reader's fields that the writer does not have.
        var defaults: [(target: Int, value: AvroValue)] = []
        var targetCount = 0
        /// The writer's fields that may take no bytes: records of such, each inside another one twice, are any number of
        /// values in no bytes at all.
        var emptyCount = 0
    }

    private(set) var steps: [Step] = []
    private(set) var root = 0
    /// The fewest bytes that a value read by the step takes.
    private(set) var byteCountsMin: [Int] = []

    let writer: AvroSchema
    let reader: AvroSchema

    private struct Pair: Hashable {
        var writer: AvroSchema.ID
        /// Nil for what is passed over.
        var reader: AvroSchema.ID?
    }

    private var known: [Pair: StepID] = [:]

    private static let stepsMax = 1 << 20

    /// - Parameter wanted: positions of the reader's top fields that are wanted at all; the others are passed over and
    ///   never need a default. Nil for all.
    /// - Throws: `.unresolvable` when nothing that the writer may write can be read; branches of unions and symbols that
    ///   cannot be read are found out with the data.
    init(writer: AvroSchema, reader: AvroSchema, wanted: Set<Int>? = nil) throws(AvroError) {
        self.writer = writer
        self.reader = reader
        var left = AvroDefaultsLeft()
        root = try step(writer.root, reader.root, path: "", depth: 0, wanted: wanted, &left)
        if case .impossible(let reason) = steps[root] { throw AvroError(.unresolvable, reason) }
        byteCountsMin = minima()
        for (id, step) in steps.enumerated() {
            guard case .record(var record) = step else { continue }
            record.emptyCount = record.fields.count { byteCountsMin[$0.step] == 0 }
            if record.emptyCount > 0 { steps[id] = .record(record) }
        }
    }

    // MARK: Steps

    private mutating func add(_ step: Step) -> StepID {
        steps.append(step)
        return steps.count - 1
    }

    private mutating func step(
        _ from: AvroSchema.ID, _ to: AvroSchema.ID?, path: String, depth: Int, wanted: Set<Int>? = nil,
        _ left: inout AvroDefaultsLeft
    ) throws(AvroError) -> StepID {
        guard depth < AvroError.depthMax else { throw .tooDeep("the schema") }
        guard steps.count < Self.stepsMax else {
            throw AvroError(.tooLarge, "the schemas have more than \(Self.stepsMax) pairs of types to resolve")
        }
        let pair = Pair(writer: from, reader: to)
        if let id = known[pair] { return id }
        let id = add(.pending)
        known[pair] = id
        steps[id] = try resolved(from, to, path: path, depth: depth, wanted: wanted, &left)
        return id
    }

    private mutating func resolved(
        _ from: AvroSchema.ID, _ to: AvroSchema.ID?, path: String, depth: Int, wanted: Set<Int>?,
        _ left: inout AvroDefaultsLeft
    ) throws(AvroError) -> Step {
        let source = writer.types[from]
        if case .union(let branches) = source.kind {
            var ids: [StepID] = []
            var isPossible = to == nil
            for branch in branches {
                let id = try step(branch, to, path: path, depth: depth + 1, wanted: wanted, &left)
                if case .impossible = steps[id] {} else { isPossible = true }
                ids.append(id)
            }
            if !isPossible, let to {
                return .impossible(
                    "\(at(path))no branch of the writer's union can be read as \(reader.types[to].branchName)")
            }
            return .writerUnion(ids)
        }
        guard let to else { return try same(source, nil, path: path, depth: depth, &left) }
        let target = reader.types[to]
        if case .union(let branches) = target.kind {
            guard let branch = try branch(of: branches, for: from, path: path, depth: depth, &left) else {
                return .impossible("\(at(path))the reader's union has no branch for the writer's \(source.branchName)")
            }
            return .readerUnion(branch: branch, try step(from, branches[branch], path: path, depth: depth + 1, &left))
        }
        switch (source.kind, target.kind) {
        case (.primitive(let a), .primitive(let b)) where a != b:
            return Self.promotion(a, b) ?? mismatch(source, target, path)
        case (.record(let a), .record(let b)):
            // Whatever their names are, as in Java: the specification asks for the same one.
            return try record(a, b, path: path, depth: depth, wanted: wanted, &left)
        case (.enumeration(let a), .enumeration(let b)):
            guard Self.isSame(a.name, b.name, b.aliases) else { return mismatch(source, target, path) }
            let known = Set(b.symbols)
            return .enumeration(a.symbols.map { known.contains($0) ? $0 : b.defaultSymbol }, name: b.name.full)
        case (.fixed(let a), .fixed(let b)):
            guard Self.isSame(a.name, b.name, b.aliases) else { return mismatch(source, target, path) }
            guard a.size == b.size else {
                return .impossible("\(at(path))fixed \(b.name.full) has \(b.size) bytes, the writer's has \(a.size)")
            }
            return .fixed(size: a.size)
        case (.primitive, .primitive), (.array, .array), (.map, .map):
            return try same(source, target, path: path, depth: depth, &left)
        default: return mismatch(source, target, path)
        }
    }

    /// The step for a type that is read as it was written, or passed over.
    private mutating func same(
        _ source: AvroType, _ target: AvroType?, path: String, depth: Int, _ left: inout AvroDefaultsLeft
    ) throws(AvroError) -> Step {
        switch source.kind {
        case .primitive(let primitive):
            return switch primitive {
            case .null: .null
            case .boolean: .boolean
            case .int: .int
            case .long: .long
            case .float: .float
            case .double: .double
            case .bytes: .bytes
            case .string: .string
            }
        // Of elements that cannot be read there may be none.
        case .array(let items):
            var below: AvroSchema.ID?
            if case .array(let items)? = target?.kind { below = items }
            let id = try step(items, below, path: path + "/items", depth: depth + 1, &left)
            return .array(id)
        case .map(let values):
            var below: AvroSchema.ID?
            if case .map(let values)? = target?.kind { below = values }
            let id = try step(values, below, path: path + "/values", depth: depth + 1, &left)
            return .map(id)
        case .record(let record):
            var steps = Record()
            for field in record.fields {
                steps.fields.append((nil, try step(field.type, nil, path: path, depth: depth + 1, &left)))
            }
            return .record(steps)
        case .enumeration(let enumeration): return .enumeration(enumeration.symbols, name: enumeration.name.full)
        case .fixed(let fixed): return .fixed(size: fixed.size)
        case .union: return .impossible("\(at(path))a union inside of a union")
        }
    }

    private mutating func record(
        _ from: AvroRecord, _ to: AvroRecord, path: String, depth: Int, wanted: Set<Int>?,
        _ left: inout AvroDefaultsLeft
    ) throws(AvroError) -> Step {
        var record = Record(targetCount: to.fields.count)
        func isWanted(_ position: Int) -> Bool { wanted?.contains(position) ?? true }
        var sources: [Int: Int] = [:]  // position in the writer: position in the reader
        // A field's own name counts before another field's alias.
        for (position, field) in to.fields.enumerated() {
            if let match = from.index(of: field.name) { sources[match] = position }
        }
        for (position, field) in to.fields.enumerated() where from.index(of: field.name) == nil {
            let match = field.aliases.lazy.compactMap { from.index(of: $0) }.first { sources[$0] == nil }
            if let match { sources[match] = position }
        }
        let found = Set(sources.values)
        for (position, field) in to.fields.enumerated() where !found.contains(position) && isWanted(position) {
            guard let json = field.defaultValue else {
                return .impossible(
                    "\(at(path))the writer has no field \"\(field.name)\" and the reader has no default for it")
            }
            record.defaults.append((position, try reader[field.type].defaultValue(json, &left)))
        }
        sources = sources.filter { isWanted($0.value) }
        for (position, field) in from.fields.enumerated() {
            let target = sources[position]
            let id = try step(
                field.type, target.map { to.fields[$0].type }, path: "\(path)/\(field.name)", depth: depth + 1, &left)
            if case .impossible(let reason) = steps[id] { return .impossible(reason) }
            record.fields.append((target, id))
        }
        return .record(record)
    }

    /// Java's choice among branches that fit: the one of the same type and name, whether it can be read or not; then, of
    /// records, the first that resolves, or the last such with the same name in another namespace; then the first of any
    /// that resolves.
    private mutating func branch(
        of branches: [AvroSchema.ID], for from: AvroSchema.ID, path: String, depth: Int, _ left: inout AvroDefaultsLeft
    ) throws(AvroError) -> Int? {
        let source = writer.types[from]
        func isPossible(
            _ plan: inout AvroPlan, _ branch: AvroSchema.ID, _ left: inout AvroDefaultsLeft
        ) throws(AvroError) -> Bool {
            let id = try plan.step(from, branch, path: path, depth: depth + 1, &left)
            if case .impossible = plan.steps[id] { return false }
            return true
        }
        let alike = branches.indices.filter { reader.types[branches[$0]].word == source.word }
        let named =
            alike.first { reader.types[branches[$0]].branchName == source.branchName }
            ?? source.name.flatMap { name in alike.first { reader.types[branches[$0]].aliases.contains(name) } }
        if let named { return try isPossible(&self, branches[named], &left) ? named : nil }
        if case .record(let record) = source.kind {
            var found: Int?
            for index in alike {
                let isNamesake = reader.types[branches[index]].name?.name == record.name.name
                if found == nil || isNamesake, try isPossible(&self, branches[index], &left) { found = index }
            }
            return found
        }
        for index in alike {
            let branch = branches[index]
            if try isPossible(&self, branch, &left) { return index }
        }
        for (index, branch) in branches.enumerated() {
            if try isPossible(&self, branch, &left) { return index }
        }
        return nil
    }

    private static func promotion(_ from: AvroPrimitive, _ to: AvroPrimitive) -> Step? {
        switch (from, to) {
        case (.int, .long): .intToLong
        case (.int, .float): .intToFloat
        case (.int, .double): .intToDouble
        case (.long, .float): .longToFloat
        case (.long, .double): .longToDouble
        case (.float, .double): .floatToDouble
        case (.bytes, .string): .bytesToString
        case (.string, .bytes): .stringToBytes
        default: nil
        }
    }

    private static func isSame(_ writer: AvroName, _ reader: AvroName, _ aliases: [AvroName]) -> Bool {
        writer.name == reader.name || aliases.contains(writer)
    }

    private func mismatch(_ source: AvroType, _ target: AvroType, _ path: String) -> Step {
        .impossible("\(at(path))the writer's \(source.branchName) cannot be read as \(target.branchName)")
    }

    private func at(_ path: String) -> String { path.isEmpty ? "" : "\(path): " }

    // MARK: Sizes

    /// Least sizes by going over the steps until nothing changes; a type that contains itself without end stays at the
    /// top, as no value of it exists.
    private func minima() -> [Int] {
        let top = 1 << 20
        var minima = [Int](repeating: 0, count: steps.count)
        for _ in 0...min(steps.count, 64) {
            var hasChanged = false
            for (id, step) in steps.enumerated() {
                let minimum: Int
                switch step {
                case .null, .impossible, .pending: minimum = 0
                case .boolean, .int, .long, .bytes, .string, .enumeration, .array, .map: minimum = 1
                case .intToLong, .intToFloat, .intToDouble, .longToFloat, .longToDouble: minimum = 1
                case .bytesToString, .stringToBytes: minimum = 1
                case .float, .floatToDouble: minimum = 4
                case .double: minimum = 8
                case .fixed(let size): minimum = min(size, top)
                case .record(let record):
                    minimum = record.fields.reduce(0) { min($0 + minima[$1.step], top) }
                case .writerUnion(let branches): minimum = 1 + (branches.map { minima[$0] }.min() ?? 0)
                case .readerUnion(_, let id): minimum = minima[id]
                }
                if minimum > minima[id] {
                    minima[id] = min(minimum, top)
                    hasChanged = true
                }
            }
            if !hasChanged { break }
        }
        return minima
    }
}
