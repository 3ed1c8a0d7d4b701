import ArgumentParser
import Bytes
import Cluster
import Glibc
import SQLClient
import SQLShell

/// The shell of streaming SQL.
struct SQLCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sql", abstract: "Run streaming SQL: statements, files, or a shell.",
        discussion: """
            Without -e and -f a shell starts, or statements and the shell's commands are read from standard input. Works with
            any ksqlDB server, too.

            EXAMPLES
              swiftwater sql
              swiftwater sql -e "SHOW STREAMS; SELECT * FROM ratings EMIT CHANGES LIMIT 3;"
              swiftwater sql -f pipeline.sql -d topic=ratings
              swiftwater sql --output json -e "SELECT * FROM counts WHERE id = 7;" | jq .
            """)

    @Argument(
        help: ArgumentHelp(
            "The SQL server; user and password may stand before the host. (default: $SWIFTWATER_SQL or http://127.0.0.1:8088)",
            valueName: "url"))
    var server: String?
    @Option(
        name: [.short, .customLong("execute")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Statements to run; may be repeated.", valueName: "sql"))
    var execute: [String] = []
    @Option(
        name: [.short, .customLong("file")],
        help: ArgumentHelp("A file of statements to run; may be repeated.", valueName: "file"), completion: .file())
    var file: [String] = []
    @Option(name: .shortAndLong, help: "tabular for people, json for programs.") var output: Format = .tabular
    @Option(
        name: [.short, .customLong("define")],
        help: ArgumentHelp("A variable for ${name} in statements; may be repeated.", valueName: "name=value"))
    var define: [String] = []
    @Option(
        name: [.customShort("X"), .customLong("property")],
        help: ArgumentHelp("A property of the session, as SET gives it; may be repeated.", valueName: "name=value"))
    var properties: [String] = []
    @Option(help: ArgumentHelp("A file of session properties.", valueName: "file"), completion: .file())
    var configFile: String?
    @Option(help: ArgumentHelp("End a query after so many rows.", valueName: "rows")) var queryRowLimit: Int?
    @Option(help: ArgumentHelp("End a query after this time.", valueName: "ms")) var queryTimeout: Int?
    @Option(
        name: .shortAndLong,
        help: "User of the server. Without --password the password comes from elsewhere, or is asked for.")
    var user: String?
    @Option(
        name: .shortAndLong,
        help: "The user's password. Better in $SWIFTWATER_SQL_PASSWORD, which nobody sees in the list of processes.")
    var password: String?
    @Option(
        help: ArgumentHelp("A file whose first line is the password of the user.", valueName: "file"),
        completion: .file())
    var passwordFile: String?
    @Option(
        help: ArgumentHelp(
            "A PEM file of authorities to trust for https, besides the system's. (default: $SWIFTWATER_CA)",
            valueName: "file"), completion: .file())
    var cacert: String?
    @Option(name: .shortAndLong, help: "Bearer token, or $SWIFTWATER_SQL_TOKEN.") var token: String?

    enum Format: String, CaseIterable, ExpressibleByArgument {
        case tabular, json

        /// ksqlDB's command line writes them in upper case.
        init?(argument: String) { self.init(rawValue: argument.lowercased()) }

        var format: ShellFormat { self == .json ? .json : .tabular }
    }

    func validate() throws {
        do {
            _ = try address()
            _ = try pairs(define, option: "--define")
            _ = try pairs(properties, option: "--property")
        } catch let failure as CommandFailure {
            throw ValidationError(failure.message)
        }
        if let queryRowLimit, queryRowLimit < 1 { throw ValidationError("--query-row-limit must be at least 1") }
        if let queryTimeout, queryTimeout < 1 { throw ValidationError("--query-timeout must be at least 1") }
    }

    private func address() throws -> HTTPAddress {
        let text = server ?? EnvironmentVariables.value("SWIFTWATER_SQL") ?? "http://127.0.0.1:8088"
        guard var address = HTTPAddress(text) else {
            throw CommandFailure.usage("a SQL server is named like http://127.0.0.1:8088, not '\(text)'")
        }
        if let user { address.user = user }
        return address
    }

    /// The address with the password, which is asked for only when the command runs.
    private func openedAddress() throws -> HTTPAddress {
        try WebCredentials.trust(cacert)
        var address = try address()
        guard let user else { return address }
        address.password =
            try password
            ?? PasswordSource.password(
                of: user, file: passwordFile, variables: ["SWIFTWATER_SQL_PASSWORD", "SWIFTWATER_PASSWORD"])
        return address
    }

    func run() async throws {
        let token = token ?? EnvironmentVariables.value("SWIFTWATER_SQL_TOKEN")
        let address = try openedAddress()
        var options = ShellOptions()
        options.format = output.format
        options.queryRowLimit = queryRowLimit
        options.queryTimeout = queryTimeout.map { .milliseconds($0) }
        let running = Shell.RunningQuery()
        let user = (name: address.user, password: address.password)
        let shell = Shell(
            SQLClient(address, token: token),
            makeClient: { next in
                var next = next
                if next.user == nil, let name = user.name { (next.user, next.password) = (name, user.password) }
                return SQLClient(next, token: token)
            }, output: TerminalOutput(), options: options, running: running, version: Swiftwater.version)
        if let configFile {
            for (name, value) in try PropertiesFile.read(configFile).sorted(by: { $0.key < $1.key }) {
                shell.setProperty(name, value)
            }
        }
        for (name, value) in try pairs(properties, option: "--property") {
            try await explaining { try await shell.check(property: name, value) }
            shell.setProperty(name, value)
        }
        for (name, value) in try pairs(define, option: "--define") { shell.define(name, value) }
        if !execute.isEmpty || !file.isEmpty {
            try await explaining {
                for text in execute where try await !shell.run(argument: text) { return }
                for path in file { try await shell.runScript(path) }
            }
        } else if isatty(STDIN_FILENO) == 1 {
            try await Interactive(shell: shell, running: running, address: address).run()
        } else {
            let lines = InputLines()
            try await explaining {
                try await shell.run(lines: {
                    do {
                        return try await onThread { try lines.next() }
                    } catch let failure as TextFile.Failure {
                        throw CommandFailure("standard input: \(failure.message)")
                    }
                })
            }
        }
    }

    private func explaining(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let failure as SQLFailure {
            throw Self.explained(failure, isGiven: server != nil || EnvironmentVariables.value("SWIFTWATER_SQL") != nil)
        } catch let failure as ShellFailure {
            throw CommandFailure(failure.message)
        }
    }

    static func explained(_ failure: SQLFailure, isGiven: Bool) -> CommandFailure {
        switch failure.kind {
        case .unreachable:
            return CommandFailure(
                failure.message,
                hint: isGiven
                    ? "is a SQL server running there?" : "'swiftwater start' runs one; name another by its URL")
        case .refused(401, _), .refused(403, _):
            return CommandFailure(
                failure.message,
                hint: "the server asks for a user who may do that: -u NAME, or http://NAME:PASSWORD@HOST:8088")
        case .refused(404, let code) where code == 404 || code == 40400:
            return CommandFailure(failure.message, hint: "is it a SQL server that runs there?")
        case .refused, .notUnderstood:
            return CommandFailure(failure.message)
        }
    }
}

/// Standard output and error as the shell's.
struct TerminalOutput: ShellOutput {
    func write(_ text: String) throws {
        try Output.standard.write(text.utf8)
        // Rows of a query are to be seen when they come; a pipe gets them in time, too.
        try Output.standard.flush()
    }

    func note(_ text: String) { if isatty(STDERR_FILENO) == 1 { Output.complain(text) } }

    var width: Int? {
        guard Output.standard.isTerminal else { return nil }
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}
