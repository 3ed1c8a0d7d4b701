import Cluster
import Environment
import NIOCore
import Testing

/// The life of a reader through both transports.
@Suite struct ReaderContractTests {
    @Test(arguments: Transport.allCases)
    func `a reader begins where it is told`(transport: Transport) async throws {
        let cases: [(LogPosition, Int64)] = [
            (.beginning, 0), (.offset(7), 7), (.beforeEnd(3), 7), (.timestamp(1005), 5), (.end, 10), (.offset(10), 10),
        ]
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t", configs: ["retention.ms": "-1"]), validateOnly: false)
            let writer = try await cluster.writer(.acks(.all))
            _ = try await writer.write(
                (0..<10).map { ProducerRecord(value: text("\($0)"), timestamp: 1000 + Int64($0)) }, to: "t")
            for (start, expected) in cases {
                let reader = try await cluster.reader(TopicPartition("t", 0), from: start, isolation: .readCommitted)
                #expect(reader.position == expected)
                // One record more, so that the reader at the end has something to find.
                _ = try await writer.write([ProducerRecord(value: text("more"), timestamp: 1)], to: "t")
                #expect(try await read(reader, 1).first?.offset == expected, "\(start)")
                reader.close()
                _ = try await cluster.deleteTopic("t")
                try await cluster.createTopic(NewTopic("t", configs: ["retention.ms": "-1"]), validateOnly: false)
                _ = try await writer.write(
                    (0..<10).map { ProducerRecord(value: text("\($0)"), timestamp: 1000 + Int64($0)) }, to: "t")
            }
            await writer.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `a batch that was changed on disk is told, and what comes before it is read`(
        transport: Transport
    ) async throws {
        try await withCluster(transport) { cluster, folder in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let writer = try await cluster.writer(.acks(.all))
            for value in ["first", "second", "third"] {
                _ = try await writer.write([ProducerRecord(value: text(value))], to: "t")
            }
            await writer.close()
            let file = try RealDisk().open(folder + "/topics/t-0/00000000000000000000.log", create: false)
            let bytes = try file.read(at: 0, count: Int(file.byteCount()))
            let at = try #require(bytes.firstRange(of: Array("second".utf8))).lowerBound
            try file.write([UInt8(ascii: "S")], at: Int64(at))
            let reader = try await cluster.reader(TopicPartition("t", 0), from: .beginning, isolation: .readCommitted)
            let found = try await read(reader, 1)
            #expect(found.map { $0.value.map { String(buffer: $0) } } == ["first"])
            var failure: ClusterError?
            for _ in 0..<20 where failure == nil {
                do throws(ClusterError) {
                    let batches = try await reader.next(maxBytes: 1 << 20, timeout: .seconds(5))
                    #expect(try batches.records().isEmpty)
                } catch { failure = error }
            }
            #expect(failure?.code == .corruptMessage, "\(failure.map { "\($0)" } ?? "none")")
            if transport == .embedded {
                #expect(failure?.message.contains("t-0 from offset 1") == true, "\(failure?.message ?? "")")
                #expect(failure?.hint?.contains("from a backup") == true)
            }
            reader.close()
            // Behind the damage everything is as before.
            let next = try await cluster.reader(TopicPartition("t", 0), from: .offset(2), isolation: .readCommitted)
            #expect(try await read(next, 1).first?.offset == 2)
            next.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `a waiting reader gets what is written meanwhile`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let reader = try await cluster.reader(TopicPartition("t", 0), from: .end, isolation: .readCommitted)
            let writer = try await cluster.writer(.acks(.leader))
            for round in 0..<20 {
                async let waiting = reader.next(maxBytes: 1 << 20, timeout: .seconds(60))
                _ = try await writer.write([ProducerRecord(value: text("\(round)"))], to: "t")
                let records = try await waiting.records()
                #expect(records.map { $0.value.map { String(buffer: $0) } } == ["\(round)"])
            }
            await writer.close()
            reader.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `threads read and write without tasks`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let reader = try await cluster.reader(TopicPartition("t", 0), from: .beginning, isolation: .readCommitted)
            let writer = try await cluster.writer(.acks(.all))
            async let found = onThread {
                var values: [String] = []
                while values.count < 50 {
                    let batches = try reader.nextBlocking(maxBytes: 1 << 20, timeout: .seconds(60))
                    values += try batches.records().compactMap { $0.value.map { String(buffer: $0) } }
                }
                return values
            }
            let positions = try await onThread {
                try (0..<50).flatMap { try writer.writeBlocking([ProducerRecord(value: text("\($0)"))], to: "t") }
            }
            #expect(positions.map(\.offset) == Array(0..<50))
            #expect(try await found == (0..<50).map { "\($0)" })
            await writer.close()
            reader.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `an empty answer leaves the reader where it is`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let reader = try await cluster.reader(TopicPartition("t", 0), from: .end, isolation: .readCommitted)
            for _ in 0..<3 {
                let nothing = try await reader.next(maxBytes: 1 << 20, timeout: .milliseconds(20))
                #expect(nothing.isEmpty)
                #expect(nothing.startOffset == 0)
                #expect(nothing.nextOffset == 0)
                #expect(try nothing.records().isEmpty)
            }
            let nothing = try await onThread { try reader.nextBlocking(maxBytes: 1 << 20, timeout: .milliseconds(20)) }
            #expect(nothing.isEmpty)
            #expect(reader.position == 0)
            let writer = try await cluster.writer(.acks(.all))
            _ = try await writer.write([ProducerRecord(value: text("x"))], to: "t")
            #expect(try await read(reader, 1).count == 1)
            await writer.close()
            reader.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `a cancelled read ends with an empty answer`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let reader = try await cluster.reader(TopicPartition("t", 0), from: .end, isolation: .readCommitted)
            for _ in 0..<10 {
                let isEmpty = try await withThrowingTaskGroup(of: Bool.self) { group in
                    group.addTask { try await reader.next(maxBytes: 1 << 20, timeout: .seconds(600)).isEmpty }
                    await Task.yield()
                    group.cancelAll()
                    return try await group.next()
                }
                #expect(isEmpty == true)
            }
            reader.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `a seek goes forwards and backwards`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let writer = try await cluster.writer(.acks(.all))
            for index in 0..<20 { _ = try await writer.write([ProducerRecord(value: text("\(index)"))], to: "t") }
            await writer.close()
            let reader = try await cluster.reader(TopicPartition("t", 0), from: .beginning, isolation: .readCommitted)
            for offset in [0, 15, 3, 19, 3, 0] as [Int64] {
                try reader.seek(to: offset)
                #expect(reader.position == offset)
                let first = try await read(reader, 1).first
                #expect(first?.offset == offset)
                #expect(first?.value.map { String(buffer: $0) } == "\(offset)")
            }
            reader.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `an offset that is not there is an error until the reader moves`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let writer = try await cluster.writer(.acks(.all))
            _ = try await writer.write((0..<10).map { ProducerRecord(value: text("\($0)")) }, to: "t")
            await writer.close()
            _ = try await cluster.deleteRecords(TopicPartition("t", 0), before: 5)
            for offset in [2, 11] as [Int64] {
                let reader = try await cluster.reader(
                    TopicPartition("t", 0), from: .offset(offset), isolation: .readCommitted)
                for _ in 0..<2 {
                    await expectFailure(.offsetOutOfRange, "\(offset)") {
                        try await reader.next(maxBytes: 1 << 20, timeout: .seconds(60))
                    }
                    #expect(reader.position == offset)
                }
                try reader.seek(to: 6)
                #expect(try await read(reader, 1).first?.offset == 6)
                reader.close()
            }
        }
    }

    @Test(arguments: Transport.allCases)
    func `closing ends a read that waits and refuses those after it`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let task = try await cluster.reader(TopicPartition("t", 0), from: .end, isolation: .readCommitted)
            let waiting = Task { try await task.next(maxBytes: 1 << 20, timeout: .seconds(600)) }
            await Task.yield()
            task.close()
            await expectFailure(.invalidRequest) { try await waiting.value }

            let thread = try await cluster.reader(TopicPartition("t", 0), from: .end, isolation: .readCommitted)
            let blocked = Task {
                try await onThread { try thread.nextBlocking(maxBytes: 1 << 20, timeout: .seconds(600)) }
            }
            await Task.yield()
            thread.close()
            thread.close()
            await expectFailure(.invalidRequest) { try await blocked.value }
            await expectFailure(.invalidRequest) { try await thread.next(maxBytes: 1, timeout: .zero) }
        }
    }

    @Test(arguments: Transport.allCases)
    func `a reader of a deleted topic learns of it`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let reader = try await cluster.reader(TopicPartition("t", 0), from: .end, isolation: .readCommitted)
            _ = try await reader.next(maxBytes: 1 << 20, timeout: .milliseconds(10))
            try await cluster.deleteTopic("t")
            await expectFailure(.unknownTopicOrPartition) {
                for _ in 0..<100 { _ = try await reader.next(maxBytes: 1 << 20, timeout: .milliseconds(500)) }
            }
            reader.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `several readers of one partition do not disturb each other`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t"), validateOnly: false)
            let writer = try await cluster.writer(.acks(.all))
            _ = try await writer.write((0..<100).map { ProducerRecord(value: text("\($0)")) }, to: "t")
            await writer.close()
            try await withThrowingTaskGroup(of: [Int64].self) { group in
                for start in 0..<4 as Range<Int64> {
                    let isolation: Isolation = start % 2 == 0 ? .readCommitted : .readUncommitted
                    let reader = try await cluster.reader(
                        TopicPartition("t", 0), from: .offset(start), isolation: isolation)
                    group.addTask {
                        defer { reader.close() }
                        return try await read(reader, 100 - Int(start)).map(\.offset)
                    }
                }
                for try await offsets in group { #expect(offsets == Array((100 - Int64(offsets.count))..<100)) }
            }
        }
    }

    @Test(arguments: Transport.allCases)
    func `a replay gives what is there, says so, and follows`(transport: Transport) async throws {
        struct Enough: Error {}
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t", partitionCount: 3), validateOnly: false)
            let writer = try await cluster.writer(.acks(.all))
            _ = try await writer.write(
                (0..<30).map { ProducerRecord(partition: $0 % 3, value: text("\($0)")) }, to: "t")
            var before: [String] = []
            var after: [String] = []
            var isCaughtUp = false
            await #expect(throws: Enough.self) {
                try await cluster.replay("t") { event in
                    switch event {
                    case .records(let batches):
                        let values = try batches.records().compactMap { $0.value.map { String(buffer: $0) } }
                        if isCaughtUp { after += values } else { before += values }
                        if after.count == 3 { throw Enough() }
                    case .caughtUp:
                        #expect(!isCaughtUp)
                        isCaughtUp = true
                        _ = try await writer.write(
                            (0..<3).map { ProducerRecord(partition: $0, value: text("new")) }, to: "t")
                    }
                }
            }
            #expect(Set(before) == Set((0..<30).map { "\($0)" }))
            #expect(before.count == 30)
            #expect(after == ["new", "new", "new"])
            await writer.close()
        }
    }

    @Test(arguments: Transport.allCases)
    func `a replay of an empty topic is caught up at once and ends with its task`(transport: Transport) async throws {
        try await withCluster(transport) { cluster in
            try await cluster.createTopic(NewTopic("t", partitionCount: 2), validateOnly: false)
            let (caughtUp, signal) = AsyncStream<Void>.makeStream()
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await cluster.replay("t") { event in
                        if case .caughtUp = event {
                            signal.finish()
                        } else {
                            Issue.record("a record of an empty topic")
                        }
                    }
                }
                for await _ in caughtUp {}
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
            }
        }
    }
}
