import Columns
import Foundation
import JSONFormat
import ProtobufFormat
import Testing

/// Random files and messages: what is written reads back as it was, in every form.
@Suite struct RandomProtoTests {
    static let seeds = 0..<UInt64(60)

    private func schema(_ seed: UInt64) throws -> (ProtobufSchema, RandomProto) {
        var generator = RandomProto(seed: seed)
        let file = try ProtoFile(parsing: generator.file())
        return (try ProtobufSchema(file: file), generator)
    }

    @Test(arguments: seeds) func `texts are printed the same again`(seed: UInt64) throws {
        let (schema, _) = try schema(seed)
        let text = schema.file.canonicalText
        #expect(try ProtoFile(parsing: text).canonicalText == text)
        let types = TypeNames(file: schema.file, imports: schema.imports.values)
        let normalized = try schema.file.normalizedText(types: types)
        let again = try ProtoFile(parsing: normalized)
        #expect(try again.normalizedText(types: TypeNames(file: again, imports: schema.imports.values)) == normalized)
    }

    /// Through a descriptor: the same meaning, although maps are written out and names are full.
    @Test(arguments: seeds) func `descriptors mean what their texts mean`(seed: UInt64) throws {
        let (schema, generator) = try schema(seed)
        var random = generator
        let bytes = try schema.fileDescriptor()
        let file = try ProtoFile(parsingTextOrDescriptor: Base64.encode(bytes))
        let again = try ProtobufSchema(file: file)
        #expect(try ProtoFile(parsing: file.canonicalText).canonicalText == file.canonicalText)
        for message in schema.messages where message.file.isEmpty && !message.isMapEntry {
            let index = try #require(schema.messageIndex(named: message.fullName))
            let other = try #require(again.messageIndex(named: message.fullName))
            #expect(again.messages[other].path == message.path)
            let encoded = try schema.encode(random.message(schema, index))
            let decoded = try again.decode(encoded, as: other)
            #expect(decoded.unknownFields.isEmpty)
            #expect(try again.encode(decoded) == encoded)
        }
        // Their normalised texts agree in all but the order of what a descriptor keeps in another one.
        func lines(_ schema: ProtobufSchema) throws -> [Substring] {
            try schema.file.normalizedText(types: TypeNames(file: schema.file, imports: schema.imports.values))
                .split(separator: "\n").filter { !$0.contains("reserved") && !$0.allSatisfy(\.isWhitespace) }.sorted()
        }
        #expect(try lines(schema) == lines(again))
    }

    @Test(arguments: seeds) func `messages read back as they were written`(seed: UInt64) throws {
        let (schema, generator) = try schema(seed)
        var random = generator
        for (index, descriptor) in schema.messages.enumerated() where descriptor.file.isEmpty && !descriptor.isMapEntry
        {
            for _ in 0..<4 {
                let message = random.message(schema, index)
                let bytes = try schema.encode(message)
                #expect(try schema.decode(bytes, as: index) == message)
                let json = try schema.json(message)
                #expect(try schema.message(json: json, as: index) == message)
                let text = try #require(JSONValue.parse(json.bytes))
                #expect(try schema.message(json: text, as: index) == message)
            }
        }
    }

    /// Cut anywhere, or with a byte changed: an error or another message, never a crash.
    @Test(arguments: seeds) func `damaged messages are errors or other messages`(seed: UInt64) throws {
        let (schema, generator) = try schema(seed)
        var random = generator
        let index = try #require(schema.mainMessageIndex)
        let bytes = try schema.encode(random.message(schema, index))
        guard !bytes.isEmpty else { return }
        for _ in 0..<50 {
            var damaged = Array(bytes.prefix(random.below(bytes.count + 1)))
            for _ in 0..<random.below(4) where !damaged.isEmpty {
                damaged[random.below(damaged.count)] = UInt8(random.below(256))
            }
            guard let message = try? schema.decode(damaged, as: index) else { continue }
            // What was read can be written, and is the same then.
            let again = try schema.encode(message)
            #expect(try schema.encode(schema.decode(again, as: index)) == again)
        }
    }

    /// Columns hold what value trees hold, and can be written again.
    @Test(arguments: seeds) func `columns agree with value trees`(seed: UInt64) throws {
        let (schema, generator) = try schema(seed)
        var random = generator
        for (index, descriptor) in schema.messages.enumerated() where descriptor.file.isEmpty && !descriptor.isMapEntry
        {
            let layout: ProtobufColumnLayout
            do { layout = try ProtobufColumnLayout(schema, typeIndex: index) } catch {
                #expect(error.code == .invalid)  // a message that contains itself
                continue
            }
            let program = ProtobufColumnProgram(layout)
            let sink = ProtobufColumnSink(layout)
            var records: [[UInt8]] = []
            for _ in 0..<20 { records.append(try schema.encode(random.message(schema, index))) }
            for record in records { try program.append(record.span.bytes, to: sink) }
            let batch = sink.finish()
            #expect(batch.count == records.count)
            for (row, record) in records.enumerated() {
                let message = try schema.decode(record, as: index)
                for (place, column) in zip(layout.fields.indices, batch.columns) {
                    let field = descriptor.fields[try #require(descriptor.fieldIndex(name: layout.fields[place].name))]
                    let value = message.value(field.name, in: schema)
                    #expect(column.value(row) == Self.expected(value, field, schema), "\(field.name)")
                }
            }
            let encoder = ProtobufColumnEncoder(layout)
            let written = try encoder.encode(batch, prefix: [7])
            for (row, record) in records.enumerated() {
                let bytes = try #require(written.array(row))
                #expect(bytes.first == 7)
                #expect(Array(bytes.dropFirst()) == record)
            }
        }
    }

    private static func expected(
        _ value: ProtobufValue?, _ field: FieldDescriptor, _ schema: ProtobufSchema
    ) -> ColumnValue {
        guard let value = value ?? (field.hasPresence ? nil : schema.defaultValue(of: field)) else { return .null }
        switch value {
        case .int32(let value): return .int32(value)
        case .int64(let value): return .int64(value)
        case .uint32(let value): return .int64(Int64(value))
        case .uint64(let value): return .int64(Int64(bitPattern: value))
        case .bool(let value): return .boolean(value)
        case .float(let value): return .float(value)
        case .double(let value): return .double(value)
        case .string(let value): return .string(value)
        case .bytes(let value): return .bytes(value)
        case .enumeration(let number):
            return .string(schema.enums[field.typeIndex].name(of: number) ?? "\(number)")
        case .message(let message):
            let fields = schema.messages[message.typeIndex].fields
            return .structure(zip(fields, message.values).map { expected($1, $0, schema) })
        case .list(let list):
            var element = field
            element.cardinality = .optional
            return .list(list.map { expected($0, element, schema) })
        case .map(let entries):
            let fields = schema.messages[field.typeIndex].fields
            return .map(
                entries.map { .init(expected($0.key, fields[0], schema), expected($0.value, fields[1], schema)) })
        }
    }

    /// Writes what `protobuf_agreement.py` compares with Python's protobuf: one case per line.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["PROTOBUF_CASES"] != nil))
    func `the cases for protobuf_agreement.py are written`() throws {
        let path = try #require(ProcessInfo.processInfo.environment["PROTOBUF_CASES"])
        var lines: [UInt8] = []
        for seed in 0..<UInt64(400) {
            let (schema, generator) = try schema(seed)
            var random = generator
            let descriptor = Base64.encode(try schema.fileDescriptor(name: "case\(seed).proto"))
            for (index, message) in schema.messages.enumerated() where message.file.isEmpty && !message.isMapEntry {
                let value = random.message(schema, index)
                lines +=
                    JSONValue.object([
                        ("seed", .number(Int64(seed))), ("descriptor", .string(descriptor)),
                        ("text", .string(schema.file.canonicalText)), ("message", .string(message.fullName)),
                        ("bytes", .string(Base64.encode(try schema.encode(value)))), ("json", try schema.json(value)),
                    ]).bytes + [0x0A]
            }
        }
        try Data(lines).write(to: URL(filePath: path))
    }

    /// Reads what Python's protobuf has written of the same cases.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["PROTOBUF_ANSWERS"] != nil))
    func `the answers of protobuf_agreement.py are understood`() throws {
        let path = try #require(ProcessInfo.processInfo.environment["PROTOBUF_ANSWERS"])
        let lines = try Data(contentsOf: URL(filePath: path)).split(separator: 0x0A)
        #expect(!lines.isEmpty)
        for line in lines {
            let answer = try #require(JSONValue.parse(Array(line)))
            let descriptor = try #require(Base64.decode(answer["descriptor"]?.text ?? ""))
            let schema = try ProtobufSchema(file: try ProtoFile(fileDescriptor: descriptor))
            let index = try #require(schema.messageIndex(named: answer["message"]?.text ?? ""))
            let bytes = try #require(Base64.decode(answer["bytes"]?.text ?? ""))
            let json = try #require(answer["json"])
            let decoded = try schema.decode(bytes, as: index)
            let read = try schema.decode(schema.encode(schema.message(json: json, as: index)), as: index)
            #expect(Self.sorted(read) == Self.sorted(decoded), "seed \(answer["seed"]?.integer ?? -1)")
        }
    }

    /// Maps come in any order.
    private static func sorted(_ message: ProtobufMessage) -> ProtobufMessage {
        var message = message
        message.values = message.values.map { $0.map(sorted) }
        return message
    }

    private static func sorted(_ value: ProtobufValue) -> ProtobufValue {
        switch value {
        case .message(let message): .message(sorted(message))
        case .list(let list): .list(list.map(sorted))
        case .map(let entries):
            .map(entries.map { ProtobufMapEntry($0.key, sorted($0.value)) }.sorted { "\($0.key)" < "\($1.key)" })
        default: value
        }
    }
}
