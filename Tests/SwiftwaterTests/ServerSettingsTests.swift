import ArgumentParser
import Broker
import RegistryService
import SchemaRules
import Testing

@testable import swiftwater

@Suite struct ServerSettingsTests {
    private func settings(
        file: [String: String]? = nil, environment: [String: String] = [:], flags: [(String, String, String)] = []
    ) throws -> ServerSettings {
        var sources = ServerSettings.Sources()
        sources.file = file.map { ("server.properties", $0) }
        sources.environment = environment
        sources.flags = flags.map { (name: $0.0, flag: $0.1, value: $0.2) }
        return try ServerSettings(sources)
    }

    @Test func `nothing set means loopback, the usual port and all roles`() throws {
        let settings = try settings()
        #expect(settings.listener == HostPort(host: "127.0.0.1", port: 9092))
        #expect(settings.advertised == nil)
        #expect(settings.dataDirectory == "./swiftwater-data")
        #expect(settings["roles"] == .init(text: "kafka,registry,connect,sql,console", origin: .byDefault))
        #expect(settings["num.partitions"] == .init(text: "1", origin: .byDefault))
    }

    @Test func `flags win over the environment, that over the file, that over defaults`() throws {
        let file = ["num.partitions": "2", "log.retention.ms": "2", "log.segment.bytes": "2000000", "log.dir": "/file"]
        let environment = [
            "SWIFTWATER_SET_NUM_PARTITIONS": "3", "SWIFTWATER_SET_LOG_RETENTION_MS": "3",
            "SWIFTWATER_KAFKA": "127.0.0.1:3",
            "SWIFTWATER_DATA_DIR": "", "SWIFTWATER_BOOTSTRAP": "not for servers", "HOME": "/",
        ]
        let settings = try settings(file: file, environment: environment, flags: [("num.partitions", "--set", "4")])
        #expect(settings["num.partitions"] == .init(text: "4", origin: .flag("--set")))
        #expect(
            settings["log.retention.ms"] == .init(text: "3", origin: .environment("SWIFTWATER_SET_LOG_RETENTION_MS")))
        #expect(settings["log.segment.bytes"] == .init(text: "2000000", origin: .file("server.properties")))
        #expect(settings["log.dirs"] == .init(text: "/file", origin: .file("server.properties")))
        #expect(settings.listener.port == 3)
        #expect(settings.properties.number("num.partitions") == 4)
        #expect(settings["log.retention.ms"].origin.description == "environment SWIFTWATER_SET_LOG_RETENTION_MS")
    }

    @Test(
        arguments: [
            ("PLAINTEXT://127.0.0.1:9093", HostPort(host: "127.0.0.1", port: 9093)),
            ("localhost:0", HostPort(host: "localhost", port: 0)), ("19092", HostPort(host: "127.0.0.1", port: 19092)),
            ("[::1]:9092", HostPort(host: "::1", port: 9092)),
        ])
    func `reads listeners`(text: String, listener: HostPort) throws {
        #expect(try settings(file: ["listeners": text]).listener == listener)
    }

    /// The setting, its value, and words that the message must have.
    @Test(
        arguments: [
            ("log.retention.mss", "1", "did you mean 'log.retention.ms'?"),
            ("num.partition", "1", "did you mean 'num.partitions'?"),
            ("num.partitions", "many", "invalid value 'many'"),
            ("num.partitions", "0", "num.partitions"),
            ("log.retention.ms", "0", "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"),
            ("log.retention.minutes", "0", "log.retention.minutes is 0"),
            ("log.retention.hours", " 0 ", "log.retention.hours is 0"),
            ("log.retention.minutes", "soon", "Not a number of type INT"),
            ("log.segment.bytes", "1048575", "at least 1048576"),
            ("config.providers", "file", "no providers of settings"),
            ("listeners", "SSL://127.0.0.1:1", "has no certificate"),
            ("listeners", "127.0.0.1:1,127.0.0.1:2", "several listeners"),
            ("registry.listener", "127.0.0.1:1,127.0.0.1:2", "several addresses"),
            ("listeners", "PLAINTEXT://127.0.0.1:1,SASL_SSL://127.0.0.1:2", "has no certificate"),
            ("listeners", "127.0.0.1:70000", "HOST:PORT"), ("listeners", "::1:9092", "'::1:9092' is not HOST:PORT"),
            ("admin.listener", "127.0.0.1:9092", "listeners (default) and admin.listener (file server.properties) are"),
            ("sql.listener", "127.0.0.1:8081", "both 127.0.0.1:8081"),
            ("listeners", "0.0.0.0:9092", "no authentication"), ("listeners", ":9092", "no authentication"),
            ("listeners", "kafka.example.com:9092", "no authentication"),
            ("console.inbox", "perhaps", "true or false"), ("advertised.listeners", "0.0.0.0:9092", "no client can"),
            ("advertised.listeners", "[::]:9092", "no client can"), ("advertised.listeners", "h:0", "no client can"),
            ("roles", "kafak", "did you mean 'kafka'?"),
            ("roles", "", "no roles"), ("insecure", "yes", "true or false"), ("log.dirs", "/a,/b", "one folder"),
        ])
    func `refuses with the name and a way out`(name: String, value: String, words: String) {
        let failure = #expect(throws: CommandFailure.self) { try settings(file: [name: value]) }
        #expect(failure?.kind == .usage)
        #expect(failure?.text.contains(words) == true, "\(failure?.text ?? "")")
    }

    @Test func `ports that the system chooses may be named several times`() throws {
        _ = try settings(file: ["listeners": "127.0.0.1:0", "admin.listener": "127.0.0.1:0"])
    }

    @Test func `variables that are nearly the program's are told of`() throws {
        let settings = try settings(environment: [
            "SWIFTWATER_KAFAK": "127.0.0.1:1", "SWIFTWATER_DATADIR": "/x", "SWIFTWATER_LOG_LEVEL": "info",
            "SWIFTWATER_SQL_PASSWORD": "x", "SWIFTWATER_SET_NUM_PARTITIONS": "3",
            "SWIFTWATER_PORT": "tcp://10.0.0.1:9092",
            "SWIFTWATER_SERVICE_HOST": "10.0.0.1", "SWIFTWATER_PORT_9092_TCP_ADDR": "10.0.0.1",
        ])
        #expect(settings.misspelledVariables.map(\.variable) == ["SWIFTWATER_DATADIR", "SWIFTWATER_KAFAK"])
        #expect(settings.misspelledVariables.map(\.nearest) == ["SWIFTWATER_DATA_DIR", "SWIFTWATER_KAFKA"])
    }

    @Test func `options of the worker and of connections are known by name`() throws {
        let settings = try settings(
            flags: [
                ("connect.group.id", "--set", "x"), ("kafkastore.security.protocol", "--set", "PLAINTEXT"),
                ("ksql.streams.foo", "--set", "1"), ("num.partitions", "--set", "2"),
            ])
        #expect(settings.furtherNames == ["connect.group.id", "kafkastore.security.protocol", "ksql.streams.foo"])
        #expect(!ServerSettings.documentation("connect.group.id").isEmpty)
        let failure = #expect(throws: CommandFailure.self) {
            try self.settings(flags: [("connect.grup.id", "--set", "x")])
        }
        #expect(failure?.text.contains("did you mean 'connect.group.id'?") == true, "\(failure?.text ?? "")")
    }

    /// As the registry's own file is.
    @Test func `the listeners of a file for the registry are the registry's`() throws {
        let settings = try settings(
            file: [
                "listeners": "http://127.0.0.1:18081", "kafkastore.bootstrap.servers": "PLAINTEXT://k:9092",
                "kafkastore.topic": "_schemas", "debug": "false",
            ], flags: [("roles", "--roles", "registry")])
        #expect(settings.registry == HostPort(host: "127.0.0.1", port: 18081))
        #expect(settings.sql == nil)
    }

    /// As files of the registry for several nodes have them.
    @Test func `what the original registry knows and is not here is passed over or refused`() throws {
        let common = [
            "listeners": "http://127.0.0.1:18081", "kafkastore.bootstrap.servers": "PLAINTEXT://k:9092",
            "master.eligibility": "false", "avro.compatibility.level": "full", "schema.search.max.limit": "10",
        ]
        let passed = [
            "inter.instance.protocol": "http", "kafkastore.write.max.retries": "5", "schema.cache.expiry.secs": "300",
            "kafkagroup.session.timeout.ms": "10000", "dos.filter.enabled": "false",
            "metrics.jmx.prefix": "kafka.schema.registry",
            "resource.extension.class": "io.confluent.dekregistry.web.rest.DekRegistryResourceExtension",
        ]
        let registry = [("roles", "--roles", "registry")]
        let settings = try settings(file: common.merging(passed) { $1 }, flags: registry)
        #expect(settings.withoutUse == passed.keys.sorted())
        #expect(settings["leader.eligibility"].text == "false")
        #expect(settings["schema.compatibility.level"].text == "full")
        #expect(settings["schema.search.max.limit"].text == "10")
        #expect(settings["schema.search.default.limit"].text == "1000")
        for (name, value, words) in [
            ("metadata.encoder.secret", "s", "no encryption of sensitive properties"),
            ("kafkastore.connection.url", "z:2181", "kafkastore.bootstrap.servers"),
            (
                "resource.extension.class", "a.DekRegistryResourceExtension, a.SecurityResourceExtension",
                "no class a.Sec"
            ),
            ("dos.filter.enabled", "true", "no limits of requests"), ("kafkastore.tpoic", "s", "did you mean"),
        ] {
            let failure = #expect(throws: CommandFailure.self) {
                try self.settings(file: common.merging([name: value]) { $1 }, flags: registry)
            }
            #expect(failure?.text.contains(words) == true, "\(failure?.text ?? "")")
        }
    }

    /// As Kafka's own file is for one process that is broker and controller.
    @Test func `a file for Kafka is taken`() throws {
        let settings = try settings(
            file: [
                "process.roles": "broker,controller", "broker.id": "5", "controller.quorum.voters": "5@localhost:9093",
                "listeners": "CLIENTS://127.0.0.1:19092, CONTROLLER://127.0.0.1:9093",
                "advertised.listeners": "CLIENTS://localhost:19092,CONTROLLER://localhost:9093",
                "controller.listener.names": "CONTROLLER", "inter.broker.listener.name": "CLIENTS",
                "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL",
                "num.io.threads": "8", "socket.send.buffer.bytes": "102400", "num.partitions": "3",
                "share.coordinator.state.topic.min.isr": "1", "log.dirs": "/tmp/kafka-logs",
            ])
        #expect(settings.listener == HostPort(host: "127.0.0.1", port: 19092))
        #expect(settings.advertised == HostPort(host: "localhost", port: 19092))
        #expect(settings["node.id"].text == "5")
        #expect(settings.properties.number("num.partitions") == 3)
        #expect(settings.dataDirectory == "/tmp/kafka-logs")
        #expect(
            settings.withoutUse == [
                "controller.listener.names", "controller.quorum.voters", "inter.broker.listener.name",
                "process.roles", "socket.send.buffer.bytes",
            ])
        #expect(settings.properties.number("share.coordinator.state.topic.min.isr") == 1)
    }

    /// Names of Kafka 4.3's `AbstractKafkaConfig.CONFIG_DEF`, of its parts one or two each, besides those above.
    @Test func `what Kafka knows and is not here is passed over`() throws {
        let names = [
            "log.local.retention.ms", "log.local.retention.bytes", "log.remote.copy.lag.ms",
            "transaction.two.phase.commit.enable", "transaction.partition.verification.enable",
            "group.consumer.assignor.offload.enable", "group.streams.assignment.interval.ms",
            "group.coordinator.cached.buffer.max.bytes", "group.share.max.groups", "group.streams.max.size",
            "share.fetch.purgatory.purge.interval.requests", "share.coordinator.threads",
            "alter.log.dirs.replication.quota.window.num", "alter.log.dirs.replication.quota.window.size.seconds",
            "add.partitions.to.txn.retry.backoff.ms", "add.partitions.to.txn.retry.backoff.max.ms",
            "socket.connection.setup.timeout.ms", "socket.connection.setup.timeout.max.ms", "cordoned.log.dirs",
            "unclean.leader.election.interval.ms", "internal.metadata.log.segment.bytes", "background.threads",
            "metadata.log.segment.bytes", "telemetry.max.bytes",
        ]
        let settings = try settings(file: Dictionary(uniqueKeysWithValues: names.map { ($0, "1") }))
        #expect(settings.withoutUse == names.sorted())
    }

    /// What would protect something is not passed over, and one look tells all that is to be mended.
    @Test func `every name that is unknown or has nothing behind it is told at once`() {
        let failure = #expect(throws: CommandFailure.self) {
            try settings(
                file: [
                    "ssl.engine.factory.class": "E", "listener.name.internal.sasl.kerberos.service.name": "kafka",
                    "authorizer.zookeeper.url": "A", "num.partition": "1", "metrics.topic.max": "7",
                ])
        }
        for words in [
            "'ssl.engine.factory.class' (file server.properties): this version has no classes of TLS", "no GSSAPI",
            "no such setting of an authorizer", "did you mean 'num.partitions'?", "did you mean 'metrics.topics.max'?",
        ] {
            #expect(failure?.text.contains(words) == true, "\(failure?.text ?? "")")
        }
    }

    @Test(
        arguments: [
            (["authorizer.class.name": "com.example.Mine"], "StandardAuthorizer"),
            (["super.users": "User:admin"], "authorizer.class.name is not"),
            (["allow.everyone.if.no.acl.found": "true"], "authorizer.class.name is not"),
            (
                ["authorizer.class.name": "kafka.security.authorizer.AclAuthorizer", "super.users": "User:a;b"],
                "'b' is no principal"
            ),
        ] as [([String: String], String)])
    func `an authorizer that would not protect is refused`(file: [String: String], words: String) throws {
        let failure = #expect(throws: CommandFailure.self) { try settings(file: file) }
        #expect(failure?.text.contains(words) == true, "\(failure?.text ?? "")")
    }

    @Test func `what clients are told of localhost is the name where certificates have it`() throws {
        let settings = try settings(
            file: [
                "listeners":
                    "PLAINTEXT://localhost:1,SSL://localhost:2,SASL_SSL://kafka.example.com:3,MINE://127.0.0.1:4",
                "listener.security.protocol.map": "MINE:SSL", "ssl.keystore.location": "/all.pem",
            ])
        #expect(settings.listeners.map(\.host) == ["127.0.0.1", "127.0.0.1", "kafka.example.com", "127.0.0.1"])
        #expect(settings.listeners.map(\.advertisedHost) == [nil, "localhost", "kafka.example.com", "127.0.0.1"])
    }

    @Test func `listeners have names, protocols, settings and addresses of their own`() throws {
        let settings = try settings(
            file: [
                "listeners": "INSIDE://127.0.0.1:19092,OUTSIDE://0.0.0.0:19093,MUTUAL://:19094",
                "advertised.listeners": "OUTSIDE://kafka.example.com:443",
                "listener.security.protocol.map": "INSIDE:PLAINTEXT,OUTSIDE:SASL_SSL,MUTUAL:SSL",
                "ssl.keystore.location": "/all.pem", "listener.name.outside.ssl.keystore.location": "/outside.pem",
                "listener.name.outside.plain.sasl.jaas.config":
                    "org.apache.kafka.common.security.plain.PlainLoginModule required user_ann=\"p\";",
                "listener.name.mutual.ssl.client.auth": "required",
                "listener.name.mutual.ssl.truststore.location": "/authorities.pem",
            ])
        #expect(settings.listeners.map(\.name) == ["INSIDE", "OUTSIDE", "MUTUAL"])
        #expect(settings.listeners.map(\.authenticates) == [false, true, true])
        #expect(settings.listeners.map(\.port) == [19092, 19093, 19094])
        #expect(settings.listeners[1].advertisedHost == "kafka.example.com")
        #expect(settings.listeners[1].advertisedPort == 443)
        #expect(settings.listeners[0].advertisedHost == "127.0.0.1")
        #expect(settings.warnings.isEmpty)
    }

    @Test(
        arguments: [
            (["listeners": "A://127.0.0.1:1"], "nothing says what listener 'A' speaks"),
            (["listeners": "SSL://127.0.0.1:1"], "listener SSL speaks TLS and has no certificate"),
            (["listeners": "PLAINTEXT://127.0.0.1:1,127.0.0.1:2"], "one has no name"),
            (["listeners": "PLAINTEXT://127.0.0.1:1,PLAINTEXT://127.0.0.1:2"], "two listeners"),
            (
                ["listeners": "SASL_PLAINTEXT://127.0.0.1:1", "sasl.enabled.mechanisms": "GSSAPI"],
                "no mechanism 'GSSAPI'"
            ),
            (["listeners": "SASL_PLAINTEXT://127.0.0.1:1", "sasl.jaas.config": "X"], "sasl.jaas.config of listener"),
            (["ssl.keystore.type": "BKS"], "ssl.keystore.type"),
            (
                ["listeners": "SSL://127.0.0.1:1", "ssl.keystore.location": "/k", "ssl.client.auth": "required"],
                "nothing says whose are trusted"
            ),
            (["ssl.truststore.type": "BKS"], "ssl.truststore.type"),
            (["listener.name.other.ssl.client.auth": "required"], "is for a listener that there is not"),
            (["listener.security.protocol.map": "A:TLS"], "listener.security.protocol.map has 'A:TLS'"),
            (["advertised.listeners": "OTHER://h:1", "listeners": "PLAINTEXT://127.0.0.1:1"], "which is no listener"),
            (["listeners": "0.0.0.0:9092"], "has no authentication"),
            (["connections.max.reauth.ms": "soon"], "connections.max.reauth.ms"),
            (["http.nodes.secret": "too short"], "openssl rand"),
            (["sql.http.nodes.secret": "0123456789abcdef0123456789abcdef"], "one for all ports"),
        ] as [([String: String], String)])
    func `what cannot be is told`(file: [String: String], words: String) {
        let failure = #expect(throws: CommandFailure.self) { try settings(file: file) }
        #expect(failure?.text.contains(words) == true, "\(failure?.text ?? "")")
    }

    @Test func `both of Kafka's authorizers are taken`() throws {
        for name in [
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "kafka.security.authorizer.AclAuthorizer",
        ] {
            let settings = try settings(
                file: [
                    "authorizer.class.name": name, "super.users": "User:admin; User:CN=ops,O=Example",
                    "allow.everyone.if.no.acl.found": "true",
                ])
            #expect(settings.properties.text("authorizer.class.name") == name)
        }
    }

    @Test func `passwords that others can read are warned of`() throws {
        let settings = try settings(file: [
            "listeners": "SASL_PLAINTEXT://0.0.0.0:9092", "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        ])
        #expect(settings.warnings.count == 1)
    }

    @Test func `other addresses are for those who insist`() throws {
        let settings = try settings(flags: [
            ("listeners", "--kafka", "0.0.0.0:9092"), ("insecure", "--insecure", "true"),
        ])
        #expect(settings.listener == HostPort(host: "0.0.0.0", port: 9092))
    }

    @Test func `the registry's settings have the original's names`() throws {
        let settings = try settings(
            file: [
                "kafkastore.bootstrap.servers": "k:9092", "avro.compatibility.level": "full",
                "kafkastore.topic": "_other", "mode.mutability": "false", "leader.eligibility": "false",
                "kafkastore.security.protocol": "SASL_PLAINTEXT", "kafkastore.sasl.mechanism": "PLAIN",
                "registry.listener": "127.0.0.1:18081", "host.name": "r1",
                "access.control.allow.origin": "*", "access.control.allow.methods": "GET,PUT",
            ], flags: [("roles", "--roles", "registry")])
        #expect(!settings.runsBroker)
        #expect(settings.registry == HostPort(host: "127.0.0.1", port: 18081))
        #expect(settings.registryServers == "k:9092")
        let registry = settings.registrySettings(HostPort(host: "127.0.0.1", port: 18081))
        #expect(registry.level == .full)
        #expect(registry.topic == "_other")
        #expect(registry.allowedOrigins == "*")
        #expect(registry.allowedMethods == "GET,PUT")
        #expect(registry.host == "r1")
        #expect(!registry.allowsModeChanges)
        #expect(!registry.isEligible)
        #expect(!registry.isLazy)
        let connection = try settings.registryConnection()
        #expect(connection["security.protocol"] == "SASL_PLAINTEXT")
        #expect(connection["sasl.mechanism"] == "PLAIN")
    }

    @Test(arguments: ["", "ksql.streams."])
    func `the SQL server's file says how connections to its cluster are protected`(prefix: String) throws {
        let file = [
            "bootstrap.servers": "k:9093", "\(prefix)security.protocol": "SASL_SSL",
            "\(prefix)sasl.mechanism": "SCRAM-SHA-256", "\(prefix)ssl.truststore.location": "/ca.pem",
            "\(prefix)ssl.truststore.type": "PEM",
            "\(prefix)sasl.jaas.config": "x required username=\"ann\" password=\"p\";",
        ]
        let connection = try settings(file: file, flags: [("roles", "--roles", "sql")]).registryConnection()
        #expect(
            connection == [
                "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "ann",
                "sasl.password": "p", "ssl.ca.location": "/ca.pem",
            ])
        let others = file.merging(["kafkastore.security.protocol": "SSL"]) { $1 }
        let own = try settings(file: others, flags: [("roles", "--roles", "sql")]).registryConnection()
        #expect(own == ["security.protocol": "SSL"])
    }

    @Test func `what would protect a listener is refused without a broker, too`() {
        let failure = #expect(throws: CommandFailure.self) {
            try settings(
                file: ["kafkastore.bootstrap.servers": "k:9092", "ssl.keystore.location": "/k"],
                flags: [("roles", "--roles", "registry")])
        }
        let words = "'ssl.keystore.location' (file server.properties) is for listeners of a broker"
        #expect(failure?.text.contains(words) == true)
    }

    @Test(
        arguments: [
            (["roles": "registry"], "needs a cluster"), (["registry.listener": "0.0.0.0:8081"], "no authentication"),
            (["schema.compatibility.level": "sideways"], "levels are NONE"),
            (["schema.cache.size": "0"], "a number from 1"),
            (["kafkastore.topics": "x"], "did you mean 'kafkastore.topic'?"),
            (["mode.mutability": "maybe"], "true or false"),
        ] as [([String: String], String)])
    func `settings of the registry are checked`(file: [String: String], words: String) {
        let failure = #expect(throws: CommandFailure.self) { try settings(file: file) }
        #expect(failure?.text.contains(words) == true, "\(failure?.text ?? "")")
    }

    @Test func `the registry can be left out`() throws {
        #expect(try settings().registry == HostPort(host: "127.0.0.1", port: 8081))
        #expect(try settings(flags: [("registry.listener", "--registry", "none")]).registry == nil)
        #expect(try settings(flags: [("roles", "--roles", "kafka")]).registry == nil)
    }

    @Test func `every setting has a meaning`() {
        for name in ServerSettings.names { #expect(!ServerSettings.documentation(name).isEmpty, "\(name)") }
    }
}

@Suite struct ConfigShowTests {
    @Test(
        arguments: [
            ("ksql.schema.registry.basic.auth.user.info", "u:p", "[hidden]"),
            ("ssl.keystore.password", "p", "[hidden]"),
            ("ssl.keystore.password", "", ""), ("ssl.keystore.type", "PEM", "PEM"), ("ssl.key.pem", "k", "[hidden]"),
            ("listener.name.x.ssl.keystore.key", "k", "[hidden]"), ("sasl.jaas.config", "x", "[hidden]"),
            ("console.registry.url", "http://u:p@r:8081,http://s", "http://u:[hidden]@r:8081,http://s"),
            ("ksql.connect.url", "https://u:p@c", "https://u:[hidden]@c"), ("num.partitions", "4", "4"),
        ])
    func `secrets are not shown`(name: String, value: String, shown: String) {
        #expect(ConfigShow.shown(name, value) == shown)
    }
}

@Suite struct TextTests {
    @Test(
        arguments: [
            ("localhost", "localhost:9092"), ("h:1", "h:1"), ("[::1]", "[::1]:9092"), ("[fe80::1]:5", "[fe80::1]:5"),
        ])
    func `reads addresses`(text: String, meaning: String) throws {
        #expect(try HostPort(text, defaultPort: 9092).description == meaning)
    }

    @Test(arguments: ["", ":1", "h:", "h:x", "h:65536", "h:-1", "::1", "[::1", "[::1]x", "a b:1"])
    func `refuses what is no address`(text: String) {
        #expect(throws: CommandFailure.self) { try HostPort(text, defaultPort: 9092) }
    }

    @Test func `an address without a port is one only where a default is known`() {
        #expect(throws: CommandFailure.self) { try HostPort("localhost") }
    }

    /// By the rules of java.util.Properties.load.
    @Test func `reads properties files`() {
        let text = """
            # comment
            ! comment too
            a=1
              b : 2
            c 3
            d = with = sign
            e=con\\
               tinued
            f\\ g=\\u00e9\\t\\n\\q
            empty=
            alone
            path=C:\\\\dir\\\\
            last=x
            """
        #expect(
            PropertiesFile.parse(text) == [
                "a": "1", "b": "2", "c": "3", "d": "with = sign", "e": "continued", "f g": "é\t\nq", "empty": "",
                "alone": "", "path": "C:\\dir\\", "last": "x",
            ])
        #expect(PropertiesFile.parse("a=1\r\nb=2\r\n") == ["a": "1", "b": "2"])
        #expect(PropertiesFile.parse("a=open\\") == ["a": "open"])
        #expect(PropertiesFile.parse("") == [:])
    }

    @Test func `pairs need a name`() throws {
        let found = try pairs(["a=b=c", "d="], option: "--x")
        #expect(found.map(\.name) == ["a", "d"])
        #expect(found.map(\.value) == ["b=c", ""])
        for wrong in ["", "a", "=b"] {
            #expect(throws: CommandFailure.self, "\(wrong)") { try pairs([wrong], option: "--x") }
        }
    }

    @Test func `tables align`() {
        var table = Table("NAME", "COUNT#", "NOTE")
        table.add("a", "1", "x")
        table.add("longer", "1000", "")
        #expect(table.text == "NAME    COUNT  NOTE\na           1  x\nlonger   1000")
        #expect(Table("A", "B#").text == "A  B")
    }

    @Test(
        arguments: [
            (["topics"], "did you mean 'topic'?"), (["topic", "lsit"], "did you mean 'list'?"),
            (["banana"], "unknown command"),
            (["config", "shwo"], "did you mean 'show'?"), (["topic", "ls"], "did you mean 'list'?"),
            (["group", "rm"], "did you mean 'delete'?"), (["producer"], "did you mean 'produce'?"),
            (["kafka-topics.sh", "--list"], "did you mean 'swiftwater topic'?"),
            (["kafka-dump-log"], "did you mean 'swiftwater log dump'?"),
            (["kafka-configs"], "'swiftwater topic alter' or 'swiftwater broker alter'"),
        ])
    func `a misspelt command names the nearest`(arguments: [String], words: String) {
        let failure = #expect(throws: CommandFailure.self) { try CommandNames.check(arguments, in: Swiftwater.self) }
        #expect(failure?.text.contains(words) == true)
    }

    /// What stands for the programs of other distributions must be there.
    @Test func `commands that are named for other programs' exist`() throws {
        for command in Set(KafkaTools.commands.values.joined()) {
            let words = command.split(separator: " ").map(String.init)
            try CommandNames.check(words, in: Swiftwater.self)
            var found: any ParsableCommand.Type = Swiftwater.self
            for word in words {
                found = try #require(found.configuration.subcommands.first { $0.configuration.commandName == word })
            }
        }
    }

    @Test(arguments: [
        [], ["start"], ["topic"], ["topic", "list"], ["topic", "create", "list"], ["--help"], ["help", "topic"],
    ])
    func `right commands pass`(arguments: [String]) throws {
        try CommandNames.check(arguments, in: Swiftwater.self)
    }

    @Test(
        arguments: [
            ["start", "--ephemeral", "--data-dir", "x"], ["topic", "alter", "t"],
            ["topic", "create", "a", "--partitions", "x"],
            ["consume", "t", "-n", "0"], ["consume", "t", "-o", "json", "--print", "key"],
            ["produce", "t", "--acks", "2"],
            ["produce", "t", "--key", "a", "--key-separator", ":"], ["produce", "t", "--acks", "1", "--idempotent"],
            ["topic", "list", "-b", "::1"], ["topic", "list", "-X", "a"], ["topic", "list", "--timeout", "0"],
            ["completion", "tcsh"],
        ])
    func `nonsense is refused before anything happens`(arguments: [String]) {
        #expect(throws: (any Error).self) { try Swiftwater.parseAsRoot(arguments) }
    }
}
