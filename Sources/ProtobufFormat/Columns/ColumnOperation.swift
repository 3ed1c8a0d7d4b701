/// What to do with one field of a message on its way into a column.
struct ColumnOperation: BitwiseCopyable {
    enum Code: UInt8 {
        case int32, int64, uint32, sint32, sint64, bool, fixed32, fixed64, unsignedFixed32, string, bytes, enumeration,
            message, map
        /// A field that is not wanted, or not of this schema.
        case skip
    }

    /// A wire type that no tag has: what does not fit anything is passed over.
    static let noWireType: UInt8 = 8

    var code: Code
    /// The wire type that the value is expected in.
    var wireType: UInt8
    /// Whether values can also come packed under one tag.
    var isPackable: Bool
    var isList: Bool
    /// What the field is in the mask of those that were seen; 0 for lists and maps, which may come often.
    var bit: UInt64
    /// Those that may not have been seen before: the field itself and the members of its oneof.
    var conflicts: UInt64
    /// The column, of a list its element's.
    var column: Int32
    /// Of a message its program, of an enum its table.
    var inner: Int32
}

/// What is left to do at the end of a message.
struct ColumnEnding: BitwiseCopyable {
    enum Kind: UInt8 {
        case null, required, int32, int64, bool, float, double, bytes, enumeration
        /// The elements below become one entry; the mask is not asked.
        case run
    }

    var kind: Kind
    var bit: UInt64
    var column: Int32
    var inner: Int32
}

/// The fields of one message: operations by field number, and the endings.
struct ColumnMessageProgram: Sendable {
    /// By number, as far as they are low; 0 is the operation that skips.
    var lowOperations: [UInt16] = []
    var highOperations: [Int32: UInt16] = [:]
    var operations: [ColumnOperation] = []
    var endings: [ColumnEnding] = []
    /// All bits that `endings` ask for: nothing is missing when they were seen.
    var expected: UInt64 = 0
    var hasRuns = false
}

/// A message's program as plain memory, so that looking up a field neither counts references nor checks bounds.
struct ColumnTable: BitwiseCopyable {
    /// By number up to `lowCount`; what skips stands where no column wants the field.
    let low: UnsafeMutablePointer<ColumnOperation>
    let lowCount: Int
    /// All operations; the first skips.
    let all: UnsafeMutablePointer<ColumnOperation>
    let endings: UnsafeMutablePointer<ColumnEnding>
    let endingCount: Int
    /// All bits that `endings` ask for: nothing is missing when they were seen.
    let expected: UInt64
    let hasRuns: Bool
    /// Which of the programs this is.
    let place: Int

    init(_ program: ColumnMessageProgram, _ place: Int) {
        all = .allocate(capacity: program.operations.count)
        _ = UnsafeMutableBufferPointer(start: all, count: program.operations.count)
            .initialize(fromContentsOf: program.operations)
        lowCount = program.lowOperations.count
        low = .allocate(capacity: max(1, lowCount))
        for (number, operation) in program.lowOperations.enumerated() {
            (low + number).initialize(to: all[Int(operation)])
        }
        endingCount = program.endings.count
        endings = .allocate(capacity: max(1, endingCount))
        for (index, ending) in program.endings.enumerated() { (endings + index).initialize(to: ending) }
        expected = program.expected
        hasRuns = program.hasRuns
        self.place = place
    }

    func free() {
        all.deallocate()
        low.deallocate()
        endings.deallocate()
    }
}

/// The names of an enum's constants, by number.
struct EnumTexts: Sendable {
    var first: Int32
    /// From `first` on; nil where there is no constant.
    var dense: [[UInt8]?]
    var others: [Int32: [UInt8]]
    let isClosed: Bool
    let defaultText: [UInt8]
    let numbers: [[UInt8]: Int32]

    init(_ descriptor: EnumDescriptor) {
        first = 0
        dense = []
        others = [:]
        isClosed = descriptor.isClosed
        var numbers: [[UInt8]: Int32] = [:]
        for constant in descriptor.constants {
            let text = Array(constant.name.utf8)
            numbers[text] = constant.number
            if 0..<256 ~= constant.number {
                while dense.count <= Int(constant.number) { dense.append(nil) }
                if dense[Int(constant.number)] == nil { dense[Int(constant.number)] = text }
            } else if others[constant.number] == nil {
                others[constant.number] = text
            }
        }
        self.numbers = numbers
        let number = descriptor.defaultNumber
        defaultText = descriptor.name(of: number).map { Array($0.utf8) } ?? Array("\(number)".utf8)
    }

    func text(_ number: Int32) -> [UInt8]? {
        if number >= 0, number < dense.count, let text = dense[Int(number)] { return text }
        return others[number]
    }
}

/// Compiles a layout into programs.
struct ColumnCompiler {
    /// Fields of one message that a mask of 64 bits can tell apart.
    static let fieldCountMax = 64

    let schema: ProtobufSchema
    var programs: [ColumnMessageProgram] = []
    var enums: [EnumTexts] = []
    private var enumPlaces: [Int: Int] = [:]
    private var column = 0
    /// Set for messages whose fields are more than a mask can hold: all records take the way of value trees then.
    private(set) var isSlow = false

    init(schema: ProtobufSchema) { self.schema = schema }

    /// - Parameter places: the wanted fields, in the order of their columns.
    /// - Returns: the program's place.
    mutating func compile(_ message: MessageDescriptor, _ places: [Int]) -> Int {
        var program = ColumnMessageProgram()
        program.operations.append(
            ColumnOperation(
                code: .skip, wireType: ColumnOperation.noWireType, isPackable: false, isList: false, bit: 0,
                conflicts: 0, column: 0, inner: 0))
        var bits: [Int: UInt64] = [:]
        for place in places where !message.fields[place].isRepeated { bits[place] = 1 << UInt64(bits.count & 63) }
        if bits.count > Self.fieldCountMax { isSlow = true }
        // Members of a oneof that are not wanted still clear the others.
        let low = message.fields.map(\.number).filter { $0 < 1024 }.max() ?? 0
        program.lowOperations = Array(repeating: 0, count: Int(low) + 1)
        for place in places {
            let field = message.fields[place]
            let operation = self.operation(field, bits[place] ?? 0, oneof(field, message, bits), &program)
            let number = UInt16(truncatingIfNeeded: program.operations.count)
            program.operations.append(operation)
            if field.number <= low {
                program.lowOperations[Int(field.number)] = number
            } else {
                program.highOperations[field.number] = number
            }
        }
        for (place, field) in message.fields.enumerated() where field.oneofIndex != nil && !places.contains(place) {
            // A member without a column, whose coming has to be noticed when a wanted one is there: left to value
            // trees.
            if message.fields.indices.contains(where: {
                message.fields[$0].oneofIndex == field.oneofIndex && places.contains($0)
            }) {
                let members = oneof(field, message, bits)
                program.operations.append(
                    ColumnOperation(
                        code: .skip, wireType: ColumnOperation.noWireType, isPackable: false, isList: false, bit: 0,
                        conflicts: members, column: 0,
                        inner: 0))
                let number = UInt16(truncatingIfNeeded: program.operations.count - 1)
                if field.number <= low {
                    program.lowOperations[Int(field.number)] = number
                } else {
                    program.highOperations[field.number] = number
                }
            }
        }
        if program.operations.count > Int(UInt16.max) { isSlow = true }
        for ending in program.endings where ending.kind != .run { program.expected |= ending.bit }
        program.hasRuns = program.endings.contains { $0.kind == .run }
        programs.append(program)
        return programs.count - 1
    }

    private func oneof(_ field: FieldDescriptor, _ message: MessageDescriptor, _ bits: [Int: UInt64]) -> UInt64 {
        guard let oneof = field.oneofIndex else { return 0 }
        return bits.reduce(0) { message.fields[$1.key].oneofIndex == oneof ? $0 | $1.value : $0 }
    }

    private mutating func operation(
        _ field: FieldDescriptor, _ bit: UInt64, _ oneofBits: UInt64, _ program: inout ColumnMessageProgram
    ) -> ColumnOperation {
        var own = column
        column += 1
        if field.isRepeated {
            program.endings.append(ColumnEnding(kind: .run, bit: 0, column: Int32(own), inner: 0))
        }
        if field.isMap {
            let entry = schema.messages[field.typeIndex]
            let places = [entry.fieldIndex(number: 1), entry.fieldIndex(number: 2)].compactMap { $0 }
            let inner = compile(entryDescriptor(entry), places)
            return ColumnOperation(
                code: .map, wireType: WireType.lengthDelimited.rawValue, isPackable: false, isList: true, bit: 0,
                conflicts: 0, column: Int32(own), inner: Int32(inner))
        }
        if field.isRepeated {
            own = column
            column += 1
        }
        var inner = 0
        switch field.kind {
        case .message, .group:
            let message = schema.messages[field.typeIndex]
            inner = compile(message, ProtobufColumnLayout.innerPlaces(message))
            if field.kind == .group { isSlow = true }
        case .enumeration:
            if let known = enumPlaces[field.typeIndex] {
                inner = known
            } else {
                inner = enums.count
                enumPlaces[field.typeIndex] = inner
                enums.append(EnumTexts(schema.enums[field.typeIndex]))
            }
        default: break
        }
        if !field.isRepeated {
            let kind = field.hasPresence ? (field.cardinality == .required ? .required : .null) : Self.zero(field.kind)
            program.endings.append(ColumnEnding(kind: kind, bit: bit, column: Int32(own), inner: Int32(inner)))
        }
        return ColumnOperation(
            code: Self.code(field.kind), wireType: field.kind.wireType.rawValue,
            isPackable: field.isRepeated && field.kind.isPackable, isList: field.isRepeated, bit: bit,
            conflicts: bit | oneofBits, column: Int32(own), inner: Int32(inner))
    }

    /// Keys and values of maps that are not there are their defaults; that of a message is left to value trees.
    private func entryDescriptor(_ entry: MessageDescriptor) -> MessageDescriptor {
        var entry = entry
        for index in entry.fields.indices {
            if entry.fields[index].kind == .message {
                entry.fields[index].cardinality = .required
            } else {
                entry.fields[index].hasPresence = false
            }
        }
        return entry
    }

    private static func code(_ kind: FieldKind) -> ColumnOperation.Code {
        switch kind {
        case .int32: .int32
        case .int64, .uint64: .int64
        case .uint32: .uint32
        case .sint32: .sint32
        case .sint64: .sint64
        case .bool: .bool
        case .float, .sfixed32: .fixed32
        case .fixed32: .unsignedFixed32
        case .double, .fixed64, .sfixed64: .fixed64
        case .string: .string
        case .bytes: .bytes
        case .enumeration: .enumeration
        case .message, .group: .message
        }
    }

    private static func zero(_ kind: FieldKind) -> ColumnEnding.Kind {
        switch kind {
        case .int32, .sint32, .sfixed32: .int32
        case .int64, .uint64, .uint32, .sint64, .fixed32, .fixed64, .sfixed64: .int64
        case .bool: .bool
        case .float: .float
        case .double: .double
        case .string, .bytes: .bytes
        case .enumeration: .enumeration
        case .message, .group: .null
        }
    }
}
