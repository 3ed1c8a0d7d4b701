import ArgumentParser
import Broker
import Glibc
import HTTPKit
import Logging
import Security

struct Start: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Run the platform in this process until Ctrl-C or SIGTERM.",
        discussion: """
            Needs no configuration. Settings come from flags, from the environment (SWIFTWATER_KAFKA, SWIFTWATER_DATA_DIR, \
            SWIFTWATER_SET_LOG_RETENTION_MS, ...), from a file, and from defaults, in this order; 'swiftwater config show' \
            tells where each value comes from.

            EXAMPLES
              swiftwater start
              swiftwater start --kafka 127.0.0.1:19092 --data-dir /var/lib/swiftwater
              swiftwater start --ephemeral              data is gone after the stop
              swiftwater start --set log.retention.hours=24 --set num.partitions=4
              swiftwater start --kafka 0.0.0.0:9092 --insecure
              swiftwater start --admin 127.0.0.1:9000 --log-format json
              swiftwater start --roles registry --bootstrap-servers kafka.example.com:9092
            """)

    @OptionGroup var options: ServerOptions

    @Flag(help: "Use a temporary data folder and remove it at the end.")
    var ephemeral = false

    @Option(help: "How much to log to standard error. (default: notice)")
    var logLevel: LogLevel?

    @Option(help: "Log lines for people (text) or for programs (json). (default: text)")
    var logFormat: LogFormat?

    enum LogLevel: String, CaseIterable, ExpressibleByArgument {
        case trace, debug, info, notice, warning, error, critical
    }

    func validate() throws {
        if ephemeral, options.dataDir != nil { throw ValidationError("--ephemeral and --data-dir exclude each other") }
    }

    func run() async throws {
        let format = try format()
        let log = ProgramLog(format: format)
        defer { log.finish() }
        do {
            try await serve(format, log)
        } catch let failure as CommandFailure where format == .json {
            // Whoever reads the log as JSON finds in it why the program ended.
            log.logger("swiftwater", level: .critical)
                .critical("\(failure.message)", metadata: failure.hint.map { ["hint": "\($0)"] })
            throw ExitCode(failure.exitCode)
        }
    }

    /// Runs until a signal comes.
    private func serve(_ format: LogFormat, _ log: ProgramLog) async throws {
        let settings = try options.resolve()
        let isEphemeral = try ephemeral || Self.isEphemeralByEnvironment()
        let folder = try isEphemeral ? TemporaryFolder() : nil
        defer { folder?.remove() }
        let logger = log.logger("swiftwater", level: try level())

        if !settings.withoutUse.isEmpty {
            logger.notice(
                "passed over settings of the originals for parts that one process does not have",
                metadata: ["names": "\(settings.withoutUse.joined(separator: ", "))"])
        }
        for warning in settings.warnings { logger.warning("\(warning)") }
        for (variable, nearest) in settings.misspelledVariables {
            logger.warning(
                "a variable of the environment is passed over: did you mean \(nearest)?",
                metadata: ["variable": "\(variable)"])
        }
        let process = try await start(settings, dataDirectory: folder?.path ?? settings.dataDirectory, logger)
        // Before anybody is told that it runs: a signal that comes then finds a clean stop.
        let stopSignal = try StopSignal()
        let milliseconds = ProcessClock.millisecondsSinceStart()
        let kafka = process.broker.map { HostPort(host: $0.host, port: $0.port) }
        let listeners = process.broker?.listeners.map(\.bound.description).joined(separator: ",")
        let admin = process.adminAddress?.description
        let registry = process.registryAddress?.description
        let connect = process.connectAddress?.description
        let sql = process.sqlAddress?.description
        let console = process.consoleAddress?.description
        switch format {
        case .text:
            var lines = ["swiftwater \(Swiftwater.version)"]
            if kafka != nil {
                lines.append("  data      \(folder.map { "\($0.path) (temporary)" } ?? settings.dataDirectory)")
                for listener in process.broker?.listeners ?? [] {
                    let isPlain = listener.securityProtocol == .plaintext
                    let given = listener.configuration.advertisedPort != nil
                    lines.append(
                        "  kafka     \(listener.bound.description)"
                            + (given ? ", advertised as \(listener.advertised.description)" : "")
                            + (isPlain ? "" : ", \(listener.securityProtocol.rawValue)"))
                }
            } else {
                lines.append("  kafka     at \(settings.registryServers ?? "")")
            }
            lines += [
                "  registry  \(process.registryURL ?? process.registryProblem ?? "none")",
                "  connect   \(process.connectURL ?? process.connect.problem ?? "none")",
                "  sql       \(process.sqlURL ?? process.sqlProblem ?? "none")",
                "  console   \(process.consoleURL ?? process.console.problem ?? "none")",
                "  admin     \(process.adminURL ?? process.adminProblem ?? "none")",
            ]
            if let kafka, process.broker?.listeners.first?.securityProtocol == .plaintext {
                let isDefault = kafka.description == "127.0.0.1:9092"
                lines.append("  try       swiftwater topic create ratings" + (isDefault ? "" : " -b \(kafka)"))
            }
            try report(lines + ["ready in \(milliseconds) ms"])
        case .json:
            logger.notice(
                "ready",
                metadata: [
                    "version": "\(Swiftwater.version)", "data": "\(folder?.path ?? settings.dataDirectory)",
                    "kafka": "\(listeners ?? settings.registryServers ?? "none")",
                    "registry": "\(registry ?? process.registryProblem ?? "none")",
                    "connect": "\(connect ?? process.connect.problem ?? "none")",
                    "sql": "\(sql ?? process.sqlProblem ?? "none")",
                    "console": "\(console ?? process.console.problem ?? "none")",
                    "admin": "\(admin ?? process.adminProblem ?? "none")",
                    "ms": "\(milliseconds)",
                ])
        }
        StartupCode.release()
        let number = try await stopSignal.wait()
        // The stop does not depend on somebody reading about it: a terminal may be gone by now.
        try? tell("stopping", format, logger, ["signal": "\(Self.name(ofSignal: number))"])
        let isClean = await process.stop()
        guard isClean else {
            throw CommandFailure("the data folder was not closed cleanly; the next start checks it")
        }
        try? tell("stopped", format, logger, [:])  // as above
    }

    private static func name(ofSignal number: Int32) -> String {
        switch number {
        case SIGINT: "SIGINT"
        case SIGHUP: "SIGHUP"
        default: "SIGTERM"
        }
    }

    /// On standard output for people; for programs in the log, where everything else is.
    private func tell(_ event: String, _ format: LogFormat, _ logger: Logger, _ metadata: Logger.Metadata) throws {
        switch format {
        case .text: try report([event])
        case .json: logger.notice("\(event)", metadata: metadata)
        }
    }

    /// What is meant to be thrown away must not be kept because of how it is written, nor the other way round.
    private static func isEphemeralByEnvironment() throws -> Bool {
        switch EnvironmentVariables.value("SWIFTWATER_EPHEMERAL")?.lowercased() {
        case nil, "", "false": return false
        case "true": return true
        case let text?: throw CommandFailure.usage("SWIFTWATER_EPHEMERAL is true or false, not '\(text)'")
        }
    }

    private func format() throws -> LogFormat {
        if let logFormat { return logFormat }
        guard let text = EnvironmentVariables.value("SWIFTWATER_LOG_FORMAT")?.lowercased() else { return .text }
        guard let format = LogFormat(rawValue: text) else {
            throw CommandFailure.usage("SWIFTWATER_LOG_FORMAT is \"\(text)\"", hint: "formats are text, json")
        }
        return format
    }

    private func level() throws -> Logger.Level {
        let text = logLevel?.rawValue ?? EnvironmentVariables.value("SWIFTWATER_LOG_LEVEL")?.lowercased() ?? "notice"
        guard let level = Logger.Level(rawValue: text) else {
            throw CommandFailure.usage(
                "SWIFTWATER_LOG_LEVEL is '\(text)'",
                hint: "levels are \(LogLevel.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return level
    }

    private func start(
        _ settings: ServerSettings, dataDirectory: String, _ logger: Logger
    ) async throws -> ServerProcess {
        var configuration = BrokerConfiguration()
        configuration.dataDirectory = dataDirectory
        configuration.listeners = settings.listeners
        configuration.properties = settings.properties
        do {
            return try await ServerProcess.start(settings, configuration, logger)
        } catch let error as BrokerError {
            switch error.code {
            case .addressInUse: throw CommandFailure("\(error.message): choose another with --kafka HOST:PORT")
            case .addressUnavailable: throw CommandFailure(error.message, hint: "choose another with --kafka HOST:PORT")
            case .dataDirectoryLocked:
                throw CommandFailure(error.message, hint: "stop that process, or choose another folder with --data-dir")
            case .dataDirectoryUnusable:
                throw CommandFailure(error.message, hint: "choose another folder with --data-dir")
            case .dataDirectoryFull:
                throw CommandFailure(
                    error.message,
                    hint: "make room on its disk; topics can be deleted only while it runs, so remove something else")
            case .dataDirectoryDamaged:
                throw CommandFailure(
                    error.message, hint: "another folder with --data-dir would begin an empty cluster")
            case .invalidConfiguration: throw CommandFailure.usage(error.message)
            }
        }
    }

    /// Nobody need be there to read it: a closed standard output does not stop a server.
    private func report(_ lines: [String]) throws {
        do {
            for line in lines { try Output.standard.line(line) }
            try Output.standard.flush()
        } catch is OutputClosed {
            return
        }
    }
}

extension LogFormat: ExpressibleByArgument {}

/// How long this process has been running, by the kernel's account, so that loading the program counts too.
enum ProcessClock {
    /// Exact to the kernel's clock tick (10 ms as a rule), rounded up; 0 where the kernel does not tell.
    static func millisecondsSinceStart() -> Int64 {
        guard let stat = try? PropertiesFile.text("/proc/self/stat"), let name = stat.lastIndex(of: ")") else {
            return 0
        }
        // The 22nd field, after the name, which is the second and may hold spaces.
        let fields = stat[stat.index(after: name)...].split(separator: " ")
        let ticksPerSecond = Int64(sysconf(Int32(_SC_CLK_TCK)))
        guard fields.count > 19, let ticks = Int64(fields[19]), ticksPerSecond > 0 else { return 0 }
        var now = timespec()
        clock_gettime(CLOCK_BOOTTIME, &now)
        let nowMilliseconds = Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
        return max(0, nowMilliseconds - ticks * 1000 / ticksPerSecond)
    }
}
