import HTTPKit
import Security
import Testing

@testable import swiftwater

/// TLS and users of the HTTP ports, as files and flags ask for them.
@Suite struct WebSettingsTests {
    private func settings(
        _ file: [String: String], environment: [String: String] = [:]
    ) throws -> ServerSettings {
        var sources = ServerSettings.Sources()
        sources.file = ("web.properties", file)
        sources.environment = environment
        return try ServerSettings(sources)
    }

    @Test func `nothing set means neither`() throws {
        let settings = try settings([:])
        #expect(settings.securePorts.isEmpty)
        for port in WebPort.allCases { #expect(try !settings.asksForUsers(port)) }
    }

    /// What is set, and the ports that then speak TLS.
    @Test(
        arguments: [
            (["registry.listener": "https://127.0.0.1:8081"], [.registry]),
            (
                ["console.listener": "https://:8443", "authentication.method": "BASIC", "http.users.file": "u"],
                [.console]
            ),
            (["listeners": "https://127.0.0.1:8088"], [.sql]), (["listeners": "https://127.0.0.1:8088/"], [.sql]),
            (["listeners": "https://127.0.0.1:8081", "kafkastore.topic": "_schemas"], [.registry]),
            (["sql.listener": "http://127.0.0.1:8088"], []), (["sql.listener": "HTTP://127.0.0.1:8088"], []),
            (["sql.listener": "PLAINTEXT://127.0.0.1:8088"], []), (["sql.listener": "HTTPS://127.0.0.1:8088"], [.sql]),
            (["listeners": "Https://127.0.0.1:8088"], [.sql]),
            (["connect.listeners": "HTTPS://127.0.0.1:8083"], [.connect]),
        ] as [([String: String], Set<WebPort>)])
    func `listeners say which ports speak TLS`(file: [String: String], ports: Set<WebPort>) throws {
        let file = file.merging(ports.isEmpty ? [:] : ["ssl.keystore.location": "k"]) { $1 }
        #expect(try settings(file).securePorts == ports)
    }

    @Test func `a setting is for one port with its name before it`() throws {
        let settings = try settings([
            "authentication.method": "BASIC", "http.users.file": "u", "sql.authentication.method": "none",
            "console.authentication.roles": "admin, dev", "connect.authentication.realm": "r",
            "registry.authentication.skip.paths": "/mode,/config/*",
        ])
        #expect(try settings.asksForUsers(.registry))
        #expect(try !settings.asksForUsers(.sql))
        #expect(try settings.accessRules(.console).roles == ["admin", "dev"])
        #expect(try settings.accessRules(.connect).roles == nil)
        #expect(try settings.accessRules(.connect).realm == "r")
        #expect(try settings.accessRules(.registry).skippedPaths == ["/mode", "/config/*"])
        #expect(try settings.accessRules(.registry).unauthorizedCode == 40101)
    }

    @Test func `the worker's extension asks for passwords at its port alone`() throws {
        let settings = try settings([
            "connect.rest.extension.classes": "a.B, " + WebProperties.connectExtension, "http.users.file": "u",
        ])
        #expect(try settings.asksForUsers(.connect))
        #expect(try !settings.asksForUsers(.registry))
    }

    /// What ports check tokens by: their own settings, or those of all listeners.
    @Test func `tokens are checked as settings of ports or of listeners say`() throws {
        let settings = try settings([
            "authentication.method": "BASIC, bearer", "sql.authentication.method": "BEARER",
            "sasl.oauthbearer.jwks.endpoint.url": "https://all/keys", "sasl.oauthbearer.expected.issuer": "all",
            "console.oauthbearer.jwks.endpoint.url": "https://own/keys", "oauthbearer.expected.audience": "web",
            "oauthbearer.groups.claim.name": "roles",
        ])
        #expect(try settings.authenticationMethods(.registry) == .init(passwords: true, tokens: true))
        #expect(try settings.authenticationMethods(.sql) == .init(passwords: false, tokens: true))
        let registry = try settings.tokenSettings(.registry)
        #expect(registry.source.url == "https://all/keys")
        #expect(registry.rules.issuer == "all" && registry.rules.audiences == ["web"])
        #expect(registry.rules.groupsClaim == "roles")
        let console = try settings.tokenSettings(.console)
        #expect(console.source.url == "https://own/keys")
        #expect(console.rules.issuer == nil)
    }

    @Test func `the worker's own names of TLS win for its port`() throws {
        let settings = try settings([
            "connect.listener": "https://127.0.0.1:8083", "registry.listener": "https://127.0.0.1:8081",
            "ssl.keystore.location": "all", "connect.listeners.https.ssl.keystore.location": "own",
        ])
        #expect(try settings.keyStore(.connect).files == ["own"])
        #expect(try settings.keyStore(.registry).files == ["all"])
    }

    @Test(
        arguments: [
            ["registry.listener": "0.0.0.0:8081", "authentication.method": "BASIC", "http.users.file": "u"],
            [
                "admin.listener": "https://0.0.0.0:9464", "ssl.keystore.location": "k", "ssl.truststore.location": "t",
                "ssl.client.auth": "required",
            ],
        ])
    func `a port that knows who comes may listen anywhere`(file: [String: String]) throws { _ = try settings(file) }

    /// What is set, and words of the refusal.
    @Test(
        arguments: [
            (["registry.listener": "0.0.0.0:8081"], "no authentication"),
            (["connect.listener": "https://0.0.0.0:8083", "ssl.keystore.location": "k"], "no authentication"),
            (
                [
                    "console.listener": "0.0.0.0:8080", "registry.authentication.method": "BASIC",
                    "http.users.file": "u",
                ], "no authentication"
            ),
            (["sql.listener": "https://127.0.0.1:8088"], "ssl.keystore.location"),
            (
                [
                    "authentication.method": "BASIC", "roles": "registry", "kafkastore.bootstrap.servers": "k:9092",
                ], "http.users.file"
            ),
            (["authentication.method": "DIGEST"], "BASIC, BEARER, BASIC,BEARER and NONE"),
            (["authentication.method": "NONE,BASIC"], "BASIC, BEARER, BASIC,BEARER and NONE"),
            (["authentication.method": "BEARER"], "oauthbearer.jwks.endpoint.url is not set"),
            (
                ["authentication.method": "BEARER", "oauthbearer.jwks.endpoint.url": "http://issuer/keys"],
                "use https://"
            ),
            (["registry.listener": "ssl://127.0.0.1:8081"], "https://HOST:PORT"),
            (["connect.listener": "htps://127.0.0.1:8083"], "https://HOST:PORT"),
            (
                [
                    "connect.authentication.method": "BASIC", "http.users.file": "u",
                    "connect.connect.protocol": "compatible",
                ], "connect.protocol=sessioned"
            ),
            (
                ["authentication.method": "BASIC", "http.users.file": "u", "authentication.skip.paths": "x"],
                "is no path"
            ),
            (["ssl.engine.factory.class": "E"], "this version has no classes of TLS"),
            (
                [
                    "ssl.keystore.location": "k", "roles": "registry", "kafkastore.bootstrap.servers": "k:9092",
                ], "none runs here"
            ),
            (["authentication.methods": "BASIC"], "did you mean 'authentication.method'?"),
            (["listeners": "https://a:1,https://b:2"], "several listeners"),
        ] as [([String: String], String)])
    func `refuses what protects nothing`(file: [String: String], words: String) {
        let failure = #expect(throws: CommandFailure.self) { try settings(file) }
        #expect(failure?.text.contains(words) == true, "\(failure?.text ?? "")")
    }

    @Test func `the file of a worker that does not run is not read`() throws {
        let file = ["connect.config": "/nowhere/worker.properties"]
        #expect(throws: CommandFailure.self) { try settings(file) }
        #expect(try settings(file.merging(["connect.listener": "none"]) { $1 }).connect == nil)
        #expect(try settings(file.merging(["roles": "kafka"]) { $1 }).connect == nil)
    }

    @Test func `TLS of the worker's port is not that of its connection`() throws {
        let port = try settings([
            "connect.listener": "https://127.0.0.1:8083", "connect.ssl.keystore.location": "own",
            "connect.bootstrap.servers": "k:9092",
        ])
        #expect(try port.keyStore(.connect).files == ["own"])
        #expect(port.workerValues["ssl.keystore.location"] == nil)
        #expect(try WorkerProperties.connection(WorkerProperties.settings(port, environment: [:])).isEmpty)
        let connection = try settings([
            "connect.security.protocol": "SSL", "connect.ssl.truststore.location": "t",
            "connect.bootstrap.servers": "k:9092",
        ])
        #expect(connection.workerValues["ssl.truststore.location"] == "t")
    }

    /// What is set besides passwords of the registry, and how many ways there are around them.
    @Test(
        arguments: [
            ([:], 2), (["sql.authentication.method": "BASIC", "console.authentication.method": "BASIC"], 0),
            (
                [
                    "sql.authentication.method": "BASIC", "console.listener": "none",
                    "registry.authentication.roles": "admin",
                ], 1
            ),
            (
                [
                    "sql.authentication.method": "BASIC", "console.listener": "none",
                    "registry.authentication.roles": "admin,dev", "sql.authentication.roles": "admin",
                ], 0
            ),
            (["sql.listener": "none", "console.registry.url": "http://other:8081"], 0),
        ] as [([String: String], Int)])
    func `tells of ways around passwords`(more: [String: String], count: Int) throws {
        let base = ["registry.authentication.method": "BASIC", "http.users.file": "u", "connect.listener": "none"]
        let settings = try settings(base.merging(more) { $1 })
        #expect(settings.warnings.count == count, "\(settings.warnings)")
        #expect(settings.warnings.allSatisfy { $0.contains("rights of the process") })
    }

    @Test func `secrets are not shown`() {
        for name in ["ssl.keystore.password", "ssl.key.password", "registry.ssl.keystore.key"] {
            #expect(ConfigShow.shown(name, "secret") == "[hidden]")
        }
        #expect(ConfigShow.shown("ssl.keystore.location", "/k") == "/k")
    }
}
