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
            let version = try await link.version(
                of: registered, frame, topic: topic, recordName: schema.messages[index].fullName)
            mapping = try ProtobufMapping(schema, index, options, version: version)
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

/// The .proto text of a struct's schema: fields are numbered in their order, what Protobuf has no type for stands in
/// `confluent.field_meta`.
struct ProtobufText: Sendable {
    let text: String
    /// The full name of the message.
    let messageName: String

    static let defaultName = "ConnectDefault1"

    init(_ schema: ConnectSchema, _ options: ProtobufOptions) throws(ConnectError) {
        guard schema.kind == .structure else { throw .data("ProtobufConverter needs a struct, found \(schema)") }
        let fullName = schema.name ?? Self.defaultName
        var parts: [String] = []
        for part in fullName.split(separator: ".") {
            parts.append(try options.identifier(String(part), in: parts.joined(separator: ".")))
        }
        let package = parts.dropLast().joined(separator: ".")
        let name = parts.last ?? Self.defaultName
        var imports: Set<String> = []
        var lines: [String] = []
        let fullMessageName = package.isEmpty ? name : package + "." + name
        var declared = [(schema, "." + fullMessageName)]
        try Self.message(schema, name, options, &lines, &imports, &declared, at: "." + fullMessageName, depth: 0)
        var head = "syntax = \"proto3\";\n"
        if !package.isEmpty { head += "package \(package);\n" }
        head += "\n" + imports.sorted().map { "import \"\($0)\";\n" }.joined() + (imports.isEmpty ? "" : "\n")
        text = head + lines.joined(separator: "\n") + "\n"
        messageName = fullMessageName
    }

    private static func message(
        _ schema: ConnectSchema, _ name: String, _ given: ProtobufOptions, _ lines: inout [String],
        _ imports: inout Set<String>, _ declared: inout [(ConnectSchema, String)], at path: String, depth: Int
    ) throws(ConnectError) {
        guard depth < 32 else { throw .data("Schema is nested too deep for Protobuf") }
        let indent = String(repeating: "  ", count: depth)
        lines.append(indent + "message \(name) {")
        var nested: [(ConnectSchema, String)] = []
        for (index, field) in schema.fields.enumerated() {
            let fieldName = try given.identifier(field.name, in: name)
            var type = try self.type(
                field.schema, fieldName, given, &nested, &imports, &declared, path, isInside: false)
            if field.schema.isOptional, field.schema.logicalType == nil,
                let wrapper = ProtobufOptions.wrapper(field.schema.kind)
            {
                if given.wraps {
                    imports.insert(ProtobufOptions.wrappersFile)
                    type = wrapper
                } else if given.marksOptional {
                    type = "optional " + type
                }
            }
            var meta: [(String, String)] = []
            // Of a repeated field it is about the elements.
            let element = field.schema.kind == .array ? field.schema.valueSchema ?? field.schema : field.schema
            if element.kind == .int8 || element.kind == .int16 {
                meta.append(("connect.type", element.kind.rawValue.lowercased()))
            }
            if element.logicalType == .decimal {
                if let precision = element.parameter(AvroMapping.precision).flatMap({ Int64($0) }) {
                    meta.append(("precision", String(precision)))
                }
                meta.append(("scale", String(try element.decimalScale())))
            }
            var options = ""
            if !meta.isEmpty {
                imports.insert("confluent/meta.proto")
                let entries = meta.map { "{ key: \"\($0.0)\", value: \"\($0.1)\" }" }.joined(separator: ", ")
                options = " [(confluent.field_meta) = { params: [\(entries)] }]"
            }
            lines.append(indent + "  \(type) \(fieldName) = \(index + 1)\(options);")
        }
        for (inner, innerName) in nested {
            try message(
                inner, innerName, given, &lines, &imports, &declared, at: path + "." + innerName, depth: depth + 1)
        }
        lines.append(indent + "}")
    }

    /// - Parameters:
    ///   - nested: the messages to declare in the one whose field this is.
    ///   - declared: the messages that contain themselves, by their full names, wherever they are: each is there once.
    private static func type(
        _ schema: ConnectSchema, _ field: String, _ given: ProtobufOptions, _ nested: inout [(ConnectSchema, String)],
        _ imports: inout Set<String>, _ declared: inout [(ConnectSchema, String)], _ path: String, isInside: Bool
    ) throws(ConnectError) -> String {
        switch schema.logicalType {
        case .decimal:
            imports.insert("confluent/type/decimal.proto")
            return "confluent.type.Decimal"
        case .date:
            imports.insert("google/type/date.proto")
            return "google.type.Date"
        case .time:
            imports.insert("google/type/timeofday.proto")
            return "google.type.TimeOfDay"
        case .timestamp:
            imports.insert("google/protobuf/timestamp.proto")
            return "google.protobuf.Timestamp"
        case nil: break
        }
        // What an integer was that came from Protobuf.
        if let known = schema.parameter(ProtobufMapping.integerType) {
            switch (schema.kind, known) {
            case (.int32, "sint32"), (.int32, "sfixed32"), (.int64, "uint32"), (.int64, "fixed32"), (.int64, "uint64"),
                (.int64, "fixed64"), (.int64, "sint64"), (.int64, "sfixed64"):
                return known
            default: break
            }
        }
        switch schema.kind {
        case .int8, .int16, .int32: return "int32"
        case .int64: return "int64"
        case .float32: return "float"
        case .float64: return "double"
        case .boolean: return "bool"
        case .string: return "string"
        case .bytes: return "bytes"
        case .array:
            guard let element = schema.valueSchema, !isInside else {
                throw .data("Protobuf has no arrays inside arrays or maps (field \(field))")
            }
            return "repeated " + (try type(element, field, given, &nested, &imports, &declared, path, isInside: true))
        case .map:
            guard let key = schema.keySchema, let value = schema.valueSchema, !isInside else {
                throw .data("Protobuf has no maps inside arrays or maps (field \(field))")
            }
            let keyType: String
            switch key.kind {
            case .string: keyType = "string"
            case .int8, .int16, .int32: keyType = "int32"
            case .int64: keyType = "int64"
            case .boolean: keyType = "bool"
            default: throw .data("Protobuf has no maps with keys of type \(key.kind.rawValue) (field \(field))")
            }
            return
                "map<\(keyType), \(try type(value, field, given, &nested, &imports, &declared, path, isInside: true))>"
        case .structure:
            if schema.isRecursive, let known = declared.first(where: { $0.0.isSameStruct(as: schema) }) {
                return known.1
            }
            let wanted = try given.identifier(
                schema.name?.split(separator: ".").last.map(String.init) ?? "ConnectDefault", in: field)
            var name = wanted
            var count = 1
            while let known = nested.first(where: { $0.1 == name }),
                known.0.with(isOptional: false) != schema.with(isOptional: false)
            {
                count += 1
                name = wanted + String(count)
            }
            if !nested.contains(where: { $0.1 == name }) {
                nested.append((schema, name))
                if schema.isRecursive { declared.append((schema, path + "." + name)) }
            }
            return name
        }
    }
}
