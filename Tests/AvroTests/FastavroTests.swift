import Avro
import Foundation
import JSONFormat
import Testing

/// Random evolutions of random schemas, read by us and by fastavro. `SWIFTWATER_PYTHON` is a Python that has it.
@Suite struct FastavroTests {
    private static let python = ProcessInfo.processInfo.environment["SWIFTWATER_PYTHON"] ?? "python3"
    private static let oracle = Shared.package.appending(path: "Tests/Acceptance/avro_oracle.py")

    private static let hasFastavro: Bool = {
        do {
            return try run(["-c", "import fastavro; print(1)"], input: []) == Array("1\n".utf8)
        } catch {
            return false  // no Python at all
        }
    }()

    private static func run(_ arguments: [String], input: [UInt8]) throws -> [UInt8] {
        let file = FileManager.default.temporaryDirectory.appending(path: "avro-\(UUID().uuidString)")
        try Data(input).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }  // a leftover in the temporary folder harms nobody
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [python] + arguments
        process.standardInput = try FileHandle(forReadingFrom: file)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Array(data)
    }

    @Test(
        .enabled(if: hasFastavro, "needs fastavro (pip install fastavro); SWIFTWATER_PYTHON is the Python that has it"))
    func `random evolutions are read as fastavro reads them`() throws {
        struct Case {
            var seed: UInt64
            var writer: String
            var reader: String
            var data: [UInt8]
        }
        var cases: [Case] = []
        for seed in UInt64(1)...1500 {
            var random = RandomAvro(seed: seed)
            let shape = random.record()
            let reader = random.evolved(shape).text
            let writer = try AvroSchema(shape.text)
            for _ in 0..<2 {
                let data = try AvroEncoder(schema: writer).encode(random.value(writer))
                cases.append(Case(seed: seed, writer: shape.text, reader: reader, data: data))
            }
        }
        var input: [UInt8] = []
        for item in cases {
            let hex = item.data.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            let line: JSONValue = .object([
                ("writer", .string(item.writer)), ("reader", .string(item.reader)), ("data", .string(hex)),
            ])
            input += line.bytes + [0x0A]
        }
        let output = try Self.run([Self.oracle.path], input: input)
        let answers = output.split(separator: 0x0A).map { JSONValue.parse(Array($0)) }
        try #require(answers.count == cases.count)
        var readable = 0
        for (item, answer) in zip(cases, answers) {
            let reader = try AvroSchema(item.reader)
            let value: AvroValue?
            var reason = ""
            do throws(AvroError) {
                value = try AvroDecoder(writer: AvroSchema(item.writer), reader: reader).decode(item.data)
            } catch {
                value = nil
                reason = error.message
            }
            let theirs = answer?["value"]
            // Bytes that are no UTF-8 become strings as in Java; and elements that cannot be read are an error to it
            // even where there are none.
            let complaint = answer?["error"]?.text ?? ""
            if complaint.hasPrefix("UnicodeDecodeError") { continue }
            if value != nil, complaint.hasPrefix("SchemaResolutionError: Schema mismatch: {'type': ") { continue }
            let comment: Comment =
                "seed \(item.seed): \(item.writer) as \(item.reader): \(reason) \(answer?["error"]?.text ?? "")"
            #expect((value == nil) == (answer?["error"] != nil), comment)
            guard let value, let theirs else { continue }
            readable += 1
            #expect(isSame(value, reader, theirs), comment)
        }
        #expect(readable > cases.count / 3)
        #expect(readable < cases.count)
    }

    @Test(
        .enabled(if: hasFastavro, "needs fastavro (pip install fastavro); SWIFTWATER_PYTHON is the Python that has it"),
        arguments: AvroContainer.Codec.allCases)
    func `fastavro reads our files, and we read its files`(codec: AvroContainer.Codec) throws {
        let schema = try AvroSchema(
            #"{"type":"record","name":"R","namespace":"n","fields":[{"name":"l","type":"long"},{"name":"s","type":"string"},{"name":"u","type":["null","string"]},{"name":"a","type":{"type":"array","items":"double"}},{"name":"m","type":{"type":"map","values":"int"}}]}"#
        )
        var random = RandomAvro(seed: 1)
        let values = (0..<500).map { _ in random.value(schema) }
        var writer = try AvroContainerWriter(
            schema: schema, codec: codec, sync: Array(UInt8(1)...16), blockByteCount: 5000)
        for value in values { try writer.append(value) }
        let hex = try writer.finish().map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        let line: JSONValue = .object([("file", .string(hex))])
        let answer = try #require(JSONValue.parse(Self.run([Self.oracle.path], input: line.bytes + [0x0A])))
        // Snappy and Zstandard are packages of their own, which may be missing.
        if let error = answer["error"]?.text, error.contains("need to install") { return }
        let elements = try #require(answer["value"]?["l"]?.elements, "\(answer["error"]?.text ?? "")")
        try #require(elements.count == values.count)
        for (value, element) in zip(values, elements) { #expect(isSame(value, schema, element)) }
        let file = Array(try #require(answer["file"]?.text).utf8)
        let digits = file.map { $0 < 0x61 ? $0 &- 0x30 : $0 &- 0x57 }
        let bytes = stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        var reader = try AvroContainerReader(bytes)
        #expect(reader.codec == codec)
        var read: [AvroValue] = []
        while let block = try reader.next() { read += block }
        #expect(read == values)
    }

    private func isSame(_ value: AvroValue, _ schema: AvroSchema, _ json: JSONValue) -> Bool {
        func text(_ name: String) -> String? { json[name]?.text }
        /// Which number a union's branch takes is their choice as well.
        func double() -> Double? {
            text("i").flatMap { Double($0) }
                ?? text("d").flatMap { UInt64($0, radix: 16) }.map { Double(bitPattern: $0) }
        }
        /// A default of bytes stays a string there.
        func bytes() -> String? {
            text("x") ?? text("s").map { hex($0.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }) }
        }
        func hex(_ bytes: [UInt8]) -> String {
            bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        }
        switch (value, schema.type.kind) {
        case (.null, _): return json == .null
        case (.boolean(let value), _): return json["b"]?.flag == value
        case (.int(let value), _): return text("i") == String(value)
        case (.long(let value), _): return text("i") == String(value)
        case (.float(let value), _): return double().map { Float($0) } == value
        case (.double(let value), _): return double() == value
        case (.string(let value), _), (.enumeration(let value), _): return text("s") == value
        case (.bytes(let value), _), (.fixed(let value), _): return bytes() == hex(value)
        case (.array(let values), .array(let items)):
            guard let elements = json["l"]?.elements, elements.count == values.count else { return false }
            return zip(values, elements).allSatisfy { isSame($0, schema[items], $1) }
        case (.map(let entries), .map(let type)):
            guard let members = json["m"], members.members?.count == entries.count else { return false }
            return entries.allSatisfy { entry in
                members[entry.key].map { isSame(entry.value, schema[type], $0) } ?? false
            }
        case (.record(let values), .record(let record)):
            guard let members = json["m"], members.members?.count == values.count else { return false }
            return zip(values, record.fields).allSatisfy { value, field in
                members[field.name].map { isSame(value, schema[field.type], $0) } ?? false
            }
        case (.union(let branch, let value), .union(let branches)):
            return isSame(value, schema[branches[branch]], json)
        default: return false
        }
    }
}
