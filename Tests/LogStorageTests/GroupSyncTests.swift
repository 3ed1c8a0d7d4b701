import Environment
import RecordBatches
import TestKit
import Testing

@testable import LogStorage

/// Many logs forced to disk together.
@Suite struct GroupSyncTests {
    private static func open(
        _ disk: SimulatedDisk, count: Int, now: Int64 = 0
    ) throws -> (directory: LogDirectory, logs: [PartitionLog]) {
        let directory = try LogDirectory(directory: "/data", disk: disk)
        let logs = try (0..<count).map { index in
            try directory.open(
                PartitionName(topic: "t", partition: Int32(index)), topicId: (1, 2), config: LogConfig(), now: now)
        }
        return (directory, logs)
    }

    private static func append(_ log: PartitionLog, salt: UInt8) throws {
        let bytes = TestBatch(count: 2, salt: salt).bytes()
        _ = try log.append(bytes.span.bytes, header: try BatchHeader(bytes.span.bytes), now: 0)
    }

    /// Whatever the disk keeps of what was not forced: everything below a returned offset is there after a crash.
    @Test(arguments: 0..<300 as Range<UInt64>)
    func `what it says is durable survives a crash`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let disk = SimulatedDisk(seed: seed)
        let count = Int.random(in: 2...9, using: &random)
        var (directory, logs) = try Self.open(disk, count: count)
        var durable = [Int64](repeating: 0, count: count)
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            for log in logs where Bool.random(using: &random) {
                try Self.append(log, salt: UInt8.random(in: 0...255, using: &random))
            }
            let indexes = logs.indices.filter { _ in Int.random(in: 0..<4, using: &random) > 0 }
            let results = directory.sync(indexes.map { logs[$0] })
            for (index, result) in zip(indexes, results) { durable[index] = try result.get() }
            for index in indexes { #expect(durable[index] == logs[index].logEnd) }
        }
        disk.crash(flippingBits: true)
        (directory, logs) = try Self.open(disk, count: count)
        for (index, log) in logs.enumerated() {
            #expect(log.logEnd >= durable[index], "partition \(index)")
            // Nothing torn is served.
            _ = try log.read(from: 0, maxBytes: .max, upTo: .max, minOneBatch: true).bytes()
        }
        try directory.close(clean: true)
    }

    @Test func `counts as durable only what was appended before it began`() throws {
        let (directory, logs) = try Self.open(SimulatedDisk(seed: 1), count: 6)
        for log in logs { try Self.append(log, salt: 1) }
        for result in directory.sync(logs) { #expect(try result.get() == 2) }
        #expect(logs.allSatisfy { $0.unflushedByteCount == 0 })
        try Self.append(logs[0], salt: 2)
        #expect(logs[0].offsets.durableEnd == 2)
        #expect(logs[0].unflushedByteCount > 0)
        #expect(logs[0].unflushedRecordCount == 2)
    }

    @Test func `a failure is final for all logs of the folder`() throws {
        let disk = SimulatedDisk(seed: 1)
        let (directory, logs) = try Self.open(disk, count: 6)
        for log in logs { try Self.append(log, salt: 1) }
        for result in directory.sync(logs) { #expect(try result.get() == 2) }
        for log in logs { try Self.append(log, salt: 2) }
        disk.failSync(after: 1)
        for result in directory.sync(logs) {
            guard case .failure(let error) = result else {
                Issue.record("a failed sync was reported as done")
                continue
            }
            #expect(error.code == .failed)
        }
        #expect(throws: LogError.self) { try Self.append(logs[5], salt: 3) }
        #expect(logs[0].offsets.durableEnd == 2)
    }
}
