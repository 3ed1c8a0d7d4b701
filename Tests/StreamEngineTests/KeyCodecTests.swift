import SQLTypes
import Testing

@testable import StreamEngine

@Suite struct KeyCodecTests {
    private static let texts: [SQLValue] = [
        .null, .bytes([]), .bytes([0xFF]), .bytes([0xFF, 0xFF]), .bytes([0xFF, 0]), .bytes([0xFE, 0xFF]), .bytes([0]),
    ]

    /// Keys are read back as they were, and none is taken for another one, null least of all.
    @Test(
        arguments: [
            (.bytes, texts), (.string, [.null, .string(""), .string("a"), .string("ÿ")]),
            (.boolean, [.null, .boolean(true), .boolean(false)]), (.int, [.null, .int(-1), .int(255)]),
            (.bigint, [.null, .bigint(-1)]), (.double, [.null, .double(-.nan), .double(0)]),
            (.decimal(precision: 4, scale: 2), [.null, .decimal(SQLDecimal(unscaled: -1 as Int64, scale: 2))]),
            (.array(.int), [.null, .array([]), .array([.null])]),
        ] as [(SQLType, [SQLValue])])
    func `keys are read back`(type: SQLType, values: [SQLValue]) {
        for types in [[type], [type, .int]] {
            let codec = KeyCodec(types)
            let columns = types.enumerated().map { index, type in
                Vector(index == 0 ? values : values.map { _ in .int(7) }, type)
            }
            let rows = KeyRows(codec)
            rows.fill(columns[...], count: values.count)
            var seen: Set<[UInt8]> = []
            let builders = types.map { VectorBuilder($0) }
            for row in values.indices {
                let single = ScratchBytes()
                codec.append(columns, row: row, to: single)
                let bytes = Array(rows[row])
                #expect(bytes == Array(single.bytes[..<single.count]))
                #expect(seen.insert(bytes).inserted, "\(values[row]) is \(bytes)")
                codec.read(rows[row], into: builders[...])
            }
            let read = builders[0].finish()
            for (row, value) in values.enumerated() {
                let back = read.value(row, type)
                // A NaN is no NaN's equal.
                if case .double(let a) = value, case .double(let b) = back {
                    #expect(a.bitPattern == b.bitPattern)
                } else {
                    #expect(back == value)
                }
            }
        }
    }
}
