import Bytes

/// Writes values of one schema in Avro's binary encoding. Whole columns are written by `AvroColumnEncoder`.
///
/// Arrays and maps become one block without its byte count, as Java writes them.
package struct AvroEncoder: Sendable {
    package let schema: AvroSchema
    /// Of enums, the numbers of their symbols.
    private let symbols: [AvroSchema.ID: [String: Int]]

    package init(schema: AvroSchema) {
        self.schema = schema
        var symbols: [AvroSchema.ID: [String: Int]] = [:]
        for (id, type) in schema.types.enumerated() {
            guard case .enumeration(let enumeration) = type.kind else { continue }
            let pairs = enumeration.symbols.enumerated().map { ($1, $0) }
            symbols[id] = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
        }
        self.symbols = symbols
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
        switch (value, schema.types[id].kind) {
        case (.null, .primitive(.null)): break
        case (.boolean(let value), .primitive(.boolean)): output.append(value ? 1 : 0)
        case (.int(let value), .primitive(.int)): Varint.append(Int64(value), to: &output)
        case (.long(let value), .primitive(.long)): Varint.append(value, to: &output)
        case (.float(let value), .primitive(.float)):
            withUnsafeBytes(of: value.bitPattern.littleEndian) { output.append(contentsOf: $0) }
        case (.double(let value), .primitive(.double)):
            withUnsafeBytes(of: value.bitPattern.littleEndian) { output.append(contentsOf: $0) }
        case (.string(let text), .primitive(.string)): Self.write(text, to: &output)
        case (.bytes(let bytes), .primitive(.bytes)):
            Varint.append(Int64(bytes.count), to: &output)
            output.append(contentsOf: bytes)
        case (.fixed(let bytes), .fixed(let fixed)) where bytes.count == fixed.size: output.append(contentsOf: bytes)
        case (.enumeration(let symbol), .enumeration(let enumeration)):
            guard let number = symbols[id]?[symbol] else {
                throw AvroError(.unfit, "enum \(enumeration.name.full) has no symbol \"\(symbol)\"")
            }
            Varint.append(Int64(number), to: &output)
        case (.array(let elements), .array(let items)):
            try Self.checkDepth(depth)
            if !elements.isEmpty {
                Varint.append(Int64(elements.count), to: &output)
                for element in elements { try write(element, items, to: &output, depth + 1) }
            }
            output.append(0)
        case (.map(let entries), .map(let values)):
            try Self.checkDepth(depth)
            if !entries.isEmpty {
                Varint.append(Int64(entries.count), to: &output)
                for entry in entries {
                    Self.write(entry.key, to: &output)
                    try write(entry.value, values, to: &output, depth + 1)
                }
            }
            output.append(0)
        case (.record(let values), .record(let record)) where values.count == record.fields.count:
            try Self.checkDepth(depth)
            for (value, field) in zip(values, record.fields) {
                do throws(AvroError) {
                    try write(value, field.type, to: &output, depth + 1)
                } catch {
                    guard error.code == .unfit else { throw error }
                    throw AvroError(.unfit, "\(record.name.name).\(field.name): \(error.message)")
                }
            }
        case (.union(let branch, let value), .union(let branches)) where branches.indices.contains(branch):
            try Self.checkDepth(depth)
            Varint.append(Int64(branch), to: &output)
            try write(value, branches[branch], to: &output, depth + 1)
        default:
            throw AvroError(
                .unfit, "a value of type \(value.word) does not fit the schema's \(schema.types[id].branchName)")
        }
    }

    private static func write(_ text: String, to output: inout [UInt8]) {
        var text = text
        text.withUTF8 {
            Varint.append(Int64($0.count), to: &output)
            output.append(contentsOf: $0)
        }
    }

    private static func checkDepth(_ depth: Int) throws(AvroError) {
        guard depth < AvroError.depthMax else { throw .tooDeep("the value") }
    }
}
