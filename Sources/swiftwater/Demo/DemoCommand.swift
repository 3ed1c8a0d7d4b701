import ArgumentParser
import Broker
import Glibc
import JSONFormat
import Logging

/// The platform with a whole pipeline on it, from nothing but this program.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Run a whole pipeline: sources, streaming SQL, sinks, live.",
        discussion: """
            Starts the platform in this process and runs a pipeline on it until Ctrl-C. Data is made up, statements and \
            connectors are real; they are in the folder that is named at the start. What is in the folder goes with the \
            end, unless --data names one that stays.

            ratings  ratings of flights, customers that change, alerts, a data lake
            widgets  a factory's widgets: filter, count, average, a warehouse
            balance  the balance of an account: streams become tables and tables streams
            talk     ratings with customers from MySQL or MariaDB, and a search index

            EXAMPLES
              swiftwater demo
              swiftwater demo --tour                 statement by statement, explained
              swiftwater demo --once                 a bounded run that checks each stage
              swiftwater demo --pipeline widgets --define interval=10
              swiftwater demo --pipeline talk --define mysql_port=3307 \\
                  --define search=http://127.0.0.1:9200
            """)

    @Option(help: "Which pipeline to run.") var pipeline = DemoPipeline.Name.ratings
    @Flag(help: "Check what each stage gives, then end; the exit code is 1 and the stage is named if one fails.")
    var once = false
    @Flag(help: "Show and explain each statement before it runs. On a terminal, Enter goes on.") var tour = false
    @Option(
        help: ArgumentHelp("A folder for all data, which stays. (default: a temporary one)", valueName: "folder"),
        completion: .directory)
    var data: String?
    @Option(
        help: ArgumentHelp("A value for a variable of the statements; may be repeated.", valueName: "name=value"))
    var define: [String] = []
    @Option(help: ArgumentHelp("With --once: how long a stage may take.", valueName: "seconds")) var timeout = 30.0
    @Option(help: ArgumentHelp("End after so many rows of the live view.", valueName: "rows")) var rows: Int?
    @Option(help: ArgumentHelp("Where Kafka clients connect to.", valueName: "host:port"))
    var kafka = "127.0.0.1:9092"
    @Option(help: ArgumentHelp("Where the schema registry listens.", valueName: "host:port"))
    var registry = "127.0.0.1:8081"
    @Option(help: ArgumentHelp("Where the Connect worker listens.", valueName: "host:port"))
    var connect = "127.0.0.1:8083"
    @Option(help: ArgumentHelp("Where the SQL server listens.", valueName: "host:port")) var sql = "127.0.0.1:8088"
    @Option(help: ArgumentHelp("Where browsers find the console.", valueName: "host:port"))
    var console = "127.0.0.1:8080"
    @Option(help: ArgumentHelp("Where metrics and health are.", valueName: "host:port")) var admin = "127.0.0.1:9464"

    func validate() throws {
        guard timeout > 0, timeout < 1e6 else { throw ValidationError("--timeout must be more than 0 seconds") }
        if let rows, rows < 1 { throw ValidationError("--rows must be at least 1") }
        do {
            _ = try pairs(define, option: "--define")
            _ = try ports()
        } catch let failure as CommandFailure {
            throw ValidationError(failure.message)
        }
    }

    private func ports() throws -> DemoServer.Ports {
        DemoServer.Ports(
            kafka: try HostPort(kafka), registry: try HostPort(registry), connect: try HostPort(connect),
            sql: try HostPort(sql), console: try HostPort(console), admin: try HostPort(admin))
    }

    func run() async throws {
        let pipeline = try DemoPipeline(self.pipeline)
        let known = Set(pipeline.variables.map(\.name) + DemoPlatform.variableNames)
        let defined = try pairs(define, option: "--define")
        for (name, _) in defined where !known.contains(name) {
            throw CommandFailure.usage(
                "pipeline \(pipeline.name.rawValue) has no variable '\(name)'",
                hint: "it has \(known.sorted().joined(separator: ", "))")
        }
        let interruption = try Interruption()
        let temporary = try data == nil ? TemporaryFolder() : nil
        defer { temporary?.remove() }
        let folder = try temporary?.path ?? Self.absolute(data ?? "")
        let log = ProgramLog(format: .text)
        defer { log.finish() }
        let server: DemoServer
        do {
            server = try await DemoServer.start(in: folder, try ports(), log.logger("demo", level: .warning))
        } catch let error as BrokerError {
            throw CommandFailure(error.message, hint: "choose another folder with --data, or stop the other process")
        }
        let (platform, remarks) = (server.platform, server.remarks)
        let milliseconds = ProcessClock.millisecondsSinceStart()
        let work = Task {
            var run = try DemoRun(
                pipeline, platform, variables: platform.variables + pipeline.variables + defined, isTour: tour,
                limit: .seconds(timeout))
            try run.say("\(pipeline.title)\n")
            for remark in remarks { try run.say("  \(remark)") }
            try run.say("  the platform was ready in \(milliseconds) ms")
            try await run.build()
            if let dashboard = pipeline.dashboard { try await platform.console.save(dashboard) }
            try whereToLook(run)
            if once { try await verify(run) } else { try await follow(run) }
        }
        // Ends with the process: no signal may ever come.
        Task {
            await interruption.wait()
            work.cancel()
        }
        let outcome = await work.result
        let isClean = await server.stop()
        // An interruption may show as any error, depending on what it met.
        guard !interruption.hasCome else {
            if once { throw CommandFailure("interrupted", kind: .interrupted) }
            return
        }
        try outcome.get()
        guard isClean else { throw CommandFailure("the data folder was not closed cleanly") }
    }

    private func whereToLook(_ run: DemoRun) throws {
        let platform = run.platform
        let name = run.pipeline.name
        var lines = [
            "", "Where to look:", "  console     \(platform.console.url)", "  kafka       \(platform.kafka)",
            "  registry    \(platform.registry)",
            "  connect     \(platform.connect)", "  sql         \(platform.sql)",
            "  metrics     \(platform.admin)/metrics",
            "  statements  \(platform.folder)/examples/\(name.rawValue).sql",
        ]
        if name != .balance { lines.append("  data lake   \(run.verification.lake)") }
        if name == .ratings || name == .talk { lines.append("  alerts      \(platform.console.url)/alerts") }
        if let id = run.pipeline.dashboard?["id"]?.text {
            lines.append("  dashboard   \(platform.console.url)/dashboards/\(id)")
        }
        lines.append("\nTry in another terminal:")
        lines += run.pipeline.tries.map { "  swiftwater sql \(platform.sql) -e \"\($0)\"" }
        try run.say(lines.joined(separator: "\n"))
    }

    private func verify(_ run: DemoRun) async throws {
        try run.say("\nEach stage:")
        for stage in run.pipeline.stages {
            let seen = try await run.verification.check(stage)
            try run.say("  ok  \(stage.name): \(stage.says) (\(seen))")
        }
        try run.say("\nAll \(run.pipeline.stages.count) stages work.")
    }

    private func follow(_ run: DemoRun) async throws {
        try run.say("\nLive (Ctrl-C ends it): \(run.pipeline.live)")
        try await run.follow(count: rows ?? .max) {
            try run.say("  (the first row, \(ProcessClock.millisecondsSinceStart()) ms after the start)")
        }
        if rows == nil, !Task.isCancelled { throw CommandFailure("the live query has ended") }
    }

    /// - Throws: `CommandFailure` when there is no current folder.
    private static func absolute(_ path: String) throws -> String {
        guard !path.hasPrefix("/") else { return path }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&buffer, buffer.count) != nil else {
            throw CommandFailure("the current folder is unknown: \(String(cString: strerror(errno)))")
        }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) + "/" + path
    }
}
