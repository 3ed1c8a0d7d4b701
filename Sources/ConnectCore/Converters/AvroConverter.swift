import Avro
import SQLTypes
import SchemaRules
import SchemaSerdes

/// `io.confluent.connect.avro.AvroConverter`.
package struct AvroConverter: Converter {
    private let link: RegistryLink
    private let options: AvroMapping.Options
    private let texts = ConnectCache<ConnectSchema, String>(countMax: 1000)
    private let encoders = ConnectCache<RegistrySchema, AvroEncoder>(countMax: 1000)
    /// What is known for good of a schema and a topic, without a look at texts.
    private let destinations = ConnectCache<Destination, Writing>(countMax: 1000)
    private let readers = ConnectCache<TopicSchema, Reader>(countMax: 1000)

    private struct Reader: Sendable {
        var decoder: AvroDecoder
        var mapping: AvroSchemaReader
        /// nil where only the decoder does it.
        var program: AvroReadProgram?
    }

    private struct Destination: Hashable, Sendable {
        var schema: SchemaObject
        var topic: String
    }

    /// How a schema's values are written to a topic.
    private struct Writing: Sendable {
        var id: Int32
        var encoder: AvroEncoder
        /// nil where only the encoder does it.
        var program: AvroValueProgram?
    }

    package init(
        _ registry: any ConverterRegistry, _ registryOptions: RegistryOptions, _ options: AvroMapping.Options = .init()
    ) {
        link = RegistryLink(registry, registryOptions)
        self.options = options
    }

    /// The Avro schema that a Connect schema becomes.
    package func avroText(_ schema: ConnectSchema) throws(ConnectError) -> String {
        if let known = texts[schema] { return known }
        let text = try AvroSchemaWriter.text(schema, options)
        // A name that Avro does not take is told here, by itself, and not by the registry.
        _ = try AvroValueWriter.avro { () throws(AvroError) in try AvroSchema(text) }
        texts[schema] = text
        return text
    }

    package func bytes(_ value: SchemaAndValue, topic: String) async throws(ConnectError) -> [UInt8]? {
        guard let schema = value.schema ?? AnyValueSchema.schema(of: value.value) else {
            if value.value.isNull { return nil }
            throw .data("Converting value of topic \(topic) to Avro needs a schema")
        }
        // Kafka's null, unless a required schema would be broken by it.
        if value.value.isNull, schema.defaultValue == nil || options.ignoresDefaults {
            guard schema.isOptional else {
                throw .data("Invalid null value for required \(schema.kind.rawValue) field")
            }
            return nil
        }
        let writing = try await known(schema, topic: topic)
        var output = SchemaFrame.prefix(id: writing.id)
        if let program = writing.program {
            let start = output.count
            output.reserveCapacity(512)
            if try program.write(value.value, to: &output) { return output }
            output.removeSubrange(start...)
        }
        let writer = AvroValueWriter(schema: writing.encoder.schema, options: options)
        let avro = try writer.value(value.value, schema, writing.encoder.schema.root)
        do throws(AvroError) { try writing.encoder.encode(avro, to: &output) } catch { throw .data(error.message) }
        return output
    }

    package func writing(_ schema: ConnectSchema, topic: String) async throws(ConnectError) -> PayloadWriting? {
        // Another version may be the latest one for the next record.
        guard link.remembers else { return nil }
        let known = try await known(schema, topic: topic)
        return known.program.map { PayloadWriting(head: SchemaFrame.prefix(id: known.id), program: $0, end: []) }
    }

    private func known(_ schema: ConnectSchema, topic: String) async throws(ConnectError) -> Writing {
        let destination = Destination(schema: SchemaObject(schema: schema), topic: topic)
        if let known = destinations[destination] { return known }
        let made = try await make(schema, topic: topic)
        if link.remembers { destinations[destination] = made }
        return made
    }

    private func make(_ schema: ConnectSchema, topic: String) async throws(ConnectError) -> Writing {
        let registered = try await link.writing(
            avroText(schema), .avro, topic: topic, recordName: schema.kind == .structure ? schema.name : nil)
        let encoder: AvroEncoder
        if let known = encoders[registered] {
            encoder = known
        } else {
            encoder = AvroEncoder(
                schema: try AvroValueWriter.avro { () throws(AvroError) in
                    try AvroSchema(registered.text, references: registered.references.map(\.text))
                })
            encoders[registered] = encoder
        }
        return Writing(
            id: registered.id, encoder: encoder, program: AvroValueProgram.make(schema, encoder.schema, options))
    }

    package func value(_ bytes: [UInt8]?, topic: String) async throws(ConnectError) -> SchemaAndValue {
        guard let bytes else { return .null }
        // Nearly all values are of a schema that is known.
        if let id = SchemaFrame.id(bytes), let reader = readers[TopicSchema(frame: .id(id), topic: topic)],
            let program = reader.program,
            let value = bytes.withUnsafeBytes({ program.value(UnsafeRawBufferPointer(rebasing: $0[5...])) })
        {
            return SchemaAndValue(reader.mapping.root, value)
        }
        let (registered, frame, start) = try await link.reading(bytes, .avro, topic: topic)
        let reader: Reader
        let key = TopicSchema(frame: frame, topic: topic)
        if let known = readers[key] {
            reader = known
        } else {
            let schema = try AvroValueWriter.avro { () throws(AvroError) in
                try AvroSchema(registered.text, references: registered.references.map(\.text))
            }
            let name = schema.type.name?.full
            let wanted = try await link.target(of: registered, frame, topic: topic, recordName: name)
            let target =
                wanted == registered
                ? schema
                : try AvroValueWriter.avro { () throws(AvroError) in
                    try AvroSchema(wanted.text, references: wanted.references.map(\.text))
                }
            let version = try await link.version(of: wanted, frame, topic: topic, recordName: name)
            let mapping = try AvroSchemaReader(target, options, version: version)
            let decoder: AvroDecoder
            do throws(AvroError) { decoder = try AvroDecoder(writer: schema, reader: target) } catch {
                throw link.damaged(topic, .avro, frame, error.message)
            }
            reader = Reader(
                decoder: decoder, mapping: mapping,
                program: wanted == registered ? AvroReadProgram.make(schema, mapping.connect) : nil)
            readers[key] = reader
        }
        let payload = Array(bytes[start...])
        let avro: AvroValue
        do throws(AvroError) { avro = try reader.decoder.decode(payload) } catch {
            throw link.damaged(topic, .avro, frame, error.message)
        }
        return SchemaAndValue(reader.mapping.root, try reader.mapping.value(avro))
    }
}

extension SchemaFrame {
    /// The id in front of a payload; nil where there is none.
    fileprivate static func id(_ bytes: [UInt8]) -> Int32? {
        guard bytes.count >= 5, bytes[0] == 0 else { return nil }
        return Int32(
            bitPattern: UInt32(bytes[1]) << 24 | UInt32(bytes[2]) << 16 | UInt32(bytes[3]) << 8 | UInt32(bytes[4]))
    }
}

/// The schema of a value that came without one, as far as its kind tells it.
enum AnyValueSchema {
    static func schema(of value: ConnectValue) -> ConnectSchema? {
        switch value {
        case .int8: .optionalInt8
        case .int16: .optionalInt16
        case .int32: .optionalInt32
        case .int64: .optionalInt64
        case .float32: .optionalFloat32
        case .float64: .optionalFloat64
        case .boolean: .optionalBoolean
        case .string: .optionalString
        case .bytes: .optionalBytes
        case .instant: .optionalTimestamp
        case .decimal(let decimal): .decimal(scale: decimal.scale, isOptional: true)
        case .structure(let structure): structure.schema
        case .null, .array, .map: nil
        }
    }
}
