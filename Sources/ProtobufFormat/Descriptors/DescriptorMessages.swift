/// The messages of descriptor.proto as dynamic messages: descriptors are read and written with the same code as
/// records.
enum DescriptorMessages {
    static let path = "google/protobuf/descriptor.proto"
    static let metaPath = "confluent/meta.proto"

    /// descriptor.proto and Confluent's options, linked.
    static let builtIn = Result { () throws(ProtobufError) in
        try ProtobufSchema(file: ProtoFile(), imports: [:], including: [path, metaPath])
    }

    /// The file with descriptor.proto beside it, so that the options of its extensions are known.
    static func schema(for file: ProtoFile, imports: [String: ProtoFile]) throws(ProtobufError) -> ProtobufSchema {
        // The file may be one of the two itself.
        let including: [String] =
            switch file.package {
            case "google.protobuf" where file.types.contains { $0.name == "FileDescriptorProto" }: []
            case "confluent" where file.types.contains { $0.name == "Meta" }: [path]
            default: [path, metaPath]
            }
        return try ProtobufSchema(file: file, imports: imports, including: including)
    }
}

/// A message that is filled or read by the names of its fields.
struct NamedMessage {
    let schema: ProtobufSchema
    private(set) var message: ProtobufMessage

    init(_ message: ProtobufMessage, _ schema: ProtobufSchema) {
        self.schema = schema
        self.message = message
    }

    /// - Throws: `.unresolved` when the schema has no such message.
    init(_ fullName: String, _ schema: ProtobufSchema) throws(ProtobufError) {
        guard let index = schema.messageIndex(named: fullName) else {
            throw ProtobufError(.unresolved, "could not resolve type: \(fullName)")
        }
        self.init(schema.emptyMessage(index), schema)
    }

    subscript(name: String) -> ProtobufValue? {
        get { message.value(name, in: schema) }
        set {
            guard let index = schema.messages[message.typeIndex].fieldIndex(name: name) else { return }
            message.values[index] = newValue
        }
    }

    mutating func append(_ name: String, _ value: ProtobufValue) {
        var list: [ProtobufValue] = if case .list(let list)? = self[name] { list } else { [] }
        self[name] = nil
        list.append(value)
        self[name] = .list(list)
    }

    func text(_ name: String) -> String? { if case .string(let text)? = self[name] { text } else { nil } }

    func int32(_ name: String) -> Int32? {
        switch self[name] {
        case .int32(let value)?, .enumeration(let value)?: value
        default: nil
        }
    }

    func flag(_ name: String) -> Bool { self[name] == .bool(true) }

    func list(_ name: String) -> [ProtobufValue] { if case .list(let list)? = self[name] { list } else { [] } }

    func messages(_ name: String) -> [NamedMessage] {
        list(name).compactMap { if case .message(let message) = $0 { NamedMessage(message, schema) } else { nil } }
    }

    func inner(_ name: String) -> NamedMessage? {
        if case .message(let message)? = self[name] { NamedMessage(message, schema) } else { nil }
    }
}
