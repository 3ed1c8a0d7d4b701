import Columns
import JSONFormat
import SQLFormats
import SQLTypes
import TestKit
import Testing

@Suite struct PlainFormatTests {
    static func fields(_ text: String) throws -> [SQLField] {
        try SchemaText.columns(text).map { SQLField($0.name, $0.type) }
    }

    static func format(_ format: SQLFormat, unwrapped: Bool = false, _ properties: [String: String] = [:])
        -> SerdeFormat
    {
        SerdeFormat(FormatInfo(format, properties: properties), features: unwrapped ? [.unwrapSingles] : [])
    }

    static func bytes(_ records: [[UInt8]?]) -> BytesColumn {
        let builder = ColumnBuilder(.bytes)
        for record in records {
            if let record { _ = record.withUnsafeBytes { builder.append(bytes: $0) } } else { builder.appendNull() }
        }
        guard case .bytes(let column) = builder.finish() else { preconditionFailure("a builder of bytes") }
        return column
    }

    /// What a record is read as, by row and by column, as one text; or the error.
    static func read(_ format: SerdeFormat, _ schema: String, _ record: [UInt8]) throws -> String {
        let columns = try fields(schema)
        let formats = RecordFormats(schemas: MemorySchemaStore())
        let rows = try formats.rowDecoder(format, topic: "t", isKey: false, columns: columns)
        let decoder = try formats.columnDecoder(
            format, topic: "t", isKey: false, columns: columns, wanted: Array(columns.indices))
        let decoded = decoder.decode(bytes([record, nil, record]))
        #expect(decoded.columns.allSatisfy { $0.count == 3 })
        for (column, type) in zip(decoded.columns, columns.map(\.type)) { #expect(column.value(1, type).isNull) }
        let row: Result<[SQLValue]?, FormatError>
        do throws(FormatError) { row = .success(try rows.row(record)) } catch { row = .failure(error) }
        switch row {
        case .success(let values?):
            #expect(decoded.failures.isEmpty && decoded.absent.isEmpty, "\(decoded.failures)")
            for (index, value) in values.enumerated() {
                let type = columns[index].type
                #expect(decoded.columns[index].value(0, type) == value)
                #expect(decoded.columns[index].value(2, type) == value)
            }
            return zip(values, columns).map { SQLText.text(of: $0, type: $1.type) }.joined(separator: " | ")
        case .success(nil):
            #expect(decoded.absent == [0, 2])
            return "absent"
        case .failure(let error):
            #expect(decoded.failures.map(\.row) == [0, 2])
            #expect(decoded.failures.first?.error == error)
            return ([error.message] + error.causes).joined(separator: " / ")
        }
    }

    @Test(arguments: [
        (#"{"ID": 1, "name": "x"}"#, "`ID` BIGINT, `NAME` STRING", "1 | x"),
        (#"{"id":"12","NAME":5}"#, "`ID` INT, `NAME` STRING", "12 | 5"),
        (#"{"id":1,"ID":2}"#, "`ID` INT", "2"),
        (#"{"ID":1,"id":2}"#, "`ID` INT", "1"),
        (#"{"id":1,"Id":2}"#, "`ID` INT", "2"),
        (#"{"id":1}"#, "`id` INT, `ID` INT", "1 | 1"),
        (#"{"ID":1.9,"x":{"y":[1,2,{}]}}"#, "`ID` INT", "1"),
        (#"{"ID":4294967297}"#, "`ID` INT", "1"),
        (#"{"ID":null}"#, "`ID` INT", "null"),
        (#" { } "#, "`ID` INT", "null"),
        (#"null"#, "`ID` INT", "absent"),
        (
            #"{"D":1, "E":1e3, "F":"2.5", "G":-0.0, "H":0.1234567890123456789}"#,
            "`D` DOUBLE, `E` DOUBLE, `F` DOUBLE, `G` DOUBLE, `H` DOUBLE",
            "1.0 | 1000.0 | 2.5 | 0.0 | 0.12345678901234568"
        ),
        (#"{"A":1.50,"B":"1.5"}"#, "`A` DECIMAL(4, 2), `B` DECIMAL(4, 2)", "1.50 | 1.50"),
        (#"{"S":{"b":1.0,"a":[1,null]}}"#, "`S` STRING", #"{"b":1.0,"a":[1,null]}"#),
        (#"{"S":[1,null,"x",{"a":true}]}"#, "`S` STRING", #"[1, null, x, {"a":true}]"#),
        (#"{"S":1e3,"T":true}"#, "`S` STRING, `T` STRING", "1E+3 | true"),
        (#"{"S":"a\u00e9\n\"","T":"é"}"#, "`S` STRING, `T` STRING", "aé\n\" | é"),
        (
            #"{"A":[1,"2"],"M":{"x":1},"R":{"f":3}}"#, "`A` ARRAY<INT>, `M` MAP<STRING, INT>, `R` STRUCT<`F` INT>",
            "[1, 2] | {x=1} | Struct{F=3}"
        ),
        (
            #"{"T":1,"D":18000,"TS":5,"B":"AQID"}"#, "`T` TIME, `D` DATE, `TS` TIMESTAMP, `B` BYTES",
            "00:00 | 2019-04-14 | 1970-01-01T00:00:00.005 | AQID"
        ),
        (#"{"B":true,"C":false}"#, "`B` BOOLEAN, `C` BOOLEAN", "true | false"),
    ])
    func `JSON objects become rows`(_ text: String, _ schema: String, _ expected: String) throws {
        let row = try Self.read(Self.format(.json), schema, Array(text.utf8))
        #expect(row == expected)
    }

    @Test(arguments: [
        (#"{"F":true}"#, "`F` INT", "Can't convert type. sourceType: BooleanNode, requiredType: INTEGER, path: $.F"),
        (#"{"F":1}"#, "`F` BOOLEAN", "Can't convert type. sourceType: IntNode, requiredType: BOOLEAN, path: $.F"),
        (#"{"F":"x"}"#, "`F` INT", "Can't coerce string to type. targetType: INTEGER, path: $.F"),
        (
            #"{"F":{"A":[1,{}]}}"#, "`F` STRUCT<`A` ARRAY<INT>>",
            "Can't convert type. sourceType: ObjectNode, requiredType: INTEGER, path: $.F.A[1]"
        ),
        (#"[1]"#, "`F` INT", "Can't convert type. sourceType: ArrayNode, requiredType: STRUCT<F INT>, path: $"),
        (
            #"{"F":123.45}"#, "`F` DECIMAL(4, 2)",
            "Numeric field overflow: A field with precision 4 and scale 2 must round to an absolute value less than 10^2. Got 123.45, path: $.F"
        ),
        ("", "`F` INT", "Can't convert type. sourceType: MissingNode, requiredType: STRUCT<F INT>, path: $"),
    ])
    func `JSON that does not fit is told in the original's words`(_ text: String, _ schema: String, _ expected: String)
        throws
    {
        let message = try Self.read(Self.format(.json), schema, Array(text.utf8))
        #expect(message == "Failed to deserialize value from topic: t. \(expected) / \(expected)")
    }

    @Test(arguments: [
        #"{"F":"#, #"{"F":01}"#, #"{"F":1,}"#, #"{"F":1"#, "{\"F\":\"\u{1}\"}", "{F:1}",
        String(repeating: "[", count: 100_000),
    ])
    func `broken JSON is an error and no crash`(_ text: String) throws {
        let message = try Self.read(Self.format(.json), "`F` STRING", Array(text.utf8))
        #expect(message.hasPrefix("Failed to deserialize value from topic: t. "))
    }

    /// As Java's Double.parseDouble reads what the formats themselves write for such numbers.
    @Test(arguments: [
        (SQLFormat.json, #"{"A":"NaN","B":"Infinity","C":"-Infinity","D":1e400,"E":["NaN",-1e400]}"#),
        (.json, #"{"A":" NaN\n","B":"1e400","C":"-1e999","D":"+Infinity","E":["NaN","-Infinity"]}"#),
        (.delimited, #""NaN",Infinity,-1e400,1e400,"#),
    ])
    func `numbers that are none and infinite ones are read`(_ format: SQLFormat, _ text: String) throws {
        let isJSON = format == .json
        let row = try Self.read(
            Self.format(format),
            "`A` DOUBLE, `B` DOUBLE, `C` DOUBLE, `D` DOUBLE, `E` "
                + (isJSON ? "ARRAY<DOUBLE>" : "DOUBLE"), Array(text.utf8))
        #expect(row == "NaN | Infinity | -Infinity | Infinity | " + (isJSON ? "[NaN, -Infinity]" : "null"))
    }

    @Test(arguments: ["nan", "inf", "Infinity1", "1e", ""])
    func `texts that Java has no number for are none`(_ text: String) throws {
        let message = try Self.read(Self.format(.json), "`A` DOUBLE", Array(#"{"A":"\#(text)"}"#.utf8))
        #expect(message.contains("Can't coerce string to type. targetType: DOUBLE, path: $.A"))
    }

    /// DOUBLE values come back as they were written, by every format that has them.
    @Test(arguments: [SQLFormat.json, .jsonSR, .delimited, .avro, .protobuf, .protobufNoSR, .kafka])
    func `what is written for any number is read again`(_ name: SQLFormat) throws {
        let columns = try Self.fields(name == .kafka ? "`A` DOUBLE" : "`A` DOUBLE, `B` DOUBLE, `C` DOUBLE")
        let values = Array([SQLValue.double(.nan), .double(.infinity), .double(-.infinity)].prefix(columns.count))
        let formats = RecordFormats(schemas: MemorySchemaStore())
        for isKey in [false, true] {
            let encoder = try formats.rowEncoder(Self.format(name), topic: "t", isKey: isKey, columns: columns)
            let bytes = try #require(try encoder.bytes(values))
            let decoder = try formats.rowDecoder(Self.format(name), topic: "t", isKey: isKey, columns: columns)
            #expect(try bytes.withUnsafeBytes { try decoder.row($0) } == values)
        }
    }

    /// By hand from Jackson's table of how JSON begins in each encoding.
    static let encodings: [(name: String, mark: [UInt8], bytes: @Sendable (Unicode.Scalar) -> [UInt8])] = [
        ("UTF-8", [0xEF, 0xBB, 0xBF], { Array(String($0).utf8) }),
        ("UTF-16BE", [0xFE, 0xFF], { String($0).utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] } }),
        ("UTF-16LE", [0xFF, 0xFE], { String($0).utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] } }),
        ("UTF-32BE", [0, 0, 0xFE, 0xFF], { scalar in [24, 16, 8, 0].map { UInt8(scalar.value >> $0 & 0xFF) } }),
        ("UTF-32LE", [0xFF, 0xFE, 0, 0], { scalar in [0, 8, 16, 24].map { UInt8(scalar.value >> $0 & 0xFF) } }),
    ]

    @Test(arguments: 0..<5, [true, false])
    func `JSON is read in every encoding that it may have`(_ index: Int, _ hasMark: Bool) throws {
        let (name, mark, bytes) = Self.encodings[index]
        let text = #" {"a":"é\#u{1F600}","b":[1]}"#
        let encoded = (hasMark ? mark : []) + text.unicodeScalars.flatMap(bytes)
        let row = "é\u{1F600} | [1]"
        #expect(try Self.read(Self.format(.json), "`A` STRING, `B` ARRAY<INT>", encoded) == row, "\(name)")
        let framed = [0, 0, 0, 0, 1] + encoded
        #expect(try Self.read(Self.format(.jsonSR), "`A` STRING, `B` ARRAY<INT>", framed) == row, "\(name)")
        let bare = (hasMark ? mark : []) + "12".unicodeScalars.flatMap(bytes)
        #expect(try Self.read(Self.format(.json, unwrapped: true), "`A` INT", bare) == "12", "\(name)")
        // Half a character is an error and no crash.
        let broken = try Self.read(Self.format(.json), "`A` STRING", Array(encoded.dropLast()))
        #expect(broken.hasPrefix("Failed to deserialize value from topic: t. "), "\(name)")
    }

    @Test(arguments: [
        [0xEF, 0xBB, 0xBF], [0xFE, 0xFF], [0xFF, 0xFE], [0, 0, 0xFE, 0xFF], [0xFF, 0xFE, 0xD8, 0x00],
    ])
    func `a byte order mark alone is no row`(_ record: [UInt8]) throws {
        let message = try Self.read(Self.format(.json), "`A` STRING", record)
        #expect(message.hasPrefix("Failed to deserialize value from topic: t. "))
    }

    @Test func `a framed text is read by JSON_SR only`() throws {
        let record = [0, 0, 0, 0, 1] + Array(#"{"F":1}"#.utf8)
        #expect(try Self.read(Self.format(.jsonSR), "`F` INT", record) == "1")
        #expect(try Self.read(Self.format(.json), "`F` INT", record).contains("magic byte"))
        #expect(
            try Self.read(Self.format(.jsonSR), "`F` INT", Array(#"{"F":1}"#.utf8)).contains(
                "did not start with the magic byte"))
    }

    @Test(arguments: [
        ("1", "`K` INT", "1"), (#""x""#, "`K` STRING", "x"), ("null", "`K` STRING", "absent"),
        ("[1]", "`K` ARRAY<INT>", "[1]"),
        (#"{"A":1}"#, "`K` STRUCT<`A` INT>", "Struct{A=1}"),
    ])
    func `bare JSON values are a single column`(_ text: String, _ schema: String, _ expected: String) throws {
        #expect(try Self.read(Self.format(.json, unwrapped: true), schema, Array(text.utf8)) == expected)
    }

    @Test(
        arguments: [
            ([0, 0, 1, 0], "`K` INT", "256"), ([0, 0, 0, 0, 0, 0, 1, 0], "`K` BIGINT", "256"),
            ([0x3F, 0xF0, 0, 0, 0, 0, 0, 0], "`K` DOUBLE", "1.0"), ([0x61, 0x62], "`K` STRING", "ab"),
            ([], "`K` STRING", ""),
            ([1, 2, 3], "`K` BYTES", "AQID"),
            (
                [0, 0], "`K` INT",
                "Error deserializing KAFKA message from topic: t / Size of data received by IntegerDeserializer is not 4"
            ),
        ] as [([UInt8], String, String)])
    func `KAFKA bytes are one value`(_ record: [UInt8], _ schema: String, _ expected: String) throws {
        #expect(try Self.read(Self.format(.kafka), schema, record) == expected)
    }

    @Test(arguments: [
        ("1,x", ",", "`A` INT, `B` STRING", "1 | x"),
        (",", ",", "`A` INT, `B` STRING", "null | null"),
        (#""a,""b""",2"#, ",", "`A` STRING, `B` BIGINT", #"a,"b" | 2"#),
        ("1|2.50", "|", "`A` INT, `B` DECIMAL(4, 2)", "1 | 2.50"),
        ("a\t", "TAB", "`A` STRING, `B` STRING", "a | null"),
        ("a b", "SPACE", "`A` STRING, `B` STRING", "a | b"),
        ("true,1.5,AQID", ",", "`A` BOOLEAN, `B` DOUBLE, `C` BYTES", "true | 1.5 | AQID"),
        (
            "1", ",", "`A` INT, `B` INT",
            "Error deserializing delimited / Column count mismatch on deserialization. topic: t, expected: 2, got: 1"
        ),
        ("", ",", "`A` INT", "Error deserializing delimited / No fields in record"),
        ("x", ",", "`A` INT", "Error deserializing delimited / For input string: \"x\""),
        (
            #""x"y"#, ",", "`A` STRING",
            "Error deserializing delimited / (line 1) invalid char between encapsulated token and delimiter"
        ),
    ])
    func `DELIMITED lines become rows`(_ text: String, _ delimiter: String, _ schema: String, _ expected: String) throws
    {
        let format = Self.format(.delimited, ["delimiter": delimiter])
        #expect(try Self.read(format, schema, Array(text.utf8)) == expected)
    }

    @Test(
        arguments: [
            (
                SQLFormat.json, "`A` INT, `B` DOUBLE, `C` DECIMAL(6, 4), `D` STRING",
                [.int(1), .double(10), .decimal(SQLDecimal(unscaled: 10000, scale: 4)), .null],
                #"{"A":1,"B":10.0,"C":1.0000,"D":null}"#
            ),
            (
                .json, "`A` ARRAY<INT>, `M` MAP<STRING, DOUBLE>, `S` STRUCT<`x` BYTES>",
                [.array([.int(1), .null]), .map(SQLMap([(.string("k"), .double(1e10))])), .structure([.bytes([1])])],
                #"{"A":[1,null],"M":{"k":1.0E10},"S":{"x":"AQ=="}}"#
            ),
            (
                .json, "`T` TIME, `D` DATE, `S` TIMESTAMP, `Q` STRING",
                [.time(5), .date(6), .timestamp(7), .string("\"\n")], #"{"T":5,"D":6,"S":7,"Q":"\"\n"}"#
            ),
            (.delimited, "`A` STRING, `B` STRING, `C` STRING", [.string("a"), .null, .string("x,y")], #"a,,"x,y""#),
            (
                .delimited, "`A` DECIMAL(6, 2), `B` INT", [.decimal(SQLDecimal(unscaled: -150, scale: 2)), .int(-5)],
                #""-1.50",-5"#
            ),
            (.delimited, "`A` STRING", [.string("")], #""""#),
            (.delimited, "`A` STRING, `B` STRING", [.null, .string("")], ","),
            (.kafka, "`A` STRING", [.string("x")], "x"),
        ] as [(SQLFormat, String, [SQLValue], String)])
    func `rows become bytes in the original's spelling`(
        _ format: SQLFormat, _ schema: String, _ row: [SQLValue], _ expected: String
    ) throws {
        let columns = try Self.fields(schema)
        let formats = RecordFormats()
        let rows = try formats.rowEncoder(Self.format(format), topic: "t", isKey: false, columns: columns)
        let bytes = try rows.bytes(row)
        #expect(bytes.map { String(decoding: $0, as: UTF8.self) } == expected)
        let encoder = try formats.columnEncoder(Self.format(format), topic: "t", isKey: false, columns: columns)
        let vectors = zip(row, columns).map { FormatColumn([$0, $0], $1.type) }
        let encoded = try encoder.encode(vectors, count: 2, present: Validity([true, false]))
        #expect(encoded.array(0) == bytes)
        #expect(encoded.array(1) == nil)
    }

    @Test(arguments: 0..<40)
    func `what columns make of JSON is what rows make of it`(_ seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let columns = try Self.fields(
            "`A` INT, `B` BIGINT, `C` DOUBLE, `D` STRING, `E` BOOLEAN, `F` ARRAY<INT>, `G` DECIMAL(8, 3), `H` TIMESTAMP"
        )
        let pieces = [
            "1", "-5", "1.5", "\"x\"", "\"12\"", "true", "null", "[1,2]", "{\"a\":1}", "\"h\\u00e9\"", "123456789012",
            "1e2", "99999999999999999999", "\"é\"", "0.001", "\"\"", "01", "-", "[", "\"a\u{1}\"",
        ]
        let names = [
            "A", "B", "C", "D", "E", "F", "G", "H", "a", "b", "h", "z", "\\u0041", "longer name that nobody wants",
        ]
        var records: [[UInt8]?] = []
        for _ in 0..<300 {
            var members: [String] = []
            for _ in 0..<Int.random(in: 0...9, using: &random) {
                let name = names.randomElement(using: &random) ?? "A"
                let piece =
                    Int.random(in: 0..<10, using: &random) == 0
                    ? pieces.randomElement(using: &random) : pieces[..<11].randomElement(using: &random)
                members.append("\"\(name)\":\(piece ?? "1")")
            }
            records.append(
                Array(("{" + members.joined(separator: Bool.random(using: &random) ? ", " : ",") + "}").utf8))
        }
        let formats = RecordFormats()
        let rows = try formats.rowDecoder(Self.format(.json), topic: "t", isKey: false, columns: columns)
        let wanted = [3, 0, 2, 5, 1, 7]
        let decoder = try formats.columnDecoder(
            Self.format(.json), topic: "t", isKey: false, columns: columns, wanted: wanted)
        let decoded = decoder.decode(Self.bytes(records))
        var failed: Set<Int> = []
        for failure in decoded.failures { failed.insert(failure.row) }
        for (row, record) in records.enumerated() {
            guard let record else { continue }
            let values: [SQLValue]?
            do throws(FormatError) { values = try rows.row(record) } catch { values = nil }
            #expect(failed.contains(row) == (values == nil), "\(String(decoding: record, as: UTF8.self))")
            for (place, index) in wanted.enumerated() {
                let value = decoded.columns[place].value(row, columns[index].type)
                #expect(value == values?[index] ?? .null, "\(String(decoding: record, as: UTF8.self))")
            }
        }
    }

    @Test(
        arguments: [
            ("`A` STRING", [.string("x"), .null, .string(""), .string("é")]), ("`A` INT", [.int(-1), .null, .int(7)]),
            ("`A` BIGINT", [.null, .bigint(.min)]), ("`A` DOUBLE", [.double(1.5), .null]),
            ("`A` BYTES", [.bytes([0xFF]), .null, .bytes([])]),
        ] as [(String, [SQLValue])])
    func `KAFKA columns are written as rows are`(schema: String, values: [SQLValue]) throws {
        let columns = try Self.fields(schema)
        let formats = RecordFormats()
        let encoder = try formats.columnEncoder(Self.format(.kafka), topic: "t", isKey: true, columns: columns)
        let rows = try formats.rowEncoder(Self.format(.kafka), topic: "t", isKey: true, columns: columns)
        let vector = FormatColumn(values, columns[0].type)
        for absent in [nil, 0] {
            let present = Validity(values.indices.map { $0 != absent })
            let written = try encoder.encode([vector], count: values.count, present: present)
            #expect(written.count == values.count)
            for (row, value) in values.enumerated() {
                let expected = row == absent ? nil : try rows.bytes([value])
                #expect(written.array(row) == expected)
            }
        }
    }

    /// In a column's value and in one that is for no column.
    @Test(arguments: [("`A` STRING", "A"), ("`A` ARRAY<STRING>", "A"), ("`A` STRING", "b")], 509...514)
    func `columns take the nesting that rows take`(_ column: (schema: String, name: String), _ depth: Int) throws {
        let columns = try Self.fields(column.schema)
        let value = String(repeating: "[", count: depth - 1) + String(repeating: "]", count: depth - 1)
        let record = Array("{\"\(column.name)\":\(value)}".utf8)
        let formats = RecordFormats()
        let rows = try formats.rowDecoder(Self.format(.json), topic: "t", isKey: false, columns: columns)
        let isRow = (try? rows.row(record)) != nil
        #expect(isRow == (depth <= JSONText.depthMax))
        let decoder = try formats.columnDecoder(
            Self.format(.json), topic: "t", isKey: false, columns: columns, wanted: [0])
        let decoded = decoder.decode(Self.bytes([record]))
        #expect(decoded.failures.isEmpty == isRow)
    }

    @Test func `columns are written as rows are`() throws {
        let texts = [
            "", "a", "1234567", "12345678", "123456789", "1234567\"", "12345678\"", "\u{1}", "é\\", "\n1234567890",
        ]
        let numbers: [Int64] = [.min, .max, 0, -1, 9, 10, 99, 100, -100, 1_000_000_000_000_000_000]
        let doubles: [Double] = [0, -0.0, 1e7, 1e-3, .nan, .infinity, 0.1, 1.0e-5, 123456.789, -5]
        let columns = try Self.fields(
            "`A` STRING, `B` BIGINT, `C` DOUBLE, `D` INT, `E` BOOLEAN, `F` DECIMAL(4, 2), `G` BYTES")
        let rows: [[SQLValue]] = texts.indices.map { index in
            [
                .string(texts[index]), .bigint(numbers[index]), .double(doubles[index]),
                index == 3 ? .null : .int(Int32(truncatingIfNeeded: numbers[index])), .boolean(index % 2 == 0),
                .decimal(SQLDecimal(unscaled: Int64(index), scale: 2)), .bytes([UInt8](repeating: 1, count: index)),
            ]
        }
        let vectors = columns.indices.map { column in FormatColumn(rows.map { $0[column] }, columns[column].type) }
        let formats = RecordFormats(schemas: MemorySchemaStore())
        for name in [SQLFormat.json, .jsonSR, .delimited, .avro, .protobuf] {
            let format = Self.format(name)
            let encoder = try formats.columnEncoder(format, topic: "t", isKey: false, columns: columns)
            let written = try encoder.encode(vectors, count: rows.count, present: .all)
            let single = try formats.rowEncoder(format, topic: "t", isKey: false, columns: columns)
            for (row, values) in rows.enumerated() {
                let expected = try single.bytes(values)
                #expect(written.array(row) == expected, "\(name) \(row)")
            }
        }
    }

    @Test(arguments: [SQLFormat.json, .jsonSR, .delimited, .avro, .protobuf, .protobufNoSR, .kafka])
    func `a decoder may be asked for no column`(_ name: SQLFormat) throws {
        let columns = try Self.fields("`A` STRING")
        let formats = RecordFormats(schemas: MemorySchemaStore())
        let encoder = try formats.rowEncoder(Self.format(name), topic: "t", isKey: false, columns: columns)
        let record = try encoder.bytes([.string("x")])
        let decoder = try formats.columnDecoder(
            Self.format(name), topic: "t", isKey: false, columns: columns, wanted: [])
        let decoded = decoder.decode(Self.bytes([record, nil, record]))
        #expect(decoded.columns.isEmpty && decoded.failures.isEmpty && decoded.absent.isEmpty)
        guard name != .delimited, name != .kafka else { return }
        let other = try Self.fields("`NOPE` STRING")
        let missing = try formats.columnDecoder(
            Self.format(name), topic: "t", isKey: false, columns: other, wanted: [0])
        let nulls = missing.decode(Self.bytes([record, nil, record]))
        #expect(nulls.failures.isEmpty && nulls.columns[0].count == 3)
    }

    @Test(arguments: 0..<20)
    func `what columns make of lines is what rows make of them`(_ seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let columns = try Self.fields("`A` STRING, `B` INT, `C` DOUBLE, `D` STRING")
        let pieces = [
            "", "a", "1", "-2", "1.5", "\"a,b\"", "\"\"", "\"x\"\"y\"", "\"z\" ", " q", "\"", "é", "1e3", "99999999999",
            "a\"b",
        ]
        var records: [[UInt8]?] = []
        for _ in 0..<200 {
            let count = Int.random(in: 0..<12, using: &random) == 0 ? 3 : 4
            let fields = (0..<count).map { index -> String in
                index == 1 && Bool.random(using: &random) ? "7" : pieces.randomElement(using: &random) ?? ""
            }
            records.append(Array(fields.joined(separator: ",").utf8))
        }
        let formats = RecordFormats()
        let rows = try formats.rowDecoder(Self.format(.delimited), topic: "t", isKey: false, columns: columns)
        let decoder = try formats.columnDecoder(
            Self.format(.delimited), topic: "t", isKey: false, columns: columns, wanted: [3, 1, 0])
        let decoded = decoder.decode(Self.bytes(records))
        let failed = Set(decoded.failures.map(\.row))
        for (row, record) in records.enumerated() {
            guard let record else { continue }
            let values: [SQLValue]?
            do throws(FormatError) { values = try rows.row(record) } catch { values = nil }
            #expect(failed.contains(row) == (values == nil), "\(String(decoding: record, as: UTF8.self))")
            for (place, index) in [3, 1, 0].enumerated() {
                let value = decoded.columns[place].value(row, columns[index].type)
                #expect(value == values?[index] ?? .null, "\(String(decoding: record, as: UTF8.self))")
            }
        }
    }
}
