import Environment
import RecordBatches
import Testing

@testable import LogStorage

/// Logs of one data folder that are synced, checkpointed and closed together.
@Suite struct ManyLogsTests {
    private static let count = 6
    private static let batch = TestBatch(count: 2).bytes()

    private func open(_ disk: SimulatedDisk) throws -> (LogDirectory, [PartitionLog]) {
        let directory = try LogDirectory(directory: "/data", disk: disk)
        var config = LogConfig()
        config.segmentBytes = 300
        var logs: [PartitionLog] = []
        for partition in 0..<Int32(Self.count) {
            let name = PartitionName(topic: "t", partition: partition)
            logs.append(try directory.open(name, topicId: (1, 2), config: config, now: 0))
        }
        return (directory, logs)
    }

    private func append(_ logs: [PartitionLog], rounds: Int) throws {
        let header = try BatchHeader(Self.batch.span.bytes)
        for _ in 0..<rounds {
            for log in logs { _ = try log.append(Self.batch.span.bytes, header: header, now: 0) }
        }
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `are durable up to what a shared sync answered`(seed: UInt64) throws {
        let disk = SimulatedDisk(seed: seed)
        var (directory, logs) = try open(disk)
        // New files, closed segments and neither of both, on the way to steady logs.
        for rounds in [1, 1, 5, 1] {
            try append(logs, rounds: rounds)
            let results = directory.sync(logs)
            for (log, result) in zip(logs, results) { #expect(try result.get() == log.logEnd) }
            #expect(logs.allSatisfy { $0.unflushedByteCount == 0 && $0.offsets.durableEnd == $0.logEnd })
        }
        try append(logs, rounds: 1)
        #expect(logs.allSatisfy { $0.unflushedByteCount == Int64(Self.batch.count) && $0.unflushedRecordCount == 2 })
        disk.crash(flippingBits: true)
        (directory, logs) = try open(disk)
        #expect(logs.allSatisfy { $0.logEnd >= 16 && $0.recovery.lostRecordCount == 0 })
        _ = directory
    }

    @Test func `share the syncs of a checkpoint and of a clean stop`() throws {
        let disk = SimulatedDisk(seed: 5)
        var (directory, logs) = try open(disk)
        try append(logs, rounds: 4)
        var before = disk.syncCount
        try directory.checkpoint()
        #expect(disk.syncCount - before <= 6)
        before = disk.syncCount
        try directory.checkpoint()
        #expect(disk.syncCount - before <= 4)
        try append(logs, rounds: 1)
        before = disk.syncCount
        try directory.close(clean: true)
        #expect(disk.syncCount - before <= 8)
        disk.crash()
        (directory, logs) = try open(disk)
        #expect(directory.wasClean && logs.allSatisfy { $0.logEnd == 10 && !$0.recovery.wasUnclean })
    }

    @Test func `all take no writes after one failed sync`() throws {
        let disk = SimulatedDisk(seed: 5)
        let (directory, logs) = try open(disk)
        try append(logs, rounds: 1)
        _ = directory.sync(logs)
        try append(logs, rounds: 1)
        disk.failSync(after: 1)
        for result in directory.sync(logs) {
            let error = #expect(throws: LogError.self) { try result.get() }
            #expect(error?.code == .failed)
        }
        #expect(throws: LogError.self) { try append(logs, rounds: 1) }
        #expect(logs.allSatisfy { $0.offsets.durableEnd == 2 && $0.logEnd == 4 })
        #expect(throws: LogError.self) { try directory.close(clean: true) }
        #expect(!disk.exists("/data/topics/.kafka_cleanshutdown"))
    }
}
