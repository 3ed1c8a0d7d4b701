import SQLFormats
import SQLPlan
import SQLTypes
import Testing

@testable import StreamEngine

@Suite struct StoredKeyOrderTests {
    private static func sorted(
        _ rows: [[SQLValue]], _ types: [SQLType], _ format: SQLFormat, _ feature: SerdeFeature? = nil
    ) throws -> [[SQLValue]] {
        let context = TaskContext(
            functions: TestFunctions(), formats: SQLFormatLibrary(RecordFormats()), settings: EngineSettings())
        let columns = types.enumerated().map { Plans.Column("K\($0)", $1) }
        let order = try StoredKeyOrder(
            columns, SerdeFormat(FormatInfo(format), features: feature.map { [$0] } ?? []), context)
        let codec = KeyCodec(types)
        let keys = rows.map { values in
            let bytes = ScratchBytes()
            codec.append(values, to: bytes)
            return (values: values, key: [UInt8](bytes.bytes))
        }
        return order.sorted(keys) { ([], $0.key[...], []) }.map(\.values)
    }

    private static func sorted(_ values: [SQLValue], _ type: SQLType, _ format: SQLFormat) throws -> [SQLValue] {
        try sorted(values.map { [$0] }, [type], format, .unwrapSingles).map { $0[0] }
    }

    /// By hand: a comma comes before digits, a brace behind them, and before both the quotes in which DELIMITED has a first
    /// number below zero; Avro has a zero for null, Protobuf nothing, so that the next column's number comes, which is larger.
    @Test(
        arguments: [
            (.json, [(-1, "b"), (1, "a"), (1, nil), (10, "a"), (nil, "a")]),
            (.jsonSR, [(-1, "b"), (1, "a"), (1, nil), (10, "a"), (nil, "a")]),
            (.delimited, [(-1, "b"), (nil, "a"), (1, nil), (1, "a"), (10, "a")]),
            (.avro, [(nil, "a"), (-1, "b"), (1, nil), (1, "a"), (10, "a")]),
            (.protobuf, [(1, nil), (1, "a"), (10, "a"), (-1, "b"), (nil, "a")]),
            (.protobufNoSR, [(1, nil), (1, "a"), (10, "a"), (-1, "b"), (nil, "a")]),
        ] as [(SQLFormat, [(Int32?, String?)])])
    func `several columns, some of them null, have the order of their bytes in the format`(
        format: SQLFormat, expected: [(Int32?, String?)]
    ) throws {
        let rows = expected.map { number, text in
            [number.map { SQLValue.int($0) } ?? .null, text.map { SQLValue.string($0) } ?? .null]
        }
        #expect(try Self.sorted(rows.reversed(), [.int, .string], format) == rows)
    }

    @Test(
        arguments: [
            (.json, .unwrapSingles, [-1, 1, 10, 128, 9]), (.json, .wrapSingles, [-1, 10, 128, 1, 9]),
            (.avro, .wrapSingles, [-1, 1, 9, 10, 128]), (.protobufNoSR, .wrapSingles, [1, 9, 10, 128, -1]),
        ] as [(SQLFormat, SerdeFeature, [Int32])])
    func `a single column has the order of its bytes as it is wrapped`(
        format: SQLFormat, feature: SerdeFeature, expected: [Int32]
    ) throws {
        let rows = expected.map { [SQLValue.int($0)] }
        #expect(try Self.sorted(rows.reversed(), [.int], format, feature) == rows)
    }

    /// By hand: big-endian numbers, decimal digits, Avro's zig-zag and Protobuf's varints, as bytes without signs.
    @Test(
        arguments: [
            (.kafka, [9, 10, 64, 65, 128, -1]), (.json, [-1, 10, 128, 64, 65, 9]), (.jsonSR, [-1, 10, 128, 64, 65, 9]),
            (.delimited, [-1, 10, 128, 64, 65, 9]), (.avro, [-1, 9, 10, 64, 128, 65]),
            (.protobuf, [9, 10, 64, 65, 128, -1]), (.protobufNoSR, [9, 10, 64, 65, 128, -1]),
        ] as [(SQLFormat, [Int32])])
    func `numbers have the order of their bytes in the format`(format: SQLFormat, expected: [Int32]) throws {
        for type in [SQLType.int, .bigint] {
            let values = expected.map { type == .int ? SQLValue.int($0) : .bigint(Int64($0)) }
            #expect(try Self.sorted(values.reversed(), type, format) == values, "\(type)")
        }
    }

    @Test(
        arguments: [
            (.kafka, ["a", "a!", "aa", "b"]), (.json, ["a!", "a", "aa", "b"]), (.avro, ["a", "b", "a!", "aa"]),
        ] as [(SQLFormat, [String])])
    func `texts have the order of their bytes in the format`(format: SQLFormat, expected: [String]) throws {
        let values = expected.map { SQLValue.string($0) }
        #expect(try Self.sorted(values.reversed(), .string, format) == values)
    }
}
