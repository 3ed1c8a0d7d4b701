import Administration
import ArgumentParser
import Cluster
import Testing

@testable import swiftwater

@Suite struct OffsetPlanTests {
    private static let partition = TopicPartition("t", 0)

    /// By hand, for a partition whose records are 10..<20, with 15 committed or nothing.
    @Test(
        arguments: [
            (.position(.beginning), 15, 10, 10, ""), (.position(.end), 15, 20, 20, ""),
            (.position(.offset(12)), nil, 12, 12, ""), (.position(.offset(3)), 15, 3, 10, "3 is before the beginning"),
            (.position(.offset(99)), 15, 99, 20, "99 is after the end"),
            (.current, 15, nil, 15, ""), (.current, nil, nil, 20, ""), (.shift(3), 15, nil, 18, ""),
            (.shift(-5), 15, nil, 10, ""), (.shift(-6), 15, nil, 10, "9 is before the beginning"),
            (.shift(.max), 15, nil, 20, "\(Int64.max) is after the end"),
            (.shift(.min), 15, nil, 10, "\(Int64.min + 15) is before the beginning"),
            (.current, 5, nil, 10, "5 is before the beginning"),
        ] as [(OffsetPlan.Target, Int64?, Int64?, Int64, String)])
    func `offsets go where they are told, inside of the partition`(
        target: OffsetPlan.Target, old: Int64?, found: Int64?, new: Int64, note: String
    ) throws {
        let row = try OffsetPlan.row(target, Self.partition, old: old, found: found, start: 10, end: 20)
        #expect(row == OffsetPlan.Row(partition: Self.partition, old: old, new: new, note: note))
    }

    @Test func `nothing cannot be shifted`() {
        #expect(throws: AdministrationFailure.self) {
            try OffsetPlan.row(.shift(1), Self.partition, old: nil, found: nil, start: 0, end: 5)
        }
    }
}

@Suite struct GroupProgressTests {
    @Test func `rows are what is committed and what is assigned`() {
        func place(_ number: Int32) -> TopicPartition { TopicPartition("t", number) }
        let member = GroupMember(
            id: "m", instanceId: nil, clientId: "c", host: "h", assignment: [place(0), place(1)])
        let progress = GroupProgress(
            GroupPositions(
                offsets: [
                    place(0): CommittedOffset(4), place(2): CommittedOffset(9), place(3): CommittedOffset(1),
                ]), [member],
            ends: [place(0): 10, place(1): 5, place(2): 7])
        #expect(progress.rows.map(\.partition) == [place(0), place(1), place(2), place(3)])
        #expect(progress.rows.map(\.current) == [4, nil, 9, 1])
        // Behind the end after records were lost is no lag; without an end or an offset there is none to tell.
        #expect(progress.rows.map(\.lag) == [6, nil, 0, nil])
        #expect(progress.rows.map { $0.member?.id } == ["m", "m", nil, nil])
        #expect(progress.totalLag == 6)
    }

    @Test func `of a share group the broker counts the lag, and members share partitions`() {
        func place(_ number: Int32) -> TopicPartition { TopicPartition("t", number) }
        func member(_ id: String, _ partitions: [Int32]) -> GroupMember {
            GroupMember(id: id, instanceId: nil, clientId: "c", host: "h", assignment: partitions.map(place))
        }
        let positions = GroupPositions([
            place(0): ShareGroupOffset(start: 4, lag: 2), place(1): ShareGroupOffset(start: 1, lag: nil),
        ])
        let progress = GroupProgress(
            positions, [member("m1", [0, 1]), member("m2", [0])], ends: [place(0): 10, place(1): 5])
        #expect(progress.rows.map(\.current) == [4, 1])
        #expect(progress.rows.map(\.lag) == [2, 4])
        #expect(progress.rows.map { $0.member?.id } == [nil, "m1"])
    }
}

@Suite struct GroupArgumentTests {
    @Test(
        arguments: [
            ["group", "reset-offsets", "g", "--to-earliest"],
            ["group", "reset-offsets", "g", "--all-topics"],
            ["group", "reset-offsets", "g", "--all-topics", "--to-earliest", "--to-latest"],
            ["group", "reset-offsets", "g", "--all-topics", "--topic", "t", "--to-latest"],
            ["group", "reset-offsets", "g", "--all-topics", "--to-latest", "--execute", "--dry-run"],
            ["group", "reset-offsets", "g", "--all-topics", "--to-offset", "-1"],
            ["group", "delete", "g", "--offsets"], ["group", "delete", "g", "--topic", "t"],
            ["group", "describe", "g", "--members", "--state"],
            ["consume", "t", "--group", "g", "--partition", "1"], ["consume", "t", "--group", ""],
            ["consume", "t", "--group-instance-id", "x"], ["consume"],
            ["produce", "t", "--transaction-size", "2"], ["produce", "t", "--transactional", ""],
            ["produce", "t", "--transactional", "x", "--acks", "1"],
            ["produce", "t", "--transactional", "x", "--transaction-size", "0"],
            ["produce", "t", "--transactional", "x", "--transaction-timeout", "0"],
            ["topic", "list", "-b", "host:port"],
        ])
    func `what makes no sense is refused`(arguments: [String]) {
        do {
            _ = try Swiftwater.parseAsRoot(arguments)
            Issue.record("\(arguments) were accepted")
        } catch {
            #expect(Swiftwater.exitCode(for: error) == .validationFailure)
        }
    }

    @Test func `a shift backwards is no option`() throws {
        let command = try Swiftwater.parseAsRoot([
            "group", "reset-offsets", "g", "--topic", "a", "--topic", "b:0,2", "--shift-by", "-5",
        ])
        let reset = try #require(command as? GroupResetOffsets)
        #expect(reset.shiftBy == -5)
        #expect(reset.topic == ["a", "b:0,2"])
        #expect(!reset.execute)
    }
}

@Suite struct SpanTests {
    @Test(
        arguments: [
            ("PT15M", 900_000), ("P2D", 172_800_000), ("P1DT1H30M", 91_800_000), ("PT0.5S", 500), ("pt1.25s", 1250),
            ("PT10S", 10_000), ("P1W", 604_800_000), ("P", nil), ("PT", nil), ("15M", nil), ("P15M", nil),
            ("P1DT", nil),
            ("PT1D", nil), ("PT-1H", nil), ("P99999999999999999D", nil), ("PT1.S", nil), ("", nil),
        ] as [(String, Int64?)])
    func `ISO durations are read`(text: String, milliseconds: Int64?) {
        #expect(Timestamps.isoSpan(text) == milliseconds)
    }
}
