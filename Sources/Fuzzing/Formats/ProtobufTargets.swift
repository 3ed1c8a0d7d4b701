import Bytes
import Columns
import JSONFormat
import ProtobufFormat
import TestKit

extension FuzzTarget {
    /// Texts that are almost `.proto` files. What is one prints as the same file, as a text and as a descriptor.
    static let protoTexts = FuzzTarget(name: "proto-texts", stepCount: 150) { try tryProtoTexts(&$0) }

    private static func tryProtoTexts(_ random: inout SeededRandom) throws {
        let text = random.almost(ProtobufSubject.texts, words: ProtobufSubject.words)
        let file: ProtoFile
        do throws(ProtobufError) { file = try ProtoFile(parsing: text) } catch {
            return try require(!error.message.isEmpty, "an error without a message")
        }
        try printsAsItself(file.canonicalText, text)
        _ = file.textWithoutExtensions
        let schema: ProtobufSchema
        do { schema = try ProtobufSchema(file: file) } catch { return }  // names that nobody defines
        try normalizes(schema, text)
        try describes(schema, text)
    }

    private static func printsAsItself(_ printed: String, _ source: String) throws {
        do {
            let again = try ProtoFile(parsing: printed).canonicalText
            try require(again == printed, "\(source)\nis printed as\n\(printed)\nand then as\n\(again)")
        } catch let error as ProtobufError {
            throw FuzzFailure("\(source)\nis printed as\n\(printed)\nand does not read back: \(error)")
        }
    }

    private static func normalizes(_ schema: ProtobufSchema, _ source: String) throws {
        do {
            let types = TypeNames(file: schema.file, imports: schema.imports.values)
            let normalized = try schema.file.normalizedText(types: types)
            let file = try ProtoFile(parsing: normalized)
            let again = try file.normalizedText(types: TypeNames(file: file, imports: schema.imports.values))
            try require(again == normalized, "\(source)\nbecomes\n\(normalized)\nand then\n\(again)")
        } catch let error as ProtobufError {
            // Types of services are looked at by nobody else.
            try require(error.code == .unresolved, "\(source)\nhas no normal form: \(error)")
        }
    }

    private static func describes(_ schema: ProtobufSchema, _ source: String) throws {
        let bytes: [UInt8]
        do { bytes = try schema.fileDescriptor() } catch { return }  // options that do not fit their types
        do {
            let file = try ProtoFile(fileDescriptor: bytes)
            try printsAsItself(file.canonicalText, source)
            let again = try ProtoFile(fileDescriptor: ProtobufSchema(file: file).fileDescriptor())
            try require(
                again.canonicalText == file.canonicalText, "\(source)\nis another descriptor after it was one")
        } catch let error as ProtobufError {
            throw FuzzFailure("\(source)\nhas a descriptor that does not read back: \(error)")
        }
    }

    /// Damaged descriptors of files. What is one prints as a text that reads back.
    static let descriptors = FuzzTarget(name: "descriptors", stepCount: 150) { try tryDescriptors(&$0) }

    private static func tryDescriptors(_ random: inout SeededRandom) throws {
        let subjects = try ProtobufSubject.all.get()
        var bytes = try subjects[random.roll(subjects.count)].schema.fileDescriptor()
        random.damage(&bytes, with: try subjects[random.roll(subjects.count)].schema.fileDescriptor())
        let file: ProtoFile
        do { file = try ProtoFile(fileDescriptor: bytes) } catch { return }
        try printsAsItself(file.canonicalText, "\(bytes)")
        do { _ = try ProtobufSchema(file: file).fileDescriptor() } catch {}  // names that nobody defines
    }

    /// Damaged messages. What is read as a tree is written, and read as columns, as the same; and its JSON is its own.
    static let protobufValues = FuzzTarget(name: "protobuf-values", stepCount: 200) { try tryProtobufValues(&$0) }

    private static func tryProtobufValues(_ random: inout SeededRandom) throws {
        let subjects = try ProtobufSubject.all.get()
        let subject = subjects[random.roll(subjects.count)]
        let original = ProtobufSubject.message(subject.schema, subject.type, &random)
        var bytes = try subject.schema.encode(original)
        let isWhole = random.roll(6) == 0
        if !isWhole { random.damage(&bytes, with: random.noise(30)) }
        try read(bytes, isWhole: isWhole, subject, &random)
    }

    private static func read(
        _ bytes: [UInt8], isWhole: Bool, _ subject: ProtobufSubject, _ random: inout SeededRandom
    ) throws {
        var at = 0
        do { _ = try MessageIndexes.decode(bytes.span.bytes, at: &at) } catch {}  // most bytes are none
        let tree: ProtobufMessage
        do { tree = try subject.schema.decode(bytes, as: subject.type) } catch {
            try require(!isWhole, "\(bytes): \(error)")
            return try readColumns(bytes, nil, subject)
        }
        let written = try subject.schema.encode(tree)
        let again = try subject.schema.decode(written, as: subject.type)
        // Compared as bytes, as a NaN differs from itself.
        try require(try subject.schema.encode(again) == written, "\(bytes) of \(subject.text)")
        try readColumns(bytes, tree, subject)
        try writeJSON(tree, subject, bytes, &random)
    }

    private static func readColumns(_ bytes: [UInt8], _ tree: ProtobufMessage?, _ subject: ProtobufSubject) throws {
        guard let (program, encoder) = subject.columns else { return }
        let sink = ProtobufColumnSink(program.layout)
        do throws(WireError) { try program.append(bytes.span.bytes, to: sink) } catch {
            try require(tree == nil, "\(bytes) of \(subject.text) is a message and no row")
            try require(sink.count == 0, "\(bytes) of \(subject.text) left something behind")
        }
        let batch = sink.finish()
        for column in batch.columns {
            try require(
                column.count == batch.count && column.values.count == batch.count, "\(bytes) of \(subject.text)")
        }
        guard let tree else { return }
        let written = try encoder.encode(batch).array(0) ?? []
        let row = try subject.schema.decode(written, as: subject.type)
        try require(
            try subject.schema.encode(known(row, subject.schema)) == subject.schema.encode(known(tree, subject.schema)),
            "\(bytes) of \(subject.text): columns and tree differ")
    }

    /// Without unknown fields and extensions, and without what says the same when it is not there.
    private static func known(_ message: ProtobufMessage, _ schema: ProtobufSchema) -> ProtobufMessage {
        var message = message
        message.unknownFields = []
        for (index, field) in schema.messages[message.typeIndex].fields.enumerated() {
            guard let value = message.values[index] else { continue }
            switch value {
            case .message(let inner): message.values[index] = .message(known(inner, schema))
            case .list(let list):
                message.values[index] =
                    list.isEmpty
                    ? nil
                    : .list(
                        list.map { if case .message(let inner) = $0 { .message(known(inner, schema)) } else { $0 } })
            case .map(let entries):
                message.values[index] =
                    entries.isEmpty
                    ? nil
                    : .map(
                        entries.map {
                            if case .message(let inner) = $0.value {
                                ProtobufMapEntry($0.key, .message(known(inner, schema)))
                            } else {
                                $0
                            }
                        })
            default: if !field.hasPresence, value == schema.defaultValue(of: field) { message.values[index] = nil }
            }
            if field.isExtension { message.values[index] = nil }
        }
        return message
    }

    private static func writeJSON(
        _ tree: ProtobufMessage, _ subject: ProtobufSubject, _ bytes: [UInt8], _ random: inout SeededRandom
    ) throws {
        let json: JSONValue
        do { json = try subject.schema.json(tree) } catch { return }  // times beyond the year 9999 and the like
        var text = json.bytes
        guard let parsed = JSONValue.parse(text) else { throw FuzzFailure("\(bytes) of \(subject.text) is no JSON") }
        do {
            let read = try subject.schema.message(json: parsed, as: subject.type)
            try require(try subject.schema.json(read).bytes == text, "\(bytes) of \(subject.text) is other JSON")
        } catch let error as ProtobufError {
            throw FuzzFailure("\(bytes) of \(subject.text): \(error) in \(String(decoding: text, as: UTF8.self))")
        }
        random.damage(&text)
        guard let damaged = JSONValue.parse(text) else { return }
        do throws(ProtobufError) {
            _ = try subject.schema.encode(subject.schema.message(json: damaged, as: subject.type))
        } catch {}  // most damage makes it something else
    }
}
