package import Bytes
import Columns

/// Reads records of a message straight into columns of a layout. What no column wants is passed over.
///
///     let layout = try ProtobufColumnLayout(schema, typeIndex: index, columns: ["stars", "message"])
///     let program = ProtobufColumnProgram(layout)
///     let sink = ProtobufColumnSink(layout)
///     for record in records { try program.append(record, to: sink) }
///     let batch = sink.finish()
///
/// A record in which a field comes twice, as encoders do not write it, is read into a value tree first, where the rules
/// of merging are; so is every record of messages with groups or more than 64 wanted fields.
package final class ProtobufColumnProgram: @unchecked Sendable {
    // What the pointers in `tables` point to is written in `init` and freed in `deinit`; in between everybody reads it.
    package let layout: ProtobufColumnLayout
    private let tables: UnsafeMutablePointer<ColumnTable>
    private let tableCount: Int
    /// The operations of fields with high numbers, per table.
    private let highOperations: [[Int32: UInt16]]
    private let enums: [EnumTexts]
    private let isSlow: Bool
    private let main: Int

    package init(_ layout: ProtobufColumnLayout) {
        self.layout = layout
        var compiler = ColumnCompiler(schema: layout.schema)
        main = compiler.compile(layout.schema.messages[layout.typeIndex], layout.places)
        tableCount = compiler.programs.count
        tables = .allocate(capacity: tableCount)
        for (index, program) in compiler.programs.enumerated() {
            (tables + index).initialize(to: ColumnTable(program, index))
        }
        highOperations = compiler.programs.map(\.highOperations)
        enums = compiler.enums
        isSlow = compiler.isSlow
    }

    deinit {
        for index in 0..<tableCount { tables[index].free() }
        tables.deallocate()
    }

    /// Appends one message as a row.
    ///
    /// - Parameter sink: one of `layout`.
    /// - Throws: `WireError.truncated` or `.corrupt`; nothing was appended then.
    package func append(_ record: borrowing RawSpan, to sink: ProtobufColumnSink) throws(WireError) {
        try record.withUnsafeBytes { (bytes) throws(WireError) in try append(bytes, to: sink) }
    }

    /// Appends one message as a row.
    package func append(_ record: UnsafeRawBufferPointer, to sink: ProtobufColumnSink) throws(WireError) {
        guard !isSlow else { return try appendSlowly(record, to: sink) }
        let start = record.baseAddress.map { $0.assumingMemoryBound(to: UInt8.self) }
        var input = ColumnInput(
            at: start, end: start.map { $0 + record.count }, readableEnd: start.map { $0 + record.count })
        do throws(ColumnFault) {
            try run(tables + main, &input, sink)
        } catch {
            sink.truncate()
            switch error {
            case .truncated: throw .truncated
            case .tooLong: throw .corrupt("varint longer than 10 bytes")
            case .tag: throw .corrupt("a tag that is none")
            case .full: throw .corrupt("more bytes than a column can hold")
            // The way of value trees knows which field is missing, what repeats, and where the nesting goes wrong.
            case .unusual: return try appendSlowly(record, to: sink)
            }
        }
        sink.count &+= 1
    }

    private func run(
        _ table: UnsafePointer<ColumnTable>, _ given: inout ColumnInput, _ sink: ProtobufColumnSink
    ) throws(ColumnFault) {
        var input = given  // a copy of its own stays in registers
        defer { given = input }
        var seen: UInt64 = 0
        let cells = sink.cells
        while input.isLeft {
            let tag = try input.varint()
            let number = tag >> 3
            let operation =
                number < UInt64(table.pointee.lowCount)
                ? table.pointee.low + Int(truncatingIfNeeded: number) : try high(number, table)
            let wireType = UInt8(truncatingIfNeeded: tag & 7)
            // A second value of a field, or a second member of a oneof.
            if seen & operation.pointee.conflicts != 0 { throw .unusual }
            if wireType != operation.pointee.wireType {
                if operation.pointee.isPackable, wireType == WireType.lengthDelimited.rawValue {
                    try packed(operation, &input, cells)
                } else {
                    guard number > 0 else { throw .tag }
                    // A member of a oneof that has no column, while others have one.
                    if operation.pointee.code == .skip, operation.pointee.conflicts != 0 { throw .unusual }
                    try input.skip(wireType)
                }
                continue
            }
            seen |= operation.pointee.bit
            let column = cells[Int(operation.pointee.column)]
            switch operation.pointee.code {
            case .int32: column.pointee.append(Int32(truncatingIfNeeded: try input.varint()))
            case .int64: column.pointee.append(Int64(bitPattern: try input.varint()))
            case .string:
                let length = try input.length()
                guard let source = input.at,
                    column.pointee.appendString(source, count: length, readable: input.readable)
                else { throw .full }
                input.at = source + length
            case .bytes:
                let length = try input.length()
                guard let source = input.at,
                    column.pointee.appendBytes(source, count: length, readable: input.readable)
                else { throw .full }
                input.at = source + length
            case .message:
                let length = try input.length()
                var inner = input.part(length)
                try run(tables + Int(operation.pointee.inner), &inner, sink)
                column.pointee.appendStructure()
                input.advance(length)
            case .map:
                let length = try input.length()
                var inner = input.part(length)
                try run(tables + Int(operation.pointee.inner), &inner, sink)
                input.advance(length)
            default: try scalar(operation, &input, column)
            }
        }
        if seen & table.pointee.expected != table.pointee.expected || table.pointee.hasRuns {
            try end(table, seen, sink)
        }
    }

    /// The operation of a field with a high number, or the one that skips.
    private func high(
        _ number: UInt64, _ table: UnsafePointer<ColumnTable>
    ) throws(ColumnFault) -> UnsafeMutablePointer<ColumnOperation> {
        guard number <= 536_870_911 else { throw .tag }
        let place = highOperations[table.pointee.place][Int32(truncatingIfNeeded: number)] ?? 0
        return table.pointee.all + Int(place)
    }

    private func scalar(
        _ operation: UnsafeMutablePointer<ColumnOperation>, _ input: inout ColumnInput,
        _ column: UnsafeMutablePointer<ColumnCells>
    ) throws(ColumnFault) {
        switch operation.pointee.code {
        case .int32: column.pointee.append(Int32(truncatingIfNeeded: try input.varint()))
        case .int64: column.pointee.append(Int64(bitPattern: try input.varint()))
        case .uint32: column.pointee.append(Int64(UInt32(truncatingIfNeeded: try input.varint())))
        case .sint32:
            let value = UInt32(truncatingIfNeeded: try input.varint())
            column.pointee.append(Int32(bitPattern: value &>> 1) ^ -Int32(bitPattern: value & 1))
        case .sint64:
            let value = try input.varint()
            column.pointee.append(Int64(bitPattern: value &>> 1) ^ -Int64(bitPattern: value & 1))
        case .bool: column.pointee.append(try input.varint() != 0)
        case .fixed32: column.pointee.append(try input.fixed(UInt32.self))
        case .unsignedFixed32: column.pointee.append(Int64(try input.fixed(UInt32.self)))
        case .fixed64: column.pointee.append(try input.fixed(UInt64.self))
        case .enumeration:
            let number = Int32(truncatingIfNeeded: try input.varint())
            guard let text = enums[Int(operation.pointee.inner)].text(number) else { throw .unusual }
            try Self.append(text, column)
        case .string, .bytes, .message, .map, .skip: throw .unusual  // `run` has them
        }
    }

    private static func append(_ text: [UInt8], _ column: UnsafeMutablePointer<ColumnCells>) throws(ColumnFault) {
        let fits = text.withUnsafeBytes { bytes in
            bytes.baseAddress.map { column.pointee.appendString($0, count: bytes.count, readable: bytes.count) }
                ?? false
        }
        guard fits else { throw .full }
    }

    private func packed(
        _ operation: UnsafeMutablePointer<ColumnOperation>, _ input: inout ColumnInput,
        _ cells: UnsafeMutablePointer<UnsafeMutablePointer<ColumnCells>>
    ) throws(ColumnFault) {
        let length = try input.length()
        var inner = input.part(length)
        let column = cells[Int(operation.pointee.column)]
        while inner.isLeft { try scalar(operation, &inner, column) }
        input.advance(length)
    }

    /// What was not there, and the ends of lists.
    private func end(
        _ table: UnsafePointer<ColumnTable>, _ seen: UInt64, _ sink: ProtobufColumnSink
    ) throws(ColumnFault) {
        for index in 0..<table.pointee.endingCount {
            let ending = table.pointee.endings[index]
            let builder = sink.flat[Int(ending.column)]
            if ending.kind == .run {
                guard builder.appendRun() else { throw .full }
                continue
            }
            guard seen & ending.bit == 0 else { continue }
            switch ending.kind {
            case .required: throw .unusual
            case .null: builder.appendNull()
            case .int32: builder.cells.pointee.append(Int32(0))
            case .int64: builder.cells.pointee.append(Int64(0))
            case .bool: builder.cells.pointee.append(false)
            case .float: builder.cells.pointee.append(Float(0))
            case .double: builder.cells.pointee.append(Double(0))
            case .bytes: guard builder.append(bytes: UnsafeRawBufferPointer(start: nil, count: 0)) else { throw .full }
            case .enumeration: try Self.append(enums[Int(ending.inner)].defaultText, builder.cells)
            case .run: break
            }
        }
    }

    // MARK: The way of value trees

    private func appendSlowly(_ record: UnsafeRawBufferPointer, to sink: ProtobufColumnSink) throws(WireError) {
        // The quick way repairs texts as well.
        let message = try layout.schema.decode(record.bytes, as: layout.typeIndex, repairsText: true)
        let descriptor = layout.schema.messages[layout.typeIndex]
        for (builder, place) in zip(sink.builders, layout.places) {
            guard append(message.values[place], descriptor.fields[place], builder) else {
                sink.truncate()
                throw .corrupt("more bytes than a column can hold")
            }
        }
        sink.count += 1
    }

    /// - Returns: false when the column cannot hold the value.
    private func append(_ value: ProtobufValue?, _ field: FieldDescriptor, _ builder: ColumnBuilder) -> Bool {
        let schema = layout.schema
        guard let value = value ?? (field.hasPresence ? nil : schema.defaultValue(of: field)) else {
            builder.appendNull()
            return true
        }
        switch value {
        case .int32(let value): builder.cells.pointee.append(value)
        case .int64(let value): builder.cells.pointee.append(value)
        case .uint32(let value): builder.cells.pointee.append(Int64(value))
        case .uint64(let value): builder.cells.pointee.append(Int64(bitPattern: value))
        case .bool(let value): builder.cells.pointee.append(value)
        case .float(let value): builder.cells.pointee.append(value)
        case .double(let value): builder.cells.pointee.append(value)
        case .string(let text): return builder.append(string: text)
        case .bytes(let bytes): return bytes.withUnsafeBytes { builder.append(bytes: $0) }
        case .enumeration(let number):
            return builder.append(string: schema.enums[field.typeIndex].name(of: number) ?? "\(number)")
        case .message(let message):
            let descriptor = schema.messages[message.typeIndex]
            for (child, place) in zip(builder.children, ProtobufColumnLayout.innerPlaces(descriptor)) {
                guard append(message.values[place], descriptor.fields[place], child) else { return false }
            }
            builder.cells.pointee.appendStructure()
        case .list(let list):
            var element = field
            element.cardinality = .optional
            for value in list { guard append(value, element, builder.children[0]) else { return false } }
            return builder.appendRun()
        case .map(let entries):
            let entry = schema.messages[field.typeIndex]
            guard let key = entry.fieldIndex(number: 1), let held = entry.fieldIndex(number: 2) else { return false }
            for pair in entries {
                guard append(pair.key, entry.fields[key], builder.children[0]),
                    append(pair.value, entry.fields[held], builder.children[1])
                else { return false }
            }
            return builder.appendRun()
        }
        return true
    }
}

/// Why a record does not go the quick way; without a payload, so that throwing it costs nothing.
enum ColumnFault: Error {
    case truncated, tooLong, tag, full
    /// Valid, maybe: value trees know.
    case unusual
}

/// What is left of a message that is being read.
struct ColumnInput {
    var at: UnsafePointer<UInt8>?
    let end: UnsafePointer<UInt8>?
    /// Where the record ends; behind a part of it there may be more that can be touched.
    let readableEnd: UnsafePointer<UInt8>?

    @inline(__always) var isLeft: Bool { at != end }

    @inline(__always) private var left: Int {
        guard let at, let end else { return 0 }
        return end - at
    }

    @inline(__always) var readable: Int {
        guard let at, let readableEnd else { return 0 }
        return readableEnd - at
    }

    @inline(__always) mutating func varint() throws(ColumnFault) -> UInt64 {
        guard let start = at, start != end else { throw .truncated }
        let first = start.pointee
        if first < 0x80 {
            at = start + 1
            return UInt64(first)
        }
        return try longVarint(start)
    }

    /// Eight bytes at once where they can be touched; the others one by one.
    @inline(__always) private mutating func longVarint(_ start: UnsafePointer<UInt8>) throws(ColumnFault) -> UInt64 {
        if left >= 8 {
            let word = UInt64(littleEndian: UnsafeRawPointer(start).loadUnaligned(as: UInt64.self))
            let ends = ~word & 0x8080_8080_8080_8080
            if ends != 0 {
                let bits = ends.trailingZeroBitCount  // of the last byte's top bit
                // Groups of 7 bits move together in three steps.
                var value = word & (~0 &>> UInt64(63 &- bits)) & 0x7F7F_7F7F_7F7F_7F7F
                value = value & 0x007F_007F_007F_007F | (value & 0x7F00_7F00_7F00_7F00) &>> 1
                value = value & 0x0000_3FFF_0000_3FFF | (value & 0x3FFF_0000_3FFF_0000) &>> 2
                value = value & 0x0000_0000_0FFF_FFFF | (value & 0x0FFF_FFFF_0000_0000) &>> 4
                at = start + (bits &>> 3 &+ 1)
                return value
            }
        }
        return try slowVarint(start)
    }

    @inline(never) private mutating func slowVarint(_ start: UnsafePointer<UInt8>) throws(ColumnFault) -> UInt64 {
        var value = UInt64(start.pointee & 0x7F)
        var shift: UInt64 = 7
        var next = start + 1
        while shift < 70 {
            guard next != end else { throw .truncated }
            let byte = next.pointee
            next += 1
            value |= UInt64(byte & 0x7F) &<< shift
            if byte < 0x80 {
                at = next
                return value
            }
            shift &+= 7
        }
        throw .tooLong
    }

    @inline(__always) mutating func fixed<Value: FixedWidthInteger>(_: Value.Type) throws(ColumnFault) -> Value {
        guard let start = at, left >= MemoryLayout<Value>.size else { throw .truncated }
        at = start + MemoryLayout<Value>.size
        return Value(littleEndian: UnsafeRawPointer(start).loadUnaligned(as: Value.self))
    }

    /// A length that is not beyond what is left.
    @inline(__always) mutating func length() throws(ColumnFault) -> Int {
        let length = try varint()
        guard length <= UInt64(left) else { throw .truncated }
        return Int(truncatingIfNeeded: length)
    }

    /// The next `length` bytes as a message of their own.
    @inline(__always) func part(_ length: Int) -> ColumnInput {
        ColumnInput(at: at, end: at.map { $0 + length }, readableEnd: readableEnd)
    }

    @inline(__always) mutating func advance(_ length: Int) { at = at.map { $0 + length } }

    mutating func skip(_ wireType: UInt8) throws(ColumnFault) {
        switch wireType {
        case WireType.varint.rawValue: _ = try varint()
        case WireType.fixed32.rawValue: _ = try fixed(UInt32.self)
        case WireType.fixed64.rawValue: _ = try fixed(UInt64.self)
        case WireType.lengthDelimited.rawValue: advance(try length())
        default: throw .unusual  // groups, and what is none
        }
    }
}
