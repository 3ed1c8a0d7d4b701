import Environment
import KafkaMessages
import Testing

@testable import Broker

/// Share groups, of which two coordinators know something, on a disk that can lose power.
@Suite(.serialized) struct ShareGroupRaceTests {
    @Test(.timeLimit(.minutes(5)))
    func `offsets of a share group are altered before its members are there or not at all`() async throws {
        let machine = try FaultyMachine(seed: 1)
        defer { machine.remove() }
        try await machine.run { node in
            try await node.prepare()
            try await node.beginShareGroup("s")
            var start: Int64 = -1
            var alteredCount = 0
            for round in 1...40 as ClosedRange<Int64> {
                let (joined, code): (Int16, Int16)
                if round.isMultiple(of: 4) {
                    // Where both race, the member may be first each time.
                    code = try await node.alterShareStart("s", round)
                    joined = try await node.shareHeartbeat("s", "m\(round)", 0)
                } else {
                    async let joining = node.shareHeartbeat("s", "m\(round)", 0)
                    async let altering = node.alterShareStart("s", round)
                    (joined, code) = try await (joining, altering)
                }
                #expect(joined == 0)
                #expect(code == 0 || code == ErrorCode.nonEmptyGroup.rawValue, "\(code)")
                if code == 0 {
                    start = round
                    alteredCount += 1
                }
                #expect(try await node.shareHeartbeat("s", "m\(round)", -1) == 0)
                #expect(try await node.shareStart("s") == start)
            }
            #expect(alteredCount > 0)
        }
    }

    /// The state of a share group is in another partition than the group, and may be read later.
    @Test(.timeLimit(.minutes(5)), arguments: [false, true], 1...4 as ClosedRange<UInt64>)
    func `a share group deleted while coordinators load leaves nothing to the next of its name`(
        crashes: Bool, seed: UInt64
    ) async throws {
        let machine = try FaultyMachine(seed: seed)
        defer { machine.remove() }
        try await machine.run { node in
            try await node.prepare()
            try await node.beginShareGroup("s")
            #expect(try await node.alterShareStart("s", 7) == 0)
            #expect(try await node.shareStart("s") == 7)
        }
        try await machine.run { node in
            // Asked again and again from the first moment on.
            let deleted = try await node.again({ $0.results[0].errorCode }, pause: .zero) {
                try await node.call(DeleteGroupsRequest(groupsNames: ["s"]))
            }
            #expect(deleted.results[0].errorCode == 0)
            if crashes { machine.disk.losePower(afterChanges: 1) }
        }
        if crashes { machine.crash() }
        try await machine.run { node in
            try await node.beginShareGroup("s")
            #expect(try await node.shareStart("s") == -1)
        }
    }
}
