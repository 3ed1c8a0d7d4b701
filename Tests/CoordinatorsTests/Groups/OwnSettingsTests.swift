import Bytes
import KafkaMessages
import NIOCore
import Synchronization
import TestKit
import Testing

@testable import Coordinators

/// Groups with settings of their own, where no request brings them along.
@Suite struct OwnSettingsTests {
    enum Kind: String, CaseIterable { case consumer, share, streams }

    private static let ownTime: Int32 = 7_000

    /// A bench whose group `g` has a session of 7 s, and any other one of 45 s.
    private func bench(_ ownTime: Int32 = ownTime) -> ConsumerGroupBench {
        let bench = ConsumerGroupBench { configuration in
            let broker = configuration
            configuration.settingsOfGroup = { group in
                guard group == "g" else { return nil }
                var own = GroupSettings(consumer: broker.consumer, share: broker.share, streams: broker.streams)
                own.consumer.sessionTimeoutMs = ownTime
                own.share.sessionTimeoutMs = ownTime
                own.streams.sessionTimeoutMs = ownTime
                return own
            }
        }
        return bench
    }

    private func join(_ kind: Kind, _ bench: ConsumerGroupBench, group: String) -> Int16 {
        switch kind {
        case .consumer: bench.join("m", group: group).errorCode
        case .share: bench.shareJoin("m", group: group).errorCode
        case .streams: bench.streamsJoin("m", group: group).code
        }
    }

    private func memberCount(_ group: String, _ bench: ConsumerGroupBench) -> Int? {
        switch bench.shard.groups[group] {
        case .consumer(let group): group.members.count
        case .share(let group): group.members.count
        case .streams(let group): group.members.count
        case .classic, nil: nil
        }
    }

    /// As upstream `GroupMetadataManager.onLoaded`, which asks `GroupConfigManager` for each group.
    @Test(arguments: Kind.allCases, [7_000 as Int32, 60_000])
    func `members that were loaded have the session of their group`(kind: Kind, session: Int32) throws {
        let bench = bench(session)
        #expect(join(kind, bench, group: "g") == 0)
        #expect(join(kind, bench, group: "other") == 0)
        bench.shard = try bench.replayed()
        bench.advance(ms: Int64(session) - 1)
        #expect(memberCount("g", bench) == 1)
        #expect(memberCount("other", bench) == (session > 45_000 ? 0 : 1))
        bench.advance(ms: 1)
        #expect(memberCount("g", bench) == 0)
    }

    /// A classic member said how long its session is; its record has kept that.
    @Test func `members of classic groups that were loaded have their own session`() throws {
        let fixture = GroupFixture()
        let member = try #require(fixture.stabilise(1).ids.first)
        fixture.shard = try fixture.reloaded(at: fixture.time)
        var memberIds: [String] {
            guard case .classic(let group) = fixture.shard.groups["g"] else { return [] }
            return group.members.all.map(\.id)
        }
        fixture.advance(ms: 9_999)
        #expect(memberIds == [member])
        fixture.advance(ms: 1)
        #expect(memberIds.isEmpty)
    }

    private final class Asked: Sendable {
        let groups = Mutex<[String]>([])
    }

    /// They have none, and with many groups the time counts before any of them is served.
    @Test func `settings are not asked for when classic groups are loaded`() throws {
        let asked = Asked()
        var configuration = GroupConfiguration()
        configuration.settingsOfGroup = { group in
            asked.groups.withLock { $0.append(group) }
            return nil
        }
        var shard = GroupShard(configuration: configuration, seed: 1)
        for group in ["a", "b"] {
            let value = GroupMetadataValue(
                protocolType: "consumer", generation: 4, protocol: "range", leader: "m", currentStateTimestamp: 9,
                members: [.init(memberId: "m", sessionTimeout: 7_000, assignment: ByteBuffer(bytes: [2]))])
            let record = try CoordinatorRecord(
                key: GroupMetadataKey(group: group), keyVersion: 2,
                value: (value, GroupMetadataValue.versions.upperBound)
            )
            try shard.replay(key: record.key, value: record.value, producerId: nil)
        }
        shard.finishLoading(at: EventTime(wall: 10, monotonic: 0))
        #expect(shard.nextDeadline == 7_000)
        #expect(asked.groups.withLock { $0 } == [])
    }
}
