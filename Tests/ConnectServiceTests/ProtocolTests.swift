import ConnectCore
import NIOCore
import Testing

@testable import ConnectService

@Suite struct ProtocolTests {
    private static func tasks(_ name: String, _ numbers: Int...) -> Set<TaskIdentity> {
        Set(numbers.map { TaskIdentity(connector: name, task: $0) })
    }

    @Test(arguments: ConnectProtocol.allCases)
    func `what members tell each other is read as it was written`(version: ConnectProtocol) throws {
        let work = Work(connectors: ["a", "ü"], tasks: Self.tasks("a", 0, 1))
        let metadata = WorkerMetadata(url: "http://h:1/", offset: 17, work: version == .eager ? Work() : work)
        #expect(try WorkerMetadata(metadata.encoded(version)) == metadata)
        var decision = GroupDecision(leader: "m", leaderURL: "http://l:1/", offset: 18)
        decision.work = work
        if version != .eager {
            decision.revoked = Work(tasks: Self.tasks("b", 3))
            decision.delay = 500
        }
        let bytes = decision.encoded(version)
        #expect(try GroupDecision(bytes) == decision)
        for count in 0..<bytes.readableBytes {
            #expect(throws: ConnectProtocol.Malformed.self) {
                try GroupDecision(try #require(bytes.getSlice(at: bytes.readerIndex, length: count)))
            }
        }
    }

    /// By hand from `IncrementalCooperativeConnectProtocol`.
    @Test func `metadata of version 1 has the original's layout`() {
        let bytes = WorkerMetadata(url: "u", offset: 2).encoded(.compatible)
        #expect(
            Array(bytes.readableBytesView) == [0, 1, 0, 1, 0x75] + [0, 0, 0, 0, 0, 0, 0, 2] + [255, 255, 255, 255])
    }

    @Test func `work is even, moves little, and nothing runs twice`() {
        let all = Work(connectors: ["a", "b"], tasks: Self.tasks("a", 0, 1).union(Self.tasks("b", 0, 1)))
        var assignor = WorkAssignor(delayMax: .zero)
        let now = ContinuousClock.now
        let first = assignor.assign(all, ["x": Work()], now: now)
        #expect(first.work["x"] == all)
        // Another one joins: the first gives up half before anybody else gets it.
        let second = assignor.assign(all, ["x": all, "y": Work()], now: now)
        let kept = second.work["x"] ?? Work()
        #expect(kept.count == 3)
        #expect(second.work["y"] == Work())
        #expect(second.revoked["x"] == all.subtracting(kept))
        let third = assignor.assign(all, ["x": kept, "y": Work()], now: now)
        #expect(third.work["x"] == kept)
        #expect(third.work["y"] == all.subtracting(kept))
        #expect(!third.revoked.values.contains { !$0.isEmpty })
        // One is lost: without a delay the other one has it all.
        let fourth = assignor.assign(all, ["y": all.subtracting(kept)], now: now)
        #expect(fourth.work["y"] == all)
    }

    @Test func `the work of a lost member waits for it`() {
        let all = Work(connectors: ["a"], tasks: Self.tasks("a", 0))
        var assignor = WorkAssignor(delayMax: .seconds(10))
        let now = ContinuousClock.now
        let work = assignor.assign(all, ["x": Work(), "y": Work()], now: now).work
        let lost = work["x"] ?? Work()
        #expect(!lost.isEmpty)
        let left = work["y"] ?? Work()
        let during = assignor.assign(all, ["y": left], now: now + .seconds(1))
        #expect(during.work["y"] == left)
        #expect(during.delay == .seconds(9) || during.delay == .seconds(10))
        // Back in time, it has its work again.
        var other = assignor
        let back = other.assign(all, ["x": lost, "y": left], now: now + .seconds(2))
        #expect(back.work["x"] == lost)
        let after = assignor.assign(all, ["y": left], now: now + .seconds(20))
        #expect(after.work["y"] == all)
        #expect(after.delay == .zero)
    }
}
