import Compression
import Foundation
import Testing

@testable import Parquet

/// A value as plain as Parquet's own.
enum Datum: ParquetDatum {
    case null, flag(Bool), int(Int32), long(Int64), float(Float), double(Double), bytes([UInt8])
    indirect case group([Datum]), list([Datum]), map([(key: Datum, value: Datum)])

    static func text(_ text: String) -> Datum { .bytes(Array(text.utf8)) }

    var isParquetNull: Bool { if case .null = self { true } else { false } }

    func parquetMember(_ index: Int) throws(ParquetError) -> Datum {
        guard case .group(let members) = self, index < members.count else { throw ParquetError(.value, "no group") }
        return members[index]
    }

    func parquetElements() throws(ParquetError) -> [Datum] {
        guard case .list(let elements) = self else { throw ParquetError(.value, "no list") }
        return elements
    }

    func parquetEntries() throws(ParquetError) -> [(key: Datum, value: Datum)] {
        guard case .map(let entries) = self else { throw ParquetError(.value, "no map") }
        return entries
    }

    func append(to column: inout ParquetColumn, repetition: UInt8) throws(ParquetError) {
        switch self {
        case .flag(let value): try column.append(value, repetition: repetition)
        case .int(let value): try column.append(value, repetition: repetition)
        case .long(let value): try column.append(value, repetition: repetition)
        case .float(let value): try column.append(value, repetition: repetition)
        case .double(let value): try column.append(value, repetition: repetition)
        case .bytes(let value): try column.append(value, repetition: repetition)
        case .null, .group, .list, .map: throw ParquetError(.value, "no primitive")
        }
    }
}

@Suite struct ParquetTests {
    private static let python = ProcessInfo.processInfo.environment["SWIFTWATER_PYTHON"] ?? "python3"
    private static let oracle = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Acceptance/parquet_oracle.py")

    static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [python] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    private static let hasReaders: Bool = {
        do { return try run(["-c", "import pyarrow.parquet, duckdb"]).status == 0 } catch {
            return false  // no Python at all
        }
    }()

    /// From the Parquet format's page on encodings, and by hand.
    @Test func `runs and packed groups`() {
        func encoded(_ values: [UInt8], _ width: Int) -> [UInt8] {
            var output: [UInt8] = []
            HybridRuns.append(values[...], width: width, to: &output)
            return output
        }
        // "The numbers 0 through 7 with bit width 3" of the specification.
        #expect(encoded([0, 1, 2, 3, 4, 5, 6, 7], 3) == [0x03, 0b1000_1000, 0b1100_0110, 0b1111_1010])
        #expect(encoded(Array(repeating: 1, count: 100), 1) == [0xC8, 0x01, 0x01])
        #expect(encoded([1, 0, 1], 1) == [0x03, 0b101])
        // A run that gives its first five to the group before it.
        #expect(encoded([1, 0, 1] + Array(repeating: 1, count: 15), 1) == [0x03, 0b1111_1101, 0x14, 0x01])
        #expect(encoded([], 1) == [])
        #expect(encoded([0, 0], 0) == [0x03])
    }

    @Test func `schemas that Parquet does not have are refused`() {
        let leaf = ParquetField("a", .primitive(.int32, nil))
        for fields in [[], [leaf, leaf], [ParquetField("g", .group([]))]] {
            #expect(throws: ParquetError.self) { try ParquetSchema(fields) }
        }
        #expect(throws: ParquetError.self) { try ParquetWriter(ParquetSchema([leaf]), codec: .lz4) }
    }

    /// The example of Dremel's levels: lists within lists.
    @Test func `levels`() throws {
        let schema = try ParquetSchema([
            ParquetField(
                "a", isOptional: true,
                .list(
                    ParquetField(
                        "", isOptional: true, .list(ParquetField("", isOptional: true, .primitive(.int32, nil))))))
        ])
        #expect(schema.leaves[0].path == ["a", "list", "element", "list", "element"])
        #expect(schema.leaves[0].definitionMax == 5)
        #expect(schema.leaves[0].repetitionMax == 2)
    }

    private static let fields: [ParquetField] = [
        ParquetField("id", .primitive(.int64, nil)),
        ParquetField("flag", isOptional: true, .primitive(.boolean, nil)),
        ParquetField("small", isOptional: true, .primitive(.int32, .integer(bits: 8))),
        ParquetField("real", isOptional: true, .primitive(.float, nil)),
        ParquetField("number", isOptional: true, .primitive(.double, nil)),
        ParquetField("name", isOptional: true, .primitive(.bytes, .string)),
        ParquetField("raw", isOptional: true, .primitive(.bytes, nil)),
        ParquetField("price", isOptional: true, .primitive(.fixed(byteCount: 5), .decimal(precision: 10, scale: 2))),
        ParquetField("day", isOptional: true, .primitive(.int32, .date)),
        ParquetField("at", isOptional: true, .primitive(.int32, .time(.millis))),
        ParquetField("ts", isOptional: true, .primitive(.int64, .timestamp(.millis))),
        ParquetField("micros", isOptional: true, .primitive(.int64, .timestamp(.micros))),
        ParquetField("doc", isOptional: true, .primitive(.bytes, .json)),
        ParquetField(
            "tags", isOptional: true, .list(ParquetField("", isOptional: true, .primitive(.bytes, .string)))),
        ParquetField(
            "matrix", isOptional: true, .list(ParquetField("", .list(ParquetField("", .primitive(.int32, nil)))))),
        ParquetField(
            "scores", isOptional: true,
            .map(
                key: ParquetField("", .primitive(.bytes, .string)),
                value: ParquetField("", isOptional: true, .primitive(.double, nil)))),
        ParquetField(
            "place", isOptional: true,
            .group([
                ParquetField("city", .primitive(.bytes, .string)),
                ParquetField("codes", .list(ParquetField("", .primitive(.int32, nil)))),
            ])),
    ]

    /// The same rows as `parquet_oracle.py` expects; by number.
    private static func row(_ n: Int) -> Datum {
        if n % 7 == 6 { return .group([.long(Int64(n))] + Array(repeating: .null, count: fields.count - 1)) }
        let cents = Int64(n * 137 - 5000)
        return .group([
            .long(Int64(n)), .flag(n % 2 == 0), .int(Int32(n % 100 - 50)), .float(Float(n) / 4), .double(Double(n) / 3),
            n % 5 == 0 ? .text("") : .text("name-\(n % 13)-ü"), .bytes([UInt8(n & 255), 0, 255]),
            .bytes((0..<5).map { UInt8(truncatingIfNeeded: cents >> (8 * (4 - $0))) }), .int(Int32(n - 1000)),
            .int(Int32(n * 1000 % 86_400_000)), .long(Int64(n) * 1_000_003 - 5), .long(Int64(n) * 1_000_000_007),
            .text("{\"n\":\(n)}"),
            .list((0..<n % 4).map { $0 == 1 ? .null : .text("t\($0)") }),
            .list((0..<n % 3).map { i in .list((0..<i).map { .int(Int32($0 + n)) }) }),
            .map((0..<n % 3).map { (.text("k\($0)"), $0 == 0 ? .null : .double(Double(n))) }),
            .group([.text("c\(n % 4)"), .list((0..<n % 2).map { .int(Int32($0)) })]),
        ])
    }

    @Test(
        .enabled(if: hasReaders, "needs pyarrow and duckdb; SWIFTWATER_PYTHON is the Python that has them"),
        arguments: [Codec.none, .snappy, .gzip, .zstd], [1, 1000, 60_000])
    func `pyarrow and DuckDB read what was written`(codec: Codec, count: Int) throws {
        var writer = try ParquetWriter(
            ParquetSchema(Self.fields), codec: codec, groupByteCount: 2 << 20, metadata: [("made.by", "a test")])
        var file: [UInt8] = []
        for n in 0..<count {
            try writer.append(Self.row(n))
            if n % 100 == 0 { file += writer.take() }
        }
        file += try writer.finish()
        let url = FileManager.default.temporaryDirectory.appending(path: "objstore-\(UUID().uuidString).parquet")
        try Data(file).write(to: url)
        defer { try? FileManager.default.removeItem(at: url) }  // a leftover in the temporary folder harms nobody
        let (status, output) = try Self.run([Self.oracle.path, url.path, "\(count)", codec.name])
        #expect(status == 0, "\(output)")
    }

    @Test func `a row that does not fit leaves nothing behind`() throws {
        let schema = try ParquetSchema([
            ParquetField("a", .list(ParquetField("", .primitive(.int32, nil)))),
            ParquetField("b", .primitive(.bytes, .string)),
        ])
        let good = Datum.group([.list([.int(1), .int(2)]), .text("x")])
        func file(withBad: Bool) throws -> [UInt8] {
            var writer = try ParquetWriter(schema, codec: .none)
            for _ in 0..<3 {
                try writer.append(good)
                if withBad {
                    #expect(throws: ParquetError.self) { try writer.append(Datum.group([.list([.int(1)]), .null])) }
                    #expect(throws: ParquetError.self) {
                        try writer.append(Datum.group([.list([.int(1), .null]), .text("x")]))
                    }
                }
            }
            return try writer.finish()
        }
        #expect(try file(withBad: true) == file(withBad: false))
    }

    @Test func `memory is bounded by the row group`() throws {
        var writer = try ParquetWriter(
            ParquetSchema([ParquetField("a", .primitive(.bytes, nil))]), codec: .snappy, groupByteCount: 1 << 20)
        var most = 0
        for n in 0..<20_000 {
            try writer.append(Datum.group([.bytes(Array(repeating: UInt8(n & 255), count: 1000))]))
            most = max(most, writer.byteCount)
            _ = writer.take()
        }
        #expect(most < 3 << 20)
    }
}
