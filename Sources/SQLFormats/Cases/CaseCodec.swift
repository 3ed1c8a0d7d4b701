package import JSONFormat
package import SQLTypes

/// Turns the JSON of test cases into the bytes of keys or values and judges bytes by it; sections 1.3 and 1.5 of the
/// cases' rules.
package struct CaseCodec {
    let format: SerdeFormat
    let columns: [SQLField]
    let topic: String
    let isKey: Bool
    let schemas: any SchemaStore

    /// - Parameters:
    ///   - format: of the source of the topic.
    ///   - columns: of the source, those of the key or those of the value.
    package init(
        _ format: SerdeFormat, columns: [SQLField], topic: String, isKey: Bool, schemas: any SchemaStore
    ) {
        self.format = format
        self.columns = columns
        self.topic = topic
        self.isKey = isKey
        self.schemas = schemas
    }

    /// The bytes of what a case has for a key or value.
    ///
    /// - Returns: nil for null.
    /// - Throws: when the format cannot have such a value.
    package func bytes(_ json: JSONValue) throws(FormatError) -> [UInt8]? {
        if case .null = json { return nil }
        switch format.info.format {
        case .none: return nil
        case .json: return json.bytes
        case .delimited: return Array(Self.plainText(json).utf8)
        case .kafka: return try kafkaBytes(json)
        case .jsonSR, .avro, .protobuf, .protobufNoSR:
            throw FormatError(.registry, "no such format")
        }
    }

    /// What the bytes are to a case.
    ///
    /// - Throws: when they are not of the format.
    package func value(_ bytes: [UInt8]?) throws(FormatError) -> CaseValue {
        guard let bytes else { return .null }
        switch format.info.format {
        case .none: return .null
        case .json:
            do throws(JSONError) { return CaseValue(try JSONValue.read(bytes.span.bytes, duplicates: .last)) } catch {
                throw FormatError(.deserialization, "no JSON: \(error)")
            }
        case .delimited: return .text(String(decoding: bytes, as: UTF8.self))
        case .kafka:
            guard let column = columns.first else { return .text(String(decoding: bytes, as: UTF8.self)) }
            let row = try KafkaCodec(columns: columns, topic: topic).row(bytes)
            return CaseValue(row?.first ?? .null, column.type, bytesAsText: true)
        case .jsonSR, .avro, .protobuf, .protobufNoSR:
            throw FormatError(.registry, "no such format")
        }
    }

    /// Compares bytes with what a case expects.
    ///
    /// - Returns: what differs; nil when nothing does.
    package func mismatch(_ expected: JSONValue, _ actual: [UInt8]?, isExact: Bool = true) -> String? {
        let actualValue: CaseValue
        do throws(FormatError) { actualValue = try value(actual) } catch {
            return ([error.message] + error.causes).joined(separator: ": ")
        }
        var expected = expected
        // Texts of formats without types: a number is expected as it is spelled.
        if case .text = actualValue, format.info.format == .delimited || format.info.format == .kafka {
            switch expected {
            case .null, .string: break
            default: expected = .string(Self.plainText(expected))
            }
        }
        return actualValue.mismatch(expected, isExact: isExact)
    }

    // MARK: KAFKA

    private func kafkaBytes(_ json: JSONValue) throws(FormatError) -> [UInt8]? {
        let codec = try KafkaCodec(columns: columns, topic: topic)
        guard let type = columns.first?.type else { return Array(Self.plainText(json).utf8) }
        return try codec.bytes([try Self.kafkaValue(json, type)])
    }

    private static func kafkaValue(_ json: JSONValue, _ type: SQLType) throws(FormatError) -> SQLValue {
        let text = plainText(json)
        switch type {
        case .string: return .string(text)
        case .bytes: return .bytes(Array(text.utf8))
        default: break
        }
        guard let number = SQLDecimal(utf8: Array(text.utf8)) else {
            throw FormatError(.serialization, "\(text) is no \(type)")
        }
        switch type {
        case .int: return .int(Int32(truncatingIfNeeded: number.int64Truncating))
        case .bigint: return .bigint(number.int64Truncating)
        case .double: return .double(number.doubleValue)
        default: throw FormatError(.schema, "The 'KAFKA' format does not support type '\(type.base.rawValue)'")
        }
    }

    /// A text as it is, anything else as JSON.
    static func plainText(_ json: JSONValue) -> String {
        if case .string(let text) = json { text } else { String(decoding: json.bytes, as: UTF8.self) }
    }
}

/// A windowed key in a test case.
package struct CaseWindow: Hashable, Sendable {
    package var start: Int64
    package var end: Int64
    package var isSession: Bool

    package init(start: Int64, end: Int64, isSession: Bool) {
        self.start = start
        self.end = end
        self.isSession = isSession
    }

    /// `{"start": 0, "end": 30000, "type": "TIME"}`; nil for anything else.
    package init?(_ json: JSONValue) {
        guard let start = json["start"]?.integer, let end = json["end"]?.integer, let type = json["type"]?.text else {
            return nil
        }
        self.init(start: start, end: end, isSession: type.uppercased() == "SESSION")
    }

    /// The bytes of a windowed key.
    package func bytes(of key: [UInt8]) -> [UInt8] {
        WindowedKey.join(key, start: start, end: end, isSession: isSession)
    }

    /// The key without its window, and how the window differs from this one.
    ///
    /// - Parameter size: of time windows, whose end is not in the bytes; nil: any.
    package func split(_ bytes: [UInt8], size: Int64?) -> (key: [UInt8], mismatch: String?)? {
        guard let parts = WindowedKey.split(bytes, isSession: isSession) else { return nil }
        let actualEnd = parts.end ?? size.map { parts.start.addingReportingOverflow($0).partialValue } ?? end
        let isSame = parts.start == start && actualEnd == end
        return (parts.key, isSame ? nil : "expected the window \(start)...\(end), got \(parts.start)...\(actualEnd)")
    }
}
