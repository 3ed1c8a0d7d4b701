import Avro
import Compression
import ConnectCore
import Environment
import Foundation
import SQLTypes
import Synchronization
import Testing

@testable import ConnectorObjectStore

@Suite struct FolderSinkTests {
    private func text(_ files: [String: [UInt8]], _ name: String) -> String? {
        files[name].map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func `objects of flush.size records, and offsets behind them`() async throws {
        let disk = SimulatedDisk(seed: 1)
        let sink = try await FolderTask(disk)
        try await sink.task.put(numbered(5..<7))
        #expect(try await sink.offset() == nil)
        #expect(try files(disk, "/lake").isEmpty)
        try await sink.task.put(numbered(7..<12))
        #expect(try await sink.offset() == 11)
        let found = try files(disk, "/lake")
        #expect(
            found.keys.sorted() == [
                "topics/t/partition=0/t+0+0000000005.json", "topics/t/partition=0/t+0+0000000008.json",
            ])
        #expect(text(found, "topics/t/partition=0/t+0+0000000005.json") == "{\"n\":5}\n{\"n\":6}\n{\"n\":7}\n")
        await sink.task.stop()
        #expect(try files(disk, "/lake").keys.count == 2)
    }

    /// Times are whatever producers say.
    @Test func `times of any size`() async throws {
        for properties in [
            ["rotate.interval.ms": "1000"], ["rotate.interval.ms": "9223372036854775807"],
            [
                "partitioner.class": "TimeBasedPartitioner", "partition.duration.ms": "1000", "path.format": "yyyy",
                "locale": "en", "timezone": "UTC", "timestamp.extractor": "Record", "rotate.interval.ms": "1000",
                "rotate.schedule.interval.ms": "9223372036854775807",
            ],
        ] {
            let sink = try await FolderTask(SimulatedDisk(seed: 1), properties)
            let times: [Int64] = [.min, .max, 0, .min, .max, 5]
            try await sink.task.put(numbered(0..<6) { times[Int($0)] })
            #expect(try await sink.offset() != nil)
            await sink.task.stop()
        }
    }

    @Test func `late values do not go where records without a value are`() async throws {
        let disk = SimulatedDisk(seed: 1)
        let sink = try await FolderTask(
            disk,
            [
                "flush.size": "5", "partitioner.class": "TimeBasedPartitioner", "partition.duration.ms": "1000",
                "path.format": "s", "locale": "en", "timezone": "UTC", "timestamp.extractor": "Record",
                "append.late.data": "true", "rotate.interval.ms": "50000", "behavior.on.null.values": "write",
                "store.kafka.keys": "true", "keys.format.class": "JsonFormat",
            ])
        let times: [(time: Int64, isTombstone: Bool)] = [
            (1500, false), (1600, true), (500, false), (400, true), (1700, false),
        ]
        try await sink.task.put(
            times.enumerated().map { n, entry in
                sinkRecord(
                    entry.isTombstone ? .null : object([("n", .int64(Int64(n)))]),
                    offset: Int64(n), key: SchemaAndValue(.string, .string("k\(n)")), timestamp: entry.time)
            })
        let found = try files(disk, "/lake")
        #expect(
            found.keys.sorted() == [
                "topics/t/1/t+0+0000000000.json", "topics/t/1/t+0+0000000000.keys.json",
                "topics/t/tombstone/t+0+0000000001.keys.json",
            ])
        #expect(text(found, "topics/t/tombstone/t+0+0000000001.keys.json") == "\"k1\"\n\"k3\"\n")
        await sink.task.stop()
    }

    @Test func `a second run writes the same objects again`() async throws {
        for properties in [
            [:], ["s3.compression.type": "gzip"],
            ["partitioner.class": "FieldPartitioner", "partition.field.name": "k"],
            ["rotate.interval.ms": "50", "flush.size": "1000"],
            [
                "partitioner.class": "TimeBasedPartitioner", "partition.duration.ms": "100", "locale": "en",
                "timezone": "UTC",
                "path.format": "'s'=ss.SSS", "timestamp.extractor": "Record", "rotate.interval.ms": "70",
            ],
        ] as [[String: String]] {
            let records = (0..<100).map { n in
                sinkRecord(object([("n", .int64(n)), ("k", .int64(n % 3))]), offset: n, timestamp: n * n % 37 + n * 10)
            }
            let once = SimulatedDisk(seed: 1)
            let whole = try await FolderTask(once, properties)
            try await whole.task.put(records)
            let end = try #require(try await whole.offset())
            let wanted = try files(once, "/lake")
            await whole.task.stop()

            // In batches of other sizes, with tasks that go away and begin at the committed offset.
            let disk = SimulatedDisk(seed: 2)
            var offset: Int64 = 0
            var size = 1
            while offset < end {
                let sink = try await FolderTask(disk, properties)
                var at = Int(offset)
                for _ in 0..<4 {
                    try await sink.task.put(Array(records[at..<min(at + size, 100)]))
                    at = min(at + size, 100)
                }
                offset = try await sink.offset() ?? offset
                size += 3
                await sink.task.stop()
            }
            let found = try files(disk, "/lake")
            for (name, bytes) in wanted { #expect(found[name] == bytes, "\(name) with \(properties)") }
            #expect(Set(wanted.keys).isSubset(of: found.keys) && wanted.count > 2)
        }
    }

    /// Power is lost after every number of changes to the disk; what a listing shows then is whole and right, and a second
    /// run brings the rest.
    @Test(arguments: [UInt64(3), 4, 5]) func `a crash at any moment`(seed: UInt64) async throws {
        let records = numbered(0..<9)
        var wanted: [String: [UInt8]] = [:]
        for changes in 0..<60 {
            let disk = SimulatedDisk(seed: seed)
            var committed: Int64 = 0
            do {
                let sink = try await FolderTask(disk)
                disk.losePower(afterChanges: changes)
                for record in records {
                    try await sink.task.put([record])
                    committed = try await sink.offset() ?? committed
                }
                await sink.task.stop()
            } catch {
                #expect(disk.hasLostPower)
            }
            disk.losePower(afterChanges: nil)
            disk.crash()
            let left = try files(disk, "/lake").filter { !"/\($0.key)".contains("/.") }
            // All that was committed is there.
            #expect(left.count >= committed / 3)
            for (name, bytes) in left {
                let first = Int64(name.suffix(15).prefix(10)) ?? -1
                let text = (first..<first + 3).map { "{\"n\":\($0)}\n" }.joined()
                #expect(bytes == Array(text.utf8), "\(name) after \(changes) changes")
            }
            let again = try await FolderTask(disk)
            try await again.task.put(Array(records[Int(committed)...]))
            // What was committed does not come again.
            #expect((try await again.offset() ?? committed) == 9)
            let all = try files(disk, "/lake").filter { !"/\($0.key)".contains("/.") }
            if wanted.isEmpty { wanted = all }
            #expect(all == wanted && all.count == 3)
            await again.task.stop()
        }
    }

    @Test func `a full disk is waited for`() async throws {
        let disk = SimulatedDisk(seed: 1)
        let sink = try await FolderTask(disk)
        disk.limit(byteCount: disk.byteCount + 4)
        do throws(ConnectError) {
            try await sink.task.put(numbered(0..<3))
            Issue.record("it was written")
        } catch {
            #expect(error.isRetriable)
        }
        disk.limit(byteCount: nil)
        // The same records come again.
        try await sink.task.put(numbered(0..<3))
        #expect(try await sink.offset() == 3)
        let found = try files(disk, "/lake")
        #expect(text(found, "topics/t/partition=0/t+0+0000000000.json") == "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n")
        await sink.task.stop()
    }

    @Test func `values in folders never lead out of the lake`() async throws {
        let disk = SimulatedDisk(seed: 1)
        let sink = try await FolderTask(
            disk, ["partitioner.class": "FieldPartitioner", "partition.field.name": "k", "flush.size": "1"])
        try await sink.task.put([
            sinkRecord(object([("k", .string("a/../../../../etc/x"))]), offset: 0),
            sinkRecord(object([("k", .string("/./b c"))]), offset: 1),
        ])
        #expect(try files(disk, "/etc").isEmpty)
        #expect(
            try files(disk, "/lake").keys.sorted() == [
                "topics/t/k=/%2E/b c/t+0+0000000001.json",
                "topics/t/k=a/%2E%2E/%2E%2E/%2E%2E/%2E%2E/etc/x/t+0+0000000000.json",
            ])
        await sink.task.stop()
    }

    @Test func `null values`() async throws {
        let null = sinkRecord(.null, offset: 0, key: SchemaAndValue(.string, .string("k")))
        let disk = SimulatedDisk(seed: 1)
        let failing = try await FolderTask(disk)
        await #expect(throws: ConnectError.self) { try await failing.task.put([null]) }
        let ignoring = try await FolderTask(disk, ["behavior.on.null.values": "ignore"])
        try await ignoring.task.put([null])
        #expect(try await ignoring.offset() == 1)
        let tolerant = try await FolderTask(disk, context: SinkContext(isTolerant: true))
        try await tolerant.task.put([null] + numbered(1..<4))
        #expect(try await tolerant.offset() == 4)
        #expect(tolerant.context.reported.withLock { $0.count } == 1)
        let writing = try await FolderTask(
            disk,
            [
                "behavior.on.null.values": "write", "store.kafka.keys": "true", "flush.size": "1",
                "keys.format.class": "io.confluent.connect.s3.format.json.JsonFormat",
            ])
        try await writing.task.put([null])
        let found = try files(disk, "/lake")
        #expect(text(found, "topics/t/tombstone/t+0+0000000000.keys.json") == "\"k\"\n")
        for sink in [failing, ignoring, tolerant, writing] { await sink.task.stop() }
    }

    @Test func `keys and headers stand beside the values`() async throws {
        let disk = SimulatedDisk(seed: 1)
        let json = "io.confluent.connect.s3.format.json.JsonFormat"
        let sink = try await FolderTask(
            disk,
            [
                "store.kafka.keys": "true", "store.kafka.headers": "true", "keys.format.class": json,
                "headers.format.class": json, "flush.size": "1", "topics.dir": "",
            ])
        try await sink.task.put([
            sinkRecord(
                object([("n", .int64(1))]), offset: 42, key: SchemaAndValue(.string, .string("k")),
                headers: [ConnectHeader("h", .int32, .int32(7))])
        ])
        let found = try files(disk, "/lake")
        #expect(text(found, "t/partition=0/t+0+0000000042.json") == "{\"n\":1}\n")
        #expect(text(found, "t/partition=0/t+0+0000000042.keys.json") == "\"k\"\n")
        #expect(text(found, "t/partition=0/t+0+0000000042.headers.json") == "[{\"key\":\"h\",\"value\":\"7\"}]\n")
        await sink.task.stop()
    }

    @Test func `scheduled rotation needs no records`() async throws {
        let disk = SimulatedDisk(seed: 1)
        let sink = try await FolderTask(
            disk, ["rotate.schedule.interval.ms": "60000", "timezone": "UTC", "flush.size": "1000"])
        try await sink.task.put(numbered(0..<2))
        try await sink.task.put([])
        #expect(try await sink.offset() == nil)
        sink.context.set(sink.context.now + 60_000)
        try await sink.task.put([])
        #expect(try await sink.offset() == 2)
        #expect(try files(disk, "/lake").count == 1)
        await sink.task.stop()
    }

    /// As in the original's `TopicPartitionWriter`: a record in another folder ends the objects at hand, unless late ones
    /// are appended to these.
    @Test(
        arguments: [
            (
                [:],
                [
                    "0/t+0+0000000000": "01", "1/t+0+0000000002": "2", "0/t+0+0000000003": "3", "1/t+0+0000000004": "4",
                    "2/t+0+0000000005": "5", "0/t+0+0000000006": "6",
                ]
            ),
            (
                ["append.late.data": "true"],
                ["0/t+0+0000000000": "01", "1/t+0+0000000002": "234", "2/t+0+0000000005": "56"]
            ),
            (
                ["rotate.interval.ms": "-1"],
                ["0/t+0+0000000000": "0136", "1/t+0+0000000002": "24", "2/t+0+0000000005": "5"]
            ),
            (
                ["append.late.data": "true", "rotate.interval.ms": "-1"],
                ["0/t+0+0000000000": "01", "1/t+0+0000000002": "234", "2/t+0+0000000005": "56"]
            ),
        ] as [([String: String], [String: String])])
    func `records that come late`(properties: [String: String], expected: [String: String]) async throws {
        let disk = SimulatedDisk(seed: 1)
        let sink = try await FolderTask(
            disk,
            [
                "flush.size": "7", "partitioner.class": "TimeBasedPartitioner", "partition.duration.ms": "1000",
                "path.format": "s", "locale": "en", "timezone": "UTC", "timestamp.extractor": "Record",
                "rotate.interval.ms": "5000",
            ].merging(properties) { $1 })
        let times: [Int64] = [500, 600, 1500, 400, 1600, 2000, 300]
        try await sink.task.put(numbered(0..<7) { times[Int($0)] })
        let late: [Int64] = [9000, 9001, 9002, 9003, 9004, 9005, 9006]
        try await sink.task.put(
            late.enumerated().map {
                sinkRecord(object([("n", .int64(7))]), offset: Int64(7 + $0.offset), timestamp: $0.element)
            })
        var found: [String: String] = [:]
        for (name, bytes) in try files(disk, "/lake") where !name.hasPrefix("topics/t/9/") {
            let lines = String(decoding: bytes, as: UTF8.self).filter(\.isNumber)
            found[name.replacing("topics/t/", with: "").replacing(".json", with: "")] = lines
        }
        #expect(found == expected)
        await sink.task.stop()
    }

    @Test func `records without a value that are passed over are told of`() async throws {
        for (properties, count) in [
            ([:], 0), (["errors.tolerance": "all"], 0),
            (["errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead"], 1),
        ] as [([String: String], Int)] {
            let sink = try await FolderTask(
                SimulatedDisk(seed: 1), ["behavior.on.null.values": "ignore"].merging(properties) { $1 },
                context: SinkContext(isTolerant: true))
            try await sink.task.put([sinkRecord(.null, offset: 0)])
            #expect(
                sink.context.reported.withLock { $0.map(\.message) }
                    == Array(repeating: "Skipping null value record.", count: count))
            #expect(try await sink.offset() == 1)
            await sink.task.stop()
        }
    }

    @Test func `a changed schema begins a new object`() async throws {
        let disk = SimulatedDisk(seed: 1)
        let one = ConnectSchema.structure([.init("a", .int32)], name: "r")
        let two = ConnectSchema.structure([.init("a", .int32), .init("b", .optionalString)], name: "r")
        let sink = try await FolderTask(
            disk, ["format.class": "io.confluent.connect.s3.format.avro.AvroFormat", "avro.codec": "deflate"])
        try await sink.task.put([
            sinkRecord(.structure(ConnectStruct(one, values: [.int32(1)])), one, offset: 0),
            sinkRecord(.structure(ConnectStruct(two, values: [.int32(2), .string("x")])), two, offset: 1),
            sinkRecord(.structure(ConnectStruct(two, values: [.int32(3), .null])), two, offset: 2),
            sinkRecord(.structure(ConnectStruct(two, values: [.int32(4), .null])), two, offset: 3),
        ])
        #expect(try await sink.offset() == 4)
        let found = try files(disk, "/lake")
        #expect(
            found.keys.sorted() == [
                "topics/t/partition=0/t+0+0000000000.avro", "topics/t/partition=0/t+0+0000000001.avro",
            ])
        var reader = try AvroContainerReader(try #require(found["topics/t/partition=0/t+0+0000000001.avro"]))
        #expect(try reader.next()?.count == 3)
        #expect(reader.codec == .deflate)
        // Data without a schema in between is a record's error.
        await #expect(throws: ConnectError.self) { try await sink.task.put(numbered(4..<5)) }
        await sink.task.stop()
    }

    @Test func `gzip is one member`() async throws {
        let disk = SimulatedDisk(seed: 1)
        let sink = try await FolderTask(disk, ["s3.compression.type": "gzip", "flush.size": "20000"])
        for start in stride(from: Int64(0), to: 20_000, by: 500) {
            try await sink.task.put(numbered(start..<start + 500))
        }
        let bytes = try #require(try files(disk, "/lake")["topics/t/partition=0/t+0+0000000000.json.gz"])
        let lines = try Codec.gzip.decompress(bytes.span.bytes, limit: 1 << 24)
        #expect(lines == Array((0..<20_000).map { "{\"n\":\($0)}\n" }.joined().utf8))
        #expect(bytes.count < lines.count / 3)
        await sink.task.stop()
    }

    @Test func `transforms move records to another folder, not to another name`() async throws {
        let disk = SimulatedDisk(seed: 1)
        let sink = try await FolderTask(disk, ["flush.size": "1"])
        try await sink.task.put([sinkRecord(object([]), offset: 1, topic: "other")])
        #expect(try files(disk, "/lake").keys.sorted() == ["topics/other/partition=0/t+0+0000000001.json"])
        await sink.task.stop()
    }

    private static let python = ProcessInfo.processInfo.environment["SWIFTWATER_PYTHON"] ?? "python3"

    static func python(_ script: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [python, "-c", script] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    private static let hasReaders: Bool = {
        do { return try python("import pyarrow.parquet", []).status == 0 } catch {
            return false  // no Python at all
        }
    }()

    @Test(.enabled(if: hasReaders, "needs pyarrow; SWIFTWATER_PYTHON is the Python that has it"))
    func `Parquet keeps Connect's types`() async throws {
        let inner = ConnectSchema.structure([.init("x", .float64)], isOptional: true)
        let schema = ConnectSchema.structure([
            .init("i8", .int8), .init("i16", .optionalInt16), .init("day", .logical(.date)),
            .init("t", .logical(.time)),
            .init("ts", .optionalTimestamp), .init("dec", .decimal(scale: 2, isOptional: true)),
            .init("list", .array(.optionalString)), .init("map", .map(.string, .optionalInt32)), .init("in", inner),
            .init("raw", .optionalBytes),
            .init("fallback", ConnectSchema(.string, isOptional: true, defaultValue: .string("d"))),
        ])
        let value = ConnectStruct(
            schema,
            values: [
                .int8(-3), .int16(4), .instant(86_400_000 * 3), .instant(61_000), .instant(1_369_408_029_045),
                .decimal(.init(unscaled: -12345, scale: 2)), .array([.string("a"), .null]),
                .map(ConnectMap([("k", ConnectValue.int32(1))])),
                .structure(ConnectStruct(inner, values: [.float64(0.5)])), .bytes([1, 2]), .null,
            ])
        let nulls = ConnectStruct(
            schema,
            values: [
                .int8(1), .null, .instant(0), .instant(0), .null, .null, .array([]), .map(ConnectMap()), .null, .null,
                .string("s"),
            ])
        let folder = FileManager.default.temporaryDirectory.appending(path: "objstore-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }  // a leftover harms nobody
        let sink = try await FolderTask(
            RealDisk(),
            [
                "store.url": "file://\(folder)", "format.class": "io.confluent.connect.s3.format.parquet.ParquetFormat",
                "flush.size": "2",
            ])
        try await sink.task.put([
            sinkRecord(.structure(value), schema, offset: 0), sinkRecord(.structure(nulls), schema, offset: 1),
        ])
        await sink.task.stop()
        let script = """
            import sys, datetime as d, decimal
            import pyarrow.parquet as pq
            table = pq.ParquetFile(sys.argv[1]).read()
            kinds = [str(f.type) for f in table.schema]
            assert kinds[:6] == ['int8', 'int16', 'date32[day]', 'time32[ms]', 'timestamp[ms, tz=UTC]',
                                 'decimal128(38, 2)'], kinds
            utc = d.timezone.utc
            assert table.to_pylist() == [
                {'i8': -3, 'i16': 4, 'day': d.date(1970, 1, 4), 't': d.time(0, 1, 1),
                 'ts': d.datetime(2013, 5, 24, 15, 7, 9, 45000, utc), 'dec': decimal.Decimal('-123.45'),
                 'list': ['a', None], 'map': [('k', 1)], 'in': {'x': 0.5}, 'raw': b'\\x01\\x02', 'fallback': 'd'},
                {'i8': 1, 'i16': None, 'day': d.date(1970, 1, 1), 't': d.time(0), 'ts': None, 'dec': None,
                 'list': [], 'map': [], 'in': None, 'raw': None, 'fallback': 's'}], table.to_pylist()
            """
        let (status, output) = try Self.python(
            script, [folder + "/topics/t/partition=0/t+0+0000000000.snappy.parquet"])
        #expect(status == 0, "\(output)")
    }

    @Test func `what Parquet cannot hold is a record's error`() async throws {
        let schema = ConnectSchema.structure([.init("dec", .decimal(scale: 0))])
        let long = ConnectStruct(
            schema, values: [.decimal(.init(bigEndian: Array(repeating: 0x7F, count: 17), scale: 0))])
        let context = SinkContext(isTolerant: true)
        let disk = SimulatedDisk(seed: 1)
        let sink = try await FolderTask(
            disk, ["format.class": "io.confluent.connect.s3.format.parquet.ParquetFormat", "flush.size": "1"],
            context: context)
        try await sink.task.put([
            sinkRecord(.structure(long), schema, offset: 0), sinkRecord(object([]), offset: 1),
            sinkRecord(.structure(ConnectStruct(schema, values: [.decimal(.init(1))])), schema, offset: 2),
        ])
        #expect(context.reported.withLock { $0.count } == 2)
        #expect(try files(disk, "/lake").count == 1)
        #expect(try await sink.offset() == 3)
        await sink.task.stop()
    }
}
