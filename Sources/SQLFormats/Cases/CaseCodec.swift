import Bytes
package import JSONFormat
import ProtobufFormat
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
        case .jsonSR, .avro, .protobuf: return try registryBytes(json)
        case .protobufNoSR:
            let (schema, message) = try derivedMessage()
            return try CaseProtobuf(schema: schema).bytes(json, message: message)
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
        case .jsonSR, .avro, .protobuf: return try registryValue(bytes)
        case .protobufNoSR:
            let (schema, message) = try derivedMessage()
            return try CaseProtobuf(schema: schema).value(bytes, message: message)
        }
    }

    // MARK: Registry formats

    private func derivedMessage() throws(FormatError) -> (ProtobufSchema, Int) {
        let derived = try RegistrySchemas.schema(of: columns, format: format)
        let schema = try LoadedSchema.protobuf(derived, LoadedSchema.references(of: schemas))
        guard let message = schema.mainMessageIndex else { throw FormatError(.schema, "the schema has no messages") }
        return (schema, message)
    }

    /// By the latest schema of the topic's subject.
    private func registryBytes(_ json: JSONValue) throws(FormatError) -> [UInt8] {
        let subject = RecordFormats.subject(topic: topic, isKey: isKey)
        guard let (id, schema) = try schemas.latest(of: subject) else {
            throw FormatError(.registry, "there is no schema under subject \(subject)")
        }
        var bytes = RegistryWriting.frame(id)
        let look = LoadedSchema.references(of: schemas)
        switch schema.type {
        case "AVRO": bytes += try CaseAvro(schema: try LoadedSchema.avro(schema, look)).bytes(json)
        case "PROTOBUF":
            let loaded = try LoadedSchema.protobuf(schema, look)
            let name = format.info.properties[FormatInfo.fullSchemaNameProperty]
            guard let message = name.flatMap({ loaded.messageIndex(named: $0) }) ?? loaded.mainMessageIndex else {
                throw FormatError(.schema, "the schema has no messages")
            }
            MessageIndexes.append(loaded.messages[message].path ?? [0], to: &bytes)
            bytes += try CaseProtobuf(schema: loaded).bytes(json, message: message)
        default:
            bytes += Self.named(json, try LoadedSchema.json(schema, look), depth: 0).bytes
        }
        return bytes
    }

    private func registryValue(_ bytes: [UInt8]) throws(FormatError) -> CaseValue {
        guard bytes.count >= 5, bytes[0] == 0 else { throw FormatError(.deserialization, "Unknown magic byte!") }
        let id = Int32(bitPattern: bytes[1..<5].reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
        guard let schema = try schemas.schema(id: id) else {
            throw FormatError(.registry, "Schema \(id) not found in the Schema Registry")
        }
        let look = LoadedSchema.references(of: schemas)
        switch schema.type {
        case "AVRO": return try CaseAvro(schema: try LoadedSchema.avro(schema, look)).value(Array(bytes[5...]))
        case "PROTOBUF":
            var at = 5
            let path: [Int32]
            do throws(WireError) { path = try MessageIndexes.decode(bytes.span.bytes, at: &at) } catch {
                throw FormatError(.deserialization, error.description)
            }
            let loaded = try LoadedSchema.protobuf(schema, look)
            guard let message = loaded.messageIndex(at: path) else {
                throw FormatError(.deserialization, "schema \(id) has no message \(path)")
            }
            return try CaseProtobuf(schema: loaded).value(Array(bytes[at...]), message: message)
        default:
            let root = try LoadedSchema.json(schema, look)
            do throws(JSONError) {
                let json = try JSONValue.read(Array(bytes[5...]).span.bytes, duplicates: .last)
                return Self.typed(CaseValue(json), root, depth: 0)
            } catch {
                throw FormatError(.deserialization, "no JSON: \(error)")
            }
        }
    }

    /// JSON with the names of a schema's properties; what the schema does not have is left out.
    private static func named(
        _ json: JSONValue, _ node: JSONSchemaNode, depth: Int
    ) -> JSONValue {
        let node = node.resolved()
        guard depth < 64 else { return json }
        switch (node.kind, json) {
        case (.object, .object(let members)):
            return .object(
                node.properties.map { name, property in
                    (name, named(CaseAvro.member(name, of: members) ?? .null, property, depth: depth + 1))
                })
        case (.map, .object(let members)):
            guard let values = node.additionalProperties else { return json }
            return .object(members.map { ($0.0, named($0.1, values, depth: depth + 1)) })
        case (.array, .array(let elements)):
            guard let items = node.items else { return json }
            return .array(elements.map { named($0, items, depth: depth + 1) })
        default: return json
        }
    }

    /// Numbers that the schema knows as doubles are doubles.
    private static func typed(
        _ value: CaseValue, _ node: JSONSchemaNode, depth: Int
    ) -> CaseValue {
        let node = node.resolved()
        guard depth < 64 else { return value }
        switch (node.kind, value) {
        case (.number, .integer(let number)) where node.title == nil: return .double(Double(number))
        case (.number, .decimal(let number)) where node.title == nil: return .double(number.doubleValue)
        case (.object, .object(let fields)):
            let properties = node.properties
            let missing = properties.filter { property in !fields.contains { $0.name.isSame(as: property.name) } }
            return .object(
                fields.map { name, value in
                    let property = properties.first { $0.name.isSame(as: name) }
                    return (name, property.map { typed(value, $0.node, depth: depth + 1) } ?? value)
                } + missing.map { ($0.name, .null) })
        case (.map, .object(let fields)):
            guard let values = node.additionalProperties else { return value }
            return .object(fields.map { ($0.name, typed($0.value, values, depth: depth + 1)) })
        case (.array, .array(let elements)):
            guard let items = node.items else { return value }
            return .array(elements.map { typed($0, items, depth: depth + 1) })
        default: return value
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
