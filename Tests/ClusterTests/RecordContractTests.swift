import Cluster
import Compression
import NIOCore
import RecordBatches
import TestKit
import Testing

/// Writing and reading records through both transports.
@Suite struct RecordContractTests {
    @Test(arguments: Transport.allCases)
    func `records come back as they were written`(transport: Transport) async throws {
        let records = [
            ProducerRecord(value: text("value")),
            ProducerRecord(key: text("key"), value: text("value"), timestamp: 1_700_000_000_123),
            ProducerRecord(key: text(""), value: text("")),
            ProducerRecord(key: text("tombstone"), value: nil),
            ProducerRecord(key: nil, value: nil),
            ProducerRecord(key: ByteBuffer(bytes: [0, 0xFF, 0x80]), value: ByteBuffer(bytes: Array(0...255))),
            ProducerRecord(
                value: text("headers"),
                headers: [
                    RecordHeader(key: "a", value: [1]), RecordHeader(key: "a", value: nil),
                    RecordHeader(key: "", value: []),
                    RecordHeader(key: "é", value: Array("ü".utf8)),
                ]),
            ProducerRecord(value: ByteBuffer(bytes: [UInt8](repeating: 7, count: 900_000))),
        ]
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let writer = try await cluster.writer(.acks(.all))
            let positions = try await writer.write(records, to: "t")
            await writer.close()
            #expect(positions == (0..<records.count).map { RecordPosition(partition: 0, offset: Int64($0)) })

            let reader = try await cluster.reader(TopicPartition("t", 0), from: .beginning, isolation: .readCommitted)
            let found = try await read(reader, records.count)
            reader.close()
            #expect(found.map(\.offset) == Array(0..<Int64(records.count)))
            #expect(found.map(\.key) == records.map(\.key))
            #expect(found.map(\.value) == records.map(\.value))
            #expect(found.map(\.headers) == records.map(\.headers))
            #expect(found[1].timestamp == 1_700_000_000_123)
            #expect(found.allSatisfy { $0.timestamp > 1_600_000_000_000 && $0.timestampType == .createTime })
        }
    }

    @Test(arguments: Transport.allCases)
    func `a key decides the partition as in Java and a given partition wins`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t", partitionCount: 7), validateOnly: false)
            let writer = try await cluster.writer(.acks(.leader))
            let keys = (0..<100).map { text("key-\($0)") }
            let byKey = try await writer.write(keys.map { ProducerRecord(key: $0, value: nil) }, to: "t")
            #expect(byKey.map(\.partition) == keys.map { Partitioner.partition(ofKey: $0, partitionCount: 7) })
            let given = try await writer.write(keys.map { ProducerRecord(partition: 6, key: $0, value: nil) }, to: "t")
            #expect(given.allSatisfy { $0.partition == 6 })
            await writer.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `broker time replaces the producer's where the topic says so`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            let topic = NewTopic("t", configs: ["message.timestamp.type": "LogAppendTime"])
            try await cluster.createTopic(topic, validateOnly: false)
            let writer = try await cluster.writer(.acks(.all))
            _ = try await writer.write((0..<3).map { _ in ProducerRecord(value: text("x"), timestamp: 1000) }, to: "t")
            await writer.close()
            let reader = try await cluster.reader(TopicPartition("t", 0), from: .beginning, isolation: .readCommitted)
            let found = try await read(reader, 3)
            reader.close()
            #expect(found.allSatisfy { $0.timestampType == .logAppendTime && $0.timestamp > 1_600_000_000_000 })
        }
    }

    @Test(arguments: Transport.allCases)
    func `a record beyond the topic's limit is refused and the next one is not`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t", configs: ["max.message.bytes": "2000"]), validateOnly: false)
            let writer = try await cluster.writer(.acks(.all))
            let large = ProducerRecord(value: ByteBuffer(bytes: [UInt8](repeating: 1, count: 3000)))
            await expectFailure(.messageTooLarge) { try await writer.write([large], to: "t") }
            let positions = try await writer.write([ProducerRecord(value: text("small"))], to: "t")
            #expect(positions == [RecordPosition(partition: 0, offset: 0)])
            await writer.close()
        }
    }

    /// Java's producer takes a batch apart that is too large. librdkafka does not.
    @Test func `records that only together are beyond the topic's limit are all written`() async throws {
        try await withCluster(.embedded) { cluster in
            try await cluster.createTopic(NewTopic("t", configs: ["max.message.bytes": "2000"]), validateOnly: false)
            for mode in [WriterMode.acks(.all), .idempotent] {
                let writer = try await cluster.writer(mode)
                let records = (0..<100).map { ProducerRecord(value: text("record \($0)")) }
                let positions = try await writer.write(records, to: "t")
                #expect(positions.count == 100)
                await writer.close()
            }
            let transaction = try await cluster.transactionalWriter("id", timeout: .seconds(60))
            try transaction.begin()
            _ = try await transaction.write((0..<100).map { ProducerRecord(value: text("record \($0)")) }, to: "t")
            try await transaction.commit()
            await transaction.close()
            let reader = try await cluster.reader(TopicPartition("t", 0), from: .beginning, isolation: .readCommitted)
            let found = try await read(reader, 300)
            reader.close()
            #expect(found.map { $0.value.map { String(buffer: $0) } } == (0..<300).map { "record \($0 % 100)" })
        }
    }

    @Test func `one record beyond the limit keeps none of the others back`() async throws {
        try await withCluster(.embedded) { cluster in
            try await cluster.createTopic(NewTopic("t", configs: ["max.message.bytes": "2000"]), validateOnly: false)
            let writer = try await cluster.writer(.idempotent)
            var records = (0..<10).map { ProducerRecord(value: text("record \($0)")) }
            records.insert(ProducerRecord(value: ByteBuffer(bytes: [UInt8](repeating: 1, count: 3000))), at: 5)
            await expectFailure(.messageTooLarge) { try await writer.write(records, to: "t") }
            await writer.close()
            let reader = try await cluster.reader(TopicPartition("t", 0), from: .beginning, isolation: .readCommitted)
            let found = try await read(reader, 10)
            reader.close()
            #expect(found.map { $0.value.map { String(buffer: $0) } } == (0..<10).map { "record \($0)" })
        }
    }

    @Test(arguments: Transport.allCases, [WriterMode.acks(.none), .acks(.leader), .acks(.all), .idempotent])
    func `every mode writes in the order of submission`(transport: Transport, mode: WriterMode) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let writer = try await cluster.writer(mode)
            var receipts: [WriteReceipt] = []
            for group in 0..<100 {
                let records = (0..<10).map { ProducerRecord(value: text("\(group * 10 + $0)")) }
                receipts.append(try await writer.submit(records, to: "t"))
            }
            for (group, receipt) in receipts.enumerated() {
                let offsets = try await receipt.positions().map(\.offset)
                let expected =
                    mode == .acks(.none)
                    ? Array(repeating: -1, count: 10) : Array(Int64(group * 10)..<Int64(group * 10 + 10))
                #expect(offsets == expected)
            }
            await writer.close()
            let reader = try await cluster.reader(TopicPartition("t", 0), from: .beginning, isolation: .readCommitted)
            let found = try await read(reader, 1000)
            reader.close()
            #expect(found.map { $0.value.map { String(buffer: $0) } } == (0..<1000).map { "\($0)" })
        }
    }

    @Test(arguments: Transport.allCases)
    func `writing nothing is answered at once and a closed writer refuses`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let writer = try await cluster.writer(.acks(.all))
            #expect(try await writer.write([], to: "t").isEmpty)
            await writer.flush()
            await writer.close()
            await writer.close()
            await expectFailure(.invalidRequest) { try await writer.submit([ProducerRecord(value: nil)], to: "t") }
        }
    }

    @Test(arguments: Transport.allCases)
    func `a batch is written as its records`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t", partitionCount: 2), validateOnly: false)
            var builder = BatchBuilder(codec: .lz4)
            for index in 0..<5 {
                try builder.append(
                    timestamp: 1_700_000_000_000 + Int64(index), key: [UInt8(index)],
                    value: Array("value \(index)".utf8),
                    headers: [RecordHeader(key: "h", value: nil)])
            }
            let batch = ByteBuffer(bytes: try builder.build())
            let place = TopicPartition("t", 1)
            let writer = try await cluster.writer(.acks(.all))
            _ = try await writer.write([ProducerRecord(partition: 1, value: nil)], to: "t")
            let receipt = try await writer.submit(batch: batch, to: place)
            #expect(try await receipt.positions() == [RecordPosition(partition: 1, offset: 1)])

            var damaged = batch
            damaged.setInteger(UInt8(0xFF), at: damaged.writerIndex - 3)
            let bad = damaged
            await expectFailure(.corruptMessage) { try await writer.submit(batch: bad, to: place).positions() }
            await expectFailure(.corruptMessage) {
                try await writer.submit(batch: ByteBuffer(bytes: [1, 2, 3]), to: place).positions()
            }
            await writer.close()

            let reader = try await cluster.reader(place, from: .offset(1), isolation: .readCommitted)
            let found = try await read(reader, 5)
            reader.close()
            #expect(found.map { $0.value.map { String(buffer: $0) } } == (0..<5).map { "value \($0)" })
            #expect(found.map(\.timestamp) == (0..<5).map { 1_700_000_000_000 + $0 })
            #expect(found.allSatisfy { $0.headers == [RecordHeader(key: "h", value: nil)] })
        }
    }

    @Test(arguments: Transport.allCases, [1, 2, 3] as [UInt64])
    func `many small reads give every record once and in order`(transport: Transport, seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let values = (0..<3000).map { _ in
            ByteBuffer(
                bytes: (0..<Int.random(in: 0...400, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                })
        }
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let writer = try await cluster.writer(.idempotent)
            var rest = values[...]
            while !rest.isEmpty {
                let count = min(rest.count, Int.random(in: 1...200, using: &random))
                _ = try await writer.submit(rest.prefix(count).map { ProducerRecord(value: $0) }, to: "t")
                rest = rest.dropFirst(count)
            }
            await writer.close()
            let start = Int64.random(in: 0..<1000, using: &random)
            let reader = try await cluster.reader(
                TopicPartition("t", 0), from: .offset(start), isolation: .readCommitted)
            var found: [ConsumerRecord] = []
            while found.count < values.count - Int(start) {
                let batches = try await reader.next(
                    maxBytes: Int.random(in: 1...20_000, using: &random), timeout: .seconds(30))
                #expect(batches.startOffset == start + Int64(found.count))
                let records = try batches.records()
                #expect(!records.isEmpty)
                found += records
                #expect(batches.nextOffset == start + Int64(found.count))
                #expect(reader.position == batches.nextOffset)
                #expect(batches.highWatermark >= batches.nextOffset)
            }
            reader.close()
            #expect(found.map(\.offset) == Array(start..<Int64(values.count)))
            #expect(found.map(\.value) == values[Int(start)...].map { $0 })
        }
    }
}
