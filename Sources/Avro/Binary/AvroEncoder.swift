/// Writes values of one schema in Avro's binary encoding. Whole columns are written by `AvroColumnEncoder`.
///
/// Arrays and maps become one block without its byte count, as Java writes them.
package struct AvroEncoder: Sendable {
    package let schema: AvroSchema
    /// What writing needs of each type, and nothing that would have to be copied on the way.
    private let nodes: [Node]

    private enum Node: Sendable {
        case null, boolean, int, long, float, double, bytes, string
        case fixed(size: Int)
        /// Symbols and their numbers.
        case enumeration([String: Int])
        case array(AvroSchema.ID)
        case map(AvroSchema.ID)
        case union([AvroSchema.ID])
        case record([AvroSchema.ID])
    }

    package init(schema: AvroSchema) {
        self.schema = schema
        nodes = schema.types.map { type in
            switch type.kind {
            case .primitive(.null): return .null
            case .primitive(.boolean): return .boolean
            case .primitive(.int): return .int
            case .primitive(.long): return .long
            case .primitive(.float): return .float
            case .primitive(.double): return .double
            case .primitive(.bytes): return .bytes
            case .primitive(.string): return .string
            case .fixed(let fixed): return .fixed(size: fixed.size)
            case .enumeration(let enumeration):
                let pairs = enumeration.symbols.enumerated().map { ($1, $0) }
                return .enumeration(Dictionary(pairs, uniquingKeysWith: { first, _ in first }))
            case .array(let items): return .array(items)
            case .map(let values): return .map(values)
            case .union(let branches): return .union(branches)
            case .record(let record): return .record(record.fields.map(\.type))
            }
        }
    }

    /// - Throws: `.unfit` for a value that is not one of the schema.
    package func encode(_ value: AvroValue) throws(AvroError) -> [UInt8] {
        var output: [UInt8] = []
        try encode(value, to: &output)
        return output
    }

    /// Appends the encoding of `value`; when it throws, `output` is as before.
    package func encode(_ value: AvroValue, to output: inout [UInt8]) throws(AvroError) {
        let start = output.count
        do throws(AvroError) {
            try write(value, schema.root, to: &output, 0)
        } catch {
            output.removeSubrange(start...)
            throw error
        }
    }

    private func write(
        _ value: AvroValue, _ id: AvroSchema.ID, to output: inout [UInt8], _ depth: Int
    ) throws(AvroError) {
        switch (nodes[id], value) {
        case (.null, .null): break
        case (.boolean, .boolean(let value)): output.append(value ? 1 : 0)
        case (.int, .int(let value)): Self.write(Int64(value), to: &output)
        case (.long, .long(let value)): Self.write(value, to: &output)
        case (.float, .float(let value)):
            withUnsafeBytes(of: value.bitPattern.littleEndian) { output.append(contentsOf: $0) }
        case (.double, .double(let value)):
            withUnsafeBytes(of: value.bitPattern.littleEndian) { output.append(contentsOf: $0) }
        case (.string, .string(let text)): Self.write(text, to: &output)
        case (.bytes, .bytes(let bytes)):
            Self.write(Int64(bytes.count), to: &output)
            output.append(contentsOf: bytes)
        case (.fixed(let size), .fixed(let bytes)) where bytes.count == size: output.append(contentsOf: bytes)
        case (.enumeration(let numbers), .enumeration(let symbol)):
            guard let number = numbers[symbol] else {
                throw AvroError(.unfit, "enum \(schema.types[id].branchName) has no symbol \"\(symbol)\"")
            }
            Self.write(Int64(number), to: &output)
        case (.array(let items), .array(let elements)):
            try Self.checkDepth(depth)
            if !elements.isEmpty {
                Self.write(Int64(elements.count), to: &output)
                for element in elements { try write(element, items, to: &output, depth + 1) }
            }
            output.append(0)
        case (.map(let type), .map(let entries)):
            try Self.checkDepth(depth)
            if !entries.isEmpty {
                Self.write(Int64(entries.count), to: &output)
                for entry in entries {
                    Self.write(entry.key, to: &output)
                    try write(entry.value, type, to: &output, depth + 1)
                }
            }
            output.append(0)
        case (.record(let fields), .record(let values)) where values.count == fields.count:
            try Self.checkDepth(depth)
            for index in fields.indices {
                do throws(AvroError) {
                    try write(values[index], fields[index], to: &output, depth + 1)
                } catch {
                    guard error.code == .unfit, case .record(let record) = schema.types[id].kind else { throw error }
                    throw AvroError(.unfit, "\(record.name.name).\(record.fields[index].name): \(error.message)")
                }
            }
        case (.union(let branches), .union(let branch, let value)) where branches.indices.contains(branch):
            try Self.checkDepth(depth)
            Self.write(Int64(branch), to: &output)
            try write(value, branches[branch], to: &output, depth + 1)
        default:
            throw AvroError(
                .unfit, "a value of type \(value.word) does not fit the schema's \(schema.types[id].branchName)")
        }
    }

    @inline(__always) private static func write(_ value: Int64, to output: inout [UInt8]) {
        var rest = UInt64(bitPattern: (value &<< 1) ^ (value &>> 63))
        if rest < 0x80 { return output.append(UInt8(truncatingIfNeeded: rest)) }
        output.append(addingCapacity: 10) { span in
            while rest >= 0x80 {
                span.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest &>>= 7
            }
            span.append(UInt8(truncatingIfNeeded: rest))
        }
    }

    private static func write(_ text: String, to output: inout [UInt8]) {
        var text = text
        text.withUTF8 {
            write(Int64($0.count), to: &output)
            output.append(contentsOf: $0)
        }
    }

    private static func checkDepth(_ depth: Int) throws(AvroError) {
        guard depth < AvroError.depthMax else { throw .tooDeep("the value") }
    }
}
