import ConnectCore
import Foundation
import Synchronization
import Testing

@testable import ConnectorCDC

@Suite struct RecordQueueTests {
    private static func chunk(_ count: Int, _ boundary: SourcePoll.Boundary = .none) -> RecordChunk {
        var chunk = RecordChunk()
        chunk.records = (0..<count).map { _ in
            ConnectRecord(topic: "t", origin: .source(partition: ConnectMap(), offset: ConnectMap()))
        }
        chunk.recordCount = count
        chunk.boundary = boundary
        return chunk
    }

    private static func takeAll(_ queue: RecordQueue) async throws -> [String] {
        var taken: [String] = []
        queue.finish(nil)
        while true {
            let next = try await queue.take(countMax: 10, timeout: .seconds(5))
            if next.isFinished { return taken }
            taken.append("\(next.records.count) \(next.boundary)")
        }
    }

    @Test func `what is taken ends with a transaction where one ends`() async throws {
        let chunks = [
            Self.chunk(2, .commit), Self.chunk(3, .commit), Self.chunk(4), Self.chunk(8), Self.chunk(0, .commit),
            Self.chunk(1), Self.chunk(0, .abort), Self.chunk(1, .commit),
        ]
        let queue = RecordQueue(recordCountMax: 1000, byteCountMax: 1000, endsWithTransactions: true)
        for chunk in chunks { #expect(queue.push(chunk) == .done) }
        #expect(try await Self.takeAll(queue) == ["5 commit", "4 none", "8 commit", "1 abort", "1 commit"])
        let plain = RecordQueue(recordCountMax: 1000, byteCountMax: 1000)
        for chunk in chunks.prefix(3) { #expect(plain.push(chunk) == .done) }
        #expect(try await Self.takeAll(plain) == ["9 none"])
    }

    @Test func `what is taken does not end the writer's sleep`() async throws {
        let queue = RecordQueue(recordCountMax: 1000, byteCountMax: 1000)
        for _ in 0..<100 { #expect(queue.push(Self.chunk(1)) == .done) }
        let isAwake = Atomic(false)
        let sleeper = Task {
            let isWhole = await withCheckedContinuation { continuation in
                Thread.detachNewThread { continuation.resume(returning: queue.sleep(.seconds(600))) }
            }
            isAwake.store(true, ordering: .sequentiallyConsistent)
            return isWhole
        }
        for _ in 0..<100 {
            _ = try await queue.take(countMax: 1, timeout: .seconds(5))
            try await Task.sleep(for: .milliseconds(1))
        }
        let wasWoken = isAwake.load(ordering: .sequentiallyConsistent)
        #expect(!wasWoken)
        queue.stop()
        #expect(await sleeper.value == false)
    }
}
