import Avro
import Columns
import JSONFormat
import TestKit

extension FuzzTarget {
    /// Texts that are almost Avro schemas. What is one prints as the same schema again.
    static let avroSchemas = FuzzTarget(name: "avro-schemas", stepCount: 200) { try tryAvroSchemas(&$0) }

    private static func tryAvroSchemas(_ random: inout SeededRandom) throws {
        let text = random.almost(AvroSubject.schemaTexts, words: AvroSubject.words)
        let checksDefaults = random.roll(2) == 0
        let schema: AvroSchema
        do throws(AvroError) {
            schema = try AvroSchema(text, checksDefaults: checksDefaults)
        } catch { return try tellsWhy(error) }
        for form in [AvroSchema.TextForm.canonical, .resolved, .normalized, .parsing] {
            let printed = schema.text(form)
            do {
                let again = try AvroSchema(printed)
                try require(again.text(form) == printed, "\(text) is printed as \(printed), and then otherwise")
                try require(
                    again.rabinFingerprint == schema.rabinFingerprint, "\(text) has another fingerprint as \(printed)")
            } catch let error as AvroError {
                try require(error.code == .tooLarge, "\(printed) does not read back: \(error)")
            }
        }
        do {
            _ = try AvroDecoder(writer: schema)
            _ = try AvroColumnProgram(writer: schema, layout: AvroColumnLayout(schema))
            let other = try AvroSchema(AvroSubject.schemaTexts[random.roll(AvroSubject.schemaTexts.count)])
            _ = try AvroDecoder(writer: schema, reader: other)
            _ = try AvroDecoder(writer: other, reader: schema)
        } catch {}  // most schemas have nothing to do with each other
    }

    /// Damaged values: as trees and as columns they are the same, or errors in both; and what was read can be written.
    static let avroValues = FuzzTarget(name: "avro-values", stepCount: 300) { try tryAvroValues(&$0) }

    private static func tryAvroValues(_ random: inout SeededRandom) throws {
        let subjects = try AvroSubject.all.get()
        let subject = subjects[random.roll(subjects.count)]
        var bytes = try subject.encoder.encode(AvroSubject.value(subject.writer, &random))
        if random.roll(6) != 0 { random.damage(&bytes) }
        var tree: AvroValue?
        do throws(AvroError) { tree = try subject.decoder.decode(bytes) } catch { try tellsWhy(error) }
        if let tree { try writeAgain(tree, subject, bytes, &random) }
        if let columns = subject.columns { try readColumns(bytes, tree, subject, columns) }
    }

    private static func tellsWhy(_ error: AvroError) throws {
        try require(!error.message.isEmpty, "an error without a message")
    }

    private static func writeAgain(
        _ tree: AvroValue, _ subject: AvroSubject, _ bytes: [UInt8], _ random: inout SeededRandom
    ) throws {
        let written = try subject.readerEncoder.encode(tree)
        let again = try subject.sameDecoder.decode(written)
        // Compared as bytes, as a NaN differs from itself.
        try require(try subject.readerEncoder.encode(again) == written, "\(bytes) as \(subject.name)")
        var json = try subject.reader.json(tree)
        guard let value = JSONValue.parse(json) else { throw FuzzFailure("\(bytes) as \(subject.name) is no JSON") }
        let read = try subject.reader.value(json: value)
        try require(try subject.reader.json(read) == json, "\(bytes) as \(subject.name) is other JSON")
        random.damage(&json)
        guard let damaged = JSONValue.parse(json) else { return }
        do throws(AvroError) {
            _ = try subject.readerEncoder.encode(subject.reader.value(json: damaged))
        } catch {}  // most damage makes it something else
    }

    private static func readColumns(
        _ bytes: [UInt8], _ tree: AvroValue?, _ subject: AvroSubject, _ columns: AvroSubject.Columns
    ) throws {
        let sink = AvroColumnSink(columns.program.layout)
        sink.appendNull()
        do {
            try columns.program.append(bytes.span.bytes, to: sink)
            try require(tree != nil, "\(bytes) as \(subject.name) is a row and no value")
        } catch let error as AvroError {
            try require(tree == nil, "\(bytes) as \(subject.name) is a value and no row: \(error)")
            try require(sink.count == 1, "\(bytes) as \(subject.name) left something behind")
        }
        let batch = sink.finish()
        for column in batch.columns { try require(column.count == batch.count, "\(bytes) as \(subject.name)") }
        guard let tree else { return }
        let row = ColumnBatch(names: batch.names, columns: batch.columns, count: batch.count)
        try require(row.columns.allSatisfy { $0.values.count == 2 }, "\(bytes) as \(subject.name)")
        let only = AvroColumnSink(columns.program.layout)
        try columns.program.append(bytes.span.bytes, to: only)
        let written = try columns.encoder.encode(only.finish()).array(0) ?? []
        try require(
            try written == subject.readerEncoder.encode(tree), "\(bytes) as \(subject.name): columns and tree differ")
    }

    /// Damaged container files of every codec.
    static let avroContainers = FuzzTarget(name: "avro-containers", stepCount: 100) { try tryAvroContainers(&$0) }

    private static func tryAvroContainers(_ random: inout SeededRandom) throws {
        let subjects = try AvroSubject.all.get()
        let subject = subjects[random.roll(subjects.count)]
        let codec = AvroContainer.Codec.allCases[random.roll(AvroContainer.Codec.allCases.count)]
        var writer = try AvroContainerWriter(
            schema: subject.writer, codec: codec, sync: random.bytes(16), metadata: [("who", random.noise(9))],
            blockByteCount: 1 + random.roll(300))
        let count = random.roll(12)
        for _ in 0..<count { try writer.append(AvroSubject.value(subject.writer, &random)) }
        var bytes = try writer.finish()
        let isWhole = random.roll(8) == 0
        if !isWhole { random.damage(&bytes) }
        do {
            var reader = try AvroContainerReader(bytes)
            var found = 0
            while let values = try reader.next() { found += values.count }
            try require(!isWhole || found == count, "\(found) values of \(count) in \(bytes)")
        } catch let error as AvroError {
            try require(!isWhole, "\(bytes): \(error)")
        }
    }
}

/// Schemas with what reads and writes their values.
struct AvroSubject: Sendable {
    struct Columns: Sendable {
        var program: AvroColumnProgram
        var encoder: AvroColumnEncoder
    }

    var writer: AvroSchema
    var reader: AvroSchema
    var encoder: AvroEncoder
    var readerEncoder: AvroEncoder
    /// From the writer's schema to the reader's.
    var decoder: AvroDecoder
    /// Of the reader's schema.
    var sameDecoder: AvroDecoder
    /// nil for schemas that have no columns.
    var columns: Columns?
    var name: String { reader.text(.canonical) }

    init(_ writerText: String, _ readerText: String) throws(AvroError) {
        writer = try AvroSchema(writerText)
        reader = try AvroSchema(readerText)
        encoder = AvroEncoder(schema: writer)
        readerEncoder = AvroEncoder(schema: reader)
        decoder = try AvroDecoder(writer: writer, reader: reader)
        sameDecoder = try AvroDecoder(writer: reader)
        guard !readerText.contains("Node") else { return }  // it contains itself
        columns = Columns(
            program: try AvroColumnProgram(writer: writer, layout: AvroColumnLayout(reader)),
            encoder: try AvroColumnEncoder(schema: reader))
    }

    static let all = Result<[AvroSubject], any Error> {
        var subjects: [AvroSubject] = []
        for text in schemaTexts { subjects.append(try AvroSubject(text, text)) }
        for (writer, reader) in evolutions { subjects.append(try AvroSubject(writer, reader)) }
        return subjects
    }

    static let schemaTexts = [
        #"{"type":"record","name":"r","namespace":"n.s","doc":"d","fields":[{"name":"a","type":"long"},"#
            + #"{"name":"b","type":["null","string"],"default":null},{"name":"c","type":{"type":"array","items":"int"}},"#
            + #"{"name":"d","type":{"type":"map","values":"double"},"default":{"x":1.5}},{"name":"e","type":"boolean"}]}"#,
        #"{"type":"record","name":"Node","aliases":["Old"],"fields":[{"name":"value","type":"int","order":"ignore"},"#
            + #"{"name":"next","type":["null","Node"]},{"name":"rest","type":{"type":"array","items":"Node"}}]}"#,
        #"{"type":"record","name":"k","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["RED","B"],"#
            + #""default":"RED"}},{"name":"f","type":{"type":"fixed","name":"F","size":3}},{"name":"g","type":"F"},"#
            + #"{"name":"h","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},"#
            + #"{"name":"i","type":["null","long","string","E",{"type":"map","values":"bytes"}]},{"name":"j","#
            + #""type":{"type":"int","logicalType":"date"}}]}"#,
        #"["null","int",{"type":"record","name":"In","fields":[{"name":"x","type":"float"},{"name":"y","type":"null"}]}]"#,
        #"{"type":"array","items":{"type":"array","items":"null"}}"#,
        #"{"type":"map","values":{"type":"record","name":"Empty","fields":[]}}"#,
        #""string""#,
    ]

    private static let evolutions = [
        (
            schemaTexts[0],
            #"{"type":"record","name":"r","namespace":"n.s","fields":[{"name":"e","type":"boolean"},"#
                + #"{"name":"a","type":"double"},{"name":"c","type":{"type":"array","items":["null","long"]}},"#
                + #"{"name":"new","type":"string","default":"é"},{"name":"b","type":["string","null"],"default":"x"}]}"#
        ),
        (
            schemaTexts[2],
            #"{"type":"record","name":"k","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["B","C"],"#
                + #""default":"C"}},{"name":"i","type":["null","double","bytes","E"]},{"name":"j","type":"long"}]}"#
        ),
        (schemaTexts[1], #"{"type":"record","name":"Node","fields":[{"name":"value","type":"long"}]}"#),
    ]

    static let words = [
        "{", "}", "[", "]", ",", ":", "\"", "\"type\":", "\"record\"", "\"enum\"", "\"fixed\"", "\"array\"", "\"map\"",
        "\"null\"", "\"int\"", "\"long\"", "\"bytes\"", "\"string\"", "\"items\":", "\"values\":", "\"symbols\":",
        "\"fields\":", "\"default\":", "\"aliases\":", "\"namespace\":", "\"logicalType\":", "\"size\":", "null", "-1",
        "1e9", "99999999999999999999", "[\"null\",", "{\"type\":", "{\"type\":{\"type\":",
        "{\"type\":\"array\",\"items\":",
        "a", "Node", "E", "n.s.r", ".", "é", "true", "//", "/*", "*/", "\\u0000", "\\ud800", "decimal", "uuid",
        "precision",
    ]

    /// A value of a schema.
    static func value(_ schema: AvroSchema, _ random: inout SeededRandom, depth: Int = 0) -> AvroValue {
        func count(_ random: inout SeededRandom) -> Int { depth < 5 ? random.roll(4) : 0 }
        switch schema.type.kind {
        case .primitive(.null): return .null
        case .primitive(.boolean): return .boolean(random.roll(2) == 0)
        case .primitive(.int): return .int(Int32(truncatingIfNeeded: random.number()))
        case .primitive(.long): return .long(random.number())
        case .primitive(.float): return .float(Float(random.fraction()))
        case .primitive(.double): return .double(random.fraction())
        case .primitive(.bytes): return .bytes(random.noise(12))
        case .primitive(.string): return .string(random.string())
        case .array(let items):
            return .array((0..<count(&random)).map { _ in value(schema[items], &random, depth: depth + 1) })
        case .map(let values):
            return .map(
                (0..<count(&random)).map { .init("k\($0)", value(schema[values], &random, depth: depth + 1)) })
        case .union(let branches):
            let branch = depth < 5 ? random.roll(branches.count) : 0
            return .union(branch: branch, value(schema[branches[branch]], &random, depth: depth + 1))
        case .record(let record):
            return .record(record.fields.map { value(schema[$0.type], &random, depth: depth + 1) })
        case .enumeration(let enumeration):
            return .enumeration(enumeration.symbols[random.roll(enumeration.symbols.count)])
        case .fixed(let fixed): return .fixed(random.bytes(fixed.size))
        }
    }
}
