import Bytes
package import ProtobufFormat

/// A Protobuf schema of the registry with the files that it refers to.
package struct ProtobufDocument: SchemaDocument {
    package var type: SchemaType { .protobuf }
    package let canonicalText: String
    package let file: ProtoFile
    /// The files of the references, and those built in that they need, by the path they are imported by.
    private let imports: [String: ProtoFile]
    private let references: [ReferencedSchema]

    /// - Parameters:
    ///   - text: a `.proto` text, or a `FileDescriptorProto` in base 64.
    ///   - isNew: whether every type that is named has to be defined and the language's rules have to hold. What a
    ///     topic already holds may fail that, and fails when it is used instead.
    package init(_ text: String, references: [ReferencedSchema], isNew: Bool) throws(SchemaFailure) {
        self.references = references
        do {
            var imports: [String: ProtoFile] = [:]
            for reference in references {
                do throws(ProtobufError) {
                    imports[reference.name] = try ProtoFile(parsingTextOrDescriptor: reference.text, imports: imports)
                } catch {
                    throw SchemaFailure("reference \"\(reference.name)\": \(error)")
                }
            }
            do throws(ProtobufError) {
                file = try ProtoFile(parsingTextOrDescriptor: text, imports: imports)
                self.imports = try ProtobufSchema.files(neededBy: file, imports: imports)
                if isNew { _ = try ProtobufSchema(file: file, imports: imports) }
                if isNew { try file.requireTypes(TypeNames(file: file, imports: self.imports.values)) }
            } catch {
                throw SchemaFailure("could not parse Protobuf: \(error)")
            }
        }
        canonicalText = file.canonicalText
    }

    /// The schema that messages are decoded and encoded by.
    ///
    /// - Throws: `SchemaFailure` when a type is defined nowhere or a rule of the language is broken.
    package func schema() throws(SchemaFailure) -> ProtobufSchema {
        do { return try ProtobufSchema(file: file, imports: imports) } catch { throw SchemaFailure("\(error)") }
    }

    package func normalizedText() throws(SchemaFailure) -> String {
        do {
            // Custom options of Confluent's, and what custom options extend, need no import.
            var files = imports
            for path in ["confluent/meta.proto", "google/protobuf/descriptor.proto"] where files[path] == nil {
                files[path] = try BuiltInFiles.file(path)
            }
            return try file.normalizedText(types: TypeNames(file: file, imports: files.values))
        } catch {
            throw SchemaFailure("\(error)")
        }
    }

    package func text(format: String) throws(SchemaFailure) -> String {
        switch format {
        case "ignore_extensions": return file.textWithoutExtensions
        case "serialized":
            do throws(ProtobufError) {
                return Base64.encode(try ProtobufSchema(file: file, imports: imports).fileDescriptor())
            } catch { throw SchemaFailure("\(error)") }
        default: return canonicalText  // as the original, for what newer versions may have
        }
    }

    package func incompatibilities(
        reading writer: any SchemaDocument, policy: CompatibilityPolicy
    ) -> [Incompatibility] {
        guard let writer = writer as? ProtobufDocument else { return [.differentType] }
        return differences(from: writer).filter { !$0.kind.isCompatible }.map {
            Incompatibility(
                kind: $0.kind.rawValue, path: $0.path, description: $0.sentence(reader: "new", writer: "old"),
                reversedDescription: $0.sentence(reader: "old", writer: "new"), quote: "\"")
        }
    }

    /// All that is different in this schema, compatible or not.
    package func differences(from older: ProtobufDocument) -> [ProtobufDifference] {
        ProtobufComparison.differences(original: older.side, update: side)
    }

    private var side: ProtobufSide {
        ProtobufSide(
            file: file, imports: imports,
            references: Dictionary(references.map { ($0.name, ($0.subject, $0.version)) }) { $1 })
    }

    package var topLevelFields: Set<String> {
        var names: Set<String> = []
        for case .message(let message) in file.types {
            let groups = message.groups + message.oneofs.flatMap(\.groups)
            names.formUnion(message.fields.map(\.name))
            names.formUnion(message.oneofs.flatMap { $0.fields.map(\.name) })
            names.formUnion(groups.map { $0.body.name.lowercased() })
        }
        return names
    }

    /// The messages in the order of the text, those inside behind the one around them; then the enums. The first is the
    /// one that a record without a message index would be.
    package var names: [String] {
        let prefix = file.package.map { $0 + "." } ?? ""
        var messages: [String] = []
        var enums: [String] = []
        func collect(_ types: [ProtoType], _ prefix: String) {
            for type in types {
                switch type {
                case .enumeration(let enumeration): enums.append(prefix + enumeration.name)
                case .message(let message):
                    messages.append(prefix + message.name)
                    collect(message.types, prefix + message.name + ".")
                }
            }
        }
        collect(file.types, prefix)
        return messages + enums
    }
}
