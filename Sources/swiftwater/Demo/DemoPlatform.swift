import Broker
import Logging

/// Where the parts of a demonstration's platform are.
struct DemoPlatform: Sendable {
    /// Holds the log, the data lake and copies of the files of `Examples/demo`.
    var folder: String
    var kafka: String
    var registry: String
    var connect: String
    var sql: String
    var admin: String
    let console: DemoConsole

    static let variableNames = ["kafka", "registry", "examples", "lake", "alerts"]

    /// Values of variables that every pipeline may use, by `variableNames`.
    var variables: [(name: String, value: String)] {
        [
            ("kafka", kafka), ("registry", registry), ("examples", folder + "/examples"),
            ("lake", "file://\(folder)/lake"), ("alerts", console.hook),
        ]
    }
}

/// The platform itself: all roles in this process.
struct DemoServer {
    let platform: DemoPlatform
    /// What is not where one would look for it, in sentences.
    let remarks: [String]
    private let process: ServerProcess

    struct Ports {
        var kafka: HostPort
        var registry: HostPort
        var connect: HostPort
        var sql: HostPort
        var console: HostPort
        var admin: HostPort
    }

    /// - Parameter wanted: where things should listen; a port that is taken is replaced by a free one.
    /// - Throws: `CommandFailure`, `BrokerError`.
    static func start(in folder: String, _ wanted: Ports, _ logger: Logger) async throws -> DemoServer {
        do { try DemoFiles.write(to: folder + "/examples") } catch {
            throw CommandFailure("cannot write to \(folder): \(error)", hint: "choose another folder with --data")
        }
        var remarks: [String] = []
        var sources = ServerSettings.Sources()
        func add(_ setting: String, _ flag: String, _ wanted: HostPort) {
            let address = DemoPorts.free(wanted)
            if address.port != wanted.port { remarks.append("\(wanted) is taken: \(flag.dropFirst(2)) is elsewhere") }
            sources.flags.append((setting, flag, address.description))
        }
        add("listeners", "--kafka", wanted.kafka)
        add("registry.listener", "--registry", wanted.registry)
        add("connect.listener", "--connect", wanted.connect)
        add("sql.listener", "--sql", wanted.sql)
        add("console.listener", "--console", wanted.console)
        add("admin.listener", "--admin", wanted.admin)
        sources.flags.append(("console.inbox", "--console", "true"))
        sources.flags.append(("log.dirs", "--data", folder + "/log"))
        let settings = try ServerSettings(sources)
        var configuration = BrokerConfiguration()
        configuration.dataDirectory = settings.dataDirectory
        configuration.listenHost = settings.listener.host == "localhost" ? "127.0.0.1" : settings.listener.host
        configuration.listenPort = settings.listener.port
        configuration.properties = settings.properties
        let process = try await ServerProcess.start(settings, configuration, logger)
        func url(_ address: HostPort?) -> String { address.map { "http://\($0)" } ?? "" }
        let kafka = process.broker.map { HostPort(host: $0.host, port: $0.port).description } ?? ""
        let platform = DemoPlatform(
            folder: folder, kafka: kafka, registry: url(process.registryAddress), connect: url(process.connectAddress),
            sql: url(process.sqlAddress), admin: url(process.adminAddress),
            console: DemoConsole(url: url(process.consoleAddress)))
        return DemoServer(platform: platform, remarks: remarks, process: process)
    }

    /// - Returns: whether the next start has nothing to check.
    func stop() async -> Bool { await process.stop() }
}
