import Cluster
import ConnectCore
import Testing

@testable import ConnectService

/// A worker of the broker's own process that was killed, and comes back.
@Suite struct FormerWorkerTests {
    private static let options = ["rest.advertised.port": "8083"]
    private static let source = [
        "connector.class": "CountingSource", "topic": "lines", "count": "10", "tasks.max": "1",
    ]

    /// A member that has joined and says nothing more, for as long as its session lasts.
    private static func silentMember(
        _ url: String, _ platform: TestPlatform
    ) async throws -> (member: ProtocolMembership, id: String) {
        let member = platform.cluster.membership(
            group: "connect-cluster", protocolType: ConnectProtocol.type,
            options: MembershipOptions(
                sessionTimeout: .seconds(600), heartbeatInterval: .seconds(600), rebalanceTimeout: .seconds(600)),
            protocols: {
                [GroupProtocol("sessioned", metadata: WorkerMetadata(url: url, offset: -1).encoded(.sessioned))]
            },
            assign: { proposal throws(ClusterError) in
                [
                    proposal.memberId: GroupDecision(leader: proposal.memberId, leaderURL: url, offset: -1).encoded(
                        .sessioned)
                ]
            })
        while let event = try await member.next() {
            if case .settled(let round) = event { return (member, round.memberId) }
        }
        throw NotInTime()
    }

    @Test func `a worker goes on at once, and what it was before is put out of the group`() async throws {
        try await TestPlatform.with(properties: [
            "group.initial.rebalance.delay.ms": "0", "group.max.session.timeout.ms": "600000",
        ]) { platform in
            let former = try await Self.silentMember("http://127.0.0.1:8083/", platform)
            let worker = try await platform.start(Self.options, identity: "node 1")
            do {
                let members = try await platform.cluster.group("connect-cluster").members
                #expect(!members.contains { $0.id == former.id })
                #expect(try await worker.create("counts", Self.source).status == 201)
                try await eventually("ten lines") { (try? await platform.records("lines"))?.count == 10 }
            } catch {
                await worker.stop()
                throw error
            }
            await worker.stop()
            await former.member.leave()
        }
    }

    @Test(arguments: [("http://there:8083/", "node 1"), ("http://127.0.0.1:8083/", nil)] as [(String, String?)])
    func `another worker, and one of a worker that does not know itself again, stays`(
        url: String, identity: String?
    ) async throws {
        try await TestPlatform.with(properties: [
            "group.initial.rebalance.delay.ms": "0", "group.max.session.timeout.ms": "600000",
        ]) { platform in
            let other = try await Self.silentMember(url, platform)
            let worker = try await platform.start(Self.options, identity: identity)
            let members = try? await platform.cluster.group("connect-cluster").members
            #expect(members?.contains { $0.id == other.id } == true)
            await worker.stop()
            await other.member.leave()
        }
    }
}
