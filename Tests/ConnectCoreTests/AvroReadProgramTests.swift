import Avro
import SQLTypes
import TestKit
import Testing

@testable import ConnectCore

/// The short way from Avro's bytes to Connect's values makes what the long one does, which knows all of Avro.
@Suite struct AvroReadProgramTests {
    private static func bothWays(
        _ bytes: [UInt8], _ avro: AvroSchema
    ) throws -> (program: ConnectValue?, tree: ConnectValue?, root: ConnectSchema?) {
        let mapping = try AvroSchemaReader(avro, .init())
        let program = try #require(AvroReadProgram.make(avro, mapping.connect))
        let decoder = try AvroDecoder(writer: avro)
        let tree = (try? decoder.decode(bytes)).flatMap { try? mapping.value($0) }
        return (bytes.withUnsafeBytes { program.value($0) }, tree, mapping.root)
    }

    /// The schema of `AvroValueProgramTests` without its map, which the long way reads.
    private static let schema = ConnectSchema.structure(
        Array(AvroValueProgramTests.schema.fields.dropLast()), name: "a.Outer")

    private static func encoded(_ values: [ConnectValue]) throws -> (bytes: [UInt8], avro: AvroSchema) {
        let encoder = try AvroRecordEncoder(schema)
        var bytes: [UInt8] = []
        try encoder.encode(.structure(ConnectStruct(schema, values: Array(values.dropLast()))), to: &bytes)
        return (bytes, encoder.schema)
    }

    @Test(arguments: [AvroValueProgramTests.full, AvroValueProgramTests.sparse])
    func `both make the same values`(values: [ConnectValue]) throws {
        let (bytes, avro) = try Self.encoded(values)
        let (program, tree, root) = try Self.bothWays(bytes, avro)
        #expect(program != nil && program == tree)
        // Structs have the schemas that their parents name.
        let found = try #require(program?.structure)
        #expect(found.schema == root)
        for (field, value) in zip(found.schema.fields, found.values) {
            if case .structure(let inner) = value { #expect(inner.schema == field.schema) }
        }
    }

    /// What the short way makes of bytes that are damaged, the long one makes as well; the rest it leaves alone.
    @Test(arguments: [UInt64(1), 2, 3, 4]) func `damaged bytes are no other value`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let (bytes, avro) = try Self.encoded(AvroValueProgramTests.full)
        for _ in 0..<300 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<damaged.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: damaged[place] = UInt8.random(in: 0...255, using: &random)
                case 1: damaged.remove(at: place)
                default: damaged.insert(UInt8.random(in: 0...255, using: &random), at: place)
                }
            }
            let (program, tree, _) = try Self.bothWays(damaged, avro)
            if program != nil { #expect(program == tree) }
        }
    }

    @Test func `what is beyond it is left to the other way`() throws {
        for text in [
            #"{"type": "map", "values": "int"}"#, #"["null", "int", "string"]"#,
            #"{"type": "record", "name": "r", "fields": [{"name": "u", "type": ["int", "string"]}]}"#,
        ] {
            let avro = try AvroSchema(text)
            #expect(AvroReadProgram.make(avro, try AvroSchemaReader(avro, .init()).connect) == nil)
        }
        let avro = try AvroSchema(#"{"type": "enum", "name": "e", "symbols": ["A", "B"]}"#)
        let (program, tree, _) = try Self.bothWays([2], avro)
        #expect(program == .string("B") && tree == program)
        #expect(try Self.bothWays([4], avro).program == nil)
        #expect(try Self.bothWays([2, 0], avro).program == nil)
    }
}
