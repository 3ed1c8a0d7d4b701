import Columns
import SQLPlan
import SQLTypes
import TestKit
import Testing

@testable import StreamEngine

@Suite struct StateLimitTests {
    static func counts(_ keys: Int32) -> [TestRecord] {
        (0..<keys).map { TestRecord(key: [.int($0)], value: [.int($0), .int($0 % 7)], timestamp: Int64($0)) }
    }

    @Test func `a record of state has less than 1 GiB`() throws {
        let table = SlabTable()
        try withUnsafeBytes(of: 1) { key in
            let large = UnsafeRawBufferPointer(start: key.baseAddress, count: SlabTable.byteCountLimit)
            #expect { try table.put(key, large) } throws: { ($0 as? EngineError)?.code == .stateLimit }
            #expect(table.count == 0)
            try table.put(key, key)
            #expect { try table.put(key, large) } throws: { ($0 as? EngineError)?.code == .stateLimit }
            #expect(table.value(key).map { [UInt8]($0) } == [UInt8](key))
        }
    }

    @Test func `a query that may not use the disk ends beyond its memory`() throws {
        var settings = EngineSettings()
        settings.stateStore = .memory
        settings.stateByteCountMax = 50_000
        let task = try Plans.task(Plans.sink(AggregateTests.plan(nil)), settings)
        let result = Plans.feed(task, Self.counts(5000)[...], cuts: Set(stride(from: 0, to: 5000, by: 100)))
        #expect(result.failure?.code == .stateLimit)
        #expect(result.failure?.message.contains("state.memory.max.bytes") == true)
        #expect(result.output.count >= 1000 && result.output.count < 2000)
    }

    @Test func `a query beyond its memory goes on with its state on disk`() throws {
        let records = Self.counts(3000) + Self.counts(3000)
        let cuts = Set(stride(from: 0, to: records.count, by: 100))
        let plan = Plans.sink(AggregateTests.plan(nil))
        let expected = try Plans.run(plan, records, cuts: cuts).output
        var settings = EngineSettings()
        settings.stateByteCountMax = 50_000
        settings.stateFileByteCountMin = 4096
        settings.capturesChanges = true
        let result = try Plans.run(plan, records, cuts: cuts, settings: settings)
        #expect(result.failure == nil)
        RestoreTests.expectEqual(result.output, expected, "on disk")
        #expect(result.task.stateMemoryByteCount < 50_000)
        var changes = 0
        result.task.drainChanges { _ in changes += 1 }
        #expect(changes == 3000)
    }

    @Test func `a folder that is not there ends the query with its name`() throws {
        var settings = EngineSettings()
        settings.stateStore = .disk
        settings.stateFolder = "/nowhere"
        settings.stateFileByteCountMin = 1
        let result = try Plans.run(Plans.sink(AggregateTests.plan(nil)), Self.counts(3), cuts: [], settings: settings)
        #expect(result.failure?.code == .stateLimit)
        #expect(result.failure?.message.contains("/nowhere") == true)
    }

    // MARK: What came before a failure

    @Test func `results before a failing aggregate come out of the same batch`() throws {
        let records = [1, 2, 666, 4].map { TestRecord(key: [.int(1)], value: [.int($0), .int($0)], timestamp: 0) }
        for window in [nil, WindowSpecification(.tumbling(size: 10), grace: 0, retention: nil, statedGrace: 0)] {
            let plan = Plans.sink(AggregateTests.plan(window))
            let single = try Plans.run(plan, records)
            let whole = try Plans.run(plan, records, cuts: [])
            #expect(whole.output == single.output && whole.output.count == 2)
            #expect(whole.failure?.message == "Numeric field overflow")
        }
    }

    @Test func `results before a record that cannot be read come out of the same batch`() throws {
        var settings = EngineSettings()
        settings.failsOnDeserializationError = true
        var records = Self.counts(6)
        records[3].value = []
        records[4].value = []
        let plan = Plans.sink(Plans.source("A", values: AggregateTests.values))
        let single = try Plans.run(plan, records, settings: settings)
        let whole = try Plans.run(plan, records, cuts: [], settings: settings)
        #expect(whole.output == single.output && whole.output.count == 3)
        #expect(whole.failure == single.failure && whole.failure?.code == .fatalRecord)
        #expect(whole.log == single.log && whole.log.count == 1)
    }

    /// Passed over, it would be lost, though the registry answers again in a minute.
    @Test func `a record whose schema cannot be had now ends the query, and is not told`() throws {
        var records = Self.counts(6)
        records[1].value = []
        records[3].value = TestFormats.silent
        records[4].value = TestFormats.silent
        for plan in [Plans.source("A", values: AggregateTests.values), AggregateTests.plan(nil)].map(Plans.sink) {
            let single = try Plans.run(plan, records)
            let whole = try Plans.run(plan, records, cuts: [])
            #expect(whole.output == single.output && whole.output.count == 2)
            #expect(whole.failure == single.failure && whole.failure?.message == "no registry")
            #expect(whole.failure?.code == .unavailable)
            #expect(whole.log == single.log && whole.log.map(\.message) == ["empty"])
        }
    }

    /// A format that cannot hold 666.
    private struct NarrowFormats: FormatLibrary {
        final class Encoder: RecordEncoder {
            let inner: any RecordEncoder
            init(_ inner: any RecordEncoder) { self.inner = inner }

            func encode(_ columns: [Vector], count: Int, present: Validity) throws(EngineError) -> BytesColumn {
                for row in 0..<count where columns.contains(where: { $0.value(row, .int) == .int(666) }) {
                    throw EngineError(.fatalRecord, "666")
                }
                return try inner.encode(columns, count: count, present: present)
            }
        }

        func decoder(
            _ format: SerdeFormat, topic: String, isKey: Bool, columns: [RowSchema.Column], wanted: [Int]
        ) throws(EngineError) -> any RecordDecoder {
            try TestFormats().decoder(format, topic: topic, isKey: isKey, columns: columns, wanted: wanted)
        }

        func encoder(
            _ format: SerdeFormat, topic: String, isKey: Bool, columns: [RowSchema.Column]
        ) throws(EngineError) -> any RecordEncoder {
            Encoder(try TestFormats().encoder(format, topic: topic, isKey: isKey, columns: columns))
        }

        func timestampText(_ pattern: String) throws(EngineError) -> TimestampText {
            try TestFormats().timestampText(pattern)
        }
    }

    @Test func `results before one that cannot be written come out of the same batch`() throws {
        var records = Self.counts(5)
        records[2].value = [.int(666), .int(0)]
        let plan = Plans.sink(Plans.source("A", values: AggregateTests.values))
        let task = try QueryTask(plan, functions: TestFunctions(), formats: NarrowFormats())
        let result = Plans.feed(task, records[...], cuts: [])
        #expect(result.output.map(\.value) == records[..<2].map(\.value))
        #expect(result.failure?.message == "666")
    }

    @Test func `what is told before one that cannot be written comes of the same batch`() throws {
        let source = Plans.source("A", values: [Plans.Column("A", .int), Plans.Column("T", .bigint)])
        let sink = SinkStep(
            source, topic: "OUT", keyFormat: TestFormats.format, valueFormat: TestFormats.format,
            timestamp: TimestampColumn(column: "T"))
        let plan = PhysicalPlan(
            id: "Q", kind: .createAs, sinkName: "OUT", sourceNames: [],
            root: PlanStep(["OUT"], .sink(sink), schema: source.schema, isTable: false))
        let records = ([(1, 5), (2, -1), (3, 6), (666, 7), (4, 8)] as [(Int32, Int64)]).map { value, time in
            TestRecord(key: [.int(1)], value: [.int(value), .bigint(time)], timestamp: 0)
        }
        var results: [(output: [TestRecord], failure: EngineError?, log: [ProcessingLogEntry])] = []
        for cuts in [nil, []] as [Set<Int>?] {
            let task = try QueryTask(plan, functions: TestFunctions(), formats: NarrowFormats())
            results.append(Plans.feed(task, records[...], cuts: cuts))
        }
        for result in results {
            #expect(result.output.map(\.timestamp) == [5, 6])
            #expect(result.failure?.message == "666")
            #expect(result.log.count == 1)
        }
        #expect(results[0].log == results[1].log)
    }

    // MARK: Headers

    @Test func `results have the headers of the record that they came of`() throws {
        var random = SeededRandom(seed: 7)
        for kind in RestoreTests.Kind.allCases {
            let plan = RestoreTests.plan(kind, &random)
            var records = RestoreTests.records(kind, &random, count: 60)
            for index in records.indices {
                let number = Int.random(in: 0..<3, using: &random)
                records[index].headers = number == 0 ? [] : [.init(key: "h", value: [UInt8(number)])]
            }
            let single = try Plans.run(plan, records).output
            let whole = try Plans.run(plan, records, cuts: []).output
            RestoreTests.expectEqual(whole, single, "\(kind)")
            if !single.isEmpty { #expect(single.contains { !$0.headers.isEmpty }) }
        }
        // Without state rows keep them one by one.
        let source = Plans.source("A", values: AggregateTests.values)
        let filter = PlanStep(
            ["Where"], .filter(FilterStep(source, predicate: Plans.isGreater(Plans.column(source, 1), Plans.int(2)))),
            schema: source.schema, isTable: false)
        var records = Self.counts(6)
        for index in records.indices { records[index].headers = [.init(key: "n", value: [UInt8(index)])] }
        let output = try Plans.run(Plans.sink(filter), records, cuts: []).output
        #expect(output.map(\.headers) == [3, 4, 5].map { [.init(key: "n", value: [$0])] })
        #expect(try Plans.run(Plans.sink(filter), Self.counts(6), cuts: []).output.allSatisfy(\.headers.isEmpty))
    }
}
