import Avro
import Columns
import TestKit
import Testing

@Suite struct ColumnProgramTests {
    /// What columns hold is what a tree says, through the plain rules of `AvroColumnLayout`.
    @Test(arguments: UInt64(1)...300)
    func `columns agree with trees, and go back to the same bytes`(seed: UInt64) throws {
        var random = RandomAvro(seed: seed)
        let shape = random.record()
        let writer = try AvroSchema(shape.text)
        let reader = seed % 3 == 0 ? writer : try AvroSchema(random.evolved(shape).text)
        guard let decoder = try? AvroDecoder(writer: writer, reader: reader) else { return }  // cannot be read at all
        let layout = try AvroColumnLayout(reader)
        let program = try AvroColumnProgram(writer: writer, layout: layout)
        let sink = AvroColumnSink(layout)
        let encoder = AvroEncoder(schema: writer)
        var records: [[UInt8]] = []
        var trees: [AvroValue] = []
        for _ in 0..<60 {
            var bytes = try encoder.encode(random.value(writer))
            if random.below(5) == 0, !bytes.isEmpty { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
            if random.below(10) == 0, !bytes.isEmpty { bytes.removeLast() }
            let tree: AvroValue?
            do throws(AvroError) {
                tree = try decoder.decode(bytes)
            } catch {
                tree = nil
            }
            if let tree {
                try program.append(bytes.span.bytes, to: sink)
                trees.append(tree)
                records.append(bytes)
            } else {
                #expect(throws: AvroError.self) { try program.append(bytes.span.bytes, to: sink) }
            }
            #expect(sink.count == trees.count)
        }
        let batch = sink.finish()
        #expect(batch.count == trees.count)
        guard case .record(let record) = reader.type.kind else { return }
        for (index, column) in batch.columns.enumerated() {
            let expected = trees.map { tree -> ColumnValue in
                guard case .record(let values) = tree else { return .null }
                return columnValue(values[index], reader[record.fields[index].type])
            }
            #expect(column.values == expected)
        }
        let encoded = try AvroColumnEncoder(schema: reader).encode(batch, prefix: [0, 7])
        let again = AvroEncoder(schema: reader)
        for (row, tree) in trees.enumerated() { #expect(encoded.array(row) == [0, 7] + (try again.encode(tree))) }
    }

    /// `AvroColumnLayout`'s table, once more.
    private func columnValue(_ value: AvroValue, _ schema: AvroSchema) -> ColumnValue {
        switch (value, schema.type.kind) {
        case (.boolean(let value), _): return .boolean(value)
        case (.int(let value), _): return .int32(value)
        case (.long(let value), _): return .int64(value)
        case (.float(let value), _): return .float(value)
        case (.double(let value), _): return .double(value)
        case (.bytes(let bytes), _), (.fixed(let bytes), _): return .bytes(bytes)
        case (.string(let text), _), (.enumeration(let text), _): return .string(text)
        case (.array(let values), .array(let items)): return .list(values.map { columnValue($0, schema[items]) })
        case (.map(let entries), .map(let values)):
            return .map(entries.map { .init(.string($0.key), columnValue($0.value, schema[values])) })
        case (.record(let values), .record(let record)):
            return .structure(zip(values, record.fields).map { columnValue($0, schema[$1.type]) })
        case (.union(let branch, let value), .union(let branches)):
            if value == .null { return .null }
            let values = branches.filter { schema.types[$0].word != "null" }
            guard values.count > 1 else { return columnValue(value, schema[branches[branch]]) }
            return .structure(
                values.map { $0 == branches[branch] ? columnValue(value, schema[$0]) : .null })
        default: return .null
        }
    }

    @Test func `only wanted columns are read, in the wanted order`() throws {
        let schema = try AvroSchema(
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"},{"name":"c","type":["null",{"type":"array","items":"int"}]},{"name":"d","type":"double"}]}"#
        )
        let bytes = try AvroEncoder(schema: schema).encode(
            .record([.long(1), .string("x"), .union(branch: 1, .array([.int(5)])), .double(2)]))
        let layout = try AvroColumnLayout(schema, columns: ["d", "b"])
        let program = try AvroColumnProgram(writer: schema, layout: layout)
        let sink = AvroColumnSink(layout)
        try program.append(bytes.span.bytes, to: sink)
        sink.appendNull()
        let batch = sink.finish()
        #expect(batch.names == ["d", "b"])
        #expect(batch.columns.map(\.values) == [[.double(2), .null], [.string("x"), .null]])
        #expect(throws: AvroError.self) { try AvroColumnLayout(schema, columns: ["e"]) }
        let none = try AvroColumnLayout(schema, columns: [])
        let empty = AvroColumnSink(none)
        try AvroColumnProgram(writer: schema, layout: none).append(bytes.span.bytes, to: empty)
        #expect(empty.finish().count == 1)
    }

    @Test func `fields that are not wanted need no default`() throws {
        let writer = try AvroSchema(#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}"#)
        let reader = try AvroSchema(
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":"int"}]}"#)
        #expect(throws: AvroError.self) { try AvroColumnProgram(writer: writer, layout: AvroColumnLayout(reader)) }
        let layout = try AvroColumnLayout(reader, columns: ["a"])
        let sink = AvroColumnSink(layout)
        try AvroColumnProgram(writer: writer, layout: layout).append(([0x0A] as [UInt8]).span.bytes, to: sink)
        #expect(sink.finish().columns.map(\.values) == [[.int64(5)]])
    }

    @Test func `writers of several schemas fill the same columns`() throws {
        let old = try AvroSchema(#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#)
        let new = try AvroSchema(
            #"{"type":"record","name":"R","fields":[{"name":"b","type":["null","string"],"default":null},{"name":"a","type":"long"}]}"#
        )
        let layout = try AvroColumnLayout(new)
        let sink = AvroColumnSink(layout)
        try AvroColumnProgram(writer: old, layout: layout).append(([0x02] as [UInt8]).span.bytes, to: sink)
        try AvroColumnProgram(writer: new, layout: layout).append(bytes(ofHex: "02026104").span.bytes, to: sink)
        #expect(sink.finish().columns.map(\.values) == [[.null, .string("a")], [.int64(1), .int64(2)]])
    }

    @Test func `other types than records are one column`() throws {
        let schema = try AvroSchema(#"["null","string"]"#)
        let layout = try AvroColumnLayout(schema)
        let sink = AvroColumnSink(layout)
        let program = try AvroColumnProgram(writer: schema, layout: layout)
        try program.append(([0x00] as [UInt8]).span.bytes, to: sink)
        try program.append(bytes(ofHex: "020261").span.bytes, to: sink)
        #expect(sink.finish().columns.map(\.values) == [[.null, .string("a")]])
    }

    @Test func `types that contain themselves have no columns, but are passed over`() throws {
        let schema = try AvroSchema(
            #"{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","L"]}]}"#)
        #expect(throws: AvroError.self) { try AvroColumnLayout(schema) }
        let layout = try AvroColumnLayout(schema, columns: ["v"])
        let sink = AvroColumnSink(layout)
        try AvroColumnProgram(writer: schema, layout: layout).append(bytes(ofHex: "02020400").span.bytes, to: sink)
        #expect(sink.finish().columns.map(\.values) == [[.int32(1)]])
    }

    @Test func `rows that do not fit the schema are refused`() throws {
        let schema = try AvroSchema(#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#)
        let encoder = try AvroColumnEncoder(schema: schema)
        let nulls = Column.int32(
            FixedColumn(values: ColumnBuffer([1, 2] as [Int32]), validity: Validity([true, false])))
        let error = #expect(throws: AvroError.self) {
            try encoder.encode(ColumnBatch(names: ["a"], columns: [nulls], count: 2))
        }
        #expect(error?.message.hasPrefix("row 1 has no value") == true)
        let longs = Column.int64(FixedColumn(values: ColumnBuffer([1] as [Int64])))
        #expect(throws: AvroError.self) { try encoder.encode(ColumnBatch(names: ["a"], columns: [longs], count: 1)) }
    }
}
