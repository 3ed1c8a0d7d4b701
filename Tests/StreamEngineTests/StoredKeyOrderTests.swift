import SQLFormats
import SQLPlan
import SQLTypes
import Testing

@testable import StreamEngine

@Suite struct StoredKeyOrderTests {
    private static func sorted(_ values: [SQLValue], _ type: SQLType, _ format: SQLFormat) throws -> [SQLValue] {
        let context = TaskContext(
            functions: TestFunctions(), formats: SQLFormatLibrary(RecordFormats()), settings: EngineSettings())
        let order = try StoredKeyOrder(
            [Plans.Column("K", type)], SerdeFormat(FormatInfo(format), features: [.unwrapSingles]), context)
        let codec = KeyCodec([type])
        let keys = values.map { value in
            let bytes = ScratchBytes()
            codec.append([value], to: bytes)
            return (value: value, key: [UInt8](bytes.bytes))
        }
        return order.sorted(keys) { ([], $0.key[...], []) }.map(\.value)
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
