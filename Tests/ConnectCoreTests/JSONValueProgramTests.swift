import JSONFormat
import SQLTypes
import Testing

@testable import ConnectCore

/// The short way from Connect's values to JSON writes what the tree does.
@Suite struct JSONValueProgramTests {
    static let schema = ConnectSchema.structure(
        AvroValueProgramTests.schema.fields + [
            .init("quote\"d", .optionalString), .init("day", ConnectSchema.date.with(isOptional: true)),
            .init("empty", .structure([])),
            .init("lists", .array(.array(.optionalFloat64))),
        ], name: "a.Outer")

    static let full: [ConnectValue] =
        AvroValueProgramTests.full + [
            .string("a\u{1}\n\"\\é"), .instant(86_400_000), .structure(ConnectStruct(.structure([]))),
            .array([.array([.float64(.infinity), .null, .float64(1e21)]), .array([])]),
        ]

    static let sparse: [ConnectValue] =
        AvroValueProgramTests.sparse + [.null, .null, .structure(ConnectStruct(.structure([]))), .array([])]

    static let forms: [JSONConverter.Options] = {
        var forms: [JSONConverter.Options] = []
        for (hasSchemas, asNumbers, replaces) in [(true, false, true), (false, true, true), (false, false, false)] {
            var options = JSONConverter.Options()
            options.hasSchemas = hasSchemas
            options.writesDecimalsAsNumbers = asNumbers
            options.replacesNull = replaces
            forms.append(options)
        }
        return forms
    }()

    @Test(arguments: [full, sparse], forms) func `both write the same bytes`(
        values: [ConnectValue], options: JSONConverter.Options
    ) throws {
        let converter = JSONConverter(options)
        let value = SchemaAndValue(Self.schema, .structure(ConnectStruct(Self.schema, values: values)))
        let tree: [UInt8]?
        do throws(ConnectError) { tree = try converter.json(value).bytes } catch {
            // Without the default a required field has no value: both say so.
            #expect(throws: error) { try converter.bytes(value, topic: "t") }
            return
        }
        #expect(try converter.bytes(value, topic: "t") == tree)
        let program = try #require(JSONValueProgram.make(Self.schema, options))
        var bytes: [UInt8] = []
        #expect(try program.write(value.value, to: &bytes))
        var plain = options
        plain.hasSchemas = false
        #expect(try JSONConverter(plain).json(value).bytes == bytes)
    }

    @Test func `a text in bytes is the text`() throws {
        let program = try #require(JSONValueProgram.make(.optionalString, .init()))
        let text = "a \"b\"\n"
        var bytes: [UInt8] = []
        #expect(Array(text.utf8).withUnsafeBytes { program.write(utf8: $0, to: &bytes) })
        var wanted: [UInt8] = []
        #expect(try program.write(.string(text), to: &wanted))
        #expect(bytes == wanted)
    }

    @Test func `what does not fit is left to the tree, which refuses it`() throws {
        let schema = ConnectSchema.structure([.init("x", .int32)])
        let value = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: [.null])))
        let program = try #require(JSONValueProgram.make(schema, .init()))
        var bytes: [UInt8] = []
        #expect(try !program.write(value.value, to: &bytes))
        #expect(throws: ConnectError.self) { try JSONConverter().bytes(value, topic: "t") }
        // Maps with other keys are arrays of pairs.
        let pairs = ConnectSchema(.map, keySchema: .int32, valueSchema: .string)
        #expect(JSONValueProgram.make(pairs, .init()) == nil)
        let map = ConnectValue.map(ConnectMap([(.int32(1), .string("a"))]))
        var plain = JSONConverter.Options()
        plain.hasSchemas = false
        #expect(try JSONConverter(plain).bytes(SchemaAndValue(pairs, map), topic: "t") == Array("[[1,\"a\"]]".utf8))
    }
}
