import Bytes
import HTTPKit
import HTTPTypes
import JSONFormat
import NIOCore
import RegistryClient
import SchemaRules
import SchemaSerdes

/// Makes bytes of what users type as key or value.
struct MessageEncoder: Sendable {
    /// nil for none.
    let registry: RegistryClient?

    /// - Parameters:
    ///   - field: `{"format", "text", "subject"?, "schema_id"?, "message"?}`, or null.
    ///   - subject: whose latest schema is taken when the field names none.
    /// - Throws: `HTTPFailure` 400 that says what does not fit.
    func bytes(_ field: JSONValue?, _ name: String, subject: String) async throws(HTTPFailure) -> ByteBuffer? {
        guard let field, field.members != nil else { return nil }
        let text = field["text"]?.text ?? field["json"].map { String(decoding: $0.bytes, as: UTF8.self) } ?? ""
        func refused(_ why: String) -> HTTPFailure { HTTPFailure(.badRequest, "the \(name) \(why)") }
        switch field["format"]?.text ?? "string" {
        case "null": return nil
        case "string": return ByteBuffer(string: text)
        case "json":
            guard JSONText.isValid(Array(text.utf8)) else { throw refused("is not JSON") }
            return ByteBuffer(string: text)
        case "long":
            guard let number = Int64(text.trimmed) else { throw refused("is no whole number of 64 bits") }
            return ByteBuffer(integer: number)
        case "int":
            guard let number = Int32(text.trimmed) else { throw refused("is no whole number of 32 bits") }
            return ByteBuffer(integer: number)
        case "bytes":
            guard let bytes = Self.bytes(hexadecimal: text.filter { !$0.isWhitespace }) else {
                throw refused("is not pairs of hexadecimal digits")
            }
            return ByteBuffer(bytes: bytes)
        case "avro", "protobuf", "json-schema":
            return try await serialized(field, text, name, field["subject"]?.text ?? subject)
        case let other:
            throw refused(
                "has the format '\(other)': formats are string, json, long, int, bytes, avro, protobuf, json-schema, null"
            )
        }
    }

    private func serialized(
        _ field: JSONValue, _ text: String, _ name: String, _ subject: String
    ) async throws(HTTPFailure) -> ByteBuffer {
        guard let registry else {
            throw HTTPFailure(.badRequest, "the \(name) needs a schema: \(ConsoleUpstream.registry.hint)")
        }
        let schema: RegisteredSchema
        let references: [ReferencedSchema]
        do throws(RegistryFailure) {
            if let id = field["schema_id"]?.integer.flatMap({ Int32(exactly: $0) }) {
                schema = try await registry.schema(id: id)
            } else {
                schema = try await registry.schema(subject)
            }
            references = try await registry.references(of: schema)
        } catch {
            throw HTTPFailure(
                error.isNotFound ? .badRequest : .badGateway,
                "the schema of the \(name) ('\(subject)'): \(error.message)")
        }
        guard let id = schema.id else { throw HTTPFailure(.badGateway, "the registry did not tell the schema's id") }
        do throws(SchemaFailure) {
            let serde = try JSONSerde(
                schema.type.read(schema.text, references: references), message: field["message"]?.text)
            return ByteBuffer(bytes: SchemaFrame.prefix(id: id) + (try serde.payload(json: Array(text.utf8))))
        } catch {
            throw HTTPFailure(.badRequest, "the \(name) does not fit its schema: \(error.message)")
        }
    }

    static func bytes(hexadecimal text: String) -> [UInt8]? {
        let digits = text.utf8.map { Hexadecimal.value($0) }
        guard digits.count.isMultiple(of: 2), !digits.contains(where: { $0 == nil }) else { return nil }
        let known = digits.compactMap { $0 }
        return stride(from: 0, to: known.count, by: 2).map { known[$0] << 4 | known[$0 + 1] }
    }
}
