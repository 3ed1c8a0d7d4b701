/// Reads values of one schema as values of another one, from Avro's binary encoding, into trees.
///
/// For a few values or code that looks at one value at a time. Whole columns are read by `AvroColumnProgram`.
package struct AvroDecoder: Sendable {
    let plan: AvroPlan

    /// - Parameter reader: the schema that the values are wanted in; the writer's when it is nil.
    /// - Throws: `.unresolvable` when the reader's schema can never read what the writer's wrote.
    package init(writer: AvroSchema, reader: AvroSchema? = nil) throws(AvroError) {
        plan = try AvroPlan(writer: writer, reader: reader ?? writer)
    }

    /// Reads the one value that `bytes` hold.
    ///
    /// - Throws: `.malformed` for bytes that are not the writer's, more than one value among them; `.unresolvable` for
    ///   branches and symbols that the reader does not have; `.tooLarge`.
    package func decode(_ bytes: borrowing RawSpan) throws(AvroError) -> AvroValue {
        var at = 0
        let value = try decode(bytes, at: &at)
        guard at == bytes.byteCount else {
            throw AvroError(.malformed, "\(bytes.byteCount - at) bytes behind the value's end at byte \(at)")
        }
        return value
    }

    /// Reads the one value that `bytes` hold.
    package func decode(_ bytes: [UInt8]) throws(AvroError) -> AvroValue { try decode(bytes.span.bytes) }

    /// Reads the value at byte `at` and moves `at` behind it.
    package func decode(_ bytes: borrowing RawSpan, at: inout Int) throws(AvroError) -> AvroValue {
        guard 0...bytes.byteCount ~= at else { throw AvroFault.truncated.error(at: at) }
        let start = at
        let (value, count) = try bytes.withUnsafeBytes { (all) throws(AvroError) -> (AvroValue, Int) in
            var reader = ByteReader(UnsafeRawBufferPointer(rebasing: all[start...]))
            do throws(AvroFault) {
                return (try read(plan.root, &reader, 0), reader.offset)
            } catch {
                throw error.error(at: start + reader.offset)
            }
        }
        at += count
        return value
    }

    private func read(_ id: AvroPlan.StepID, _ reader: inout ByteReader, _ depth: Int) throws(AvroFault) -> AvroValue {
        switch plan.steps[id] {
        case .null: return .null
        case .boolean: return .boolean(try reader.boolean())
        case .int: return .int(try reader.int())
        case .long: return .long(try reader.long())
        case .float: return .float(try reader.float())
        case .double: return .double(try reader.double())
        case .intToLong: return .long(Int64(try reader.int()))
        case .intToFloat: return .float(Float(try reader.int()))
        case .intToDouble: return .double(Double(try reader.int()))
        case .longToFloat: return .float(Float(try reader.long()))
        case .longToDouble: return .double(Double(try reader.long()))
        case .floatToDouble: return .double(Double(try reader.float()))
        case .string, .bytesToString: return .string(String(decoding: try run(&reader), as: UTF8.self))
        case .bytes, .stringToBytes: return .bytes([UInt8](try run(&reader)))
        case .fixed(let size):
            return .fixed([UInt8](UnsafeRawBufferPointer(start: try reader.bytes(size), count: size)))
        case .enumeration(let symbols, let name):
            let index = try reader.symbol(of: symbols.count)
            guard let symbol = symbols[index] else { throw .unknownSymbol(Int64(index), name) }
            return .enumeration(symbol)
        case .writerUnion(let branches):
            return try below(branches[try reader.branch(of: branches.count)], &reader, depth)
        case .readerUnion(let branch, let id): return .union(branch: branch, try below(id, &reader, depth))
        case .record(let record): return try read(record, &reader, depth)
        case .array(let items):
            var values: [AvroValue] = []
            while true {
                let count = try reader.blockCount(elementByteCountMin: plan.byteCountsMin[items])
                if count == 0 { return .array(values) }
                for _ in 0..<count { values.append(try below(items, &reader, depth)) }
            }
        case .map(let type):
            var entries: [AvroValue.Entry] = []
            while true {
                let count = try reader.blockCount(elementByteCountMin: 1 + plan.byteCountsMin[type])
                if count == 0 { return .map(entries) }
                for _ in 0..<count {
                    let key = String(decoding: try run(&reader), as: UTF8.self)
                    entries.append(.init(key, try below(type, &reader, depth)))
                }
            }
        case .impossible(let reason): throw .impossible(reason)
        case .pending: throw .impossible("a type that contains nothing but itself")
        }
    }

    private func below(_ id: AvroPlan.StepID, _ reader: inout ByteReader, _ depth: Int) throws(AvroFault) -> AvroValue {
        guard depth < AvroError.depthMax else { throw .tooDeep }
        return try read(id, &reader, depth + 1)
    }

    private func read(
        _ record: AvroPlan.Record, _ reader: inout ByteReader, _ depth: Int
    ) throws(AvroFault) -> AvroValue {
        if record.emptyCount > 0 { try reader.takeEmpty(record.emptyCount) }
        var values = [AvroValue](repeating: .null, count: record.targetCount)
        for field in record.fields {
            if let target = field.target {
                values[target] = try below(field.step, &reader, depth)
            } else {
                try plan.skip(field.step, &reader, depth + 1)
            }
        }
        for (target, value) in record.defaults { values[target] = value }
        return .record(values)
    }

    private func run(_ reader: inout ByteReader) throws(AvroFault) -> UnsafeRawBufferPointer {
        let length = try reader.length()
        return UnsafeRawBufferPointer(start: try reader.bytes(length), count: length)
    }
}

extension AvroPlan {
    /// Passes over a value.
    func skip(_ id: StepID, _ reader: inout ByteReader, _ depth: Int) throws(AvroFault) {
        guard depth < AvroError.depthMax else { throw .tooDeep }
        switch steps[id] {
        case .null: break
        case .boolean: _ = try reader.bytes(1)
        case .int, .long, .intToLong, .intToFloat, .intToDouble, .longToFloat, .longToDouble: _ = try reader.long()
        case .enumeration: _ = try reader.long()
        case .float, .floatToDouble: _ = try reader.bytes(4)
        case .double: _ = try reader.bytes(8)
        case .bytes, .string, .bytesToString, .stringToBytes: _ = try reader.bytes(try reader.length())
        case .fixed(let size): _ = try reader.bytes(size)
        case .writerUnion(let branches):
            try skip(branches[try reader.branch(of: branches.count)], &reader, depth + 1)
        case .readerUnion(_, let id): try skip(id, &reader, depth + 1)
        case .record(let record):
            if record.emptyCount > 0 { try reader.takeEmpty(record.emptyCount) }
            for field in record.fields { try skip(field.step, &reader, depth + 1) }
        case .array(let items): try skipBlocks(items, hasKeys: false, &reader, depth)
        case .map(let values): try skipBlocks(values, hasKeys: true, &reader, depth)
        case .impossible(let reason): throw .impossible(reason)
        case .pending: throw .impossible("a type that contains nothing but itself")
        }
    }

    private func skipBlocks(
        _ id: StepID, hasKeys: Bool, _ reader: inout ByteReader, _ depth: Int
    ) throws(AvroFault) {
        while true {
            let count = try reader.long()
            if count == 0 { return }
            if count < 0 {
                _ = try reader.bytes(try reader.length())
                continue
            }
            let minimum = byteCountsMin[id] + (hasKeys ? 1 : 0)
            guard minimum == 0 || count <= reader.left / minimum else { throw .blockCount(count) }
            if minimum == 0 { try reader.takeEmpty(count) }
            for _ in 0..<count {
                if hasKeys { _ = try reader.bytes(try reader.length()) }
                try skip(id, &reader, depth + 1)
            }
        }
    }
}
