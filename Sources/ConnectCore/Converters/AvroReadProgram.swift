import Avro

/// How bytes of one Avro type become values of Connect, worked out once: without a tree of Avro values in between.
///
/// It knows what rows and events are made of. What it does not take, damaged bytes above all, is `AvroDecoder`'s and
/// `AvroValueReader`'s, which say what is wrong.
final class AvroReadProgram: Sendable {
    private enum Kind: Sendable {
        case boolean, int, int8, int16, long, float, double, string, bytes, array, record
        case fixed(Int)
        case enumeration([String])
    }

    private let kind: Kind
    /// The number of the branch that is null; nil where there is no union.
    private let nullBranch: Int64?
    /// Of values that are decoded further: Decimal, Date, Time, Timestamp.
    private let logical: ConnectSchema?
    /// Of a record.
    private let schema: ConnectSchema?
    private let fields: [AvroReadProgram]
    private let elements: AvroReadProgram?

    /// - Parameter connect: the schemas of the types, as `AvroSchemaReader` has made them.
    /// - Returns: nil where something of the schema is beyond this.
    static func make(_ avro: AvroSchema, _ connect: [AvroSchema.ID: ConnectSchema]) -> AvroReadProgram? {
        guard connect[avro.root]?.isProgrammable == true else { return nil }
        return AvroReadProgram(avro, connect, avro.root, field: nil, depth: 0)
    }

    /// - Parameter field: the schema that a struct has as a field of another one.
    private init?(
        _ avro: AvroSchema, _ connect: [AvroSchema.ID: ConnectSchema], _ given: AvroSchema.ID, field: ConnectSchema?,
        depth: Int
    ) {
        guard depth < AvroMapping.depthMax / 2 else { return nil }
        var id = given
        if case .union(let types) = avro.types[id].kind {
            guard types.count == 2, connect[id]?.name != AvroMapping.union else { return nil }
            let isFirst = Self.isNull(avro.types[types[0]])
            guard isFirst != Self.isNull(avro.types[types[1]]) else { return nil }
            id = types[isFirst ? 1 : 0]
            nullBranch = isFirst ? 0 : 1
        } else {
            nullBranch = nil
        }
        guard let made = connect[id] else { return nil }
        logical = made.logicalType == nil ? nil : made
        var fields: [AvroReadProgram] = []
        var elements: AvroReadProgram?
        var structure: ConnectSchema?
        switch (avro.types[id].kind, made.kind) {
        case (.primitive(.boolean), _): kind = .boolean
        case (.primitive(.int), .int8): kind = .int8
        case (.primitive(.int), .int16): kind = .int16
        case (.primitive(.int), _): kind = .int
        case (.primitive(.long), _): kind = .long
        case (.primitive(.float), _): kind = .float
        case (.primitive(.double), _): kind = .double
        case (.primitive(.string), _): kind = .string
        case (.primitive(.bytes), _): kind = .bytes
        // What takes no bytes may be there without a bound, which this does not watch over.
        case (.fixed(let fixed), _):
            guard fixed.size > 0 else { return nil }
            kind = .fixed(fixed.size)
        case (.enumeration(let enumeration), _): kind = .enumeration(enumeration.symbols)
        case (.array(let items), .array):
            guard let program = AvroReadProgram(avro, connect, items, field: nil, depth: depth + 1) else { return nil }
            kind = .array
            elements = program
        case (.record(let record), .structure):
            kind = .record
            // A struct's schema has to be the one that its parent names.
            let own = field.flatMap { $0.kind == .structure && $0.fields.count == made.fields.count ? $0 : nil } ?? made
            guard record.fields.count == made.fields.count, !record.fields.isEmpty else { return nil }
            for (place, field) in record.fields.enumerated() {
                guard
                    let program = AvroReadProgram(
                        avro, connect, field.type, field: made.fields[place].schema, depth: depth + 1)
                else { return nil }
                fields.append(program)
            }
            structure = own
        default: return nil
        }
        schema = structure
        self.fields = fields
        self.elements = elements
    }

    private static func isNull(_ type: AvroType) -> Bool {
        if case .primitive(.null) = type.kind { true } else { false }
    }

    /// The one value that the bytes hold; nil for bytes that this does not take.
    func value(_ bytes: UnsafeRawBufferPointer) -> ConnectValue? {
        var cursor = Cursor(bytes: bytes)
        guard let value = read(&cursor), cursor.at == bytes.count else { return nil }
        return value
    }

    private func read(_ cursor: inout Cursor) -> ConnectValue? {
        if let nullBranch {
            guard let branch = cursor.long(), 0...1 ~= branch else { return nil }
            if branch == nullBranch { return .null }
        }
        guard let value = readPlain(&cursor) else { return nil }
        guard let logical else { return value }
        return try? LogicalValues.decoded(value, logical)
    }

    private func readPlain(_ cursor: inout Cursor) -> ConnectValue? {
        switch kind {
        case .long: return cursor.long().map { .int64($0) }
        case .int: return cursor.long().flatMap { Int32(exactly: $0) }.map { .int32($0) }
        case .string: return cursor.run().map { .string(String(decoding: $0, as: UTF8.self)) }
        case .record:
            guard let schema else { return nil }
            var values: [ConnectValue] = []
            values.reserveCapacity(fields.count)
            for field in fields {
                guard let value = field.read(&cursor) else { return nil }
                values.append(value)
            }
            return .structure(ConnectStruct(schema, values: values))
        case .double: return cursor.fixed(8).map { .float64(Double(bitPattern: $0)) }
        case .float: return cursor.fixed(4).map { .float32(Float(bitPattern: UInt32(truncatingIfNeeded: $0))) }
        case .boolean:
            guard let byte = cursor.fixed(1), byte < 2 else { return nil }
            return .boolean(byte == 1)
        case .int8:
            return cursor.long().flatMap { Int32(exactly: $0) }.map { .int8(Int8(truncatingIfNeeded: $0)) }
        case .int16:
            return cursor.long().flatMap { Int32(exactly: $0) }.map { .int16(Int16(truncatingIfNeeded: $0)) }
        case .bytes: return cursor.run().map { .bytes(Array($0)) }
        case .fixed(let byteCount): return cursor.take(byteCount).map { .bytes(Array($0)) }
        case .enumeration(let symbols):
            guard let index = cursor.long(), symbols.indices.contains(Int(index)) else { return nil }
            return .string(symbols[Int(index)])
        case .array:
            guard let elements else { return nil }
            var values: [ConnectValue] = []
            while let count = cursor.long() {
                if count == 0 { return .array(values) }
                // Blocks with their size in front, and elements without bytes, are rare.
                guard count > 0, count <= cursor.left else { return nil }
                for _ in 0..<count {
                    guard let value = elements.read(&cursor) else { return nil }
                    values.append(value)
                }
            }
            return nil
        }
    }

    /// Every read checks that the bytes are there.
    private struct Cursor {
        let bytes: UnsafeRawBufferPointer
        var at = 0

        var left: Int { bytes.count - at }

        mutating func long() -> Int64? {
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while shift < 70, at < bytes.count {
                let byte = bytes[at]
                at &+= 1
                value |= UInt64(byte & 0x7F) &<< shift
                if byte < 0x80 { return Int64(bitPattern: value &>> 1) ^ -Int64(bitPattern: value & 1) }
                shift &+= 7
            }
            return nil
        }

        mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
            guard count >= 0, count <= left else { return nil }
            defer { at += count }
            return UnsafeRawBufferPointer(rebasing: bytes[at..<at + count])
        }

        mutating func run() -> UnsafeRawBufferPointer? {
            long().flatMap { Int(exactly: $0) }.flatMap { take($0) }
        }

        /// Up to eight bytes, the lowest first.
        mutating func fixed(_ count: Int) -> UInt64? {
            guard count <= left else { return nil }
            var value: UInt64 = 0
            for index in 0..<count { value |= UInt64(bytes[at &+ index]) &<< UInt64(8 &* index) }
            at += count
            return value
        }
    }
}
