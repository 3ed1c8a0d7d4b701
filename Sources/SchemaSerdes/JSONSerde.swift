import Avro
import Bytes
import JSONFormat
import JSONSchema
import ProtobufFormat
package import SchemaRules

/// Payloads of one schema as JSON text and back, for people and for programs that know nothing of the formats.
///
/// Avro has its JSON encoding, where a value of a union is an object of one member named after its branch; Protobuf has its
/// JSON mapping; JSON Schema is JSON.
package struct JSONSerde: Sendable {
    private enum Format: Sendable {
        /// `isBytes`: a schema that is only "bytes" has the bytes as they are, as Java's serializer writes them.
        case avro(AvroSchema, AvroDecoder, AvroEncoder, isBytes: Bool)
        /// The message to encode, by its place in the file.
        case protobuf(ProtobufSchema, path: [Int32])
        case json(JSONSchema)
    }

    private let format: Format

    /// - Parameter message: the full name of the message to encode; nil: the first one. Only for Protobuf.
    /// - Throws: `SchemaFailure` when the schema cannot be worked with, or has no such message.
    package init(_ document: any SchemaDocument, message: String? = nil) throws(SchemaFailure) {
        switch document {
        case let document as AvroDocument:
            do throws(AvroError) {
                let schema = document.schema
                format = .avro(
                    schema, try AvroDecoder(writer: schema), AvroEncoder(schema: schema),
                    isBytes: schema.type.word == "bytes")
            } catch { throw SchemaFailure(error.message) }
        case let document as ProtobufDocument:
            let schema = try document.schema()
            format = .protobuf(schema, path: try Self.path(message, in: schema))
        case let document as JSONDocument: format = .json(document.schema)
        default: throw SchemaFailure("values of \(document.type.rawValue) schemas cannot be shown")
        }
    }

    /// The JSON text of a payload, on one line.
    ///
    /// - Parameter payload: what stands behind the frame.
    /// - Throws: `SchemaFailure` when the payload is none of this schema.
    package func json(_ payload: ArraySlice<UInt8>) throws(SchemaFailure) -> [UInt8] {
        switch format {
        case .avro(let schema, let decoder, _, let isBytes):
            do throws(AvroError) {
                return try schema.json(isBytes ? .bytes(Array(payload)) : decoder.decode(Array(payload)))
            } catch { throw SchemaFailure(error.message) }
        case .protobuf(let schema, _):
            let bytes = Array(payload)
            var at = 0
            do {
                let path = try MessageIndexes.decode(bytes.span.bytes, at: &at)
                guard let index = schema.messageIndex(at: path) else {
                    throw SchemaFailure("the schema has no message at \(path)")
                }
                return try schema.json(schema.decode(Array(bytes[at...]), as: index)).bytes
            } catch let failure as SchemaFailure {
                throw failure
            } catch { throw SchemaFailure("\(error)") }
        case .json:
            let bytes = Array(payload)
            do throws(JSONError) { try JSONText.check(bytes.span.bytes) } catch {
                throw SchemaFailure("the payload is not JSON: \(error)")
            }
            return JSONText.compact(bytes)
        }
    }

    /// The payload that a JSON text stands for, to be put behind a frame.
    ///
    /// - Throws: `SchemaFailure` with the place of what does not fit the schema.
    package func payload(json text: [UInt8]) throws(SchemaFailure) -> [UInt8] {
        let value: JSONValue
        do throws(JSONError) { value = try JSONValue.read(text.span.bytes) } catch {
            throw SchemaFailure("not JSON: \(error)")
        }
        switch format {
        case .avro(let schema, _, let encoder, let isBytes):
            do throws(AvroError) {
                let value = try schema.value(json: value)
                if isBytes, case .bytes(let bytes) = value { return bytes }
                return try encoder.encode(value)
            } catch { throw SchemaFailure(error.message) }
        case .protobuf(let schema, let path):
            guard let index = schema.messageIndex(at: path) else {
                throw SchemaFailure("the schema has no message at \(path)")
            }
            var payload: [UInt8] = []
            MessageIndexes.append(path, to: &payload)
            do {
                try schema.encode(schema.message(json: value, as: index), to: &payload)
            } catch { throw SchemaFailure("\(error)") }
            return payload
        case .json(let schema):
            if let violation = schema.violations(in: value, countMax: 1).first {
                throw SchemaFailure("\(violation)")
            }
            return JSONText.compact(text)
        }
    }

    private static func path(_ message: String?, in schema: ProtobufSchema) throws(SchemaFailure) -> [Int32] {
        guard let message else {
            guard schema.messageIndex(at: [0]) != nil else { throw SchemaFailure("the schema defines no message") }
            return [0]
        }
        guard let index = schema.messageIndex(named: message), let path = schema.messages[index].path else {
            throw SchemaFailure("the schema defines no message '\(message)'")
        }
        return path
    }
}
