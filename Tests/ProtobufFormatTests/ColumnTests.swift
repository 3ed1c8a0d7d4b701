import Bytes
import Columns
import ProtobufFormat
import TestKit
import Testing

@Suite struct ColumnTests {
    private static let text = """
        syntax = "proto3";
        message M {
          int32 a = 1; string b = 2; optional int64 c = 3; E d = 4; repeated sint32 e = 5; N f = 6; repeated N g = 7;
          map<string, N> h = 8; oneof o { int32 i = 9; string j = 10; } uint32 k = 11; fixed64 l = 5000;
        }
        message N { bool x = 1; bytes y = 2; }
        enum E { ZERO = 0; ONE = 1; }
        """

    private func layout(_ names: [String]? = nil, _ text: String = text) throws -> ProtobufColumnLayout {
        try ProtobufColumnLayout(try ProtobufSchema(file: ProtoFile(parsing: text)), typeIndex: 0, columns: names)
    }

    private func rows(_ layout: ProtobufColumnLayout, _ records: [[UInt8]]) throws -> ColumnBatch {
        let program = ProtobufColumnProgram(layout)
        let sink = ProtobufColumnSink(layout)
        for record in records { try program.append(record.span.bytes, to: sink) }
        return sink.finish()
    }

    @Test func `types of columns`() throws {
        let n = ColumnType.structure([ColumnField("x", .boolean), ColumnField("y", .bytes)])
        let fields = try layout().fields
        #expect(fields.map(\.name) == ["a", "b", "c", "d", "e", "f", "g", "h", "k", "l", "i", "j"])
        #expect(
            fields.map(\.type) == [
                .int32, .string, .int64, .string, .list(.int32), n, .list(n), .map(key: .string, value: n), .int64,
                .int64, .int32, .string,
            ])
    }

    @Test func `what is not set has no value, or its default where that is the same`() throws {
        let batch = try rows(layout(), [[]])
        #expect(
            batch.columns.map { $0.value(0) } == [
                .int32(0), .string(""), .null, .string("ZERO"), .list([]), .null, .list([]), .map([]), .int64(0),
                .int64(0), .null, .null,
            ])
    }

    @Test func `only wanted fields are columns, in the wanted order`() throws {
        let record = bytes(ofHex: "08051201781807200152027979" + "58ffffffff0f")
        let batch = try rows(layout(["k", "j", "a"]), [record])
        #expect(batch.names == ["k", "j", "a"])
        #expect(batch.columns.map { $0.value(0) } == [.int64(4_294_967_295), .string("yy"), .int32(5)])
        for names in [["gone"], ["a", "a"]] { #expect(throws: ProtobufError.self) { try layout(names) } }
    }

    /// By the rules of merging, which only value trees know.
    @Test(
        arguments: [
            ("08010802", 0, .int32(2)), ("3202080132031201ff", 5, .structure([.boolean(true), .bytes([0xFF])])),
            ("48015201787801", 11, .string("x")), ("52017848014801", 10, .int32(1)), ("2007", 3, .string("7")),
            ("2a02020428072806", 4, .list([.int32(1), .int32(2), .int32(-4), .int32(3)])),
            ("4a0048014a00", 10, .int32(1)),
            ("42030a0161", 7, .map([.init(.string("a"), .structure([.boolean(false), .bytes([])]))])),
            ("0b0801 0c0805", 0, .int32(5)),
        ] as [(String, Int, ColumnValue)])
    func `records that encoders do not write are read like value trees`(hex: String, column: Int, value: ColumnValue)
        throws
    {
        let record = bytes(ofHex: hex.replacing(" ", with: ""))
        let batch = try rows(layout(), [[0x08, 0x07], record, [0x08, 0x07]])
        #expect(batch.count == 3)
        #expect(batch.columns[column].value(1) == value)
        #expect(batch.columns[0].value(2) == .int32(7))
        #expect(batch.columns.allSatisfy { $0.count == 3 })
    }

    /// U+FFFD stands for what is not UTF-8, as in Java, on the quick way and on that of value trees.
    @Test(arguments: ["", "0806"])
    func `texts that are not UTF-8 are repaired`(more: String) throws {
        let record = bytes(ofHex: "0805" + "120561ffc3a962" + "3a0408011200" + "52026180" + "42030a01ff" + more)
        let batch = try rows(layout(), [record])
        #expect(batch.columns[0].value(0) == .int32(more.isEmpty ? 5 : 6))
        #expect(batch.columns[1].value(0) == .string("a\u{FFFD}éb"))
        #expect(
            batch.columns[7].value(0) == .map([.init(.string("\u{FFFD}"), .structure([.boolean(false), .bytes([])]))]))
        #expect(batch.columns[11].value(0) == .string("a\u{FFFD}"))
        let schema = try layout().schema
        #expect(throws: WireError.self) { try schema.decode(record, as: 0) }
        let tree = try schema.decode(record.span.bytes, as: 0, repairsText: true)
        #expect(tree.value("b", in: schema) == .string("a\u{FFFD}éb"))
    }

    /// A member of a oneof that has no column takes the value of the one that has.
    @Test func `members of a oneof that are not wanted count`() throws {
        let batch = try rows(
            layout(["i"]), [bytes(ofHex: "48055201 78".replacing(" ", with: "")), bytes(ofHex: "5201784805")])
        #expect(batch.columns[0].values == [.null, .int32(5)])
    }

    @Test func `a broken record leaves nothing behind`() throws {
        let layout = try layout()
        let program = ProtobufColumnProgram(layout)
        let sink = ProtobufColumnSink(layout)
        let whole = bytes(ofHex: "0805120178" + "2a020204" + "32020801" + "3a020801" + "42070a016112020801" + "4809")
        try program.append(whole.span.bytes, to: sink)
        for end in 1..<whole.count {
            let rows = sink.count
            do {
                try program.append(whole.span.bytes.extracting(0..<end), to: sink)
            } catch {
                #expect(sink.count == rows)
            }
        }
        sink.appendNull()
        let batch = sink.finish()
        #expect(batch.columns.allSatisfy { $0.count == batch.count })
        #expect(batch.columns[0].value(batch.count - 1) == .null)
        #expect(sink.count == 0)
    }

    @Test func `more fields than a mask has bits, and groups`() throws {
        let fields = (1...70).map { "optional int32 f\($0) = \($0);" }.joined()
        let wide = try layout(nil, "message M { \(fields) optional group G = 100 { optional string s = 1; } }")
        let record = bytes(ofHex: "0801b00446a3060a0161a406")
        let batch = try rows(wide, [record])
        #expect(batch.columns[0].value(0) == .int32(1))
        #expect(batch.columns[69].value(0) == .int32(70))
        #expect(batch.columns[70].value(0) == .structure([.string("a")]))
        let written = try ProtobufColumnEncoder(wide).encode(batch)
        #expect(written.array(0) == record)
    }

    @Test func `messages that contain themselves have no columns`() throws {
        let text = "syntax = \"proto3\"; message M { int32 a = 1; N n = 2; } message N { repeated M m = 1; }"
        #expect(throws: ProtobufError.self) { try layout(nil, text) }
        #expect(try layout(["a"], text).fields.count == 1)
    }

    @Test func `columns that do not fit are errors`() throws {
        let encoder = ProtobufColumnEncoder(try layout(["d", "e"]))
        func encode(_ d: [ColumnValue], _ e: [ColumnValue]) throws(ProtobufError) {
            let names = ColumnBuilder(.string)
            for case .string(let text) in d { _ = names.append(string: text) }
            let numbers = ColumnBuilder(.list(.int32))
            for value in e {
                if case .int32(let number) = value {
                    numbers.children[0].cells.pointee.append(number)
                } else {
                    numbers.children[0].appendNull()
                }
                _ = numbers.appendRun()
            }
            _ = try encoder.encode(
                ColumnBatch(names: ["d", "e"], columns: [names.finish(), numbers.finish()], count: d.count))
        }
        try encode([.string("ONE"), .string("-9")], [.int32(1), .int32(2)])
        let constant = #expect(throws: ProtobufError.self) { try encode([.string("TWO")], [.int32(1)]) }
        #expect(constant?.message == "row 0: \"TWO\" is no constant of the enum")
        let element = #expect(throws: ProtobufError.self) { try encode([.string("ONE")], [.null]) }
        #expect(element?.message == "row 0: an element of a list has no value")
        let types = #expect(throws: ProtobufError.self) {
            try encoder.encode(ColumnBatch(names: [], columns: [], count: 0))
        }
        #expect(types?.code == .value)
    }
}
