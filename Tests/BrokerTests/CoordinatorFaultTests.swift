import Environment
import KafkaMessages
import Synchronization
import TestKit
import Testing

@testable import Broker

/// Coordinators on a disk that fails: what they have acknowledged is there after a crash, and what was not is there as
/// well or not at all.
@Suite(.serialized) struct CoordinatorFaultTests {
    enum Fault: String, CaseIterable { case power, sync, full }

    /// What clients were told, by the number of the round in which they were; and what they asked for last.
    private struct Told {
        var offset: Int64?
        var transaction: Int64?
        var shareStart: Int64?
        var consumerGroups: [String] = []
        var asked: Int64 = 0
    }

    private static let roundCount: Int64 = 12

    @Test(.timeLimit(.minutes(5)), arguments: Fault.allCases, 1...5 as ClosedRange<UInt64>)
    func `what was acknowledged survives`(fault: Fault, seed: UInt64) async throws {
        let machine = try FaultyMachine(seed: seed)
        defer { machine.remove() }
        var random = SeededRandom(seed: seed)
        var told = Told()
        try await machine.run { node in
            try await node.prepare()
            machine.isFailing.store(true, ordering: .relaxed)
            switch fault {
            case .power: machine.disk.losePower(afterChanges: .random(in: 1...120, using: &random))
            case .sync: machine.disk.failSync(after: .random(in: 1...40, using: &random))
            case .full: machine.disk.limit(byteCount: machine.disk.byteCount + .random(in: 0...8_000, using: &random))
            }
            for round in 1...Self.roundCount {
                try await Self.ask(node, round, &told)
                if fault == .full, round == Self.roundCount / 2 {
                    // Somebody has made room.
                    machine.disk.limit(byteCount: nil)
                    machine.isFailing.store(false, ordering: .relaxed)
                }
            }
        }
        machine.isFailing.store(false, ordering: .relaxed)
        if fault == .full { #expect(told.offset == Self.roundCount && told.transaction == Self.roundCount) }
        machine.crash()
        try await machine.run { node in
            func check(_ found: Int64, _ told: Int64?, _ asked: Int64, _ what: String) {
                #expect(found >= told ?? -1 && found <= asked, "\(what): \(found), told \(told ?? -1)")
            }
            for group in told.consumerGroups {
                let found = try await node.again({ $0.groups[0].errorCode }) {
                    try await node.call(ConsumerGroupDescribeRequest(groupIds: [group]))
                }
                #expect(found.groups[0].members.count == 1, "\(group)")
            }
            // A transaction whose end was not acknowledged may be open: its producer's next life ends it.
            #expect(try await node.beginTransaction().errorCode == 0)
            check(try await node.committed("g"), told.offset, told.asked, "offset")
            check(try await node.committed("tg"), told.transaction, told.asked, "transaction")
            check(try await node.shareStart("s"), told.shareStart, told.asked, "share group")
            // And all of them go on.
            var after = Told()
            try await Self.ask(node, Self.roundCount + 1, &after)
            #expect(after.offset != nil && after.transaction != nil && after.shareStart != nil)
            #expect(after.consumerGroups.count == 1)
        }
    }

    /// One request, or one transaction, of each coordinator.
    private static func ask(_ node: FaultyNode, _ round: Int64, _ told: inout Told) async throws {
        told.asked = round
        if try await code({ try await node.commit("g", round) }) == 0 { told.offset = round }
        if try await code({ try await node.commitInTransaction("tg", round) }) == 0 { told.transaction = round }
        if try await code({ try await node.alterShareStart("s", round) }) == 0 { told.shareStart = round }
        let group = "c\(round)"
        if try await code({ try await node.consumerHeartbeat(group) }) == 0 { told.consumerGroups.append(group) }
    }

    /// - Returns: nil for a request without an answer.
    private static func code(_ ask: () async throws -> Int16) async throws -> Int16? {
        do { return try await ask() } catch is Unanswered { return nil }
    }

    /// The first sync is of the decision to commit, the second of the marker.
    @Test(.timeLimit(.minutes(1)), arguments: 1...2 as ClosedRange<Int>)
    func `requests are answered when the disk fails for good`(syncCount: Int) async throws {
        let machine = try FaultyMachine(seed: 1)
        defer { machine.remove() }
        try await machine.run { node in
            try await node.prepare()
            let producer = try await node.beginTransaction()
            #expect(try await node.commit("tg", 1, producer) == 0)
            machine.isFailing.store(true, ordering: .relaxed)
            machine.disk.failSync(after: syncCount)
            #expect(try await node.commitTransaction(producer) != 0)
            #expect(try await node.beginTransaction().errorCode != 0)
            #expect(try await node.commit("g", 1) != 0)
            #expect(try await node.consumerHeartbeat("c") != 0)
            #expect(try await node.alterShareStart("s", 1) != 0)
        }
    }
}
