import Avro
import SQLTypes
import Testing

@testable import ConnectCore

/// The short way from Connect's values to Avro's bytes writes what the long one does, which knows all of Avro.
@Suite struct AvroValueProgramTests {
    static let inner = ConnectSchema.structure(
        [.init("x", .int32), .init("s", .optionalString)], name: "a.Inner", isOptional: true)

    static let schema = ConnectSchema.structure(
        [
            .init("i8", .optionalInt8), .init("i16", .int16), .init("i32", .int32), .init("i64", .optionalInt64),
            .init("f32", .float32), .init("f64", .optionalFloat64), .init("flag", .boolean), .init("s", .string),
            .init("b", .optionalBytes), .init("seven", ConnectSchema(.int32, defaultValue: .int32(7))),
            .init("word", ConnectSchema(.string, isOptional: true, defaultValue: .string("false"))),
            .init("amount", .decimal(scale: 2, isOptional: true)), .init("at", .optionalTimestamp),
            .init("first", inner), .init("second", inner),
            .init("list", ConnectSchema(.array, isOptional: true, valueSchema: .optionalString)),
            .init("map", ConnectSchema(.map, keySchema: .string, valueSchema: inner)),
        ], name: "a.Outer")

    static func structure(_ x: Int32, _ s: String?) -> ConnectValue {
        .structure(ConnectStruct(inner, values: [.int32(x), s.map { .string($0) } ?? .null]))
    }

    static let full: [ConnectValue] = [
        .int8(-1), .int16(.min), .int32(.max), .int64(.min), .float32(-0.0), .float64(.nan), .boolean(true),
        .string("naïve €"), .bytes([0, 255]), .int32(8), .string(""), .decimal(SQLDecimal(unscaled: -12345, scale: 2)),
        .instant(-1), structure(.min, nil), structure(64, "two"),
        .array([.string("a"), .null, .string(String(repeating: "long ", count: 100))]),
        .map(ConnectMap([("k", structure(1, "v")), ("", .null)])),
    ]

    static let sparse: [ConnectValue] = [
        .null, .int16(0), .int32(63), .null, .float32(1), .null, .boolean(false), .string(""), .null, .null, .null,
        .null,
        .null, .null, .null, .null, .map(ConnectMap()),
    ]

    private func bothWays(_ value: ConnectValue, _ schema: ConnectSchema) throws -> (program: [UInt8]?, tree: [UInt8]) {
        let avro = try AvroRecordEncoder(schema).schema
        let program = try #require(AvroValueProgram.make(schema, avro))
        var short: [UInt8] = []
        let isWritten = try program.write(value, to: &short)
        let tree = try AvroValueWriter(schema: avro, options: .init()).value(value, schema, avro.root)
        return (isWritten ? short : nil, try AvroEncoder(schema: avro).encode(tree))
    }

    @Test(arguments: [full, sparse]) func `both write the same bytes`(values: [ConnectValue]) throws {
        let (program, tree) = try bothWays(
            .structure(ConnectStruct(Self.schema, values: values)), Self.schema)
        #expect(program == tree)
    }

    /// What comes back is what was written, through the converter and its registry.
    @Test(arguments: [full, sparse]) func `the converter reads it back`(values: [ConnectValue]) async throws {
        let converter = AvroConverter(MemoryRegistry(), RegistryOptions())
        let value = SchemaAndValue(Self.schema, .structure(ConnectStruct(Self.schema, values: values)))
        for _ in 0..<2 {
            let bytes = try #require(try await converter.bytes(value, topic: "t"))
            let back = try await converter.value(bytes, topic: "t")
            let found = try #require(back.value.structure)
            for index in values.indices where index != 16 {
                let field = Self.schema.fields[index]
                let wanted = values[index].isNull ? field.schema.defaultValue ?? .null : values[index]
                #expect(found.values[index] == wanted, "\(field.name)")
            }
        }
    }

    @Test func `a struct of another schema that says the same is taken`() throws {
        let twin = ConnectSchema.structure(
            [.init("x", .int32), .init("s", .optionalString)], name: "a.Inner", isOptional: true)
        let value = ConnectValue.structure(ConnectStruct(twin, values: [.int32(5), .null]))
        let (program, tree) = try bothWays(value, Self.inner)
        #expect(program == tree)
    }

    /// The long way then says what is wrong, or knows better.
    @Test func `what does not fit is left to the other way`() throws {
        let avro = try AvroRecordEncoder(Self.inner).schema
        let program = try #require(AvroValueProgram.make(Self.inner, avro))
        var output: [UInt8] = []
        #expect(
            try !program.write(.structure(ConnectStruct(Self.inner, values: [.string("1"), .null])), to: &output))
        #expect(try !program.write(.structure(ConnectStruct(Self.inner, values: [.null, .null])), to: &output))
        let other = ConnectSchema.structure([.init("x", .int32)], name: "a.Other")
        #expect(try !program.write(.structure(ConnectStruct(other, values: [.int32(1)])), to: &output))
        var whole: [UInt8] = [9]
        #expect(throws: ConnectError.self) {
            try AvroRecordEncoder(Self.inner).encode(
                .structure(ConnectStruct(Self.inner, values: [.null, .null])), to: &whole)
        }
    }
}
