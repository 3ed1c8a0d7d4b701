package import Columns

/// Writes columns as records in Avro's binary encoding: the way back of `AvroColumnProgram`, for columns as
/// `AvroColumnLayout` makes them of the same schema.
package final class AvroColumnEncoder: Sendable {
    package let layout: AvroColumnLayout
    private let operations: [EncodingOperation]
    private let symbols: [(name: String, numbers: [[UInt8]: Int])]
    private let flat: AvroFlatEncoding?

    /// - Throws: `.unresolvable` for schemas that have no columns.
    package init(schema: AvroSchema) throws(AvroError) {
        layout = try AvroColumnLayout(schema)
        var compiler = EncodingCompiler(schema: schema)
        compiler.compile(layout)
        operations = compiler.operations
        symbols = compiler.symbols
        flat = AvroFlatEncoding(operations)
    }

    /// Writes every row of `batch` as one record.
    ///
    /// - Parameter prefix: bytes in front of each record, such as magic and id of the registry's framing.
    /// - Returns: a byte string per row.
    /// - Throws: `.unfit` when the columns are not of the layout's types, a row lacks a value where the schema has no
    ///   null, or a symbol, size or branch does not fit; `.tooLarge` beyond 2 GiB.
    package func encode(_ batch: ColumnBatch, prefix: [UInt8] = []) throws(AvroError) -> BytesColumn {
        let types = batch.columns.map(\.type)
        guard types == layout.fields.map(\.type) else {
            throw AvroError(.unfit, "the columns \(types) are not those of the schema, \(layout.fields.map(\.type))")
        }
        let sources = ColumnSource.all(of: batch)
        let output = ColumnBuilder(.bytes)
        if let flat {
            if let column = flat.encode(sources, count: batch.count, prefix: prefix, output) {
                withExtendedLifetime(batch) {}
                return column
            }
            output.truncate(to: 0)
        }
        output.reserve(rows: batch.count, bytesPerRow: 32 + prefix.count)
        var row = 0
        do throws(EncodingFault) {
            try operations.withUnsafeBufferPointer { (operations) throws(EncodingFault) in
                try sources.withUnsafeBufferPointer { (sources) throws(EncodingFault) in
                    while row < batch.count {
                        try run(operations, 0, operations.count, row, sources, output.cells, prefix)
                        output.cells.pointee.endBytes()
                        row += 1
                    }
                }
            }
        } catch {
            throw error.error(row: row)
        }
        withExtendedLifetime(batch) {}
        guard case .bytes(let column) = output.finish() else {
            preconditionFailure("a builder of bytes makes a column of bytes")
        }
        return column
    }

    private func run(
        _ operations: UnsafeBufferPointer<EncodingOperation>, _ first: Int, _ last: Int, _ row: Int,
        _ sources: UnsafeBufferPointer<ColumnSource>, _ output: UnsafeMutablePointer<ColumnCells>, _ prefix: [UInt8]
    ) throws(EncodingFault) {
        if first == 0, !prefix.isEmpty {
            guard output.pointee.makeRoom(prefix.count) else { throw .full }
            prefix.withUnsafeBytes { output.pointee.write($0.baseAddress, $0.count, readable: $0.count) }
        }
        var at = first
        while at < last {
            let operation = operations[at]
            at &+= 1
            guard operation.code != .nothing, let source = sources.baseAddress.map({ $0 + Int(operation.column) })
            else {
                continue
            }
            guard source.pointee.isValid(row) || operation.takesNull else { throw .null(Int(operation.column)) }
            switch operation.code {
            case .nothing: break
            case .int:
                guard output.pointee.makeRoom(10) else { throw .full }
                output.pointee.write(Int64(source.pointee.value(row, Int32.self)))
            case .long:
                guard output.pointee.makeRoom(10) else { throw .full }
                output.pointee.write(source.pointee.value(row, Int64.self))
            case .boolean:
                guard output.pointee.makeRoom(1) else { throw .full }
                output.pointee.writeByte(source.pointee.value(row, Bool.self) ? 1 : 0)
            case .float:
                guard output.pointee.makeRoom(4) else { throw .full }
                output.pointee.writeRaw(source.pointee.value(row, UInt32.self).littleEndian)
            case .double:
                guard output.pointee.makeRoom(8) else { throw .full }
                output.pointee.writeRaw(source.pointee.value(row, UInt64.self).littleEndian)
            case .run:
                let run = source.pointee.run(row)
                guard output.pointee.makeRoom(10 &+ run.count) else { throw .full }
                output.pointee.write(Int64(run.count))
                output.pointee.write(
                    source.pointee.bytes.map { $0 + run.lowerBound }, run.count,
                    readable: source.pointee.byteCount &- run.lowerBound)
            case .fixed:
                let run = source.pointee.run(row)
                guard run.count == Int(operation.a) else { throw .size(run.count, Int(operation.a)) }
                guard output.pointee.makeRoom(run.count) else { throw .full }
                output.pointee.write(
                    source.pointee.bytes.map { $0 + run.lowerBound }, run.count,
                    readable: source.pointee.byteCount &- run.lowerBound)
            case .enumeration:
                let run = source.pointee.run(row)
                let symbol = [UInt8](
                    UnsafeRawBufferPointer(start: source.pointee.bytes.map { $0 + run.lowerBound }, count: run.count))
                guard let number = symbols[Int(operation.a)].numbers[symbol] else {
                    throw .symbol(String(decoding: symbol, as: UTF8.self), symbols[Int(operation.a)].name)
                }
                guard output.pointee.makeRoom(10) else { throw .full }
                output.pointee.write(Int64(number))
            case .nullable:
                guard output.pointee.makeRoom(10) else { throw .full }
                if source.pointee.isValid(row) {
                    output.pointee.write(Int64(operation.b))  // the operations below come next
                } else {
                    guard operation.a >= 0 else { throw .null(Int(operation.column)) }
                    output.pointee.write(Int64(operation.a))
                    at &+= Int(operation.below)
                }
            case .branch:
                guard output.pointee.makeRoom(10) else { throw .full }
                var below = at
                var isWritten = !source.pointee.isValid(row)
                if isWritten {
                    guard operation.a >= 0 else { throw .null(Int(operation.column)) }
                    output.pointee.write(Int64(operation.a))
                }
                let end = at &+ Int(operation.below)
                while below < end {
                    let option = operations[below]
                    let next = below &+ 1 &+ Int(option.below)
                    if !isWritten, sources[Int(option.column)].isValid(row) {
                        output.pointee.write(Int64(option.b))
                        try run(operations, below &+ 1, next, row, sources, output, [])
                        isWritten = true
                    }
                    below = next
                }
                guard isWritten else { throw .null(Int(operation.column)) }
                at = end
            case .option: break  // walked over by `branch`
            case .record:
                try run(operations, at, at &+ Int(operation.below), row, sources, output, [])
                at &+= Int(operation.below)
            case .array, .map:
                let run = source.pointee.run(row)
                let end = at &+ Int(operation.below)
                guard output.pointee.makeRoom(10) else { throw .full }
                if !run.isEmpty {
                    output.pointee.write(Int64(run.count))
                    for element in run { try self.run(operations, at, end, element, sources, output, []) }
                    guard output.pointee.makeRoom(1) else { throw .full }
                }
                output.pointee.writeByte(0)
                at = end
            }
        }
    }
}

extension ColumnCells {
    // Writers have called `makeRoom` before.

    @inline(__always) mutating func writeByte(_ byte: UInt8) {
        bytes[byteCount] = byte
        byteCount &+= 1
    }

    @inline(__always) mutating func writeRaw<Value: BitwiseCopyable>(_ value: Value) {
        UnsafeMutableRawPointer(bytes + byteCount).storeBytes(of: value, as: Value.self)
        byteCount &+= MemoryLayout<Value>.size
    }

    /// Zig-zag, in base 128.
    @inline(__always) mutating func write(_ value: Int64) {
        var rest = UInt64(bitPattern: (value &<< 1) ^ (value &>> 63))
        var target = bytes + byteCount
        while rest >= 0x80 {
            target.pointee = UInt8(truncatingIfNeeded: rest) | 0x80
            target += 1
            rest &>>= 7
        }
        target.pointee = UInt8(truncatingIfNeeded: rest)
        byteCount = target + 1 - bytes
    }

    /// - Parameter readable: bytes that may be read from `source` on.
    @inline(__always) mutating func write(_ source: UnsafeRawPointer?, _ count: Int, readable: Int) {
        guard let source else { return }
        _ = Self.copy(source, count, readable: readable, to: UnsafeMutableRawPointer(bytes + byteCount))
        byteCount &+= count
    }
}
