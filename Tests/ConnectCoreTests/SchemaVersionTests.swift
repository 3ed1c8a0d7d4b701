import ProtobufFormat
import SchemaRules
import Testing

@testable import ConnectCore

/// The version of a schema in its subject is that of Connect's schema: `AvroConverter` and the others ask for it.
@Suite struct SchemaVersionTests {
    /// A registry of one schema.
    private struct OneSchema: ConverterRegistry {
        var type: SchemaType
        var text: String
        var failure: ConnectError?

        func register(
            _ text: String, _ type: SchemaType, subject: String, normalize: Bool
        ) async throws(ConnectError) -> Int32 { 7 }

        func id(
            of text: String, _ type: SchemaType, subject: String, normalize: Bool
        ) async throws(ConnectError) -> Int32 { 7 }

        func latest(subject: String) async throws(ConnectError) -> RegistrySchema { try await schema(id: 7) }

        func schema(id: Int32) async throws(ConnectError) -> RegistrySchema {
            RegistrySchema(id: id, type: type, text: text)
        }

        func schema(guid: String) async throws(ConnectError) -> RegistrySchema { throw .data("none") }

        func versions(id: Int32) async throws(ConnectError) -> [(subject: String, version: Int32)] {
            if let failure { throw failure }
            return [("t-value", 2), ("t-value", 4), ("u-value", 9), ("x.N", 6), ("t-x.N", 8)]
        }
    }

    private static let schemas: [SchemaType: (text: String, payload: [UInt8])] = [
        .avro: (
            #"{"type":"record","name":"N","namespace":"x","fields":[{"name":"v","type":"int"},"#
                + #"{"name":"i","type":{"type":"record","name":"I","fields":[{"name":"w","type":"int"}]}}]}"#, [2, 4]
        ),
        .protobuf: (
            #"syntax = "proto3"; package x; message N { int32 v = 1; I i = 2; } message I { int32 w = 1; }"#,
            [0, 8, 1, 18, 2, 8, 2]
        ),
        .json: (
            #"{"type":"object","title":"x.N","properties":{"v":{"type":"integer"},"#
                + #""i":{"type":"object","title":"x.I","properties":{"w":{"type":"integer"}}}}}"#,
            Array(#"{"v":1,"i":{"w":2}}"#.utf8)
        ),
    ]

    private static func read(
        _ type: SchemaType, topic: String = "t", strategy: SubjectNameStrategy = .topic, failure: ConnectError? = nil
    ) async throws -> SchemaAndValue {
        let (text, payload) = try #require(schemas[type])
        var options = RegistryOptions()
        options.strategy = strategy
        let registry = OneSchema(type: type, text: text, failure: failure)
        let converter: any Converter =
            switch type {
            case .avro: AvroConverter(registry, options)
            case .json: JSONSchemaConverter(registry, options)
            case .protobuf: ProtobufConverter(registry, options)
            }
        let bytes = [0, 0, 0, 0, 7] + payload
        let first = try await converter.value(bytes, topic: topic)
        // Another topic's version does not stand in for it afterwards.
        _ = try await converter.value(bytes, topic: "u")
        let again = try await converter.value(bytes, topic: topic)
        #expect(first == again && first.schema?.version == again.schema?.version)
        return again
    }

    @Test(
        arguments: SchemaType.allCases,
        [
            (SubjectNameStrategy.topic, "t", 4), (.topic, "u", 9), (.topic, "other", nil), (.topicRecord, "t", 8),
            (.topicRecord, "other", nil),
        ] as [(SubjectNameStrategy, String, Int32?)])
    func `it is that of the subject`(
        type: SchemaType, place: (strategy: SubjectNameStrategy, topic: String, version: Int32?)
    ) async throws {
        let read = try await Self.read(type, topic: place.topic, strategy: place.strategy)
        #expect(read.schema?.version == place.version)
        #expect(read.value.structure?.schema.version == place.version)
        // Of the whole schema only.
        #expect(read.schema?.field("i")?.schema.version == nil)
        try #require(read.schema).check(read.value)
        var plain = JSONConverter.Options()
        plain.hasSchemas = false
        #expect(try JSONConverter(plain).json(read).line == #"{"v":1,"i":{"w":2}}"#)
    }

    @Test func `a record's own strategy and version`() async throws {
        #expect(try await Self.read(.avro, strategy: .record).schema?.version == 6)
        let text = #"{"type":"record","name":"N","connect.version":3,"fields":[{"name":"v","type":"int"}]}"#
        let registry = OneSchema(type: .avro, text: text)
        let read = try await AvroConverter(registry, RegistryOptions()).value([0, 0, 0, 0, 7, 2], topic: "t")
        #expect(read.schema?.version == 3)
        let json = #"{"type":"object","title":"N","connect.version":3,"properties":{"v":{"type":"integer"}}}"#
        let converter = JSONSchemaConverter(OneSchema(type: .json, text: json), RegistryOptions())
        let other = try await converter.value([0, 0, 0, 0, 7] + Array(#"{"v":1}"#.utf8), topic: "t")
        #expect(other.schema?.version == 3)
    }

    @Test(arguments: SchemaType.allCases)
    func `a registry that does not know stops nothing, one that is away is asked again`(type: SchemaType) async throws {
        #expect(try await Self.read(type, failure: .data("HTTP 404 Not Found")).schema?.version == nil)
        let error = await #expect(throws: ConnectError.self) {
            try await Self.read(type, failure: ConnectError(.retriable, "away"))
        }
        #expect(error?.isRetriable == true)
    }
}
