import Columns
import TestKit
import Testing

@Suite struct ColumnsTests {
    @Test(arguments: UInt64(1)...40)
    func `what is appended comes out again, whatever was taken back in between`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let type = randomType(&random, depth: 3)
        let builder = ColumnBuilder(type)
        var model: [ColumnValue] = []
        for _ in 0..<Int.random(in: 0...300, using: &random) {
            if Int.random(in: 0..<20, using: &random) == 0 {
                let rows = Int.random(in: 0...model.count, using: &random)
                builder.truncate(to: rows)
                model.removeSubrange(rows...)
            } else {
                let value = randomValue(type, &random)
                append(value, to: builder)
                model.append(value)
            }
        }
        #expect(builder.count == model.count)
        let column = builder.finish()
        #expect(column.type == type)
        #expect(column.values == model)
        #expect(column.validity.nullCount == model.count { $0 == .null })
        #expect(builder.count == 0)
        append(.null, to: builder)
        #expect(builder.finish().values == [.null])
    }

    @Test func `bytes that are no UTF-8 become replacement characters in strings only`() {
        for (bytes, text): ([UInt8], String) in [
            ([0x61, 0xFF, 0x62], "a\u{FFFD}b"), ([0xC3, 0xA4], "ä"), ([0xED, 0xA0, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}"),
            (Array(repeating: 0x61, count: 70) + [0x80], String(repeating: "a", count: 70) + "\u{FFFD}"), ([], ""),
        ] {
            let strings = ColumnBuilder(.string)
            let binary = ColumnBuilder(.bytes)
            bytes.withUnsafeBytes {
                #expect(strings.append(bytes: $0))
                #expect(binary.append(bytes: $0))
            }
            #expect(strings.finish().values == [.string(text)])
            #expect(binary.finish().values == [.bytes(bytes)])
        }
    }

    @Test func `columns made from values`() {
        let values = FixedColumn(values: ColumnBuffer([1, 2, 3] as [Int64]), validity: Validity([true, false, true]))
        #expect(Column.int64(values).values == [.int64(1), .null, .int64(3)])
        #expect(values[1] == nil)
        #expect(values[2] == 3)
        #expect(values.values.withSpan { $0[0] + $0[2] } == 4)
        let all = (0..<200).map { $0 % 3 == 0 }
        let validity = Validity(all)
        #expect(validity.nullCount == 133)
        #expect((0..<200).map(validity.isValid) == all)
    }

    private func randomType(_ random: inout SeededRandom, depth: Int) -> ColumnType {
        switch Int.random(in: 0..<(depth > 0 ? 10 : 7), using: &random) {
        case 0: .boolean
        case 1: .int32
        case 2: .int64
        case 3: .float
        case 4: .double
        case 5: .string
        case 6: .bytes
        case 7: .list(randomType(&random, depth: depth - 1))
        case 8: .map(key: .string, value: randomType(&random, depth: depth - 1))
        default:
            .structure(
                (0..<Int.random(in: 0...4, using: &random)).map {
                    ColumnField("f\($0)", randomType(&random, depth: depth - 1))
                })
        }
    }

    private func randomValue(_ type: ColumnType, _ random: inout SeededRandom) -> ColumnValue {
        if Int.random(in: 0..<8, using: &random) == 0 { return .null }
        let count = Int.random(in: 0...4, using: &random)
        switch type {
        case .boolean: return .boolean(.random(using: &random))
        case .int32: return .int32(.random(in: .min ... .max, using: &random))
        case .int64: return .int64(.random(in: .min ... .max, using: &random))
        case .float: return .float(.random(in: -1...1, using: &random))
        case .double: return .double(.random(in: -1...1, using: &random))
        case .string:
            let text = ["", "iOS", "a somewhat longer text than that", "ü", String(repeating: "x", count: 100)]
            return .string(text[count])
        case .bytes: return .bytes((0..<(count * 7)).map { _ in .random(in: 0...255, using: &random) })
        case .list(let element): return .list((0..<count).map { _ in randomValue(element, &random) })
        case .map(let key, let value):
            return .map((0..<count).map { _ in .init(randomValue(key, &random), randomValue(value, &random)) })
        case .structure(let fields): return .structure(fields.map { randomValue($0.type, &random) })
        }
    }

    private func append(_ value: ColumnValue, to builder: ColumnBuilder) {
        switch value {
        case .null: builder.appendNull()
        case .boolean(let value): builder.cells.pointee.append(value)
        case .int32(let value): builder.cells.pointee.append(value)
        case .int64(let value): builder.cells.pointee.append(value)
        case .float(let value): builder.cells.pointee.append(value)
        case .double(let value): builder.cells.pointee.append(value)
        case .string(let text): #expect(builder.append(string: text))
        case .bytes(let bytes): bytes.withUnsafeBytes { #expect(builder.append(bytes: $0)) }
        case .list(let elements):
            for element in elements { append(element, to: builder.children[0]) }
            #expect(builder.appendRun())
        case .map(let pairs):
            for pair in pairs {
                append(pair.key, to: builder.children[0])
                append(pair.value, to: builder.children[1])
            }
            #expect(builder.appendRun())
        case .structure(let fields):
            for (field, child) in zip(fields, builder.children) { append(field, to: child) }
            builder.cells.pointee.appendStructure()
        }
    }
}
