import ArgumentParser

/// What to run and how: the flags of `start`, shared by `config show`.
struct ServerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The data folder; made when it is not there. (default: ./swiftwater-data)", valueName: "folder"),
        completion: .directory)
    var dataDir: String?

    @Option(
        help: ArgumentHelp(
            "Parts of the platform to run: \(ServerSettings.roles.joined(separator: ",")). (default: all that exist)",
            valueName: "roles"))
    var roles: String?

    @Option(
        help: ArgumentHelp(
            "Where Kafka clients connect to; port 0 takes any. Several, or with TLS or passwords, as in "
                + "SASL_SSL://host:port,PLAINTEXT://host:port. (default: 127.0.0.1:9092)", valueName: "host:port"))
    var kafka: String?

    @Option(
        help: ArgumentHelp(
            "What Kafka clients are told to connect to, for several listeners as in NAME://host:port,... "
                + "(default: where it listens)", valueName: "host:port"))
    var advertised: String?

    @Option(
        help: ArgumentHelp(
            "Where metrics, health and readiness are asked for, over HTTP; none for no such port. "
                + "(default: 127.0.0.1:9464)", valueName: "host:port"))
    var admin: String?

    @Option(
        help: ArgumentHelp(
            "Where clients of the schema registry connect to, over HTTP; none for no registry. "
                + "(default: 127.0.0.1:8081)", valueName: "host:port"))
    var registry: String?

    @Option(
        help: ArgumentHelp(
            "Where clients of the Connect worker connect to, over HTTP; none for no worker. "
                + "(default: 127.0.0.1:8083)", valueName: "host:port"))
    var connect: String?

    @Option(
        help: ArgumentHelp(
            "A file of the worker's options by the names of connect-distributed.properties.", valueName: "file"),
        completion: .file())
    var connectConfig: String?

    @Option(
        help: ArgumentHelp(
            "Where clients of streaming SQL connect to, over HTTP; none for no SQL server. (default: 127.0.0.1:8088)",
            valueName: "host:port"))
    var sql: String?

    @Option(
        help: ArgumentHelp(
            "Where browsers find the console, over HTTP; none for no console. (default: 127.0.0.1:8080)",
            valueName: "host:port"))
    var console: String?

    @Option(
        help: ArgumentHelp(
            "Names that browsers may reach the console by, separated by commas. "
                + "(default: loopback names and addresses)", valueName: "hosts"))
    var consoleHosts: String?

    @Option(
        help: ArgumentHelp(
            "The schema registry that the console shows, ours or another. (default: the one of this process)",
            valueName: "url"))
    var registryUrl: String?

    @Option(
        help: ArgumentHelp(
            "The Connect worker that the console shows and the registry asks what a schema would break, ours or "
                + "another. (default: the one of this process)",
            valueName: "url"))
    var connectUrl: String?

    @Option(
        help: ArgumentHelp(
            "The SQL server that the console shows and the registry asks what a schema would break, ours or another. "
                + "(default: the one of this process)",
            valueName: "url"))
    var ksqlUrl: String?

    @Option(
        help: ArgumentHelp(
            "Brokers of another cluster, separated by commas, that registry, worker, SQL server and console work on. "
                + "(default: the broker of this process)", valueName: "host:port"))
    var bootstrapServers: String?

    @Flag(help: "Listen on other than loopback addresses although there is no authentication.")
    var insecure = false

    @Option(
        help: ArgumentHelp("A file of settings by the names of Kafka's server.properties.", valueName: "file"),
        completion: .file())
    var config: String?

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("A setting by such a name; may be repeated.", valueName: "name=value"))
    var settings: [String] = []

    /// - Throws: `CommandFailure` naming what is wrong and where it was set.
    func resolve() throws -> ServerSettings {
        var sources = ServerSettings.Sources()
        sources.environment = EnvironmentVariables.all()
        if let path = config ?? EnvironmentVariables.value("SWIFTWATER_CONFIG") {
            sources.file = (path, try PropertiesFile.read(path))
        }
        for (name, value) in try pairs(settings, option: "--set") { sources.flags.append((name, "--set", value)) }
        let own = [
            ("log.dirs", "--data-dir", dataDir), ("roles", "--roles", roles), ("listeners", "--kafka", kafka),
            ("advertised.listeners", "--advertised", advertised), ("insecure", "--insecure", insecure ? "true" : nil),
            ("admin.listener", "--admin", admin), ("registry.listener", "--registry", registry),
            ("connect.listener", "--connect", connect), ("connect.config", "--connect-config", connectConfig),
            ("sql.listener", "--sql", sql), ("console.listener", "--console", console),
            ("console.hosts", "--console-hosts", consoleHosts), ("console.registry.url", "--registry-url", registryUrl),
            ("console.connect.url", "--connect-url", connectUrl), ("console.ksql.url", "--ksql-url", ksqlUrl),
            ("kafkastore.bootstrap.servers", "--bootstrap-servers", bootstrapServers),
        ]
        for (name, flag, value) in own { if let value { sources.flags.append((name, flag, value)) } }
        return try ServerSettings(sources)
    }
}
