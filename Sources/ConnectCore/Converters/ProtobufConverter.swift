import ProtobufFormat
import SQLTypes
import SchemaRules
import SchemaSerdes

/// `io.confluent.connect.protobuf.ProtobufConverter`. Values are structs: a message is what Protobuf's records hold.
package struct ProtobufConverter: Converter {
    private let link: RegistryLink
    private let texts = ConnectCache<ConnectSchema, ProtobufText>(countMax: 1000)
    private let writers = ConnectCache<RegistrySchema, ProtobufSchema>(countMax: 1000)
    private let readers = ConnectCache<MessageKey, ProtobufMapping>(countMax: 1000)

    private struct MessageKey: Hashable, Sendable {
        var schema: TopicSchema
        var path: [Int32]
    }

    private let options: ProtobufOptions

    package init(
        _ registry: any ConverterRegistry, _ options: RegistryOptions, _ own: ProtobufOptions = ProtobufOptions()
    ) {
        link = RegistryLink(registry, options)
        self.options = own
    }

    /// The .proto text that a Connect schema becomes.
    package func protoText(_ schema: ConnectSchema) throws(ConnectError) -> String { try text(schema).text }

    private func text(_ schema: ConnectSchema) throws(ConnectError) -> ProtobufText {
        if let known = texts[schema] { return known }
        let text = try ProtobufText(schema, options)
        texts[schema] = text
        return text
    }

    package func bytes(_ value: SchemaAndValue, topic: String) async throws(ConnectError) -> [UInt8]? {
        if value.value.isNull {
            guard value.schema?.isOptional ?? true else { throw .data("Invalid null value for required STRUCT field") }
            return nil
        }
        guard case .structure(let structure) = value.value else {
            throw .data("ProtobufConverter writes structs only, found: \(value.value.javaClass)")
        }
        let text = try text(structure.schema)
        let registered = try await link.writing(text.text, .protobuf, topic: topic, recordName: text.messageName)
        let schema: ProtobufSchema
        if let known = writers[registered] {
            schema = known
        } else {
            schema = try Self.schema(registered)
            writers[registered] = schema
        }
        let index = schema.messageIndex(named: text.messageName) ?? schema.mainMessageIndex
        guard let index, schema.messages.indices.contains(index) else {
            throw .data("Schema of topic \(topic) has no message \(text.messageName)")
        }
        let message = try ProtobufValues(schema: schema, options: options).message(structure, index, depth: 0)
        var output = SchemaFrame.prefix(id: registered.id)
        MessageIndexes.append(schema.messages[index].path ?? [0], to: &output)
        do throws(ProtobufError) { try schema.encode(message, to: &output) } catch { throw .data(error.message) }
        return output
    }

    package func value(_ bytes: [UInt8]?, topic: String) async throws(ConnectError) -> SchemaAndValue {
        guard let bytes else { return .null }
        let (registered, frame, start) = try await link.reading(bytes, .protobuf, topic: topic)
        var at = start
        let path: [Int32]
        do { path = try MessageIndexes.decode(bytes.span.bytes, at: &at) } catch {
            throw link.damaged(topic, .protobuf, frame, "\(error)")
        }
        let key = MessageKey(schema: TopicSchema(frame: frame, topic: topic), path: path)
        let mapping: ProtobufMapping
        if let known = readers[key] {
            mapping = known
        } else {
            let schema = try Self.schema(registered)
            guard let index = schema.messageIndex(at: path) else {
                throw link.damaged(topic, .protobuf, frame, "no message at \(path)")
            }
            let name = schema.messages[index].fullName
            let wanted = try await link.target(of: registered, frame, topic: topic, recordName: name)
            let version = try await link.version(of: wanted, frame, topic: topic, recordName: name)
            let target = wanted == registered ? schema : try Self.schema(wanted)
            guard let index = wanted == registered ? index : target.messageIndex(named: name) ?? target.mainMessageIndex
            else {
                throw link.damaged(topic, .protobuf, frame, "the latest schema has no message")
            }
            mapping = try ProtobufMapping(target, index, options, version: version)
            readers[key] = mapping
        }
        let message: ProtobufMessage
        do {
            message = try mapping.schema.decode(Array(bytes[at...]), as: mapping.index)
        } catch {
            throw link.damaged(topic, .protobuf, frame, "\(error)")
        }
        return SchemaAndValue(mapping.connect, try mapping.value(of: message, mapping.connect, depth: 0))
    }

    static func schema(_ registered: RegistrySchema) throws(ConnectError) -> ProtobufSchema {
        do throws(SchemaFailure) {
            return try ProtobufDocument(registered.text, references: registered.references, isNew: false).schema()
        } catch {
            throw .data(error.message)
        }
    }
}
