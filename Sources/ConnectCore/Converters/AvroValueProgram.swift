import Avro

/// How values of one Connect schema become bytes of one Avro type, worked out once: without a tree of Avro values in between.
///
/// It knows what rows and events are made of. A value that it does not take is `AvroValueWriter`'s, which may know a way, or
/// refuses it in its own words; so both write the same bytes wherever both write.
final class AvroValueProgram: ValueProgram {
    private enum Kind: Sendable {
        case null, boolean, int, long, float, double, string, bytes, fixed, enumeration, array, map, record
    }

    private struct Field: Sendable {
        /// Among the struct's values.
        var place: Int
        var program: AvroValueProgram
    }

    private let kind: Kind
    /// What stands for null.
    private let fallback: ConnectValue?
    /// The schema of a value that is encoded before it is written: Decimal, Date, Time, Timestamp.
    private let logical: ConnectSchema?
    /// Numbers of a union's two branches, as they are written; nil where there is no union.
    private let branches: (null: UInt8, value: UInt8)?
    /// Of a record: its struct's schema.
    private let schema: ConnectSchema?
    private let fields: [Field]
    /// Of an array's elements or a map's values.
    private let elements: AvroValueProgram?
    private let enumeration: AvroEnumeration?
    private let byteCount: Int

    /// - Returns: nil where something of the schema is beyond this.
    static func make(
        _ connect: ConnectSchema, _ avro: AvroSchema, _ options: AvroMapping.Options = .init()
    ) -> AvroValueProgram? {
        connect.isProgrammable ? AvroValueProgram(connect, avro, options, avro.root, depth: 0) : nil
    }

    private init?(
        _ connect: ConnectSchema, _ avro: AvroSchema, _ options: AvroMapping.Options, _ given: AvroSchema.ID, depth: Int
    ) {
        guard depth < AvroMapping.depthMax / 2 else { return nil }
        var id = given
        if case .union(let types) = avro.types[id].kind {
            guard types.count == 2, connect.name != AvroMapping.union else { return nil }
            let first = Self.isNull(avro.types[types[0]])
            guard first != Self.isNull(avro.types[types[1]]) else { return nil }
            id = types[first ? 1 : 0]
            branches = first ? (0, 2) : (2, 0)
        } else {
            branches = nil
        }
        fallback = options.ignoresDefaults ? nil : connect.defaultValue.flatMap { $0.isNull ? nil : $0 }
        logical = connect.logicalType == nil ? nil : connect
        var fields: [Field] = []
        var elements: AvroValueProgram?
        var enumeration: AvroEnumeration?
        var byteCount = 0
        switch avro.types[id].kind {
        case .primitive(.null): kind = .null
        case .primitive(.boolean): kind = .boolean
        case .primitive(.int): kind = .int
        case .primitive(.long): kind = .long
        case .primitive(.float): kind = .float
        case .primitive(.double): kind = .double
        case .primitive(.string): kind = .string
        case .primitive(.bytes): kind = .bytes
        case .fixed(let fixed):
            kind = .fixed
            byteCount = fixed.size
        case .enumeration(let found):
            kind = .enumeration
            enumeration = found
        case .array(let items):
            guard connect.kind == .array, let schema = connect.valueSchema,
                let program = AvroValueProgram(schema, avro, options, items, depth: depth + 1)
            else { return nil }
            kind = .array
            elements = program
        case .map(let values):
            guard connect.kind == .map, let schema = connect.valueSchema,
                let program = AvroValueProgram(schema, avro, options, values, depth: depth + 1)
            else { return nil }
            kind = .map
            elements = program
        case .record(let record):
            guard connect.kind == .structure else { return nil }
            kind = .record
            for field in record.fields {
                guard let place = options.place(of: field.name, in: connect),
                    let program = AvroValueProgram(
                        connect.fields[place].schema, avro, options, field.type, depth: depth + 1)
                else { return nil }
                fields.append(Field(place: place, program: program))
            }
        case .union: return nil
        }
        schema = connect.kind == .structure ? connect : nil
        self.fields = fields
        self.elements = elements
        self.enumeration = enumeration
        self.byteCount = byteCount
    }

    private static func isNull(_ type: AvroType) -> Bool {
        if case .primitive(.null) = type.kind { true } else { false }
    }

    var pieces: StructPieces? {
        guard kind == .record, let schema, fields.map(\.place) == Array(schema.fields.indices) else { return nil }
        var pieces = StructPieces(fields: [], end: [])
        for field in fields { pieces.fields.append(StructPieces.Field(lead: [], program: field.program)) }
        // What says that the struct is there stands before its first field.
        if let branches {
            guard !fields.isEmpty else { return nil }
            pieces.fields[0].lead = [branches.value]
        }
        return pieces
    }

    func write(utf8 text: UnsafeRawBufferPointer, to output: inout [UInt8]) -> Bool {
        guard kind == .string, logical == nil else { return false }
        if let branches { output.append(branches.value) }
        Self.write(Int64(text.count), to: &output)
        output.append(contentsOf: text)
        return true
    }

    func write(_ given: ConnectValue, to output: inout [UInt8]) throws(ConnectError) -> Bool {
        if given.isNull {
            if let fallback { return try write(fallback, to: &output) }
            if let branches {
                output.append(branches.null)
                return true
            }
            return kind == .null
        }
        if let branches { output.append(branches.value) }
        if let logical { return try writePlain(LogicalValues.encoded(given, logical), to: &output) }
        return try writePlain(given, to: &output)
    }

    private func writePlain(_ value: ConnectValue, to output: inout [UInt8]) throws(ConnectError) -> Bool {
        switch (kind, value) {
        case (.long, _):
            guard let number = value.integer else { return false }
            Self.write(number, to: &output)
        case (.int, _):
            guard let number = value.integer, Int32(exactly: number) != nil else { return false }
            Self.write(number, to: &output)
        case (.string, .string(let text)): Self.write(text, to: &output)
        case (.record, .structure(let structure)):
            guard let schema, structure.schema === schema || structure.schema.isSameStruct(as: schema) else {
                return false
            }
            for field in fields {
                guard try field.program.write(structure.values[field.place], to: &output) else { return false }
            }
        case (.double, .float64(let number)): Self.write(number, to: &output)
        case (.double, .float32(let number)): Self.write(Double(number), to: &output)
        case (.float, .float32(let number)):
            withUnsafeBytes(of: number.bitPattern.littleEndian) { output.append(contentsOf: $0) }
        case (.boolean, .boolean(let flag)): output.append(flag ? 1 : 0)
        case (.bytes, .bytes(let bytes)):
            Self.write(Int64(bytes.count), to: &output)
            output.append(contentsOf: bytes)
        case (.fixed, .bytes(let bytes)):
            guard bytes.count == byteCount else { return false }
            output.append(contentsOf: bytes)
        case (.enumeration, .string(let symbol)):
            guard let index = enumeration?.index(of: symbol) else { return false }
            Self.write(Int64(index), to: &output)
        case (.array, .array(let values)):
            guard let elements else { return false }
            if !values.isEmpty {
                Self.write(Int64(values.count), to: &output)
                for value in values { guard try elements.write(value, to: &output) else { return false } }
            }
            output.append(0)
        case (.map, .map(let map)):
            guard let elements else { return false }
            if !map.entries.isEmpty {
                Self.write(Int64(map.entries.count), to: &output)
                for entry in map.entries {
                    guard case .string(let key) = entry.key else { return false }
                    Self.write(key, to: &output)
                    guard try elements.write(entry.value, to: &output) else { return false }
                }
            }
            output.append(0)
        default: return false
        }
        return true
    }

    // MARK: Avro's encodings

    @inline(__always) private static func write(_ value: Int64, to output: inout [UInt8]) {
        var rest = UInt64(bitPattern: (value &<< 1) ^ (value &>> 63))
        while rest >= 0x80 {
            output.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        output.append(UInt8(truncatingIfNeeded: rest))
    }

    private static func write(_ value: Double, to output: inout [UInt8]) {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { output.append(contentsOf: $0) }
    }

    private static func write(_ text: String, to output: inout [UInt8]) {
        var text = text
        text.withUTF8 {
            write(Int64($0.count), to: &output)
            output.append(contentsOf: $0)
        }
    }
}
