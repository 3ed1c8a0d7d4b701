import ConnectCore
import SQLTypes
import SchemaRules
import TestKit
import Testing

@testable import ConnectorCDC

/// The short way from cells to bytes writes what the long one does, by values and a converter.
@Suite struct TableWriterTests {
    /// A column, texts that the server may have for it, and other cells that the log may have.
    private struct Column {
        var definition: String
        var texts: [String]
        var cells: [Cell] = []

        init(_ definition: String, _ texts: [String], _ cells: [Cell] = []) {
            self.definition = definition
            self.texts = texts
            self.cells = cells
        }
    }

    private static let texts = [
        "", "plain", "with \"quotes\" and \\", "line\nfeed\u{1}", "naïve €", "日本語 😀",
        String(repeating: "long ", count: 90),
    ]
    private static let numbers = ["0", "-1", "127"]
    private static var integers: [Cell] { [.integer(0), .integer(-1), .integer(77)] }

    private static var columns: [Column] {
        [
            Column("INT NOT NULL", ["0", "-2147483648", "2147483647"], integers),
            Column("BOOLEAN", ["0", "1"], integers),
            Column("BIT(1)", ["\u{0}", "\u{1}"]), Column("BIT(20)", ["\u{1}\u{2}\u{3}"]),
            Column("TINYINT", numbers, integers), Column("TINYINT UNSIGNED", ["255"], integers),
            Column("SMALLINT UNSIGNED", ["65535"], integers), Column("MEDIUMINT", numbers, integers),
            Column("INT UNSIGNED DEFAULT 7", ["4294967295"], integers),
            Column("BIGINT", ["-9223372036854775808"], integers),
            Column("BIGINT UNSIGNED", ["18446744073709551615"], integers),
            Column("FLOAT", ["1.5", "-0", "3.4e38"], [.float(1.25), .float(0)]),
            Column("DOUBLE", ["0.1", "-0", "1e300", "142857.142857142857"], [.double(1e-7), .double(12_345_678)]),
            Column("DECIMAL(8,3)", ["1.5", "-12345.678"], [.decimal(SQLDecimal(unscaled: 15, scale: 1))]),
            Column("DECIMAL(30,2) NOT NULL DEFAULT 0", ["12345678901234567890.12"]),
            Column("VARCHAR(500)", texts), Column("VARCHAR(500) NOT NULL DEFAULT 'x'", texts),
            Column("VARCHAR(500) CHARACTER SET latin1", texts), Column("TEXT CHARACTER SET utf16", ["ab"]),
            Column("LONGTEXT", texts), Column("JSON", ["{\"a\": [1, \"é\"]}", "null"]),
            Column("VARBINARY(20)", ["", "ab\u{0}c"]), Column("BINARY(4)", ["ab"]),
            Column("ENUM('a','b,c')", ["a", "b,c"], [.integer(2), .integer(0)]),
            Column("SET('x','y')", ["x,y", ""], [.integer(3)]),
            Column("DATE", ["2024-02-29", "0000-00-00"], [.date(year: 1, month: 1, day: 1)]),
            Column("DATE NOT NULL", ["0000-00-00"]),
            Column("TIME(3)", ["-838:59:59", "12:34:56.5"], [.time(86_399_000_000)]),
            Column("DATETIME", ["2024-02-29 12:34:56", "1000-01-01 00:00:00"]),
            Column("DATETIME(6)", ["2024-02-29 12:34:56.789012"]),
            Column("TIMESTAMP(2) NULL", ["2024-02-29 12:34:56.78"], [.timestamp(seconds: 5, microseconds: 120_000)]),
            Column("TIMESTAMP NOT NULL", ["0000-00-00 00:00:00"], [.zeroTimestamp]), Column("YEAR", ["1901", "2155"]),
            Column("POINT", ["\u{0}\u{0}\u{0}\u{0}\u{1}\u{1}\u{0}\u{0}\u{0}12345678abcdefgh"]),
            Column("GEOMETRY", ["\u{1}\u{0}\u{0}\u{0}\u{1}\u{1}\u{0}\u{0}\u{0}12345678abcdefgh"]),
            Column("VECTOR(2)", ["abcdefgh"]), Column("UUID", ["0123456789abcdef"]),
            Column("INET6", ["::ffff:1.2.3.4"]),
        ]
    }

    private static let modes: [[String: String]] = [
        [:],
        [
            "decimal.handling.mode": "string", "time.precision.mode": "connect", "binary.handling.mode": "base64",
            "bigint.unsigned.handling.mode": "precise",
        ],
        [
            "decimal.handling.mode": "double", "time.precision.mode": "isostring", "binary.handling.mode": "hex",
            "column.mask.with.5.chars": "d.t.c16", "column.truncate.to.3.chars": "d.t.c15",
            "column.propagate.source.type": ".*", "message.key.columns": "d.t:c0,c15",
        ],
        ["time.precision.mode": "nanoseconds", "table.include.list": "d.t"],
    ]

    /// Every id is that of the text before it in the order of registration.
    private actor Registry: ConverterRegistry {
        private var known: [String] = []

        func register(
            _ text: String, _ type: SchemaType, subject: String, normalize: Bool
        ) async throws(ConnectError) -> Int32 {
            if let place = known.firstIndex(of: text) { return Int32(place + 1) }
            known.append(text)
            return Int32(known.count)
        }
        func id(
            of text: String, _ type: SchemaType, subject: String, normalize: Bool
        ) async throws(ConnectError) -> Int32 { throw .data("not asked") }
        func latest(subject: String) async throws(ConnectError) -> RegistrySchema { throw .data("not asked") }
        func schema(id: Int32) async throws(ConnectError) -> RegistrySchema { throw .data("not asked") }
        func schema(guid: String) async throws(ConnectError) -> RegistrySchema { throw .data("not asked") }
    }

    private static func converters() throws -> [any Converter] {
        var all: [any Converter] = []
        for options in [
            ["value.converter.schemas.enable": "true"],
            ["value.converter.schemas.enable": "false", "value.converter.decimal.format": "NUMERIC"],
            ["value.converter.schemas.enable": "false", "value.converter.replace.null.with.default": "false"],
        ] {
            let properties = options.merging(["value.converter": "JsonConverter"]) { $1 }
            let made = try ConverterPlugins.converter("value.converter", properties) {
                (_, _) throws(ConnectError) in throw .data("no registry")
            }
            all.append(try #require(made))
        }
        return all + [AvroConverter(Registry(), RegistryOptions())]
    }

    private static func events(_ options: [String: String], key: String) throws -> (TableEvents, SourceInfo) {
        let plain = [
            "database.hostname": "h", "database.user": "u", "database.password": "p", "database.server.id": "5",
            "topic.prefix": "s",
        ]
        let config = try MySQLConfig(.mysql, plain.merging(options) { $1 })
        var catalog = TableCatalog()
        let columns = Self.columns.enumerated().map { "c\($0) \($1.definition)" }.joined(separator: ", ")
        _ = try DDLParser.apply("CREATE TABLE t (\(columns)\(key))", database: "d", to: &catalog)
        let source = SourceInfo(config, version: "1")
        let table = try #require(catalog[TableID("d", "t")])
        let events = TableEvents(
            table, config, try TableFilters(config.shared), try ColumnRules(config.shared), source: source.schema)
        return (events, source)
    }

    /// A row of the log or of a snapshot; the bytes of its cells are kept by `memory`.
    private static func row(
        _ events: TableEvents, isStreaming: Bool, _ random: inout SeededRandom,
        _ memory: inout [UnsafeMutableRawBufferPointer]
    ) throws -> [Cell] {
        var cells: [Cell] = []
        for (index, column) in columns.enumerated() {
            let definition = events.table.columns[index]
            if definition.isOptional, Int.random(in: 0..<5, using: &random) == 0 {
                cells.append(.null)
                continue
            }
            let codec = try #require(events.columns.first { $0.index == index }?.codec)
            if isStreaming, let cell = column.cells.randomElement(using: &random) {
                cells.append(cell)
                continue
            }
            let text = Array((column.texts.randomElement(using: &random) ?? "").utf8)
            let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, text.count), alignment: 1)
            bytes.copyBytes(from: text)
            memory.append(bytes)
            cells.append(try TextCell.cell(UnsafeRawBufferPointer(rebasing: bytes[..<text.count]), codec))
        }
        return cells
    }

    private static func value(
        _ events: TableEvents, _ code: String, before: [Cell]?, after: [Cell]?, _ source: SourceInfo,
        _ block: ConnectValue?, isStreaming: Bool, now: Int64
    ) throws -> SchemaAndValue {
        func row(_ cells: [Cell]?) throws -> ConnectValue {
            try cells.map { try events.row($0, isStreaming: isStreaming) } ?? .null
        }
        return SchemaAndValue(
            events.envelope,
            .structure(
                ConnectStruct(
                    events.envelope,
                    values: [
                        try row(before), try row(after), source.value, block ?? .null, .string(code),
                        .int64(now / 1_000_000), .int64(now / 1000), .int64(now),
                    ])))
    }

    @Test(arguments: Array(modes.indices), [UInt64(1), 2, 3]) func `writes what the converters do`(
        mode: Int, seed: UInt64
    ) async throws {
        var random = SeededRandom(seed: seed)
        var memory: [UnsafeMutableRawBufferPointer] = []
        defer { for bytes in memory { bytes.deallocate() } }
        let (events, plainSource) = try Self.events(Self.modes[mode], key: seed == 3 ? "" : ", PRIMARY KEY (c0, c8)")
        var source = plainSource
        source.setTable("d", "t")
        source.setTime(microseconds: 1_700_000_000_123_456)
        source.setGTID(seed == 2 ? "0-1-5" : nil)
        var transaction = TransactionState(id: "file=a,pos=4")
        transaction.count(events.table.id)
        for converter in try Self.converters() {
            let key: PayloadWriting? =
                if let schema = events.keySchema { try await converter.writing(schema, topic: events.topic) } else {
                    nil
                }
            let value = try #require(try await converter.writing(events.envelope, topic: events.topic))
            let writer = try #require(TableWriter(events, RecordWriting(key: key, value: value)))
            for round in 0..<24 {
                let isStreaming = round % 2 == 0
                let cells = try (0..<2).map { _ in
                    try Self.row(events, isStreaming: isStreaming, &random, &memory)
                }
                let operation = try #require(TableWriter.Operation(rawValue: round % 4))
                let before = operation == .update || operation == .delete ? cells[0] : nil
                let after = operation == .delete ? nil : cells[1]
                let block = round % 3 == 0 ? transaction.block(events.table.id) : nil
                let now = Int64.random(in: 1...Int64.max / 2, using: &random)
                source.setRow(round)
                source.setSnapshot(isStreaming ? nil : "first")

                let code = TableWriter.Operation.codes[operation.rawValue]
                let record = try Self.value(
                    events, code, before: before, after: after, source, block, isStreaming: isStreaming, now: now)
                let wanted = try await converter.bytes(record, topic: events.topic)
                let wantedKey = try await converter.bytes(
                    try events.key(after ?? cells[0], isStreaming: isStreaming), topic: events.topic)

                func row(_ cells: [Cell]?) throws -> [UInt8]? {
                    guard let cells else { return nil }
                    var bytes: [UInt8] = []
                    #expect(try writer.writeRow(cells, isStreaming: isStreaming, to: &bytes))
                    return bytes
                }
                var keyBytes: [UInt8] = []
                #expect(try writer.writeKey(after ?? cells[0], isStreaming: isStreaming, to: &keyBytes))
                var written: [UInt8] = []
                writer.writeEvent(
                    operation, before: try row(before), after: try row(after),
                    source: try #require(writer.source(source)), transaction: try #require(writer.transaction(block)),
                    now: now, to: &written)
                #expect(writer.key(keyBytes) == wantedKey)
                #expect(written == wanted, "round \(round): \(String(decoding: written, as: UTF8.self))")
            }
        }
    }

    /// A null where the schema has none is refused by the converter, which says so where records go as values.
    @Test func `what a converter refuses is left to it`() async throws {
        let (events, _) = try Self.events([:], key: ", PRIMARY KEY (c0)")
        let cells = [Cell](repeating: .null, count: Self.columns.count)
        for converter in try Self.converters() {
            let key = try await converter.writing(try #require(events.keySchema), topic: events.topic)
            let value = try #require(try await converter.writing(events.envelope, topic: events.topic))
            let writer = try #require(TableWriter(events, RecordWriting(key: key, value: value)))
            var bytes: [UInt8] = []
            #expect(try !writer.writeKey(cells, isStreaming: true, to: &bytes))
            #expect(try !writer.writeRow(cells, isStreaming: true, to: &bytes))
        }
    }
}
