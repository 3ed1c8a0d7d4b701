import Glibc
import NIOPosix
import Security
import Testing

@testable import Cluster

@Suite struct ScramExchangeTests {
    struct Exchange: Sendable, CustomStringConvertible {
        var hash: ScramMechanism
        var user: String
        var password: String
        var nonce: String
        var first: String
        var serverFirst: String
        var final: String
        var serverFinal: String
        var description: String { user }
    }

    /// The first is RFC 7677's example, the second computed with Python's hashlib and hmac.
    static let exchanges = [
        Exchange(
            hash: .sha256, user: "user", password: "pencil", nonce: "rOprNGfwEbeRWgbNEkqO",
            first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                + "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
        Exchange(
            hash: .sha512, user: "we,ird=u", password: "pä\"ss", nonce: "abc", first: "n,,n=we=2Cird=3Du,r=abc",
            serverFirst: "r=abcDEF,s=c2FsdA==,i=4096",
            final: "c=biws,r=abcDEF,p="
                + "2OSm3G5bu9fDdEene5VX+IZakZRSdRxeIgvL30ZGN8mzB8PUMHS9FsgnfXD/AuLo+H6BHFgkeKX6CigYt0jrtw==",
            serverFinal: "v="
                + "KCNQot4PVRlQwyGzfIr1D0nk24Hp8llHBzFDe8OIX3gik+9wt40vcTU5M8tUGpHjawHe+petbIlRGBYj8teGUQ=="),
    ]

    @Test(arguments: exchanges)
    func `client and server prove that they know the password`(exchange: Exchange) throws {
        var scram = ScramExchange(
            exchange.hash, user: exchange.user, password: exchange.password, nonce: exchange.nonce)
        #expect(scram.first == exchange.first)
        let proof = try scram.proof(for: exchange.serverFirst)
        #expect(proof == exchange.final)
        try scram.check(exchange.serverFinal)
    }

    @Test(
        arguments: [
            "r=another,s=c2FsdA==,i=4096", "r=abc,s=c2FsdA==,i=4096", "r=abcD,s=,i=4096", "r=abcD,s=c2FsdA==,i=0",
            "r=abcD,s=c2FsdA==,i=2147483647", "r=abcD,i=4096", "nothing", "",
        ])
    func `what a server must not say first is refused`(serverFirst: String) async {
        await expectFailure(.saslAuthenticationFailed) {
            var scram = ScramExchange(.sha256, user: "ann", password: "p", nonce: "abc")
            _ = try scram.proof(for: serverFirst)
        }
    }

    @Test(arguments: ["v=AAAA", "e=invalid-proof", "v=", ""])
    func `a server that does not know the password is refused`(serverFinal: String) async {
        await expectFailure(.saslAuthenticationFailed) {
            var scram = ScramExchange(.sha256, user: "ann", password: "p", nonce: "abc")
            _ = try scram.proof(for: "r=abcD,s=c2FsdA==,i=4096")
            try scram.check(serverFinal)
        }
    }

    @Test func `each nonce is another, and fits into a message`() {
        let nonces = (0..<100).map { _ in ScramExchange.nonce() }
        #expect(Set(nonces).count == 100)
        #expect(nonces.allSatisfy { !$0.contains(",") && $0.utf8.count == 32 })
    }
}

@Suite struct ConnectionSecurityTests {
    @Test(
        arguments: [
            ([:], false, nil), (["security.protocol": "PLAINTEXT", "sasl.mechanism": "PLAIN"], false, nil),
            (["security.protocol": "SSL"], true, nil),
            (["security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN"], false, .plain),
            (["security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-256"], true, .scramSHA256),
            (["security.protocol": "SASL_SSL", "sasl.mechanisms": "SCRAM-SHA-512"], true, .scramSHA512),
            (
                [
                    "security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER",
                    "sasl.oauthbearer.token.endpoint.url": "file:///run/token",
                    "sasl.oauthbearer.extensions": "a=b, c=d",
                ], true, .oauthBearer
            ),
        ] as [([String: String], Bool, ConnectionSecurity.Mechanism?)])
    func `properties say how connections of groups are protected`(
        properties: [String: String], hasTLS: Bool, mechanism: ConnectionSecurity.Mechanism?
    ) throws {
        let security = try ConnectionSecurity(properties)
        #expect((security.tls != nil) == hasTLS)
        #expect(security.credentials?.mechanism == mechanism)
    }

    @Test(
        arguments: [
            (["security.protocol": "SASL_SSL"], .unsupportedVersion),
            (["security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"], .invalidConfig),
            (
                [
                    "security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER",
                    "sasl.oauthbearer.token.endpoint.url": "file:///run/token", "sasl.oauthbearer.extensions": "auth=b",
                ], .invalidConfig
            ),
            (["security.protocol": "SSL", "ssl.crl.location": "/crl"], .unsupportedVersion),
            (["security.protocol": "SSL", "ssl.ca.location": "/not/there.pem"], .invalidConfig),
            (["security.protocol": "SSL", "ssl.ca.pem": "no certificate"], .invalidConfig),
            (["security.protocol": "SSL", "ssl.keystore.location": "/not/there.p12"], .invalidConfig),
            (["security.protocol": "SSL", "ssl.certificate.location": "/not/there.pem"], .invalidConfig),
            (["security.protocol": "SSL", "ssl.key.pem": "no key"], .invalidConfig),
            (["security.protocol": "TLS"], .invalidConfig),
        ] as [([String: String], ClusterError.Code)])
    func `what cannot be used is refused`(properties: [String: String], code: ClusterError.Code) async {
        await expectFailure(code) { try ConnectionSecurity(properties) }
    }
}

@Suite struct AuthenticationTests {
    private static func with(
        _ broker: SecuredBroker, mechanism: String, user: String, password: String,
        _ body: (RemoteChannel) async throws -> Void
    ) async throws {
        defer { broker.close() }
        let channel = RemoteChannel(
            RemoteConfiguration(
                bootstrapServers: "127.0.0.1:\(broker.port)",
                properties: [
                    "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, "sasl.username": user,
                    "sasl.password": password,
                ], requestTimeout: .seconds(300)))
        defer { channel.close() }
        try await body(channel)
    }

    @Test(arguments: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
    func `requests of groups come with the user`(mechanism: String) async throws {
        try await Self.with(SecuredBroker([mechanism]), mechanism: mechanism, user: "ann", password: "ann") { channel in
            let broker = try await channel.broker(.anyBroker)
            #expect(broker.id == 7)
        }
    }

    /// The system takes the connection for it, and nobody answers.
    @Test func `a broker that is silent leaves time for the others`() async throws {
        let silent = try SilentListener()
        defer { silent.close() }
        let broker = try SecuredBroker(["PLAIN"])
        defer { broker.close() }
        let channel = RemoteChannel(
            RemoteConfiguration(
                bootstrapServers: "127.0.0.1:\(silent.port),127.0.0.1:\(broker.port)",
                properties: [
                    "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "ann",
                    "sasl.password": "ann",
                ], requestTimeout: .seconds(40)))
        defer { channel.close() }
        #expect(try await channel.broker(.anyBroker).id == 7)
    }

    @Test func `what needs requests of our own says so where the mechanism is not there`() async {
        let error = await #expect(throws: ClusterError.self) {
            try await RemoteChannel(
                RemoteConfiguration(
                    bootstrapServers: "127.0.0.1:1",
                    properties: ["security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "GSSAPI"])
            ).broker(.anyBroker)
        }
        #expect(error?.message == "requests of our own with the SASL mechanism GSSAPI are not possible")
    }

    @Test(arguments: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
    func `a wrong password is told in the broker's words`(mechanism: String) async throws {
        try await Self.with(SecuredBroker([mechanism]), mechanism: mechanism, user: "ann", password: "x") { channel in
            let error = await #expect(throws: ClusterError.self) { try await channel.broker(.anyBroker) }
            #expect(error?.code.name == "SASL_AUTHENTICATION_FAILED")
            #expect(error?.message == "authenticate as 'ann': invalid credentials")
        }
    }

    @Test func `a mechanism that the broker does not take is told with those that it does`() async throws {
        let broker = try SecuredBroker(["SCRAM-SHA-256", "GSSAPI"])
        try await Self.with(broker, mechanism: "PLAIN", user: "ann", password: "ann") { channel in
            let error = await #expect(throws: ClusterError.self) { try await channel.broker(.anyBroker) }
            #expect(error?.code.name == "UNSUPPORTED_SASL_MECHANISM")
            #expect(error?.message.contains("does not take PLAIN, but SCRAM-SHA-256, GSSAPI") == true)
        }
    }

    /// Also where librdkafka is older than 2.6.1, whose own SCRAM Kafka 4 refuses.
    @Test(arguments: ["SCRAM-SHA-256", "SCRAM-SHA-512"], ["ann", "x"])
    func `topics and records come with the user`(mechanism: String, password: String) async throws {
        let broker = try SecuredBroker([mechanism])
        defer { broker.close() }
        let cluster = try RemoteCluster(
            RemoteConfiguration(
                bootstrapServers: "127.0.0.1:\(broker.port)",
                properties: [
                    "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism, "sasl.username": "ann",
                    "sasl.password": password,
                    // Other tests may keep all threads of tasks for longer than the usual half of a minute.
                    "socket.connection.setup.timeout.ms": "300000",
                ], requestTimeout: .seconds(300)))
        guard password == "x" else { return try await cluster.connect(timeout: .seconds(300)) }
        let error = await #expect(throws: ClusterError.self) { try await cluster.connect(timeout: .seconds(300)) }
        #expect(error?.code.name == "SASL_AUTHENTICATION_FAILED")
        #expect(error?.message.contains("invalid credentials") == true, "\(error.map { "\($0)" } ?? "")")
    }

    /// librdkafka waits at the other end of the socket, and would do so for ever.
    @Test func `a connection that ended before it is handed over ends the socket`() async throws {
        let broker = try SecuredBroker(["PLAIN"])
        defer { broker.close() }
        let connection = try await RequestConnection.open(
            BrokerAddress(host: "127.0.0.1", port: broker.port), ConnectionSecurity([:]),
            on: MultiThreadedEventLoopGroup.singleton, clientId: "c", timeout: .seconds(60))
        connection.close()
        var pair: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
        defer { close(pair[0]) }
        await #expect(throws: (any Error).self) { try await connection.relay(pair[1]) }
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var byte: UInt8 = 0
        #expect(recv(pair[0], &byte, 1, 0) == 0)
    }

    /// KIP-368: the broker ends connections that outlive their session.
    @Test func `a connection is replaced before its session ends`() async throws {
        let broker = try SecuredBroker(["PLAIN"], lifetime: 1)
        try await Self.with(broker, mechanism: "PLAIN", user: "ann", password: "ann") { channel in
            let first = try await channel.broker(.anyBroker)
            let before = broker.connectionCount
            #expect(first.id == 7)
            // Two requests may still come within the session's millisecond.
            for _ in 0..<1000 where broker.connectionCount == before {
                #expect(try await channel.broker(.anyBroker).id == 7)
            }
            #expect(broker.connectionCount > before)
        }
    }
}
