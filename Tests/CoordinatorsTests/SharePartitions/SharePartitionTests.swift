import Testing

@testable import Coordinators

/// What becomes of records between delivery and acknowledgement, by KIP-932 and upstream's `SharePartition`.
@Suite struct SharePartitionTests {
    typealias Acknowledgement = SharePartition.Acknowledgement

    static func limits(
        _ count: Int, isStrict: Bool = true, inFlight: Int = 2000, deliveries: Int16 = 5, until: Int64 = 1000
    ) -> SharePartition.DeliveryLimits {
        .init(
            recordCountMax: count, isStrict: isStrict, inFlightCountMax: inFlight, deliveryCountLimit: deliveries,
            lockedUntil: until)
    }

    /// A partition from offset 0 on of which `member` has 0...9.
    private func delivered(to member: String = "a", deliveries: Int16 = 5) -> SharePartition {
        var partition = SharePartition(startOffset: 0, stateEpoch: 0, leaderEpoch: 0)
        _ = partition.acquire(
            .init(batches: [0...9], nextOffset: 10), from: 0, by: member, Self.limits(10, deliveries: deliveries))
        return partition
    }

    private func states(_ partition: SharePartition) -> String {
        partition.runs.map { "\($0.first)-\($0.last):\($0.state)\($0.deliveryCount)" }.joined(separator: " ")
    }

    @Test func `a whole batch is taken although fewer records were asked for, unless the limit is strict`() {
        for (isStrict, last) in [(false, Int64(4)), (true, 2)] {
            var partition = SharePartition(startOffset: 0, stateEpoch: 0, leaderEpoch: 0)
            let acquired = partition.acquire(
                .init(batches: [0...4, 5...9], nextOffset: 10), from: 0, by: "a", Self.limits(3, isStrict: isStrict))
            #expect(acquired == [.init(firstOffset: 0, lastOffset: last, deliveryCount: 1)])
        }
    }

    @Test func `offsets without records are never delivered, and the start moves over them`() {
        var partition = SharePartition(startOffset: 0, stateEpoch: 0, leaderEpoch: 0)
        let acquired = partition.acquire(
            .init(batches: [3...4, 8...9], nextOffset: 12), from: 0, by: "a", Self.limits(100))
        #expect(
            acquired == [
                .init(firstOffset: 3, lastOffset: 4, deliveryCount: 1),
                .init(firstOffset: 8, lastOffset: 9, deliveryCount: 1),
            ])
        #expect(partition.startOffset == 3)
        #expect(partition.endOffset == 12)
        #expect(states(partition) == "3-4:acquired1 5-7:archived0 8-9:acquired1 10-11:archived0")
    }

    @Test(
        arguments: [
            ([Acknowledgement(firstOffset: 0, lastOffset: 9, types: [.accept])], 10, ""),
            ([Acknowledgement(firstOffset: 0, lastOffset: 3, types: [.accept])], 4, "4-9:acquired1"),
            ([Acknowledgement(firstOffset: 5, lastOffset: 9, types: [.reject])], 0, "0-4:acquired1 5-9:archived1"),
            (
                [Acknowledgement(firstOffset: 0, lastOffset: 3, types: [.release, .accept, .gap, .release])], 0,
                "0-0:available1 1-1:acknowledged1 2-2:archived1 3-3:available1 4-9:acquired1"
            ),
            (
                [
                    Acknowledgement(firstOffset: 0, lastOffset: 1, types: [.accept]),
                    Acknowledgement(firstOffset: 4, lastOffset: 5, types: [.accept]),
                ], 2, "2-3:acquired1 4-5:acknowledged1 6-9:acquired1"
            ),
        ] as [([Acknowledgement], Int64, String)])
    func `acknowledges`(_ acknowledgements: [Acknowledgement], start: Int64, left: String) throws {
        var partition = delivered()
        try partition.acknowledge(acknowledgements, by: "a", deliveryCountLimit: 5, renewedUntil: 0)
        #expect(partition.startOffset == start)
        #expect(states(partition) == left)
    }

    @Test func `what is refused changes nothing, also where a part of it is right`() throws {
        typealias Refusal = SharePartition.InvalidRecordState
        var partition = delivered()
        try partition.acknowledge(
            [.init(firstOffset: 2, lastOffset: 2, types: [.release])], by: "a", deliveryCountLimit: 5, renewedUntil: 0)
        let before = partition
        let cases: [(String, Int64, Int64, Refusal)] = [
            ("b", 0, 1, .anotherMembers), ("a", 0, 2, .notAcquired), ("a", 9, 10, .behindDelivered),
            ("a", 50, 60, .behindDelivered), ("a", .max, .max, .behindDelivered),
        ]
        for (member, first, last, refusal) in cases {
            #expect(throws: refusal) {
                try partition.acknowledge(
                    [.init(firstOffset: first, lastOffset: last, types: [.accept])], by: member, deliveryCountLimit: 5,
                    renewedUntil: 0)
            }
            #expect(partition == before)
        }
    }

    @Test func `a record comes as often as the limit says, however it comes back`() throws {
        for comesBackByTimeout in [false, true] {
            var partition = SharePartition(startOffset: 0, stateEpoch: 0, leaderEpoch: 0)
            for delivery in Int16(1)...2 {
                #expect(partition.nextOffset == 0)
                let acquired = partition.acquire(
                    .init(batches: [0...0], nextOffset: 1), from: 0, by: "a", Self.limits(1, deliveries: 2))
                #expect(acquired == [.init(firstOffset: 0, lastOffset: 0, deliveryCount: delivery)])
                if comesBackByTimeout {
                    let isEarly = partition.expire(at: 999)
                    let isLate = partition.expire(at: 1000)
                    #expect(!isEarly)
                    #expect(isLate)
                } else {
                    try partition.acknowledge(
                        [.init(firstOffset: 0, lastOffset: 0, types: [.release])], by: "a", deliveryCountLimit: 2,
                        renewedUntil: 0)
                }
            }
            #expect(partition.startOffset == 1)
            #expect(partition.runs.isEmpty)
        }
    }

    @Test func `a member that leaves has not had its records`() {
        var partition = delivered(deliveries: 2)
        let others = partition.release("b")
        #expect(!others)
        for _ in 0..<5 {
            let own = partition.release("a")
            #expect(own)
            #expect(states(partition) == "0-9:available0")
            let again = partition.acquire(
                .init(batches: [0...9], nextOffset: 10), from: 0, by: "a", Self.limits(10, deliveries: 2))
            #expect(again == [.init(firstOffset: 0, lastOffset: 9, deliveryCount: 1)])
        }
    }

    @Test func `a renewed lock lasts longer`() throws {
        var partition = delivered()
        try partition.acknowledge(
            [.init(firstOffset: 0, lastOffset: 4, types: [.renew])], by: "a", deliveryCountLimit: 5, renewedUntil: 2000)
        let isLate = partition.expire(at: 1500)
        #expect(isLate)
        #expect(states(partition) == "0-4:acquired1 5-9:available1")
        #expect(partition.nextDeadline == 2000)
    }

    @Test func `what is done with is passed over, whoever did it, and what was not delivered is refused`() throws {
        typealias Refusal = SharePartition.InvalidRecordState
        func accept(_ ranges: [(Int64, Int64)], _ partition: inout SharePartition) throws {
            try partition.acknowledge(
                ranges.map { .init(firstOffset: $0.0, lastOffset: $0.1, types: [.accept]) }, by: "a",
                deliveryCountLimit: 5, renewedUntil: 0)
        }
        var partition = delivered()
        try accept([(0, 3)], &partition)
        #expect(partition.startOffset == 4)
        for range in [(0, 0), (3, 3), (0, 3)] as [(Int64, Int64)] {
            try accept([range], &partition)
            #expect(states(partition) == "4-9:acquired1")
        }
        // Of several reasons the first counts, in the order of the offsets.
        #expect(throws: Refusal.behindDelivered) { try accept([(2, 10)], &partition) }
        #expect(throws: Refusal.behindDelivered) { try accept([(4, 5), (10, 10), (20, 30)], &partition) }
        #expect(states(partition) == "4-9:acquired1")
        try accept([(2, 4), (7, 7)], &partition)
        #expect(states(partition) == "5-6:acquired1 7-7:acknowledged1 8-9:acquired1")
        // Behind the start what was accepted is not taken once more.
        #expect(throws: Refusal.notAcquired) { try accept([(7, 8)], &partition) }
        #expect(throws: Refusal.notAcquired) { try accept([(7, 7), (10, 10)], &partition) }
        partition.advance(to: 6)
        try accept([(4, 6), (8, 9)], &partition)
        #expect(partition.startOffset == 10)
        try accept([(9, 9)], &partition)
        #expect(throws: Refusal.notDelivered) { try accept([(10, 10)], &partition) }
        #expect(throws: Refusal.notDelivered) { try accept([(9, 10)], &partition) }
    }

    @Test func `locks are not renewed where the group does not permit it`() throws {
        var partition = delivered()
        let before = partition
        #expect(throws: SharePartition.InvalidRecordState.notRenewable) {
            try partition.acknowledge(
                [.init(firstOffset: 0, lastOffset: 1, types: [.accept, .renew])], by: "a", deliveryCountLimit: 5,
                renewedUntil: nil)
        }
        #expect(partition == before)
        try partition.acknowledge(
            [.init(firstOffset: 0, lastOffset: 1, types: [.accept])], by: "a", deliveryCountLimit: 5, renewedUntil: nil)
        #expect(partition.startOffset == 2)
    }

    @Test func `what a member is not told of is taken back, and it has not had it`() throws {
        var partition = SharePartition(startOffset: 0, stateEpoch: 0, leaderEpoch: 0)
        let fetched = SharePartition.Fetched(batches: [0...9], nextOffset: 10)
        _ = partition.acquire(fetched, from: 0, by: "a", Self.limits(3))
        let others = partition.acquire(fetched, from: 3, by: "b", Self.limits(3))
        let second = partition.acquire(fetched, from: 6, by: "a", Self.limits(4))
        partition.takeBack(second, from: "a")
        #expect(states(partition) == "0-2:acquired1 3-5:acquired1 6-9:available0")
        partition.takeBack(others, from: "a")
        #expect(states(partition) == "0-2:acquired1 3-5:acquired1 6-9:available0")
    }

    @Test func `what is deleted from the log is done with, and acknowledgements of it are passed over`() throws {
        var partition = delivered()
        partition.advance(to: 4)
        #expect(states(partition) == "4-9:acquired1")
        try partition.acknowledge(
            [
                .init(firstOffset: 0, lastOffset: 2, types: [.accept]),
                .init(firstOffset: 3, lastOffset: 5, types: [.accept, .release, .accept]),
            ], by: "a", deliveryCountLimit: 5, renewedUntil: 0)
        #expect(states(partition) == "4-4:available1 5-5:acknowledged1 6-9:acquired1")
        partition.advance(to: 100)
        #expect(partition.startOffset == 100)
        #expect(partition.nextOffset == 100)
    }

    @Test func `no more is in flight than the limit, and what comes back is delivered all the same`() throws {
        var partition = SharePartition(startOffset: 0, stateEpoch: 0, leaderEpoch: 0)
        let fetched = SharePartition.Fetched(batches: [0...99], nextOffset: 100)
        _ = partition.acquire(fetched, from: 0, by: "a", Self.limits(500, inFlight: 10))
        #expect(partition.endOffset == 10)
        let others = partition.acquire(fetched, from: 10, by: "b", Self.limits(500, inFlight: 10))
        #expect(others.isEmpty)
        try partition.acknowledge(
            [.init(firstOffset: 3, lastOffset: 4, types: [.release])], by: "a", deliveryCountLimit: 5, renewedUntil: 0)
        let again = partition.acquire(fetched, from: partition.nextOffset, by: "b", Self.limits(500, inFlight: 10))
        #expect(again == [.init(firstOffset: 3, lastOffset: 4, deliveryCount: 2)])
    }

    /// As upstream since 4.2: records near their last delivery come in ever smaller numbers, at last alone.
    @Test func `the last delivery of a record is its own`() {
        var partition = SharePartition(startOffset: 0, stateEpoch: 0, leaderEpoch: 0)
        let fetched = SharePartition.Fetched(batches: [0...7], nextOffset: 8)
        var counts: [Int64] = []
        for delivery in Int64(1)...4 {
            let acquired = partition.acquire(
                fetched, from: partition.nextOffset, by: "a", Self.limits(500, deliveries: 4, until: delivery))
            counts.append(acquired.reduce(0) { $0 + $1.lastOffset - $1.firstOffset + 1 })
            // What was not delivered waits for the next; only what was comes back.
            _ = partition.expire(at: delivery)
        }
        #expect(counts == [8, 8, 4, 1])
    }
}
