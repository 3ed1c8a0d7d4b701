import Columns

/// Reads records of one writer's schema straight into columns of a reader's layout: the resolution of the two, compiled
/// into a list of operations. What no column wants is passed over.
///
///     let layout = try AvroColumnLayout(reader, columns: ["stars", "message"])
///     let program = try AvroColumnProgram(writer: writer, layout: layout)
///     let sink = AvroColumnSink(layout)
///     for record in records { try program.append(record, to: sink) }
///     let batch = sink.finish()
package final class AvroColumnProgram: Sendable {
    package let layout: AvroColumnLayout
    let plan: AvroPlan
    private let operations: [AvroOperation]
    private let tables: AvroOperationTables
    let flat: AvroFlatProgram?

    /// - Throws: `.unresolvable` when the layout's schema can never read what the writer's wrote.
    package init(writer: AvroSchema, layout: AvroColumnLayout) throws(AvroError) {
        self.layout = layout
        plan = try AvroPlan(writer: writer, reader: layout.schema, wanted: layout.positions.map { Set($0) })
        var compiler = AvroColumnCompiler(plan: plan)
        try compiler.compile(layout)
        operations = compiler.operations
        tables = compiler.tables
        flat = AvroFlatProgram(operations)
    }

    /// Appends one record as a row.
    ///
    /// - Parameter sink: one of `layout`, or of an equal one.
    /// - Throws: as `AvroDecoder.decode`; nothing was appended then.
    package func append(_ record: borrowing RawSpan, to sink: AvroColumnSink) throws(AvroError) {
        try record.withUnsafeBytes { (bytes) throws(AvroError) in try append(bytes, to: sink) }
    }

    /// Appends one record as a row.
    package func append(_ record: UnsafeRawBufferPointer, to sink: AvroColumnSink) throws(AvroError) {
        var reader = ByteReader(record)
        do throws(AvroFault) {
            try operations.withUnsafeBufferPointer { (operations) throws(AvroFault) in
                try run(operations, 0, operations.count, &reader, sink.cells, sink)
            }
        } catch {
            sink.truncate()
            throw error.error(at: reader.offset)
        }
        guard reader.left == 0 else {
            sink.truncate()
            throw AvroError(.malformed, "\(reader.left) bytes behind the value's end at byte \(reader.offset)")
        }
        sink.count &+= 1
    }

    /// Runs the operations `first..<last`. Those that have others below them are followed by them.
    private func run(
        _ operations: UnsafeBufferPointer<AvroOperation>, _ first: Int, _ last: Int, _ input: inout ByteReader,
        _ cells: UnsafeMutablePointer<UnsafeMutablePointer<ColumnCells>>, _ sink: AvroColumnSink
    ) throws(AvroFault) {
        var reader = input  // a copy of its own stays in registers
        defer { input = reader }
        var at = first
        while at < last {
            let operation = operations[at]
            let column = cells[Int(operation.column)]
            at &+= 1
            switch operation.code {
            case .long: column.pointee.append(try reader.long())
            case .int: column.pointee.append(try reader.int())
            case .string:
                let length = try reader.length()
                guard column.pointee.appendString(reader.at, count: length, readable: reader.left) else {
                    throw .columnFull
                }
                reader.at += length
            case .bytes, .fixed:
                let length = try operation.code == .fixed ? Int(operation.a) : reader.length()
                guard length <= reader.left else { throw .truncated }
                guard column.pointee.appendBytes(reader.at, count: length, readable: reader.left) else {
                    throw .columnFull
                }
                reader.at += length
            case .double: column.pointee.append(try reader.double())
            case .float: column.pointee.append(try reader.float())
            case .boolean: column.pointee.append(try reader.boolean())
            case .intToLong: column.pointee.append(Int64(try reader.int()))
            case .intToFloat: column.pointee.append(Float(try reader.int()))
            case .intToDouble: column.pointee.append(Double(try reader.int()))
            case .longToFloat: column.pointee.append(Float(try reader.long()))
            case .longToDouble: column.pointee.append(Double(try reader.long()))
            case .floatToDouble: column.pointee.append(Double(try reader.float()))
            case .enumeration:
                let symbols = tables.symbols[Int(operation.a)]
                let index = try reader.symbol(of: symbols.texts.count)
                guard let symbol = symbols.texts[index] else { throw .unknownSymbol(Int64(index), symbols.name) }
                let fits = symbol.withUnsafeBytes {
                    // An empty symbol cannot be: names are not empty.
                    $0.baseAddress.map { [count = $0.count] in
                        column.pointee.appendString($0, count: count, readable: count)
                    } ?? false
                }
                guard fits else { throw .columnFull }
            case .null: sink.flat[Int(operation.column)].appendNull()
            case .plainNull: column.pointee.appendNull()
            case .nullable:
                // Otherwise the operations below come next.
                guard try reader.branch(of: 2) == Int(operation.a) else { continue }
                if operation.isPlain {
                    column.pointee.appendNull()
                } else {
                    sink.flat[Int(operation.column)].appendNull()
                }
                at &+= Int(operation.below)
            case .union:
                let branches = tables.branches[Int(operation.a)]
                let branch = branches[try reader.branch(of: branches.count)]
                try run(operations, branch.lowerBound, branch.upperBound, &reader, cells, sink)
                at &+= Int(operation.below)
            case .branch:
                try run(operations, at, at &+ Int(operation.below), &reader, cells, sink)
                for other in tables.others[Int(operation.a)] { sink.flat[other].appendNull() }
                column.pointee.appendStructure()
                at &+= Int(operation.below)
            case .record:
                try run(operations, at, at &+ Int(operation.below), &reader, cells, sink)
                column.pointee.appendStructure()
                at &+= Int(operation.below)
            case .array, .map:
                let below = Int(operation.below)
                let elements = cells[Int(operation.column) &+ 1]
                while true {
                    let count = try reader.blockCount(elementByteCountMin: Int(operation.a))
                    if count == 0 { break }
                    for _ in 0..<count {
                        if operation.code == .map {
                            let length = try reader.length()
                            guard elements.pointee.appendString(reader.at, count: length, readable: reader.left) else {
                                throw .columnFull
                            }
                            reader.at += length
                        }
                        try run(operations, at, at &+ below, &reader, cells, sink)
                    }
                }
                guard column.pointee.appendRun(elementCount: elements.pointee.count) else { throw .columnFull }
                at &+= below
            case .constant:
                guard sink.flat[Int(operation.column)].append(tables.constants[Int(operation.a)]) else {
                    throw .columnFull
                }
            case .skipNumbers: for _ in 0..<operation.a { _ = try reader.long() }
            case .skipRun: _ = try reader.bytes(try reader.length())
            case .skipFixed: _ = try reader.bytes(Int(operation.a))
            case .skipNullable:
                // Otherwise the operation below comes next.
                if try reader.branch(of: 2) == Int(operation.a) { at &+= Int(operation.below) }
            case .skip: try plan.skip(Int(operation.a), &reader, 0)
            case .impossible: throw .impossible(tables.reasons[Int(operation.a)])
            }
        }
    }
}

extension ColumnBuilder {
    /// Appends a value of the column's type. False when the column cannot hold it.
    func append(_ value: ColumnValue) -> Bool {
        switch value {
        case .null: appendNull()
        case .boolean(let value): cells.pointee.append(value)
        case .int32(let value): cells.pointee.append(value)
        case .int64(let value): cells.pointee.append(value)
        case .float(let value): cells.pointee.append(value)
        case .double(let value): cells.pointee.append(value)
        case .string(let text): return append(string: text)
        case .bytes(let bytes): return bytes.withUnsafeBytes { append(bytes: $0) }
        case .list(let elements):
            for element in elements { guard children[0].append(element) else { return false } }
            return appendRun()
        case .map(let pairs):
            for pair in pairs {
                guard children[0].append(pair.key), children[1].append(pair.value) else { return false }
            }
            return appendRun()
        case .structure(let fields):
            for (field, child) in zip(fields, children) { guard child.append(field) else { return false } }
            cells.pointee.appendStructure()
        }
        return true
    }
}
