package import Columns

/// Writes columns as messages: the way back of `ProtobufColumnProgram`, for columns as a `ProtobufColumnLayout` makes
/// them.
///
/// A row without a value leaves its field out; so does a default in a field that cannot tell the two apart.
package final class ProtobufColumnEncoder: Sendable {
    package let layout: ProtobufColumnLayout
    private let operations: [EncodingOperation]
    private let enums: [EnumTexts]

    package init(_ layout: ProtobufColumnLayout) {
        self.layout = layout
        var compiler = EncodingCompiler(schema: layout.schema)
        compiler.compile(layout.schema.messages[layout.typeIndex], layout.places)
        operations = compiler.operations
        enums = compiler.enums
    }

    /// Writes every row of `batch` as one message.
    ///
    /// - Parameter prefix: bytes in front of each message, such as magic, id and message index of the registry's
    ///   framing.
    /// - Returns: a byte string per row.
    /// - Throws: `.value` when the columns are not of the layout's types, a required field or an element of a list has
    ///   no value, or a text is no constant of its enum; also when all are more than 2 GiB.
    package func encode(_ batch: ColumnBatch, prefix: [UInt8] = []) throws(ProtobufError) -> BytesColumn {
        let types = batch.columns.map(\.type)
        guard types == layout.fields.map(\.type) else {
            throw ProtobufError(
                .value, "the columns \(types) are not those of the message, \(layout.fields.map(\.type))")
        }
        var sources: [EncodingSource] = []
        for column in batch.columns { Self.add(column, to: &sources) }
        let output = ColumnBuilder(.bytes)
        output.reserve(rows: batch.count, bytesPerRow: 64 + prefix.count)
        var row = 0
        do throws(EncodingFault) {
            try operations.withUnsafeBufferPointer { (operations) throws(EncodingFault) in
                try sources.withUnsafeBufferPointer { (sources) throws(EncodingFault) in
                    while row < batch.count {
                        if !prefix.isEmpty { try Self.write(prefix, output.cells) }
                        try run(operations, 0, operations.count, row, sources, output.cells)
                        output.cells.pointee.endBytes()
                        row += 1
                    }
                }
            }
        } catch {
            throw ProtobufError(.value, "row \(row): \(error.message)")
        }
        withExtendedLifetime(batch) {}
        guard case .bytes(let column) = output.finish() else {
            preconditionFailure("a builder of bytes makes a column of bytes")
        }
        return column
    }

    /// Columns in the order of their numbers. The pointers are valid as long as the batch is.
    private static func add(_ column: Column, to sources: inout [EncodingSource]) {
        var source = EncodingSource()
        source.validity = column.validity.words?.withUnsafeBufferPointer { $0.baseAddress }
        func fixed<Element>(_ values: FixedColumn<Element>) {
            source.values = values.values.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
        }
        func runs(_ runs: Runs) {
            source.values = runs.ends.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
        }
        switch column {
        case .boolean(let column): fixed(column)
        case .int32(let column): fixed(column)
        case .int64(let column): fixed(column)
        case .float(let column): fixed(column)
        case .double(let column): fixed(column)
        case .string(let column), .bytes(let column):
            runs(column.runs)
            source.bytes = column.bytes.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
        case .list(let column): runs(column.runs)
        case .map(let column): runs(column.runs)
        case .structure: break
        }
        sources.append(source)
        switch column {
        case .list(let column): add(column.elements, to: &sources)
        case .map(let column):
            add(column.keys, to: &sources)
            add(column.values, to: &sources)
        case .structure(let column): for field in column.fields { add(field, to: &sources) }
        default: break
        }
    }

    private typealias Cells = UnsafeMutablePointer<ColumnCells>

    private static func write(_ bytes: [UInt8], _ output: Cells) throws(EncodingFault) {
        guard output.pointee.makeRoom(bytes.count) else { throw .full }
        for byte in bytes { output.pointee.put(byte) }
    }

    /// Writes the fields of the operations `first..<last` of one row.
    private func run(
        _ operations: UnsafeBufferPointer<EncodingOperation>, _ first: Int, _ last: Int, _ row: Int,
        _ sources: UnsafeBufferPointer<EncodingSource>, _ output: Cells
    ) throws(EncodingFault) {
        var at = first
        while at < last {
            let operation = operations[at]
            let inner = at &+ 1
            at = inner &+ Int(operation.below)
            let source = sources[Int(operation.column)]
            guard source.isValid(row) else {
                if operation.isRequired { throw .missing }
                continue
            }
            switch operation.shape {
            case .single:
                try value(operation, source, row, operations, inner, sources, output, skipsZero: operation.skipsZero)
            case .list:
                let run = source.run(row)
                if run.isEmpty { continue }
                let elements = sources[Int(operation.column) &+ 1]
                if operation.isPacked {
                    guard output.pointee.makeRoom(11) else { throw .full }
                    output.pointee.put(varint: operation.tag)
                    let start = output.pointee.byteCount
                    output.pointee.put(0)
                    for element in run {
                        guard elements.isValid(element) else { throw .nullElement }
                        try payload(operation, elements, element, output)
                    }
                    guard output.pointee.close(start) else { throw .full }
                } else {
                    for element in run {
                        guard elements.isValid(element) else { throw .nullElement }
                        try value(operation, elements, element, operations, inner, sources, output, skipsZero: false)
                    }
                }
            case .map:
                for entry in source.run(row) {
                    guard output.pointee.makeRoom(11) else { throw .full }
                    output.pointee.put(varint: operation.tag)
                    let start = output.pointee.byteCount
                    output.pointee.put(0)
                    try self.run(operations, inner, at, entry, sources, output)
                    guard output.pointee.close(start) else { throw .full }
                }
            }
        }
    }

    /// One value with its tag.
    @inline(__always) private func value(
        _ operation: EncodingOperation, _ source: EncodingSource, _ row: Int,
        _ operations: UnsafeBufferPointer<EncodingOperation>, _ inner: Int,
        _ sources: UnsafeBufferPointer<EncodingSource>, _ output: Cells, skipsZero: Bool
    ) throws(EncodingFault) {
        guard output.pointee.makeRoom(24) else { throw .full }
        if operation.kind == .message || operation.kind == .group {
            let end = inner &+ Int(operation.below)
            output.pointee.put(varint: operation.tag)
            if operation.kind == .group {
                try run(operations, inner, end, row, sources, output)
                guard output.pointee.makeRoom(6) else { throw .full }
                output.pointee.put(varint: operation.tag & ~7 | UInt64(WireType.endGroup.rawValue))
                return
            }
            let start = output.pointee.byteCount
            output.pointee.put(0)
            try run(operations, inner, end, row, sources, output)
            guard output.pointee.close(start) else { throw .full }
            return
        }
        if skipsZero, source.isZero(operation.kind, row) { return }
        if skipsZero, operation.kind == .enumeration, try number(operation, source, row) == 0 { return }
        output.pointee.put(varint: operation.tag)
        try payload(operation, source, row, output)
    }

    /// What stands behind the tag of a scalar.
    @inline(__always) private func payload(
        _ operation: EncodingOperation, _ source: EncodingSource, _ row: Int, _ output: Cells
    ) throws(EncodingFault) {
        guard output.pointee.makeRoom(24) else { throw .full }
        switch operation.kind {
        case .int32: output.pointee.put(varint: UInt64(bitPattern: Int64(source.value(row, Int32.self))))
        case .int64, .uint64: output.pointee.put(varint: source.value(row, UInt64.self))
        case .uint32: output.pointee.put(varint: source.value(row, UInt64.self) & 0xFFFF_FFFF)
        case .sint32:
            let value = source.value(row, Int32.self)
            output.pointee.put(varint: UInt64(UInt32(bitPattern: value &<< 1 ^ value &>> 31)))
        case .sint64:
            let value = source.value(row, Int64.self)
            output.pointee.put(varint: UInt64(bitPattern: value &<< 1 ^ value &>> 63))
        case .bool: output.pointee.put(source.value(row, Bool.self) ? 1 : 0)
        case .float, .sfixed32: output.pointee.put(raw: source.value(row, UInt32.self).littleEndian)
        case .fixed32: output.pointee.put(raw: UInt32(truncatingIfNeeded: source.value(row, UInt64.self)).littleEndian)
        case .double, .fixed64, .sfixed64: output.pointee.put(raw: source.value(row, UInt64.self).littleEndian)
        case .string, .bytes:
            let run = source.run(row)
            guard output.pointee.makeRoom(10 &+ run.count) else { throw .full }
            output.pointee.put(varint: UInt64(run.count))
            output.pointee.put(source.bytes.map { $0 + run.lowerBound }, run.count)
        case .enumeration:
            output.pointee.put(varint: UInt64(bitPattern: Int64(try number(operation, source, row))))
        case .message, .group: throw .missing  // `value` has them
        }
    }

    /// The number of a constant by its name, or by its digits as decoding writes them.
    private func number(
        _ operation: EncodingOperation, _ source: EncodingSource, _ row: Int
    ) throws(EncodingFault) -> Int32 {
        let run = source.run(row)
        let text = [UInt8](UnsafeRawBufferPointer(start: source.bytes.map { $0 + run.lowerBound }, count: run.count))
        if let number = enums[Int(operation.inner)].numbers[text] { return number }
        guard let number = Int32(String(decoding: text, as: UTF8.self)) else {
            throw .constant(String(decoding: text, as: UTF8.self))
        }
        return number
    }
}

private enum EncodingFault: Error {
    case full, missing, nullElement, constant(String)

    var message: String {
        switch self {
        case .full: "more bytes than a column can hold"
        case .missing: "a required field has no value"
        case .nullElement: "an element of a list has no value"
        case .constant(let text): "\"\(text)\" is no constant of the enum"
        }
    }
}

/// One field on its way out of its column; operations of the fields below follow it.
private struct EncodingOperation: BitwiseCopyable {
    enum Shape: UInt8 { case single, list, map }

    var kind: FieldKind
    var shape: Shape
    var isPacked: Bool
    var isRequired: Bool
    /// Whether a default is not written.
    var skipsZero: Bool
    var tag: UInt64
    var column: Int32
    var inner: Int32
    var below: Int32
}

private struct EncodingCompiler {
    let schema: ProtobufSchema
    var operations: [EncodingOperation] = []
    var enums: [EnumTexts] = []
    private var enumPlaces: [Int: Int] = [:]
    private var column = 0

    init(schema: ProtobufSchema) { self.schema = schema }

    mutating func compile(_ message: MessageDescriptor, _ places: [Int]) {
        // Columns stand in the layout's order, messages are written by number.
        var columns: [(place: Int, column: Int)] = []
        for place in places {
            columns.append((place, column))
            column += width(message.fields[place])
        }
        let next = column
        for (place, own) in columns.sorted(by: { message.fields[$0.place].number < message.fields[$1.place].number }) {
            column = own
            compile(message.fields[place])
        }
        column = next
    }

    /// Columns of a field with those below.
    private func width(_ field: FieldDescriptor) -> Int {
        var width = field.cardinality == .repeated ? 2 : 1
        if field.kind == .message || field.kind == .group {
            let message = schema.messages[field.typeIndex]
            for place in ProtobufColumnLayout.innerPlaces(message) { width += self.width(message.fields[place]) }
        }
        return width
    }

    private mutating func compile(_ field: FieldDescriptor) {
        let own = operations.count
        let wireType = field.isPacked ? WireType.lengthDelimited : field.kind.wireType
        var operation = EncodingOperation(
            kind: field.kind, shape: field.isMap ? .map : field.isRepeated ? .list : .single, isPacked: field.isPacked,
            isRequired: field.cardinality == .required, skipsZero: !field.hasPresence && !field.isRepeated,
            tag: UInt64(UInt32(bitPattern: field.number)) << 3 | UInt64(wireType.rawValue), column: Int32(column),
            inner: 0, below: 0)
        column += field.cardinality == .repeated ? 2 : 1
        switch field.kind {
        case .message, .group:
            operations.append(operation)
            let message = schema.messages[field.typeIndex]
            compile(message, ProtobufColumnLayout.innerPlaces(message))
        case .enumeration:
            if let known = enumPlaces[field.typeIndex] {
                operation.inner = Int32(known)
            } else {
                operation.inner = Int32(enums.count)
                enumPlaces[field.typeIndex] = enums.count
                enums.append(EnumTexts(schema.enums[field.typeIndex]))
            }
            operations.append(operation)
        default: operations.append(operation)
        }
        operations[own].below = Int32(operations.count - own - 1)
    }
}

/// The memory of one column.
private struct EncodingSource: BitwiseCopyable {
    var values: UnsafeRawPointer?
    var bytes: UnsafeRawPointer?
    var validity: UnsafePointer<UInt64>?

    @inline(__always) func isValid(_ row: Int) -> Bool {
        guard let validity else { return true }
        return validity[row >> 6] & (1 &<< UInt64(row & 63)) != 0
    }

    // The column has more than `row` rows, so its memory is there.

    @inline(__always) func value<Value: BitwiseCopyable>(_ row: Int, _: Value.Type) -> Value {
        values.unsafelyUnwrapped.loadUnaligned(fromByteOffset: row &* MemoryLayout<Value>.stride, as: Value.self)
    }

    @inline(__always) func run(_ row: Int) -> Range<Int> {
        let ends = values.unsafelyUnwrapped.assumingMemoryBound(to: Int32.self)
        return Range(uncheckedBounds: (Int(ends[row]), Int(ends[row &+ 1])))
    }

    /// Whether a value is the default that fields without presence do not write. An enum's is found when it is written.
    @inline(__always) func isZero(_ kind: FieldKind, _ row: Int) -> Bool {
        switch kind {
        case .int32, .sint32, .sfixed32, .float: value(row, UInt32.self) == 0
        case .int64, .uint64, .uint32, .sint64, .fixed32, .fixed64, .sfixed64, .double: value(row, UInt64.self) == 0
        case .bool: !value(row, Bool.self)
        case .string, .bytes: run(row).isEmpty
        case .enumeration, .message, .group: false
        }
    }
}

extension ColumnCells {
    // Callers have called `makeRoom` before.

    @inline(__always) fileprivate mutating func put(_ byte: UInt8) {
        bytes[byteCount] = byte
        byteCount &+= 1
    }

    @inline(__always) fileprivate mutating func put(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            put(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        put(UInt8(truncatingIfNeeded: rest))
    }

    @inline(__always) fileprivate mutating func put<Value: BitwiseCopyable>(raw value: Value) {
        UnsafeMutableRawPointer(bytes + byteCount).storeBytes(of: value, as: Value.self)
        byteCount &+= MemoryLayout<Value>.size
    }

    @inline(__always) fileprivate mutating func put(_ source: UnsafeRawPointer?, _ count: Int) {
        guard let source, count > 0 else { return }
        UnsafeMutableRawPointer(bytes + byteCount).copyMemory(from: source, byteCount: count)
        byteCount &+= count
    }

    /// Sets the length at `start`, a byte that was left for it, of what was written since; moves it when a byte is not
    /// enough.
    @inline(__always) fileprivate mutating func close(_ start: Int) -> Bool {
        let length = byteCount &- start &- 1
        if length < 0x80 {
            bytes[start] = UInt8(truncatingIfNeeded: length)
            return true
        }
        return closeLong(start, length)
    }

    private mutating func closeLong(_ start: Int, _ length: Int) -> Bool {
        var size = 1
        while length >> (7 * size) != 0 { size += 1 }
        guard makeRoom(size) else { return false }
        let body = UnsafeMutableRawPointer(bytes + start + 1)
        (body + (size - 1)).copyMemory(from: body, byteCount: length)
        byteCount = start
        put(varint: UInt64(length))
        byteCount += length
        return true
    }
}
