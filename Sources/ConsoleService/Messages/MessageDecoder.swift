import Bytes
package import Cluster
import JSONFormat
import NIOCore
import RecordBatches
package import RegistryClient
import SchemaRules
package import SchemaSerdes
import Synchronization

/// Makes keys and values readable: by the schema that they name, else as JSON, text, a number, or bytes.
///
/// What is missing is fetched by `prepare`, which waits; `message` does not. A schema never changes, so what the registry
/// said is kept, for the last few hundred schemas.
package final class MessageDecoder: Sendable {
    private struct Known: Sendable {
        var type: SchemaType
        var serde: JSONSerde
    }

    private let registry: RegistryClient?
    private let known = Mutex<[SchemaFrame: Result<Known, SchemaFailure>]>([:])
    private static let knownCountMax = 500

    /// - Parameter registry: nil for none: what names a schema is shown as bytes then.
    package init(_ registry: RegistryClient?) { self.registry = registry }

    /// How a user wants bytes to be read.
    package enum Reading: String, Sendable {
        case auto, string, json, long, int, bytes, avro, protobuf, jsonSchema = "json-schema"
    }

    // MARK: Schemas

    /// The frames of records whose schemas are not known yet.
    package func missing(_ records: [ConsumerRecord]) -> Set<SchemaFrame> {
        guard registry != nil else { return [] }
        var frames: Set<SchemaFrame> = []
        known.withLock { known in
            for record in records {
                for isKey in [true, false] {
                    if let (frame, _) = Self.frame(record, isKey: isKey), known[frame] == nil { frames.insert(frame) }
                }
            }
        }
        return frames
    }

    /// Fetches what `missing` told. What the registry does not have, or cannot be asked for, is a problem of the messages
    /// until `forgetProblems`.
    package func prepare(_ frames: Set<SchemaFrame>) async {
        guard let registry else { return }
        for frame in frames {
            let result = await Self.fetch(frame, registry)
            known.withLock { known in
                if known.count >= Self.knownCountMax { known.removeAll() }
                known[frame] = result
            }
        }
    }

    /// Forgets what could not be fetched, so that it is tried again.
    package func forgetProblems() {
        known.withLock { known in
            known = known.filter { if case .success = $0.value { true } else { false } }
        }
    }

    private static func fetch(
        _ frame: SchemaFrame, _ registry: RegistryClient
    ) async -> Result<Known, SchemaFailure> {
        do throws(RegistryFailure) {
            let schema: RegisteredSchema
            switch frame {
            case .id(let id): schema = try await registry.schema(id: id)
            case .guid(let guid): schema = try await registry.schema(guid: guid)
            }
            let references = try await registry.references(of: schema)
            do throws(SchemaFailure) {
                let serde = try JSONSerde(schema.type.read(schema.text, references: references))
                return .success(Known(type: schema.type, serde: serde))
            } catch { return .failure(error) }
        } catch {
            return .failure(SchemaFailure("the registry: \(error.message)"))
        }
    }

    /// What names the schema of a part, and where its payload begins.
    private static func frame(_ record: ConsumerRecord, isKey: Bool) -> (SchemaFrame, payload: Int)? {
        guard let bytes = isKey ? record.key : record.value else { return nil }
        let name = isKey ? SchemaFrame.keyHeader : SchemaFrame.valueHeader
        if let header = record.headers.last(where: { $0.key == name })?.value, let found = SchemaFrame.read(header) {
            return (found.frame, 0)
        }
        // Five bytes are no payload of a schema but an integer with its sign, or nothing.
        guard bytes.readableBytes > 4 else { return nil }
        guard let found = SchemaFrame.read(bytes.readableBytesView) else { return nil }
        // Registries count from 1: other numbers are those of bytes that happen to begin with a zero.
        if case .id(let id) = found.frame, id < 1 { return nil }
        return (found.frame, found.byteCount)
    }

    // MARK: Fields

    package func key(_ record: ConsumerRecord, as reading: Reading = .auto) -> Field {
        field(record, isKey: true, reading)
    }

    package func value(_ record: ConsumerRecord, as reading: Reading = .auto) -> Field {
        field(record, isKey: false, reading)
    }

    private func field(_ record: ConsumerRecord, isKey: Bool, _ reading: Reading) -> Field {
        guard let buffer = isKey ? record.key : record.value else { return Field(.null) }
        let bytes = Array(buffer.readableBytesView)
        switch reading {
        case .string: return Field(.string, String(decoding: bytes, as: UTF8.self))
        case .bytes: return Self.hexadecimal(bytes)
        case .long: return Self.integer(bytes, .long) ?? Self.plain(bytes)
        case .int: return Self.integer(bytes, .int) ?? Self.plain(bytes)
        case .json: return Self.json(bytes) ?? Self.plain(bytes)
        case .auto, .avro, .protobuf, .jsonSchema: break
        }
        guard let (frame, payload) = Self.frame(record, isKey: isKey), registry != nil else { return Self.plain(bytes) }
        switch known.withLock({ $0[frame] }) {
        case .success(let schema):
            do throws(SchemaFailure) {
                let text = try schema.serde.json(bytes[min(payload, bytes.count)...])
                return Self.structured(text, schema.type, frame)
            } catch {
                var field = Self.plain(bytes)
                field.problem = "does not fit the schema \(frame): \(error.message)"
                return field
            }
        case .failure(let failure):
            var field = Self.plain(bytes)
            // Text that happens to begin with a byte 0 or 1 is rare, a number is not.
            if field.format == .bytes { field.problem = failure.message }
            return field
        case nil: return Self.plain(bytes)
        }
    }

    private static func structured(_ text: [UInt8], _ type: SchemaType, _ frame: SchemaFrame) -> Field {
        let format: Field.Format =
            switch type {
            case .avro: .avro
            case .protobuf: .protobuf
            default: .jsonSchema
            }
        var id: Int32?
        if case .id(let number) = frame { id = number }
        return Field(format, String(decoding: text, as: UTF8.self), json: JSONValue.parse(text), schemaID: id)
    }

    /// Bytes that name no schema.
    static func plain(_ bytes: [UInt8]) -> Field {
        if let json = json(bytes) { return json }
        if isText(bytes) { return Field(.string, String(decoding: bytes, as: UTF8.self)) }
        if bytes.count == 8, let long = integer(bytes, .long) { return long }
        if bytes.count == 4, let int = integer(bytes, .int) { return int }
        return hexadecimal(bytes)
    }

    /// Objects and arrays; numbers and words are shown as the text that they are.
    private static func json(_ bytes: [UInt8]) -> Field? {
        guard let first = bytes.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }),
            first == UInt8(ascii: "{") || first == UInt8(ascii: "["), let value = JSONValue.parse(bytes)
        else { return nil }
        return Field(.json, String(decoding: bytes, as: UTF8.self), json: value)
    }

    /// UTF-8 without control characters other than those of text.
    private static func isText(_ bytes: [UInt8]) -> Bool {
        bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }
            && String(validating: bytes, as: UTF8.self) != nil
    }

    private static func integer(_ bytes: [UInt8], _ format: Field.Format) -> Field? {
        guard bytes.count == (format == .long ? 8 : 4) else { return nil }
        let bits = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let number = format == .long ? Int64(bitPattern: bits) : Int64(Int32(truncatingIfNeeded: bits))
        return Field(format, String(number), json: .number(number))
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> Field {
        Field(.bytes, String(decoding: Hexadecimal.encode(bytes), as: UTF8.self))
    }
}
