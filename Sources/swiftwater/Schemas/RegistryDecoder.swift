import Cluster
import JSONFormat
import NIOCore
import RecordBatches
import RegistryClient
import SchemaRules
import SchemaSerdes
import Synchronization

/// Turns keys and values that were serialized by a schema into JSON text.
final class RegistryDecoder: Sendable {
    private let registry: RegistryClient
    private let keyType: SchemaType?
    private let valueType: SchemaType?
    /// What the registry said of each frame: a schema never changes, and neither does what is wrong with it.
    private let known = Mutex<[SchemaFrame: Result<(SchemaType, JSONSerde), SchemaFailure>]>([:])

    /// - Parameters:
    ///   - keyType: nil leaves keys as they are.
    ///   - valueType: nil leaves values as they are.
    init(_ registry: RegistryClient, keyType: SchemaType?, valueType: SchemaType?) {
        self.registry = registry
        self.keyType = keyType
        self.valueType = valueType
    }

    /// Fetches the schemas that `decoded` will need for these records.
    ///
    /// - Throws: `RegistryFailure` when the registry cannot be reached. A schema that it does not have is told by
    ///   `decoded`.
    func prepare(_ records: [ConsumerRecord]) async throws(RegistryFailure) {
        var frames: Set<SchemaFrame> = []
        for record in records {
            if keyType != nil, let found = Self.frame(record, .key) { frames.insert(found.frame) }
            if valueType != nil, let found = Self.frame(record, .value) { frames.insert(found.frame) }
        }
        for frame in frames where known.withLock({ $0[frame] == nil }) {
            let result = try await serde(frame)
            known.withLock { $0[frame] = result }
        }
    }

    /// The record with JSON text for its key and value.
    ///
    /// - Throws: `SchemaFailure` that says which part cannot be read, and why.
    func decoded(_ record: ConsumerRecord) throws(SchemaFailure) -> ConsumerRecord {
        var record = record
        if let keyType { record.key = try decoded(record, .key, keyType) }
        if let valueType { record.value = try decoded(record, .value, valueType) }
        return record
    }

    private func decoded(
        _ record: ConsumerRecord, _ part: RecordPart, _ type: SchemaType
    ) throws(SchemaFailure) -> ByteBuffer? {
        guard let bytes = part == .key ? record.key : record.value else { return nil }
        guard let (frame, payload) = Self.frame(record, part) else {
            throw SchemaFailure("the \(part.rawValue) names no schema: it was not written by a registry's serializer")
        }
        guard let result = known.withLock({ $0[frame] }) else {
            throw SchemaFailure("the schema \(frame) of the \(part.rawValue) was not fetched")
        }
        let (found, serde): (SchemaType, JSONSerde)
        do { (found, serde) = try result.get() } catch {
            throw SchemaFailure("the schema of the \(part.rawValue): \(error.message)")
        }
        guard found == type else {
            throw SchemaFailure(
                "the \(part.rawValue) has a schema of the format \(SchemaTypeName(found).rawValue), not "
                    + SchemaTypeName(type).rawValue)
        }
        do {
            return ByteBuffer(bytes: try serde.json(Array(bytes.readableBytesView)[payload...]))
        } catch { throw SchemaFailure("the \(part.rawValue) does not fit its schema \(frame): \(error.message)") }
    }

    /// The frame of a part and where its payload begins; a header comes before what the payload begins with.
    private static func frame(_ record: ConsumerRecord, _ part: RecordPart) -> (frame: SchemaFrame, payload: Int)? {
        guard let bytes = part == .key ? record.key : record.value else { return nil }
        let name = part == .key ? SchemaFrame.keyHeader : SchemaFrame.valueHeader
        if let header = record.headers.last(where: { $0.key == name })?.value, let found = SchemaFrame.read(header) {
            return (found.frame, 0)
        }
        return SchemaFrame.read(bytes.readableBytesView).map { ($0.frame, $0.byteCount) }
    }

    private func serde(
        _ frame: SchemaFrame
    ) async throws(RegistryFailure) -> Result<(SchemaType, JSONSerde), SchemaFailure> {
        let schema: RegisteredSchema
        let references: [ReferencedSchema]
        do {
            switch frame {
            case .id(let id): schema = try await registry.schema(id: id)
            case .guid(let guid): schema = try await registry.schema(guid: guid)
            }
            references = try await registry.references(of: schema)
        } catch {
            guard error.isNotFound else { throw error }
            return .failure(SchemaFailure("the registry has no schema of the \(frame) (\(error.message))"))
        }
        do {
            return .success((schema.type, try JSONSerde(schema.type.read(schema.text, references: references))))
        } catch { return .failure(error) }
    }
}
