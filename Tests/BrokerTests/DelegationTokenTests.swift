import Bytes
import Coordinators
import KafkaMessages
import NIOCore
import Security
import Testing

@testable import Broker

/// Requests about delegation tokens, as they come over listeners of each kind. Order and codes are those of upstream
/// `KafkaApis` and `DelegationTokenControlManager`.
@Suite struct DelegationTokenTests {
    private static let secret = ["delegation.token.secret.key": "master-key"]
    private static let day: Int64 = 86_400_000

    /// Who asks, and how they came.
    private struct Asker {
        var name = "ann"
        var listener = SecurityProtocol.saslPlaintext
        var isByToken = false
        var version: Int16 = 3
    }

    private static func ask<Request: KafkaRequest>(
        _ node: BrokerNode, _ request: Request, _ asker: Asker,
        _ handle: (BrokerNode) -> (Request, Responder) -> Void
    ) async throws -> Request.Response {
        // A listener that is never bound; one with TLS would need a certificate.
        var configuration = try ListenerConfiguration(
            name: "L", asker.listener == .plaintext ? .plaintext : .saslPlaintext, host: "127.0.0.1", port: 0,
            properties: [:])
        configuration.securityProtocol = asker.listener
        let listener = Listener(configuration, tls: nil, users: node.controller.users)
        let answer: (any KafkaMessage)? = await withCheckedContinuation { continuation in
            handle(node)(
                request,
                Responder(
                    target: .local { continuation.resume(returning: $0) }, apiKey: Request.apiKey,
                    apiVersion: min(asker.version, Request.versions.upperBound),
                    client: ClientIdentity(clientId: "test", host: "/127.0.0.1"),
                    principal: Principal(name: asker.name),
                    listener: listener, isByToken: asker.isByToken))
        }
        return try #require(answer as? Request.Response)
    }

    private static func create(
        _ node: BrokerNode, _ asker: Asker = Asker(), owner: Principal? = nil, renewers: [Principal] = [],
        lifetimeMs: Int64 = -1
    ) async throws -> CreateDelegationTokenResponse {
        try await ask(
            node,
            CreateDelegationTokenRequest(
                ownerPrincipalType: owner?.type, ownerPrincipalName: owner?.name,
                renewers: renewers.map { .init(principalType: $0.type, principalName: $0.name) },
                maxLifetimeMs: lifetimeMs), asker
        ) { $0.handleCreateDelegationToken }
    }

    private static func describe(
        _ node: BrokerNode, _ asker: Asker = Asker(), owners: [Principal]? = nil
    ) async throws -> DescribeDelegationTokenResponse {
        try await ask(
            node,
            DescribeDelegationTokenRequest(
                owners: owners.map { $0.map { .init(principalType: $0.type, principalName: $0.name) } }), asker
        ) { $0.handleDescribeDelegationToken }
    }

    private static func renew(
        _ node: BrokerNode, _ hmac: ByteBuffer, _ asker: Asker = Asker(), periodMs: Int64 = -1
    ) async throws -> RenewDelegationTokenResponse {
        try await ask(node, RenewDelegationTokenRequest(hmac: hmac, renewPeriodMs: periodMs), asker) {
            $0.handleRenewDelegationToken
        }
    }

    private static func expire(
        _ node: BrokerNode, _ hmac: ByteBuffer, _ asker: Asker = Asker(), periodMs: Int64 = -1
    ) async throws -> ExpireDelegationTokenResponse {
        try await ask(node, ExpireDelegationTokenRequest(hmac: hmac, expiryTimePeriodMs: periodMs), asker) {
            $0.handleExpireDelegationToken
        }
    }

    @Test func `only those may ask who have shown who they are, and not by a token`() async throws {
        try await withBroker(Self.secret) { server in
            let node = server.node
            let hmac = try await Self.create(node).hmac
            let refused = [
                Asker(listener: .plaintext), Asker(name: "ANONYMOUS", listener: .ssl), Asker(isByToken: true),
                Asker(listener: .saslSSL, isByToken: true),
            ]
            for asker in refused {
                let made = try await Self.create(node, asker)
                #expect(made.errorCode == 64)
                #expect([made.issueTimestampMs, made.expiryTimestampMs, made.maxTimestampMs] == [-1, -1, -1])
                #expect(made.principalName == asker.name && made.hmac.readableBytes == 0)
                let renewed = try await Self.renew(node, hmac, asker)
                #expect(renewed.errorCode == 64 && renewed.expiryTimestampMs == -1)
                let expired = try await Self.expire(node, hmac, asker)
                #expect(expired.errorCode == 64 && expired.expiryTimestampMs == -1)
                let described = try await Self.describe(node, asker)
                #expect(described.errorCode == 64 && described.tokens.isEmpty)
            }
            for asker in [Asker(listener: .saslSSL), Asker(listener: .ssl)] {
                #expect(try await Self.describe(node, asker).tokens.map(\.hmac) == [hmac])
            }
        }
    }

    @Test func `a call of the process itself has no tokens`() async throws {
        try await withBroker(Self.secret) { server in
            let answer = try await server.node.call(
                CreateDelegationTokenRequest(ownerPrincipalType: nil, ownerPrincipalName: nil), version: 3,
                clientId: "test")
            #expect(answer.errorCode == 64)
        }
    }

    @Test func `without a secret there are none`() async throws {
        try await withBroker { server in
            let node = server.node
            let made = try await Self.create(node)
            #expect(made.errorCode == 61)
            #expect([made.issueTimestampMs, made.expiryTimestampMs, made.maxTimestampMs] == [0, 0, 0])
            #expect(made.principalName == "ann" && made.tokenRequesterPrincipalName == "ann")
            let hmac = ByteBuffer(bytes: [1, 2, 3])
            #expect(try await Self.renew(node, hmac).errorCode == 61)
            #expect(try await Self.expire(node, hmac).errorCode == 61)
            #expect(try await Self.describe(node).errorCode == 61)
            // Who may not ask learns nothing of that.
            #expect(try await Self.create(node, Asker(isByToken: true)).errorCode == 64)
        }
    }

    @Test func `lifetimes are bounded by the settings`() async throws {
        let properties = Self.secret.merging([
            "delegation.token.max.lifetime.ms": "600000", "delegation.token.expiry.time.ms": "60000",
        ]) { $1 }
        try await withBroker(properties) { server in
            let node = server.node
            let cases: [(asked: Int64, expiry: Int64, end: Int64)] = [
                (-1, 60_000, 600_000), (0, 60_000, 600_000), (-5, 60_000, 600_000), (1000, 1000, 1000),
                (300_000, 60_000, 300_000), (.max, 60_000, 600_000),
            ]
            for (asked, expiry, end) in cases {
                let made = try await Self.create(node, lifetimeMs: asked)
                #expect(made.errorCode == 0)
                #expect(made.expiryTimestampMs - made.issueTimestampMs == expiry)
                #expect(made.maxTimestampMs - made.issueTimestampMs == end)
                #expect(made.hmac.readableBytes == 64 && KafkaUUID(base64url: made.tokenId) != nil)
            }
            let made = try await Self.create(node)
            let short = try await Self.renew(node, made.hmac, periodMs: 30_000)
            #expect(short.errorCode == 0 && short.expiryTimestampMs < made.expiryTimestampMs)
            let long = try await Self.renew(node, made.hmac, periodMs: .max)
            #expect(long.expiryTimestampMs >= made.expiryTimestampMs)
            #expect(long.expiryTimestampMs < made.issueTimestampMs + 120_000)
            #expect(try await Self.expire(node, made.hmac, periodMs: .max).expiryTimestampMs == made.maxTimestampMs)
            #expect(try await Self.expire(node, made.hmac, periodMs: -1).expiryTimestampMs == -1)
            #expect(try await Self.expire(node, made.hmac, periodMs: -1).errorCode == 62)
        }
    }

    @Test func `owner and renewers renew and end, others do not`() async throws {
        try await withBroker(Self.secret) { server in
            let node = server.node
            let made = try await Self.create(
                node, Asker(name: "rita"), owner: Principal(name: "ann"), renewers: [Principal(name: "bob")])
            #expect(made.errorCode == 0)
            #expect([made.principalName, made.tokenRequesterPrincipalName] == ["ann", "rita"])
            for (name, code) in [("ann", 0), ("bob", 0), ("rita", 63), ("eve", 63)] as [(String, Int16)] {
                #expect(try await Self.renew(node, made.hmac, Asker(name: name)).errorCode == code)
                #expect(try await Self.expire(node, made.hmac, Asker(name: name), periodMs: Self.day).errorCode == code)
            }
            #expect(try await Self.renew(node, ByteBuffer(bytes: [1])).errorCode == 62)
            #expect(try await Self.expire(node, ByteBuffer()).errorCode == 62)
            // Over, and still kept: that is told before whose it is.
            #expect(try await Self.expire(node, made.hmac, periodMs: 0).errorCode == 0)
            var code: Int16
            repeat { code = try await Self.renew(node, made.hmac, Asker(name: "eve")).errorCode } while code == 63
            #expect(code == 66)
            #expect(try await Self.describe(node).tokens.count == 1)
            await node.controller.value { $0.removeExpiredTokens() }
            #expect(try await Self.describe(node).tokens.isEmpty)
            #expect(try await Self.renew(node, made.hmac).errorCode == 62)
        }
    }

    @Test func `what cannot be is refused`() async throws {
        try await withBroker(Self.secret) { server in
            let node = server.node
            let group = try await Self.create(node, renewers: [Principal(type: "Group", name: "x")])
            #expect(group.errorCode == 67)
            let nameless = try await Self.ask(
                node, CreateDelegationTokenRequest(ownerPrincipalType: nil, ownerPrincipalName: "ann"), Asker()
            ) { $0.handleCreateDelegationToken }
            #expect(nameless.errorCode == -1 && nameless.principalName == "ANONYMOUS")
            let long = Principal(name: String(repeating: "x", count: 2000))
            #expect(try await Self.create(node, renewers: [long]).errorCode == 42)
            // Each of them may be, but not all together: with owner and requester, of 8 bytes, one byte too many.
            var wide = (0..<16).map { Principal(name: String(repeating: "x", count: 1019 - $0 / 15 * 15)) }
            #expect(try await Self.create(node, renewers: wide).errorCode == 42)
            wide[0].name.removeLast()
            let widest = try await Self.create(node, renewers: wide)
            #expect(widest.errorCode == 0)
            #expect(try await Self.expire(node, widest.hmac, periodMs: -1).errorCode == 0)
            for type in [nil, "", ":x"] {
                let typeless = try await Self.ask(
                    node, CreateDelegationTokenRequest(ownerPrincipalType: type, ownerPrincipalName: "ann"), Asker()
                ) { $0.handleCreateDelegationToken }
                #expect(typeless.errorCode == -1)
            }
            let many = (0..<1001).map { Principal(name: "u\($0)") }
            #expect(try await Self.create(node, renewers: many).errorCode == 42)
            #expect(try await Self.describe(node).tokens.isEmpty)
        }
    }

    @Test func `the first colon ends an owner's type, as after a restart`() async throws {
        try await withBroker(Self.secret) { server in
            let node = server.node
            let made = try await Self.create(node, owner: Principal(type: "Group:a", name: "b"))
            #expect(made.errorCode == 0)
            #expect([made.principalType, made.principalName] == ["Group", "a:b"])
            let known = try #require(node.controller.image { $0.delegationTokens[made.tokenId] })
            #expect(try MetadataRecord(MetadataRecord.delegationToken(known).encoded()) == .delegationToken(known))
        }
    }

    @Test func `all principals together have a bound`() throws {
        var token = DelegationToken(
            id: "", owner: Principal(name: "o"), requester: Principal(name: "r"),
            renewers: Array(repeating: Principal(name: String(repeating: "x", count: 1007)), count: 16), issuedAt: 0,
            expiresAt: 0, endsAt: 0)
        var image = MetadataImage()
        let countMax = (64 << 20) / token.principalByteCount
        for number in 0..<countMax {
            token.id = "\(number)"
            #expect(Controller.hasRoom(image, for: token))
            image.apply(.delegationToken(token))
        }
        #expect(image.delegationTokenByteCount == countMax * token.principalByteCount)
        token.id = "further"
        #expect(!Controller.hasRoom(image, for: token))
        image.apply(.delegationTokenRemoved(id: "no such"))
        #expect(!Controller.hasRoom(image, for: token))
        image.apply(.delegationTokenRemoved(id: "7"))
        #expect(Controller.hasRoom(image, for: token))
    }

    @Test func `older versions leave the requester out`() async throws {
        try await withBroker(Self.secret) { server in
            let node = server.node
            for version in 1...2 as ClosedRange<Int16> {
                var asker = Asker()
                asker.version = version
                let made = try await Self.create(node, asker)
                #expect(made.errorCode == 0)
                var writer = WireWriter()
                try made.encode(to: &writer, version: version)
                try await Self.describe(node, asker).encode(to: &writer, version: version)
            }
        }
    }

    // MARK: Rules

    private static let authorizer = secret.merging([
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:root",
    ]) { $1 }

    @Test func `tokens of others take rules`() async throws {
        try await withBroker(Self.authorizer) { server in
            let node = server.node
            let authorizer = try #require(node.controller.authorizer)
            let ann = Principal(name: "ann")
            // One's own take none.
            let own = try await Self.create(node)
            #expect(own.errorCode == 0)
            let bob = Asker(name: "bob")
            let refused = try await Self.create(node, bob, owner: ann)
            #expect(refused.errorCode == 65 && refused.issueTimestampMs == -1)
            #expect(try await Self.create(node, Asker(name: "root"), owner: ann).errorCode == 0)
            let rule = AclBinding(.allow, "User:bob", .createTokens, on: .user, "User:ann")
            authorizer.change(adding: [rule], removing: [])
            let made = try await Self.create(node, bob, owner: ann)
            #expect(made.errorCode == 0)
            #expect(try await Self.create(node, bob, owner: Principal(name: "carl")).errorCode == 65)
            // What one asked for oneself is seen, others' tokens of the same owner are not.
            #expect(try await Self.describe(node, bob).tokens.map(\.tokenId) == [made.tokenId])
            let one = AclBinding(.allow, "User:bob", .describe, on: .delegationToken, own.tokenId)
            authorizer.change(adding: [one], removing: [])
            #expect(
                Set(try await Self.describe(node, bob).tokens.map(\.tokenId)) == [made.tokenId, own.tokenId])
            authorizer.change(
                adding: [AclBinding(.allow, "User:bob", .describeTokens, on: .user, "User:ann")], removing: [one])
            #expect(try await Self.describe(node, bob).tokens.count == 3)
            #expect(try await Self.describe(node, Asker(name: "eve")).tokens.isEmpty)
            #expect(try await Self.describe(node, Asker(name: "root")).tokens.count == 3)
            // Of those that one sees, those that are asked for.
            #expect(try await Self.describe(node, owners: []).tokens.isEmpty)
            #expect(try await Self.describe(node, owners: [Principal(name: "bob")]).tokens.count == 1)
            #expect(try await Self.describe(node, owners: [Principal(name: "eve")]).tokens.isEmpty)
        }
    }
}
