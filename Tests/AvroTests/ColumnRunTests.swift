import Avro
import Columns
import TestKit
import Testing

/// Runs of records agree with records one by one, whether columns can be gone over one after the other or not.
@Suite struct ColumnRunTests {
    private static let schema = #"""
        {"type":"record","name":"R","fields":[
            {"name":"id","type":"long"},{"name":"small","type":["null","int"]},{"name":"text","type":["null","string"]},
            {"name":"flag","type":["boolean","null"]},{"name":"ratio","type":["null","double"]},
            {"name":"share","type":"float"},{"name":"bytes","type":["bytes","null"]},{"name":"word","type":"string"},
            {"name":"nothing","type":"null"},{"name":"time","type":["null","long"]}]}
        """#

    @Test(
        arguments: UInt64(1)...40,
        [nil, ["text", "time"], ["word", "id", "bytes"], ["ratio", "share", "flag"], []] as [[String]?])
    func `a run is its records`(seed: UInt64, names: [String]?) throws {
        var random = RandomAvro(seed: seed)
        let schema = try AvroSchema(Self.schema)
        let layout = try AvroColumnLayout(schema, columns: names)
        let program = try AvroColumnProgram(writer: schema, layout: layout)
        let encoder = AvroEncoder(schema: schema)
        let whole = AvroColumnSink(layout)
        let single = AvroColumnSink(layout)
        for _ in 0..<3 {
            let records = ColumnBuilder(.bytes)
            var broken: [Int] = []
            let count = random.below(700)
            for row in 0..<count {
                if seed % 4 == 1, random.below(50) == 0 {
                    records.appendNull()
                    single.appendNull()
                    continue
                }
                var bytes = try encoder.encode(value(&random, isASCII: seed % 3 == 0))
                if seed % 5 == 2, random.below(40) == 0 {
                    bytes[random.below(bytes.count)] = UInt8(random.below(256))
                    if random.below(3) == 0 { bytes.removeLast(random.below(bytes.count)) }
                }
                do throws(AvroError) { try program.append(bytes.span.bytes, to: single) } catch {
                    broken.append(row)
                    single.appendNull()
                }
                let framed = [9, 8, 7] + bytes
                #expect(framed.withUnsafeBytes { records.append(bytes: $0) })
            }
            guard case .bytes(let column) = records.finish() else { return }
            let failures = program.append(column, from: 3, to: whole)
            #expect(failures.map(\.row) == broken)
            #expect(whole.count == count)
            let (found, expected) = (whole.finish(), single.finish())
            #expect(found.columns.map(\.values) == expected.columns.map(\.values))
            #expect(found.columns.map(\.validity.nullCount) == expected.columns.map(\.validity.nullCount))
        }
    }

    @Test func `texts that are not UTF-8 are repaired, and no text begins in the middle of a character`() throws {
        let schema = try AvroSchema(#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#)
        let layout = try AvroColumnLayout(schema)
        let program = try AvroColumnProgram(writer: schema, layout: layout)
        let sink = AvroColumnSink(layout)
        let records = ColumnBuilder(.bytes)
        // "é" over two values: together they are UTF-8, each alone is not.
        for text in [[0x61, 0xC3], [0xA9, 0x62], [0xC3, 0xA9], []] as [[UInt8]] {
            let record = [UInt8(2 * text.count)] + text
            #expect(record.withUnsafeBytes { records.append(bytes: $0) })
        }
        let long = [UInt8](repeating: 0x78, count: 200)
        for _ in 0..<3 { #expect(([0x90, 0x03] + long).withUnsafeBytes { records.append(bytes: $0) }) }
        guard case .bytes(let column) = records.finish() else { return }
        #expect(program.append(column, from: 0, to: sink).isEmpty)
        let x = String(repeating: "x", count: 200)
        #expect(
            sink.finish().columns[0].values
                == ["a\u{FFFD}", "\u{FFFD}b", "é", "", x, x, x].map { ColumnValue.string($0) })
    }

    @Test(arguments: UInt64(1)...30)
    func `what is written in blocks is what is written value by value`(seed: UInt64) throws {
        var random = RandomAvro(seed: seed)
        let schema = try AvroSchema(Self.schema)
        let layout = try AvroColumnLayout(schema)
        let program = try AvroColumnProgram(writer: schema, layout: layout)
        let encoder = AvroEncoder(schema: schema)
        let sink = AvroColumnSink(layout)
        var records: [[UInt8]] = []
        for _ in 0..<random.below(300) {
            let record = try encoder.encode(value(&random, isASCII: seed % 2 == 0))
            try program.append(record.span.bytes, to: sink)
            records.append(record)
        }
        let prefix: [UInt8] = [0, 0, 0, 0, 7]
        let written = try AvroColumnEncoder(schema: schema).encode(sink.finish(), prefix: prefix)
        #expect(written.count == records.count)
        for (row, record) in records.enumerated() { #expect(written.array(row) == prefix + record) }
    }

    private func value(_ random: inout RandomAvro, isASCII: Bool) -> AvroValue {
        func number(_ random: inout RandomAvro) -> Int64 {
            Int64(truncatingIfNeeded: UInt64.random(in: 0...(.max), using: &random.random) >> UInt64(random.below(64)))
                &* (random.below(2) == 0 ? 1 : -1)
        }
        func text(_ random: inout RandomAvro) -> String {
            let letters = isASCII ? ["a", "b", " "] : ["a", "é", "日", "🙂"]
            return (0..<random.below(random.below(10) == 0 ? 200 : 20)).map { _ in letters[random.below(letters.count)]
            }
            .joined()
        }
        func optional(_ random: inout RandomAvro, _ nullBranch: Int, _ value: AvroValue) -> AvroValue {
            random.below(random.below(4) == 0 ? 2 : 1000) == 0
                ? .union(branch: nullBranch, .null) : .union(branch: 1 - nullBranch, value)
        }
        return .record([
            .long(number(&random)),
            optional(&random, 0, .int(Int32(truncatingIfNeeded: number(&random)))),
            optional(&random, 0, .string(text(&random))),
            optional(&random, 1, .boolean(random.below(2) == 0)),
            optional(&random, 0, .double(Double(number(&random)))),
            .float(Float(number(&random))),
            optional(&random, 1, .bytes([UInt8](repeating: 0xFF, count: random.below(40)))),
            .string(text(&random)),
            .null,
            optional(&random, 0, .long(number(&random))),
        ])
    }
}
