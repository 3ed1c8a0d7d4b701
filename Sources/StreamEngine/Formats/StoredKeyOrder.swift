import Columns
import SQLFormats
import SQLPlan
import SQLTypes

/// Who comes first among results of the same time: the key whose bytes are less in the store of the original, where keys
/// have the format of the query's own topics.
struct StoredKeyOrder {
    private enum Bytes {
        /// As `KeyCodec` writes them.
        case own
        case encoded(any RecordEncoder)
        case avro
    }

    private let codec: KeyCodec
    private let bytes: Bytes

    /// - Throws: `.invalidPlan`.
    init(_ keys: [RowSchema.Column], _ format: SerdeFormat, _ context: TaskContext) throws(EngineError) {
        codec = KeyCodec(keys.map(\.type))
        var plain = format
        switch format.info.format {
        case .none, .kafka:
            bytes = .own
            return
        case .avro:
            bytes = keys.allSatisfy { Self.isSimple($0.type) } ? .avro : .own
            return
        // What stands before the bytes is the same for all keys, and is the registry's.
        case .jsonSR:
            plain = SerdeFormat(FormatInfo(.json, properties: format.info.properties), features: format.features)
        case .protobuf:
            plain = SerdeFormat(
                FormatInfo(.protobufNoSR, properties: format.info.properties), features: format.features)
        case .json, .delimited, .protobufNoSR: break
        }
        bytes = .encoded(try context.formats.encoder(plain, topic: "", isKey: true, columns: keys))
    }

    /// Puts what has keys in their order; of the same key in the order in which it comes.
    ///
    /// - Parameters:
    ///   - isOfBytes: they are in the order of `KeyCodec`'s bytes.
    ///   - key: bytes of `KeyCodec`; what is in front or behind that is `before` and `after`.
    func sorted<Element>(
        _ elements: [Element], isOfBytes: Bool = false,
        key: (Element) -> (before: ArraySlice<UInt8>, key: ArraySlice<UInt8>, after: ArraySlice<UInt8>)
    ) -> [Element] {
        if elements.count < 2 { return elements }
        if case .own = bytes, isOfBytes { return elements }
        let parts = elements.map(key)
        let encoded = encoded(parts.map(\.key))
        return elements.indices.sorted { a, b in
            for (x, y) in [
                (parts[a].before, parts[b].before), (encoded[a], encoded[b]), (parts[a].after, parts[b].after),
            ] where !x.elementsEqual(y) { return x.lexicographicallyPrecedes(y) }
            return a < b
        }.map { elements[$0] }
    }

    /// Of keys that cannot be written the own bytes.
    private func encoded(_ keys: [ArraySlice<UInt8>]) -> [ArraySlice<UInt8>] {
        if case .own = bytes { return keys }
        let builders = codec.types.map { VectorBuilder($0) }
        for key in keys { key.withUnsafeBytes { codec.read($0, into: builders[...]) } }
        let columns = builders.map { $0.finish() }
        switch bytes {
        case .own: return keys
        case .encoded(let encoder):
            // The sink tells why not.
            guard let all = try? encoder.encode(columns, count: keys.count, present: .all) else { return keys }
            return keys.indices.map { all.array($0)?[...] ?? keys[$0] }
        case .avro:
            return keys.indices.map { row in
                var output: [UInt8] = []
                for (column, type) in zip(columns, codec.types) {
                    Self.appendAvro(column.value(row, type), to: &output)
                }
                return output[...]
            }
        }
    }

    private static func isSimple(_ type: SQLType) -> Bool {
        switch type {
        case .boolean, .int, .bigint, .double, .string, .bytes, .date, .time, .timestamp: true
        default: false
        }
    }

    /// A value of a union of null and its type, as Avro writes it: numbers in groups of seven bits from the lowest on, texts
    /// with their length in front.
    private static func appendAvro(_ value: SQLValue, to output: inout [UInt8]) {
        func append(_ number: Int64) {
            var rest = UInt64(bitPattern: number << 1 ^ number >> 63)
            while rest > 0x7F {
                output.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            output.append(UInt8(truncatingIfNeeded: rest))
        }
        append(value.isNull ? 0 : 1)
        switch value {
        case .boolean(let value): output.append(value ? 1 : 0)
        case .int(let value), .date(let value), .time(let value): append(Int64(value))
        case .bigint(let value), .timestamp(let value): append(value)
        case .double(let value): withUnsafeBytes(of: value.bitPattern.littleEndian) { output += $0 }
        case .string(let value):
            append(Int64(value.utf8.count))
            output += value.utf8
        case .bytes(let value):
            append(Int64(value.count))
            output += value
        default: break
        }
    }
}
