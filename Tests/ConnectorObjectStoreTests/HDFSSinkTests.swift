import ConnectCore
import Synchronization
import Testing

@testable import ConnectorObjectStore

@Suite struct HDFSSinkTests {
    private static let partition = SinkPartition(topic: "t", partition: 0)

    private func made(
        _ url: String, _ properties: [String: String] = [:], _ context: SinkContext = SinkContext()
    ) async throws -> any SinkTask {
        var surroundings = surroundings()
        surroundings.hdfsStepByteCount = 16 << 10
        let task = try ObjectStoreSinkPlugin(.hdfs, version: "1", surroundings).makeTask(
            [
                "hdfs.url": url, "flush.size": "3", "hdfs.retries": "0", "hdfs.user": "etl", "retry.backoff.ms": "0",
                "format.class": "io.confluent.connect.hdfs3.json.JsonFormat",
            ].merging(properties) { $1 }, context)
        try await task.start()
        return task
    }

    private func text(_ server: HDFSServer) -> [String: String] {
        server.files.mapValues { String(decoding: $0, as: UTF8.self) }
    }

    /// The numbers in all files of a topic, by the files' names.
    private func numbers(_ server: HDFSServer) -> [String] {
        server.files.filter { $0.key.hasPrefix("/topics/t/") }.sorted { $0.key < $1.key }.flatMap { file in
            String(decoding: file.value, as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }

    private func lines(_ range: Range<Int64>) -> [String] { range.map { "{\"n\":\($0)}" } }

    @Test func `whole files have the first and the last offset in their names`() async throws {
        try await HDFSServer.run { url, server in
            let task = try await made(url)
            try await task.put(numbered(0..<8))
            #expect(
                text(server).filter { $0.key.hasPrefix("/topics/t") } == [
                    "/topics/t/partition=0/t+0+0000000000+0000000002.json": "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n",
                    "/topics/t/partition=0/t+0+0000000003+0000000005.json": "{\"n\":3}\n{\"n\":4}\n{\"n\":5}\n",
                ])
            #expect(server.requests.allSatisfy { $0.query["user.name"] == "etl" })
            #expect(try await task.preCommit([:]) == [Self.partition: 6])
            #expect(server.files.keys.contains("/logs/c/t/0/log"))
            await task.committed([Self.partition: 6])
            #expect(!server.files.keys.contains("/logs/c/t/0/log"))
            await task.close([Self.partition])
            #expect(server.files.count == 2)
            await task.stop()
        }
    }

    /// By the clock, as in the original, where partitions are not by time: also when nothing more comes.
    @Test func `files become whole after a time`() async throws {
        try await HDFSServer.run { url, server in
            let context = SinkContext()
            let task = try await made(url, ["rotate.interval.ms": "60000", "flush.size": "1000"], context)
            try await task.put(numbered(0..<2))
            context.set(context.now + 59_999)
            try await task.put([])
            #expect(numbers(server).isEmpty)
            context.set(context.now + 1)
            try await task.put([])
            #expect(numbers(server) == lines(0..<2))
            await task.stop()
        }
    }

    @Test func `what is committed leaves no note behind`() async throws {
        try await HDFSServer.run { url, server in
            let task = try await made(url)
            try await task.put(numbered(0..<3))
            await task.committed(try await task.preCommit([:]))
            await task.close([Self.partition])
            await task.stop()
            #expect(server.files.keys.sorted() == ["/topics/t/partition=0/t+0+0000000000+0000000002.json"])
            // A topic of the same name that begins anew is written from its first record.
            let second = try await made(url, ["flush.size": "2"])
            try await second.put(numbered(0..<2))
            #expect(server.files.keys.contains("/topics/t/partition=0/t+0+0000000000+0000000001.json"))
            await second.stop()
        }
    }

    /// A batch failed behind a file that was published: the worker counts none of it as put.
    @Test func `a note stays until its offsets may be committed`() async throws {
        try await HDFSServer.run { url, server in
            let task = try await made(url)
            try await task.put(numbered(0..<4))
            #expect(try await task.preCommit([Self.partition: 0]) == [:])
            await task.close([Self.partition])
            #expect(server.files.keys.contains("/logs/c/t/0/log"))
            await task.stop()
            // The next worker cuts otherwise and passes over what is done.
            let second = try await made(url, ["flush.size": "2"])
            try await second.put(numbered(0..<5))
            #expect(numbers(server) == lines(0..<5))
            await second.stop()
        }
    }

    @Test func `large files grow by appending`() async throws {
        try await HDFSServer.run { url, server in
            let task = try await made(
                url,
                [
                    "flush.size": "12", "format.class": "io.confluent.connect.hdfs3.string.StringFormat",
                ])
            let chunk = [UInt8](repeating: 0x41, count: 3 << 10)
            for n in Int64(0)..<12 { try await task.put([sinkRecord(.bytes(chunk), .optionalBytes, offset: n)]) }
            let (path, bytes) = try #require(server.files.first { $0.key.hasPrefix("/topics/t/") })
            #expect(path == "/topics/t/partition=0/t+0+0000000000+0000000011.txt")
            let line = chunk + [0x0A]
            #expect(bytes == Array(repeatElement(line, count: 12).joined()))
            #expect(server.requests.contains { $0.operation == "APPEND" })
            await task.stop()
        }
    }

    /// Each request fails once, done or not; the worker gives the records again.
    @Test(arguments: [true, false], ["0", "1"])
    func `what failed is tried again and nothing is there twice`(_ isDone: Bool, _ retries: String) async throws {
        var number = 0
        var isOver = false
        while !isOver {
            let failing = number
            let count = Mutex(0)
            try await HDFSServer.run { url, server in
                let task = try await made(
                    url,
                    [
                        "flush.size": "4", "format.class": "io.confluent.connect.hdfs3.string.StringFormat",
                        "hdfs.retries": retries,
                    ])
                server.handle { _, n in
                    count.withLock { $0 = max($0, n + 1) }
                    guard n == failing else { return nil }
                    return isDone ? .lostAnswer : .refused(status: 503, exception: "RetriableException")
                }
                // Three of them are more than is sent at once.
                let chunk = [UInt8](repeating: 0x41, count: 6 << 10)
                let records = (Int64(0)..<10).map { n in
                    sinkRecord(.bytes(n < 3 ? chunk : [0x42]), .optionalBytes, offset: n)
                }
                for batch in [Array(records[..<4]), Array(records[4...]), []] {
                    do throws(ConnectError) { try await task.put(batch) } catch {
                        guard error.isRetriable else { throw error }
                        try await task.put(batch)
                    }
                }
                let offsets = try await task.preCommit([:])
                await task.committed(offsets)
                // Deleting the note may have failed: the next time.
                _ = try await task.preCommit([:])
                #expect(!server.files.keys.contains { $0.hasPrefix("/logs/") }, "request \(failing)")
                let sizes = server.files.filter { $0.key.hasPrefix("/topics/t/") }.mapValues { bytes in
                    bytes.count { $0 == 0x0A }
                }
                #expect(
                    sizes == [
                        "/topics/t/partition=0/t+0+0000000000+0000000003.txt": 4,
                        "/topics/t/partition=0/t+0+0000000004+0000000007.txt": 4,
                    ], "request \(failing)")
                await task.stop()
            }
            isOver = failing >= count.withLock { $0 }
            number += 1
        }
        #expect(number > 10)
    }

    /// The worker dies at each request; the next one is cut otherwise, and may not know what was committed.
    @Test(arguments: [true, false], ["2", "5"])
    func `a worker that goes on after a crash writes every record once`(_ commits: Bool, _ size: String) async throws {
        var number = 0
        var isOver = false
        while !isOver {
            let dying = number
            let count = Mutex(0)
            try await HDFSServer.run { url, server in
                var committed: Int64 = 0
                var first: (any SinkTask)?
                server.handle { _, n in
                    count.withLock { $0 = max($0, n + 1) }
                    return n >= dying ? .refused(status: 400, exception: "Dead") : nil
                }
                do {
                    let task = try await made(
                        url, ["partitioner.class": "FieldPartitioner", "partition.field.name": "n"])
                    first = task
                    for batch in [0..<4, 4..<9, 9..<10] as [Range<Int64>] {
                        try await task.put(parity(batch))
                        guard commits else { continue }
                        let offsets = try await task.preCommit([:])
                        committed = offsets[Self.partition] ?? committed
                        await task.committed(offsets)
                    }
                } catch is ConnectError {}
                if let first { _ = first }
                server.handle { _, _ in nil }
                let task = try await made(
                    url,
                    ["flush.size": size, "partitioner.class": "FieldPartitioner", "partition.field.name": "n"])
                try await task.put(parity(committed..<20))
                let done = try await task.preCommit([:])[Self.partition] ?? committed
                #expect(done >= 9)
                #expect(
                    numbers(server).sorted() == parity(0..<done).map { line($0) }.sorted(), "died at \(dying)")
                await task.committed([Self.partition: done])
                await task.close([Self.partition])
                #expect(server.files.keys.filter { !$0.hasPrefix("/topics/t/") }.isEmpty, "died at \(dying)")
                await task.stop()
            }
            isOver = dying >= count.withLock { $0 }
            number += 1
        }
        #expect(number > 20)
    }

    /// Records of two folders.
    private func parity(_ range: Range<Int64>) -> [ConnectRecord] {
        range.map { sinkRecord(object([("n", .int64($0 % 2)), ("o", .int64($0))]), offset: $0) }
    }

    private func line(_ record: ConnectRecord) -> String {
        guard case .sink(_, _, let offset, _) = record.origin else { return "" }
        return "{\"n\":\(offset % 2),\"o\":\(offset)}"
    }

    @Test func `another name node is asked when one stands by, and asked first from then on`() async throws {
        try await HDFSServer.run({ _, _ in .refused(status: 403, exception: "StandbyException") }) { standby, other in
            try await HDFSServer.run { url, server in
                let text = ["format.class": "io.confluent.connect.hdfs3.string.StringFormat"]
                let task = try await made("\(standby),\(url)", text)
                let chunk = [UInt8](repeating: 0x41, count: 17 << 10)
                for n in Int64(0)..<3 { try await task.put([sinkRecord(.bytes(chunk), .optionalBytes, offset: n)]) }
                #expect(server.requests.contains { $0.operation == "APPEND" })
                #expect(server.files.keys.contains("/topics/t/partition=0/t+0+0000000000+0000000002.txt"))
                #expect(other.requests.count == 1)
                await task.stop()
            }
        }
    }

    /// Gateways know no `renameoptions` and answer false where something is in the way.
    @Test func `a gateway renames in two steps`() async throws {
        try await HDFSServer.run { url, server in
            server.isGateway = true
            let first = try await made(url)
            try await first.put(numbered(0..<3))
            await first.stop()
            // Nothing was committed, and the note is gone: the same file is written again.
            server.remove("/logs/c/t/0/log")
            let second = try await made(url)
            for range in [0..<3, 3..<6] as [Range<Int64>] { try await second.put(numbered(range)) }
            #expect(numbers(server) == lines(0..<6))
            #expect(!server.files.keys.contains { $0.hasPrefix("/topics/+tmp") })
            let note = try PublishNote(try #require(server.files["/logs/c/t/0/log"]), "log")
            #expect(note.offsets == 0..<6)
            await second.stop()
        }
    }

    @Test func `connectors do not read each other's notes`() async throws {
        try await HDFSServer.run { url, server in
            let first = try await made(url)
            try await first.put(numbered(0..<3))
            let second = try await made(url, ["topics.dir": "b"], SinkContext(connector: "other/1"))
            try await second.put(numbered(0..<3))
            #expect(server.files.keys.contains("/b/t/partition=0/t+0+0000000000+0000000002.json"))
            #expect(
                server.files.keys.filter { $0.hasPrefix("/logs/") }.sorted() == [
                    "/logs/c/t/0/log", "/logs/other_2F1/t/0/log",
                ])
            await first.stop()
            await second.stop()
        }
    }

    @Test func `a note of records that are committed goes with the next commit`() async throws {
        try await HDFSServer.run { url, server in
            let first = try await made(url)
            try await first.put(numbered(0..<3))
            await first.stop()
            let second = try await made(url)
            try await second.put(numbered(3..<4))
            _ = try await second.preCommit([:])
            #expect(!server.files.keys.contains("/logs/c/t/0/log"))
            await second.stop()
            // Also one whose records come again, once that is committed.
            let third = try await made(url)
            try await third.put(numbered(3..<6))
            await third.stop()
            let fourth = try await made(url)
            try await fourth.put(numbered(3..<7))
            let offsets = try await fourth.preCommit([:])
            #expect(offsets == [Self.partition: 6])
            await fourth.committed(offsets)
            #expect(!server.files.keys.contains("/logs/c/t/0/log"))
            await fourth.stop()
        }
    }

    /// The worker died between the commit and the note's end, and a reader has taken the file meanwhile.
    @Test func `a file that is gone is told with its note`() async throws {
        try await HDFSServer.run { url, server in
            let first = try await made(url)
            try await first.put(numbered(0..<3))
            await first.stop()
            server.remove("/topics/t")
            let second = try await made(url)
            let error = await #expect(throws: ConnectError.self) { try await second.put(numbered(3..<4)) }
            #expect(error?.isRetriable == false && error?.message.contains("'/logs/c/t/0/log'") == true)
            await second.stop()
            server.remove("/logs/c/t/0/log")
            let third = try await made(url)
            try await third.put(numbered(3..<6))
            #expect(numbers(server) == lines(3..<6))
            await third.stop()
        }
    }

    @Test func `strings are lines`() async throws {
        try await HDFSServer.run { url, server in
            let task = try await made(url, ["format.class": "StringFormat"])
            try await task.put(
                ["a", "b", "é"].enumerated().map { sinkRecord(.string($0.element), .string, offset: Int64($0.offset)) })
            #expect(text(server)["/topics/t/partition=0/t+0+0000000000+0000000002.txt"] == "a\nb\né\n")
            await task.stop()
        }
    }

    @Test func `a folder that somebody took away is made again`() async throws {
        try await HDFSServer.run { url, server in
            let task = try await made(url)
            try await task.put(numbered(0..<3))
            server.remove("/topics/t")
            try await task.put(numbered(3..<6))
            #expect(server.files.keys.contains("/topics/t/partition=0/t+0+0000000003+0000000005.json"))
            await task.stop()
        }
    }

    @Test func `a folder that HDFS would not take is the record's fault`() async throws {
        try await HDFSServer.run { url, server in
            let context = SinkContext(isTolerant: true)
            let task = try await made(
                url, ["flush.size": "1", "partitioner.class": "FieldPartitioner", "partition.field.name": "f"], context)
            let records = ["a:b", "c"].enumerated().map {
                sinkRecord(object([("f", .string($0.element))]), offset: Int64($0.offset))
            }
            try await task.put(records)
            #expect(
                server.files.keys.filter { $0.hasPrefix("/topics/t/") } == [
                    "/topics/t/f=c/t+0+0000000001+0000000001.json"
                ])
            #expect(context.reported.withLock { $0.map(\.message) }.first?.hasPrefix("HDFS takes no colon") == true)
            await task.stop()
        }
    }

    /// As a name node says it whose data nodes are not back yet.
    @Test func `a cluster that is not whole yet is asked again`() async throws {
        try await HDFSServer.run { url, server in
            let task = try await made(url)
            server.handle { _, n in n < 1 ? .refused(status: 403, exception: "IOException") : nil }
            let error = await #expect(throws: ConnectError.self) { try await task.put(numbered(0..<3)) }
            #expect(error?.isRetriable == true)
            try await task.put(numbered(0..<3))
            #expect(server.files.keys.contains("/topics/t/partition=0/t+0+0000000000+0000000002.json"))
            await task.stop()
        }
    }

    @Test func `a refusal says what and who`() async throws {
        try await HDFSServer.run({ _, _ in .refused(status: 403, exception: "AccessControlException") }) { url, _ in
            let error = await #expect(throws: ConnectError.self) { try await made(url) }
            #expect(
                error?.message
                    == "MKDIRS at \(url), '/topics' was refused with 403 AccessControlException: the user 'etl' (hdfs.user) may not do "
                    + "this: AccessControlException!")
        }
    }
}
