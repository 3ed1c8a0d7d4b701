import Environment
import RecordBatches
import Testing

@testable import LogStorage

@Suite struct LogDirectoryTests {
    @Test func `tells who holds the folder`() throws {
        let fixture = try Fixture()
        let error = #expect(throws: LogError.self) { try LogDirectory(directory: "/data", disk: fixture.disk) }
        #expect(error?.code == .locked && error?.holder == 1)
    }

    @Test func `refuses a layout it does not know`() throws {
        let fixture = try Fixture()
        try fixture.directory.close(clean: true)
        try fixture.disk.replaceDurably("/data/version", with: [UInt8]("2\n".utf8))
        let error = #expect(throws: LogError.self) { try LogDirectory(directory: "/data", disk: fixture.disk) }
        #expect(error?.code == .unsupportedVersion)
    }

    @Test func `marks a clean stop, and takes the mark back at the next start`() throws {
        var fixture = try Fixture()
        try fixture.append(TestBatch())
        #expect(!fixture.directory.wasClean)
        try fixture.directory.close(clean: true)
        #expect(fixture.disk.exists("/data/topics/.kafka_cleanshutdown"))
        try fixture.reopen(clean: true)
        #expect(fixture.directory.wasClean && !fixture.log.recovery.wasUnclean)
        fixture.disk.crash()
        #expect(!fixture.disk.exists("/data/topics/.kafka_cleanshutdown"))
    }

    @Test func `raises the leader epoch after every unclean stop, and only then`() throws {
        var fixture = try Fixture()
        try fixture.append(TestBatch())
        #expect(fixture.log.leaderEpoch == 0)
        try fixture.reopen(clean: true)
        #expect(fixture.log.leaderEpoch == 0)
        try fixture.reopen(clean: false)
        #expect(fixture.log.leaderEpoch == 1)
        try fixture.append(TestBatch())
        try fixture.reopen(clean: true)
        #expect(fixture.log.leaderEpoch == 1)
        #expect(fixture.log.endOffset(forLeaderEpoch: 0)?.endOffset == 1)
        #expect(fixture.log.endOffset(forLeaderEpoch: 1)?.endOffset == 2)
    }

    @Test func `writes checkpoints that Kafka's tools read`() throws {
        let fixture = try Fixture { $0.segmentBytes = 200 }
        let other = PartitionName(topic: "a-b", partition: 11)
        let log = try fixture.directory.open(other, topicId: (3, 4), config: LogConfig(), now: 0)
        for _ in 0..<5 { try fixture.append(TestBatch()) }
        _ = try fixture.log.deleteRecords(before: 3)
        try fixture.directory.checkpoint()
        #expect(try fixture.text("/data/topics/recovery-point-offset-checkpoint") == "0\n2\na-b 11 0\nt 0 5\n")
        #expect(try fixture.text("/data/topics/log-start-offset-checkpoint") == "0\n1\nt 0 3\n")
        #expect(try fixture.text("/data/version") == "1\n")
        #expect(log.logEnd == 0)
        #expect(fixture.directory.logs.count == 2 && fixture.directory.log(other) === log)
    }

    @Test func `removes a partition, and begins a new one of its name at 0`() throws {
        var fixture = try Fixture()
        for _ in 0..<5 { try fixture.append(TestBatch()) }
        _ = try fixture.log.deleteRecords(before: 3)
        try fixture.directory.checkpoint()
        let old = fixture.log
        try fixture.directory.delete(Fixture.name)
        #expect(try fixture.disk.list("/data/topics").allSatisfy { !$0.hasPrefix("t-0") })
        #expect(throws: LogError.self) { try old.read(from: 3, maxBytes: 1, upTo: .max, minOneBatch: true) }
        #expect(throws: LogError.self) { try old.sync() }
        let log = try fixture.directory.open(Fixture.name, topicId: (8, 8), config: LogConfig(), now: 0)
        #expect(log.offsets == LogOffsets(logStart: 0, logEnd: 0, lastStable: 0, durableEnd: 0, maxTimestamp: .min))
        try fixture.directory.delete(Fixture.name)
        try fixture.reopen(clean: true)
        #expect(fixture.log.logEnd == 0)
    }

    @Test func `a new partition does not take over offsets that a crash kept of a deleted one of its name`() throws {
        let fixture = try Fixture()
        for _ in 0..<5 { try fixture.append(TestBatch()) }
        _ = try fixture.log.deleteRecords(before: 3)
        try fixture.directory.checkpoint()
        try fixture.directory.close(clean: false)
        // As a crash leaves it between the removal of the folder and that of its offsets.
        try fixture.disk.removeTree("/data/topics/t-0")
        let directory = try LogDirectory(directory: "/data", disk: fixture.disk)
        try directory.forget(Fixture.name)
        let log = try directory.open(Fixture.name, topicId: (8, 8), config: LogConfig(), now: 0)
        #expect(log.offsets == LogOffsets(logStart: 0, logEnd: 0, lastStable: 0, durableEnd: 0, maxTimestamp: .min))
        #expect(log.recovery.lostRecordCount == 0)
    }

    @Test func `finishes deletions that a crash cut short, and lists what is left`() throws {
        var fixture = try Fixture()
        try fixture.append(TestBatch())
        try fixture.disk.makeDirectory("/data/topics/old-3.0123-delete")
        try fixture.disk.makeDirectory("/data/topics/other-7")
        try fixture.disk.makeDirectory("/data/topics/unrelated")
        try fixture.directory.close(clean: false)
        let directory = try LogDirectory(directory: "/data", disk: fixture.disk)
        #expect(directory.unopened.map(\.description) == ["other-7", "t-0"])
        #expect(!fixture.disk.exists("/data/topics/old-3.0123-delete"))
        try directory.delete(PartitionName(topic: "other", partition: 7))
        #expect(!fixture.disk.exists("/data/topics/other-7"))
        #expect(directory.unopened.map(\.description) == ["t-0"])
        try directory.close(clean: true)
        try fixture.reopen(clean: true)
    }

    @Test func `does not open the folder of another topic of the same name`() throws {
        let fixture = try Fixture()
        try fixture.append(TestBatch())
        try fixture.directory.close(clean: true)
        let directory = try LogDirectory(directory: "/data", disk: fixture.disk)
        let error = #expect(throws: LogError.self) {
            try directory.open(Fixture.name, topicId: (1, 3), config: LogConfig(), now: 0)
        }
        #expect(error?.code == .inconsistentTopicId && error?.kafkaCode == 103)
    }

    @Test func `says no to everything after it was closed`() throws {
        let fixture = try Fixture()
        try fixture.append(TestBatch())
        try fixture.directory.close(clean: true)
        let log = fixture.log
        let calls: [() throws -> Void] = [
            { try fixture.append(TestBatch()) }, { _ = try log.sync() }, { _ = try log.applyRetention(now: 0) },
            { _ = try log.deleteRecords(before: 0) }, { _ = try log.offset(forTimestamp: 0) },
            { _ = try log.read(from: 0, maxBytes: 1, upTo: .max, minOneBatch: true) },
        ]
        for call in calls {
            let error = #expect(throws: LogError.self) { try call() }
            #expect(error?.code == .closed && error?.kafkaCode == 6)
        }
        try log.close(clean: true)
    }

    /// Threads in every role on one log of the real file system; what each checks must hold at every moment.
    @Test func `serves appends, reads, syncs and retention at once`() async throws {
        let root = "/tmp/swiftwater-log-\(UInt64.random(in: 0 ... .max))"
        defer { try? RealDisk().removeTree(root) }
        let directory = try LogDirectory(directory: root, disk: RealDisk())
        var config = LogConfig()
        config.segmentBytes = 20_000
        config.retentionBytes = 200_000
        let log = try directory.open(Fixture.name, topicId: (1, 2), config: config, now: 0)
        let appendCount = 1500
        try await withThrowingTaskGroup(of: Void.self) { group in
            for producer in 0..<3 {
                group.addTask {
                    for sequence in 0..<appendCount {
                        let bytes = TestBatch(
                            producerId: Int64(producer), producerEpoch: 0, sequence: Int32(sequence)
                        ).bytes()
                        let header = try BatchHeader(bytes.span.bytes)
                        let result = try log.append(bytes.span.bytes, header: header, now: 0)
                        #expect(!result.isDuplicate)
                    }
                }
            }
            group.addTask {
                var next: Int64 = 0
                while next < Int64(3 * appendCount) {
                    next = try readOn(log, from: next)
                    await Task.yield()
                }
            }
            group.addTask {
                while log.offsets.durableEnd < Int64(3 * appendCount) {
                    let before = log.logEnd
                    let end = try log.sync()
                    #expect(end >= before)
                    await Task.yield()
                }
            }
            group.addTask {
                while log.logEnd < Int64(3 * appendCount) {
                    _ = try log.applyRetention(now: 0)
                    await Task.yield()
                }
            }
            try await group.waitForAll()
        }
        #expect(log.logEnd == Int64(3 * appendCount))
        #expect(log.producers().map(\.lastSequence) == [1499, 1499, 1499])
        try directory.close(clean: true)
    }

    /// Reads one slice at `offset`, or at the log start if retention has passed it. - Returns: where to read on.
    private func readOn(_ log: PartitionLog, from offset: Int64) throws -> Int64 {
        do {
            let slice = try log.read(from: offset, maxBytes: 3000, upTo: .max, minOneBatch: true)
            let bytes = try slice.bytes()
            if !bytes.isEmpty {
                let first = try BatchHeader(bytes.span.bytes)
                #expect(first.baseOffset == offset)
            }
            return slice.nextOffset
        } catch let error as LogError where error.code == .offsetOutOfRange {
            return log.offsets.logStart
        }
    }
}
