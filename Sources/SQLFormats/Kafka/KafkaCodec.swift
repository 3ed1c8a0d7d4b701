import SQLTypes

/// KAFKA: one column in the bytes of Kafka's own serializers.
///
/// | type   | bytes                    |
/// |--------|--------------------------|
/// | INT    | 4, big-endian            |
/// | BIGINT | 8, big-endian            |
/// | DOUBLE | 8, IEEE 754, big-endian  |
/// | STRING | UTF-8                    |
/// | BYTES  | as they are              |
final class KafkaCodec: RowDecoder, RowEncoder {
    private let type: SQLType?
    private let topic: String

    /// - Throws: `.schema`.
    init(columns: [SQLField], topic: String) throws(FormatError) {
        guard columns.count <= 1 else {
            let list = columns.map { "\(SQLIdentifier.quoted($0.name)) \($0.type)" }.joined(separator: ", ")
            throw FormatError(.schema, "The 'KAFKA' format only supports a single field. Got: [\(list)]")
        }
        type = columns.first?.type
        self.topic = topic
        switch type {
        case nil, .int, .bigint, .double, .string, .bytes: break
        case let type?:
            throw FormatError(.schema, "The 'KAFKA' format does not support type '\(type.base.rawValue)'")
        }
    }

    func row(_ bytes: UnsafeRawBufferPointer) throws(FormatError) -> [SQLValue]? {
        switch type {
        case .int:
            try check(bytes, 4, "IntegerDeserializer")
            return [.int(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))]
        case .bigint:
            try check(bytes, 8, "LongDeserializer")
            return [.bigint(Int64(bigEndian: bytes.loadUnaligned(as: Int64.self)))]
        case .double:
            try check(bytes, 8, "Deserializer")
            return [.double(Double(bitPattern: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))))]
        case .string: return [.string(String(decoding: bytes, as: UTF8.self))]
        case .bytes: return [.bytes(Array(bytes))]
        default: return []
        }
    }

    private func check(_ bytes: UnsafeRawBufferPointer, _ count: Int, _ name: String) throws(FormatError) {
        guard bytes.count == count else {
            throw FormatError(
                .deserialization, "Error deserializing KAFKA message from topic: \(topic)",
                causes: ["Size of data received by \(name) is not \(count)"])
        }
    }

    func append(_ row: [SQLValue], to output: inout [UInt8]) throws(FormatError) -> Bool {
        switch row.first {
        case .int(let value): withUnsafeBytes(of: value.bigEndian) { output.append(contentsOf: $0) }
        case .bigint(let value): withUnsafeBytes(of: value.bigEndian) { output.append(contentsOf: $0) }
        case .double(let value):
            withUnsafeBytes(of: value.bitPattern.bigEndian) { output.append(contentsOf: $0) }
        case .string(let value): output.append(contentsOf: value.utf8)
        case .bytes(let value): output.append(contentsOf: value)
        default: return false
        }
        return true
    }
}

/// NONE: there are no columns; bytes are ignored and never written.
final class NoneCodec: RowDecoder, RowEncoder {
    /// - Throws: `.schema`.
    init(columns: [SQLField]) throws(FormatError) {
        guard columns.isEmpty else {
            let list = columns.map { "\(SQLIdentifier.quoted($0.name)) \($0.type)" }.joined(separator: ", ")
            throw FormatError(
                .schema, "The 'NONE' format can only be used when no columns are defined. Got: [\(list)]")
        }
    }

    func row(_ bytes: UnsafeRawBufferPointer) throws(FormatError) -> [SQLValue]? { [] }
    func append(_ row: [SQLValue], to output: inout [UInt8]) throws(FormatError) -> Bool { false }
}
