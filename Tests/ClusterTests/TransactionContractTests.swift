import Cluster
import NIOCore
import Testing

/// Transactions through both transports.
@Suite struct TransactionContractTests {
    private static func values(
        _ cluster: any Cluster, _ topic: String, _ isolation: Isolation
    ) async throws -> [String] {
        let partition = TopicPartition(topic, 0)
        let end = try await cluster.offsets([partition: .end], isolation: isolation)[partition] ?? 0
        let reader = try await cluster.reader(partition, from: .beginning, isolation: isolation)
        defer { reader.close() }
        var values: [String] = []
        while reader.position < end {
            let batches = try await reader.next(maxBytes: 1 << 20, timeout: .seconds(30))
            values += try batches.records().compactMap { $0.value.map { String(buffer: $0) } }
        }
        return values
    }

    @Test(arguments: Transport.allCases)
    func `records become visible together, or never`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            try await cluster.createTopic(NewTopic("u"), validateOnly: false)
            let writer = try await cluster.transactionalWriter("id", timeout: .seconds(60))
            await expectFailure(.invalidTxnState) {
                try await writer.submit([ProducerRecord(value: text("outside"))], to: "t").positions()
            }
            try writer.begin()
            await expectFailure(.invalidTxnState) { try writer.begin() }
            _ = try await writer.write([ProducerRecord(value: text("a1"))], to: "t")
            _ = try await writer.write([ProducerRecord(value: text("a2"))], to: "u")
            #expect(try await Self.values(cluster, "t", .readCommitted) == [])
            #expect(try await Self.values(cluster, "t", .readUncommitted) == ["a1"])
            try await writer.commit()
            try await wait(in: cluster, for: ["a1"], "t")
            try await wait(in: cluster, for: ["a2"], "u")

            try writer.begin()
            _ = try await writer.write([ProducerRecord(value: text("b"))], to: "t")
            try await writer.abort()
            try await writer.abort()
            try writer.begin()
            _ = try await writer.write([ProducerRecord(value: text("c"))], to: "t")
            try await writer.commit()
            try await wait(in: cluster, for: ["a1", "c"], "t")
            #expect(try await Self.values(cluster, "t", .readUncommitted) == ["a1", "b", "c"])

            // Nothing in it is a transaction too.
            try writer.begin()
            try await writer.commit()
            await writer.close()
        }
    }

    /// Markers are written a moment after the commit is decided.
    private func wait(in cluster: any Cluster, for expected: [String], _ topic: String) async throws {
        let reader = try await cluster.reader(TopicPartition(topic, 0), from: .beginning, isolation: .readCommitted)
        defer { reader.close() }
        #expect(try await read(reader, expected.count).map { $0.value.map { String(buffer: $0) } } == expected)
    }

    @Test(arguments: Transport.allCases)
    func `a new writer of the same id fences the old one and aborts what it left`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let old = try await cluster.transactionalWriter("id", timeout: .seconds(60))
            try old.begin()
            _ = try await old.write([ProducerRecord(value: text("left open"))], to: "t")
            let new = try await cluster.transactionalWriter("id", timeout: .seconds(60))
            await expectFailure(.producerFenced) { try await old.commit() }
            await expectFailure(.producerFenced) { try old.begin() }
            let writing = try await cluster.transactionalWriter("other", timeout: .seconds(60))
            try writing.begin()
            _ = try await writing.write([ProducerRecord(value: text("left open, too"))], to: "t")
            let replacement = try await cluster.transactionalWriter("other", timeout: .seconds(60))
            await expectFailure(.producerFenced) {
                try await writing.write([ProducerRecord(value: text("too late"))], to: "t")
            }
            await writing.close()
            await replacement.close()
            try new.begin()
            _ = try await new.write([ProducerRecord(value: text("new"))], to: "t")
            try await new.commit()
            try await wait(in: cluster, for: ["new"], "t")
            await new.close()
            await old.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `offsets of a group commit with the transaction`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("in"), validateOnly: false)
            try await cluster.createTopic(NewTopic("out"), validateOnly: false)
            let place = TopicPartition("in", 0)
            let member = cluster.membership(
                group: "g", .topics(["in"]), options: GroupContractTests.options(.classic))
            #expect(try await member.next() == .assigned([place]))
            let writer = try await cluster.transactionalWriter("id", timeout: .seconds(60))

            try writer.begin()
            _ = try await writer.write([ProducerRecord(value: text("x"))], to: "out")
            try await writer.sendOffsets([place: CommittedOffset(5, metadata: "m")], of: await member.identity)
            try await writer.abort()
            let nothing1 = try await member.committed([place])
            #expect(nothing1.isEmpty)

            try await writer.transaction {
                _ = try await writer.write([ProducerRecord(value: text("y"))], to: "out")
                try await writer.sendOffsets([place: CommittedOffset(7, metadata: "m")], of: await member.identity)
            }
            #expect(try await member.committed([place]) == [place: CommittedOffset(7, metadata: "m")])
            try await wait(in: cluster, for: ["y"], "out")

            // Who is not in the group any more cannot commit for it.
            var stale = await member.identity
            stale.generation -= 1
            let zombie = stale
            try writer.begin()
            await expectFailure(.illegalGeneration) {
                try await writer.sendOffsets([place: CommittedOffset(9)], of: zombie)
            }
            try await writer.abort()
            #expect(try await member.committed([place])[place]?.offset == 7)
            await writer.close()
            await member.leave()
        }
    }

    @Test(arguments: Transport.allCases)
    func `worker threads write transactions`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let writer = try await cluster.transactionalWriter("id", timeout: .seconds(60))
            try await onThread {
                for round in 0..<5 {
                    try writer.begin()
                    _ = try writer.writeBlocking(
                        (0..<10).map { ProducerRecord(value: text("\(round).\($0)")) }, to: "t")
                    if round % 2 == 0 { try writer.commitBlocking() } else { try writer.abortBlocking() }
                }
            }
            try await wait(
                in: cluster, for: [0, 2, 4].flatMap { round in (0..<10).map { "\(round).\($0)" } }, "t")
            await writer.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `a transaction that failed can be done again`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t", configs: ["max.message.bytes": "2000"]), validateOnly: false)
            let writer = try await cluster.transactionalWriter("id", timeout: .seconds(60))
            let large = ProducerRecord(value: ByteBuffer(bytes: [UInt8](repeating: 1, count: 3000)))
            await #expect(throws: ClusterError.self) {
                try await writer.transaction {
                    _ = try await writer.write([ProducerRecord(value: text("before"))], to: "t")
                    _ = try await writer.write([large], to: "t")
                }
            }
            try await writer.transaction { _ = try await writer.write([ProducerRecord(value: text("again"))], to: "t") }
            try await wait(in: cluster, for: ["again"], "t")
            await writer.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `a timeout beyond the cluster's is refused`(transport: Transport) async throws {
        try await withCluster(transport, properties: ["transaction.max.timeout.ms": "10000"]) { cluster in
            await expectFailure(.invalidTransactionTimeout) {
                try await cluster.transactionalWriter("id", timeout: .seconds(11))
            }
        }
    }
}
