import Testing

@testable import SQLTypes

@Suite struct CastTests {
    private static let abc = SQLValue.structure([.int(1), .null])

    @Test(
        arguments: [
            (SQLValue.boolean(true), SQLType.boolean, "true"), (.double(10), .double, "10.0"),
            (.date(0), .date, "1970-01-01"),
            (.time(3_600_000), .time, "01:00"), (.timestamp(0), .timestamp, "1970-01-01T00:00:00.000"),
            (.array([.int(1), .null]), .array(.int), "[1, null]"),
            (
                .map(SQLMap([(.string("b"), .int(1)), (.string("a"), .null)])), .map(key: .string, value: .int),
                "{a=null, b=1}"
            ),
            (abc, .structure([SQLField("F0", .int), SQLField("f1", .int)]), "Struct{F0=1}"),
            (.decimal(SQLDecimal(unscaled: 1, scale: 9)), .decimal(precision: 10, scale: 9), "0.000000001"),
            // In containers as Java's toString has them.
            (
                .array([.decimal(SQLDecimal(unscaled: 1, scale: 9))]), .array(.decimal(precision: 10, scale: 9)),
                "[1E-9]"
            ),
            (
                .array([.timestamp(0), .timestamp(1_590_488_130_120)]), .array(.timestamp),
                "[1970-01-01 00:00:00.0, 2020-05-26 10:15:30.12]"
            ),
            (
                .structure([.time(3_600_000), .date(0)]), .structure([SQLField("T", .time), SQLField("D", .date)]),
                "Struct{T=01:00:00,D=1970-01-01}"
            ),
            (
                .map(SQLMap([(.string("a"), .timestamp(1))])), .map(key: .string, value: .timestamp),
                "{a=1970-01-01 00:00:00.001}"
            ),
        ] as [(SQLValue, SQLType, String)])
    func `to text`(value: SQLValue, type: SQLType, text: String) throws {
        let cast = try SQLCast(from: type, to: .string)
        #expect(try cast(value) == .string(text))
        #expect(try cast(.null) == .null)
    }

    @Test(
        arguments: [
            (SQLValue.string(" 12 "), SQLType.string, SQLType.int, SQLValue.int(12)),
            (.string("yes"), .string, .boolean, .boolean(true)),
            (.double(-1.9), .double, .int, .int(-1)), (.double(1e30), .double, .bigint, .bigint(.max)),
            (.double(.nan), .double, .int, .int(0)),
            (.bigint(1 << 33), .bigint, .int, .int(0)),
            (.int(7), .int, .decimal(precision: 3, scale: 1), .decimal(SQLDecimal(unscaled: 70, scale: 1))),
            (.double(0.99), .double, .decimal(precision: 2, scale: 1), .decimal(SQLDecimal(unscaled: 10, scale: 1))),
            (.string("0.99"), .string, .decimal(precision: 2, scale: 1), .decimal(SQLDecimal(unscaled: 10, scale: 1))),
            (.timestamp(-1), .timestamp, .date, .date(-1)), (.timestamp(-1), .timestamp, .time, .time(86_399_999)),
            (.date(1), .date, .timestamp, .timestamp(86_400_000)), (.string("YQ=="), .string, .bytes, .bytes([97])),
            (.string(" YQ== "), .string, .bytes, .bytes([97])),
            (.array([.int(1)]), .array(.int), .array(.string), .array([.string("1")])),
        ] as [(SQLValue, SQLType, SQLType, SQLValue)])
    func `between types`(value: SQLValue, from: SQLType, to: SQLType, result: SQLValue) throws {
        let cast = try SQLCast(from: from, to: to)
        #expect(try cast(value) == result)
    }

    @Test func `structs are cast by the names of their fields`() throws {
        let cast = try SQLCast(
            from: .structure([SQLField("A", .int), SQLField("B", .int)]),
            to: .structure([SQLField("B", .string), SQLField("C", .int)]))
        #expect(try cast(.structure([.int(1), .int(2)])) == .structure([.string("2"), .null]))
    }

    @Test func `what cannot be cast is named`() {
        #expect(throws: SQLTypesError(.unsupported, "Cast of STRING to MAP<STRING, INTEGER> is not supported")) {
            _ = try SQLCast(from: .string, to: .map(key: .string, value: .int))
        }
        #expect(throws: SQLTypesError.self) { _ = try SQLCast(from: .bytes, to: .string) }
        #expect(throws: SQLTypesError.self) { _ = try SQLCast(from: .boolean, to: .int) }
    }

    // MARK: Common types

    private static func literal(_ value: SQLValue, _ type: SQLType, _ text: String) -> CoercibleExpression {
        .literal(value, type: type, text: text)
    }

    @Test func `a common type holds all elements`() throws {
        let ten = Self.literal(.int(10), .int, "10")
        let column = CoercibleExpression.other(type: .bigint, text: "B")
        #expect(try CommonType.of([.null, ten, column]) == .bigint)
        #expect(
            try CommonType.of([ten, Self.literal(.string("2e1"), .string, "'2e1'"), column])
                == .decimal(precision: 19, scale: 0))
        #expect(try CommonType.of([ten, Self.literal(.string("2147483648"), .string, "''")]) == .bigint)
        #expect(try CommonType.of([.null, .null]) == nil)
        #expect(
            try CommonType.of([
                .structure([("X", column)], type: .structure([SQLField("X", .bigint)]), text: ""),
                .structure([("Y", ten)], type: .structure([SQLField("Y", .int)]), text: ""),
            ]) == .structure([SQLField("Y", .int), SQLField("X", .bigint)]))
    }

    @Test func `without a common type the elements are named`() {
        #expect(
            throws: SQLTypesError(
                .unsupported,
                "operator does not exist: INTEGER = BOOLEAN (true)\nHint: You might need to add explicit type casts.")
        ) { try CommonType.of([Self.literal(.int(1), .int, "1"), Self.literal(.boolean(true), .boolean, "true")]) }
        #expect(throws: SQLTypesError(.invalidText, "invalid input syntax for type BIGINT: \"not 10\".")) {
            try CommonType.of([
                .other(type: .array(.bigint), text: "A"),
                .array(
                    [Self.literal(.string("not 10"), .string, "''")], type: .array(.string), text: "ARRAY['not 10']"),
            ])
        }
    }

    @Test func `literals take the type that is wanted`() throws {
        #expect(try Coercion.literal(.string("4.000"), of: .string, as: .int) == .int(4))
        #expect(try Coercion.literal(.int(4), of: .int, as: .string) == .string("4"))
        #expect(try Coercion.literal(.string("2020"), of: .string, as: .timestamp) == .timestamp(1_577_836_800_000))
        #expect(throws: SQLTypesError.self) { try Coercion.literal(.string("4.5"), of: .string, as: .int) }
        #expect(throws: SQLTypesError.self) { try Coercion.literal(.boolean(true), of: .boolean, as: .int) }
    }

    // MARK: Values

    @Test func `equality is Java's and order goes across numbers`() throws {
        let (a, b) = (
            SQLValue.decimal(SQLDecimal(unscaled: 10, scale: 1)), SQLValue.decimal(SQLDecimal(unscaled: 100, scale: 2))
        )
        #expect(a != b)
        #expect(a.compare(to: b) == 0)
        #expect(a.compare(to: .int(1)) == 0)
        #expect(SQLValue.double(1.5).compare(to: .bigint(1)) == 1)
        #expect(SQLValue.double(.nan) == .double(.nan))
        #expect(SQLValue.double(0) != .double(-0.0))
        #expect(SQLValue.string("\u{e9}") != .string("e\u{301}"))
        #expect(SQLValue.string("\u{FFFD}").compare(to: .string("\u{10000}")) == 1)
        #expect(SQLValue.bytes([0x80]).compare(to: .bytes([1])) == -1)
        #expect(SQLValue.bytes([1, 2]).compare(to: .bytes([1])) == 1)
        #expect(SQLValue.null.compare(to: .null) == nil)
    }

    @Test func `maps keep order, and find keys however many there are`() {
        let map = SQLMap((0..<100).map { (key: .int($0 % 60), value: .int($0)) })
        #expect(map.count == 60)
        #expect(map[.int(5)] == .int(65))
        #expect(map[.int(77)] == nil)
        #expect(map.keys.first == .int(0))
    }

    @Test func `columns of schema text`() throws {
        let columns = try SchemaText.columns("`ID` BIGINT KEY, `n` ARRAY<STRUCT<`F` STRING>>, H BYTES HEADER('k')")
        #expect(
            columns.map(\.description).joined(separator: ", ")
                == "`ID` BIGINT KEY, `n` ARRAY<STRUCT<`F` STRING>>, `H` BYTES HEADER('k')")
        #expect(columns[0].role == .key)
    }
}
