import Columns

/// One operation of a column program, 20 bytes that a loop walks over.
struct AvroOperation: BitwiseCopyable {
    enum Code: UInt8 {
        case boolean, int, long, float, double, string, bytes
        case intToLong, intToFloat, intToDouble, longToFloat, longToDouble, floatToDouble
        /// `a` bytes.
        case fixed
        /// `a`: the table of symbols.
        case enumeration
        /// No value, in this column and the fields below it.
        case null
        /// No value, in a column without fields below it.
        case plainNull
        /// A union of null and another type: `a` is the number of the null branch, the operations below read the other.
        case nullable
        /// `a`: the table of branches, all of which are below.
        case union
        /// A value of one branch of a union that is a structure: `a` is the list of the other branches' columns.
        case branch
        case record
        /// `a`: the fewest bytes of an element.
        case array, map
        /// `a`: the constant.
        case constant
        /// `a` numbers.
        case skipNumbers
        /// A string or bytes.
        case skipRun
        /// `a` bytes.
        case skipFixed
        /// As `nullable`, without a column.
        case skipNullable
        /// `a`: the step of the plan.
        case skip
        /// `a`: the reason.
        case impossible
    }

    var code: Code
    /// Whether the column has no fields below it.
    var isPlain = true
    var column: Int32 = 0
    var a: Int32 = 0
    /// How many of the following operations are below this one.
    var below: Int32 = 0
}

/// What operations refer to by number.
struct AvroOperationTables: Sendable {
    struct Symbols: Sendable {
        var name: String
        /// UTF-8; nil for symbols that the reader cannot read.
        var texts: [[UInt8]?]
    }

    var symbols: [Symbols] = []
    var branches: [[Range<Int>]] = []
    var others: [[Int]] = []
    var constants: [ColumnValue] = []
    var reasons: [String] = []
}

/// Makes operations of the steps of a plan.
struct AvroColumnCompiler {
    let plan: AvroPlan
    private(set) var operations: [AvroOperation] = []
    private(set) var tables = AvroOperationTables()
    /// Of each column the number behind the last column below it.
    private var ends: [Int] = []
    private var types: [ColumnType] = []

    private static let operationsMax = 1 << 20

    init(plan: AvroPlan) { self.plan = plan }

    mutating func compile(_ layout: AvroColumnLayout) throws(AvroError) {
        var columns: [Int] = []
        for field in layout.fields {
            columns.append(types.count)
            number(field.type)
        }
        guard let positions = layout.positions else { return try emit(plan.root, columns[0], layout.schema.root) }
        guard case .record(let record) = layout.schema.type.kind else { return }
        // A field may be wanted as more than one column, but is read once: the other columns come from the first.
        guard Set(positions).count == positions.count else {
            throw AvroError(.unresolvable, "a field is wanted as two columns")
        }
        var byPosition: [Int: Int] = [:]
        for (position, column) in zip(positions, columns) { byPosition[position] = column }
        try emitTop(plan.root, record) { byPosition[$0] }
    }

    /// The top record, also as the only readable branch of a writer's union.
    private mutating func emitTop(
        _ id: AvroPlan.StepID, _ record: AvroRecord, _ column: (Int) -> Int?
    ) throws(AvroError) {
        switch plan.steps[id] {
        case .record(let steps): try emit(steps, record, column)
        case .writerUnion(let branches):
            try union(branches) { (compiler, branch) throws(AvroError) in
                try compiler.emitTop(branch, record, column)
            }
        case .impossible(let reason): impossible(reason)
        default: impossible("the top of the schema is no record")
        }
    }

    private mutating func number(_ type: ColumnType) {
        let column = types.count
        types.append(type)
        ends.append(0)
        for child in type.children { number(child) }
        ends[column] = types.count
    }

    /// The columns directly below.
    private func children(of column: Int) -> [Int] {
        var next = column + 1
        return types[column].children.map { _ in
            defer { next = ends[next] }
            return next
        }
    }

    // MARK: Operations

    private mutating func emit(
        _ id: AvroPlan.StepID, _ column: Int, _ type: AvroSchema.ID
    ) throws(AvroError) {
        guard operations.count < Self.operationsMax else {
            throw AvroError(.tooLarge, "the schema needs more than \(Self.operationsMax) operations to be read")
        }
        let reader = plan.reader
        switch plan.steps[id] {
        case .null: null(column)
        case .boolean: add(.boolean, column)
        case .int: add(.int, column)
        case .long: add(.long, column)
        case .float: add(.float, column)
        case .double: add(.double, column)
        case .bytes, .stringToBytes: add(.bytes, column)
        case .string, .bytesToString: add(.string, column)
        case .intToLong: add(.intToLong, column)
        case .intToFloat: add(.intToFloat, column)
        case .intToDouble: add(.intToDouble, column)
        case .longToFloat: add(.longToFloat, column)
        case .longToDouble: add(.longToDouble, column)
        case .floatToDouble: add(.floatToDouble, column)
        case .fixed(let size): add(.fixed, column, size)
        case .enumeration(let symbols, let name):
            tables.symbols.append(.init(name: name, texts: symbols.map { $0.map { Array($0.utf8) } }))
            add(.enumeration, column, tables.symbols.count - 1)
        case .array(let items):
            guard case .array(let type) = reader.types[type].kind else { return impossible("no array") }
            let at = add(.array, column, plan.byteCountsMin[items])
            try emit(items, column + 1, type)
            close(at)
        case .map(let values):
            guard case .map(let type) = reader.types[type].kind else { return impossible("no map") }
            let at = add(.map, column, 1 + plan.byteCountsMin[values])
            try emit(values, ends[column + 1], type)
            close(at)
        case .record(let steps):
            guard case .record(let record) = reader.types[type].kind else { return impossible("no record") }
            let at = add(.record, column)
            let below = children(of: column)
            try emit(steps, record) { below[$0] }
            close(at)
        case .writerUnion(let branches): try writerUnion(branches, column, type)
        case .readerUnion(let branch, let id): try readerUnion(branch, id, column, type)
        case .impossible(let reason): impossible(reason)
        case .pending: impossible("a type that contains nothing but itself")
        }
    }

    private mutating func emit(
        _ steps: AvroPlan.Record, _ record: AvroRecord, _ column: (Int) -> Int?
    ) throws(AvroError) {
        for field in steps.fields {
            if let target = field.target, let column = column(target) {
                try emit(field.step, column, record.fields[target].type)
            } else {
                try skip(field.step)
            }
        }
        for (target, value) in steps.defaults {
            guard let column = column(target) else { continue }
            let constant = plan.reader.columnValue(value, record.fields[target].type)
            if constant == .null {
                null(column)
            } else {
                tables.constants.append(constant)
                add(.constant, column, tables.constants.count - 1)
            }
        }
    }

    private mutating func writerUnion(
        _ branches: [AvroPlan.StepID], _ column: Int, _ type: AvroSchema.ID
    ) throws(AvroError) {
        if branches.count == 2, let nullBranch = branches.firstIndex(where: { makesNull($0, type) }) {
            let at = add(.nullable, column, nullBranch)
            try emit(branches[1 - nullBranch], column, type)
            return close(at)
        }
        try union(branches) { (compiler, branch) throws(AvroError) in try compiler.emit(branch, column, type) }
    }

    private mutating func union(
        _ branches: [AvroPlan.StepID],
        _ emit: (inout AvroColumnCompiler, AvroPlan.StepID) throws(AvroError) -> Void
    ) throws(AvroError) {
        let table = tables.branches.count
        tables.branches.append([])
        let at = add(.union, 0, table)
        var ranges: [Range<Int>] = []
        for branch in branches {
            partEnd = operations.count  // what one branch skips is not another's
            let start = operations.count
            try emit(&self, branch)
            ranges.append(start..<operations.count)
        }
        tables.branches[table] = ranges
        close(at)
    }

    /// Whether a step reads nothing and leaves the column without a value.
    private func makesNull(_ id: AvroPlan.StepID, _ type: AvroSchema.ID) -> Bool {
        switch plan.steps[id] {
        case .null: return true
        case .readerUnion(_, let id): if case .null = plan.steps[id] { return true } else { return false }
        default: return false
        }
    }

    private mutating func readerUnion(
        _ branch: Int, _ id: AvroPlan.StepID, _ column: Int, _ type: AvroSchema.ID
    ) throws(AvroError) {
        guard case .union(let branches) = plan.reader.types[type].kind else { return impossible("no union") }
        if plan.reader.isNull(branches[branch]) { return null(column) }
        let values = plan.reader.valueBranches(branches)
        guard values.count > 1 else { return try emit(id, column, branches[branch]) }
        let below = children(of: column)
        guard let place = values.firstIndex(of: branches[branch]) else { return impossible("no such branch") }
        tables.others.append(below.enumerated().filter { $0.offset != place }.map(\.element))
        let at = add(.branch, column, tables.others.count - 1)
        try emit(id, below[place], branches[branch])
        close(at)
    }

    private mutating func skip(_ id: AvroPlan.StepID) throws(AvroError) {
        guard operations.count < Self.operationsMax else {
            throw AvroError(.tooLarge, "the schema needs more than \(Self.operationsMax) operations to be read")
        }
        switch plan.steps[id] {
        case .null: break
        case .int, .long, .enumeration:
            if let last = operations.indices.last, operations[last].code == .skipNumbers, isOpenForMore(last) {
                operations[last].a += 1
            } else {
                add(.skipNumbers, 0, 1)
            }
        case .boolean: add(.skipFixed, 0, 1)
        case .float: add(.skipFixed, 0, 4)
        case .double: add(.skipFixed, 0, 8)
        case .fixed(let size): add(.skipFixed, 0, size)
        case .string, .bytes: add(.skipRun, 0)
        case .writerUnion(let branches) where branches.count == 2 && branches.contains(where: isNull):
            let nullBranch = branches.firstIndex(where: isNull) ?? 0
            let at = add(.skipNullable, 0, nullBranch)
            try skip(branches[1 - nullBranch])
            close(at)
        default: add(.skip, 0, id)
        }
    }

    private func isNull(_ id: AvroPlan.StepID) -> Bool {
        if case .null = plan.steps[id] { true } else { false }
    }

    /// Operations that end a part of their own (an element, a branch) must not take up what comes behind that part.
    private var partEnd = 0
    private func isOpenForMore(_ last: Int) -> Bool { last >= partEnd }

    private mutating func null(_ column: Int) {
        if case .structure = types[column] { add(.null, column) } else { add(.plainNull, column) }
    }

    private mutating func impossible(_ reason: String) {
        tables.reasons.append(reason)
        add(.impossible, 0, tables.reasons.count - 1)
    }

    @discardableResult
    private mutating func add(_ code: AvroOperation.Code, _ column: Int, _ a: Int = 0) -> Int {
        var operation = AvroOperation(code: code)
        operation.column = Int32(truncatingIfNeeded: column)
        operation.a = Int32(truncatingIfNeeded: a)
        if types.indices.contains(column), case .structure = types[column] { operation.isPlain = false }
        operations.append(operation)
        switch code {
        case .array, .map, .record, .nullable, .skipNullable, .union, .branch: partEnd = operations.count
        default: break
        }
        return operations.count - 1
    }

    private mutating func close(_ at: Int) {
        operations[at].below = Int32(truncatingIfNeeded: operations.count - at - 1)
        partEnd = operations.count
    }
}

extension AvroSchema {
    /// A value of a type as a value of the column that `AvroColumnLayout` makes of the type.
    func columnValue(_ value: AvroValue, _ id: ID) -> ColumnValue {
        switch (value, types[id].kind) {
        case (.null, _): return .null
        case (.boolean(let value), _): return .boolean(value)
        case (.int(let value), _): return .int32(value)
        case (.long(let value), _): return .int64(value)
        case (.float(let value), _): return .float(value)
        case (.double(let value), _): return .double(value)
        case (.bytes(let bytes), _), (.fixed(let bytes), _): return .bytes(bytes)
        case (.string(let text), _), (.enumeration(let text), _): return .string(text)
        case (.array(let elements), .array(let items)): return .list(elements.map { columnValue($0, items) })
        case (.map(let entries), .map(let values)):
            return .map(entries.map { .init(.string($0.key), columnValue($0.value, values)) })
        case (.record(let values), .record(let record)):
            return .structure(zip(values, record.fields).map { columnValue($0, $1.type) })
        case (.union(let branch, let value), .union(let branches)) where branches.indices.contains(branch):
            let values = valueBranches(branches)
            let inner = columnValue(value, branches[branch])
            if isNull(branches[branch]) { return .null }
            if values.count <= 1 { return inner }
            return .structure(values.map { $0 == branches[branch] ? inner : .null })
        default: return .null
        }
    }
}
