import Columns

/// Where the values of a column are, while a batch is being written.
struct EncodingSource {
    /// Values, or ends of runs.
    var values: UnsafeRawPointer?
    var bytes: UnsafeRawPointer?
    var byteCount = 0
    var validity: UnsafePointer<UInt64>?

    @inline(__always) func isValid(_ row: Int) -> Bool {
        guard let validity else { return true }
        return validity[row &>> 6] & (1 &<< UInt64(row & 63)) != 0
    }

    /// Columns that have rows have values; the types were compared before.
    @inline(__always) func value<Value: BitwiseCopyable>(_ row: Int, _: Value.Type) -> Value {
        values.unsafelyUnwrapped.load(fromByteOffset: row &* MemoryLayout<Value>.stride, as: Value.self)
    }

    @inline(__always) func run(_ row: Int) -> Range<Int> {
        let ends = values.unsafelyUnwrapped.assumingMemoryBound(to: Int32.self)
        return Range(uncheckedBounds: (Int(ends[row]), Int(ends[row &+ 1])))
    }
}

enum EncodingFault: Error {
    case null(Int)
    case size(Int, Int)
    case symbol(String, String)
    case full

    func error(row: Int) -> AvroError {
        switch self {
        case .null(let column): AvroError(.unfit, "row \(row) has no value in column \(column), which may not be null")
        case .size(let found, let wanted):
            AvroError(.unfit, "row \(row) has \(found) bytes where the schema has a fixed type of \(wanted)")
        case .symbol(let symbol, let name): AvroError(.unfit, "row \(row): enum \(name) has no symbol \"\(symbol)\"")
        case .full: AvroError(.tooLarge, "the records are larger than \(Int32.max) bytes at row \(row)")
        }
    }
}

struct EncodingOperation: BitwiseCopyable {
    enum Code: UInt8 {
        /// Takes no bytes.
        case nothing
        case boolean, int, long, float, double
        /// A string or bytes.
        case run
        /// `a` bytes.
        case fixed
        /// `a`: the table of symbols.
        case enumeration
        /// A union of which one branch has values: `a` is the number of the null branch or -1, `b` of the other.
        case nullable
        /// A union that is a structure: `a` is the number of the null branch or -1; below are options.
        case branch
        /// A branch of it: `b` is its number.
        case option
        case record, array, map
    }

    var code: Code
    /// Whether a row may lack a value here.
    var takesNull = false
    var column: Int32 = 0
    var a: Int32 = 0
    var b: Int32 = 0
    var below: Int32 = 0
}

/// Makes operations of a schema whose types do not contain themselves, which the layout has made sure of.
struct EncodingCompiler {
    let schema: AvroSchema
    private(set) var operations: [EncodingOperation] = []
    private(set) var symbols: [(name: String, numbers: [[UInt8]: Int])] = []
    private(set) var columnCount = 0

    init(schema: AvroSchema) { self.schema = schema }

    mutating func compile(_ layout: AvroColumnLayout) {
        guard case .record(let record) = schema.type.kind else { return emit(schema.root) }
        for field in record.fields { emit(field.type) }
    }

    private mutating func add(_ code: EncodingOperation.Code, _ a: Int = 0, _ b: Int = 0, takesNull: Bool = false)
        -> Int
    {
        var operation = EncodingOperation(code: code, takesNull: takesNull)
        operation.column = Int32(truncatingIfNeeded: columnCount)
        operation.a = Int32(truncatingIfNeeded: a)
        operation.b = Int32(truncatingIfNeeded: b)
        operations.append(operation)
        return operations.count - 1
    }

    private mutating func close(_ at: Int) {
        operations[at].below = Int32(truncatingIfNeeded: operations.count - at - 1)
    }

    /// Emits the operations of a type for the column `columnCount`, and counts it and those below it.
    private mutating func emit(_ id: AvroSchema.ID) {
        switch schema.types[id].kind {
        case .primitive(let primitive):
            switch primitive {
            case .null: _ = add(.nothing, takesNull: true)
            case .boolean: _ = add(.boolean)
            case .int: _ = add(.int)
            case .long: _ = add(.long)
            case .float: _ = add(.float)
            case .double: _ = add(.double)
            case .bytes, .string: _ = add(.run)
            }
            columnCount += 1
        case .fixed(let fixed):
            _ = add(.fixed, fixed.size)
            columnCount += 1
        case .enumeration(let enumeration):
            let numbers = enumeration.symbols.enumerated().map { (Array($1.utf8), $0) }
            symbols.append((enumeration.name.full, Dictionary(numbers, uniquingKeysWith: { first, _ in first })))
            _ = add(.enumeration, symbols.count - 1)
            columnCount += 1
        case .array(let items):
            let at = add(.array)
            columnCount += 1
            emit(items)
            close(at)
        case .map(let values):
            let at = add(.map)
            columnCount += 1
            _ = add(.run)
            columnCount += 1
            emit(values)
            close(at)
        case .record(let record):
            let at = add(.record)
            columnCount += 1
            for field in record.fields { emit(field.type) }
            close(at)
        case .union(let branches): union(branches)
        }
    }

    private mutating func union(_ branches: [AvroSchema.ID]) {
        let nullBranch = branches.firstIndex { schema.isNull($0) } ?? -1
        let values = schema.valueBranches(branches)
        guard values.count > 1 else {
            let other = branches.firstIndex { !schema.isNull($0) } ?? -1
            let at = add(.nullable, nullBranch, other, takesNull: true)
            if let value = values.first {
                emit(value)
            } else {
                columnCount += 1
            }
            return close(at)
        }
        let at = add(.branch, nullBranch, takesNull: true)
        columnCount += 1
        for (number, branch) in branches.enumerated() where !schema.isNull(branch) {
            let option = add(.option, 0, number, takesNull: true)
            emit(branch)
            close(option)
        }
        close(at)
    }
}
