package import Bytes
import JSONFormat
package import SQLClient
import SQLSyntax
import Synchronization

/// One user's session with a SQL server: runs statements and prints what they answer. One caller at a time, but for
/// `interrupt`.
package final class Shell {
    package private(set) var client: SQLClient
    private let makeClient: @Sendable (HTTPAddress) -> SQLClient
    private var session = SQLClient.Session()
    private let output: any ShellOutput
    package var options: ShellOptions
    private var overflow = RowGrid.Overflow.wrap
    private var columnWidth: Int?
    private let spool = Spool()
    /// Statements of this session and those before, oldest first.
    package var history: [String] = []
    private let version: String
    /// Files that run scripts of each other.
    private var scriptDepth = 0
    private static let scriptDepthMax = 16

    /// What `interrupt` ends.
    private let running: RunningQuery

    /// Ends the query that runs, from any thread.
    package final class RunningQuery: Sendable {
        private let task = Mutex<Task<Void, any Error>?>(nil)

        package init() {}

        /// - Returns: whether there was one.
        @discardableResult package func end() -> Bool {
            let task = task.withLock { $0 }
            task?.cancel()
            return task != nil
        }

        fileprivate func hold(_ next: Task<Void, any Error>?) { task.withLock { $0 = next } }
    }

    /// - Parameters:
    ///   - makeClient: for `server URL`.
    ///   - version: of this program.
    package init(
        _ client: SQLClient, makeClient: @escaping @Sendable (HTTPAddress) -> SQLClient, output: any ShellOutput,
        options: ShellOptions, running: RunningQuery, version: String
    ) {
        self.client = client
        self.makeClient = makeClient
        self.output = output
        self.options = options
        self.running = running
        self.version = version
    }

    package func define(_ name: String, _ value: String) { set(&session.variables, name, value) }
    package func setProperty(_ name: String, _ value: String) { set(&session.properties, name, value) }

    private func set(_ list: inout [(name: String, value: String)], _ name: String, _ value: String?) {
        list.removeAll { $0.name.lowercased() == name.lowercased() }
        if let value { list.append((name, value)) }
    }

    private func print(_ text: String) throws {
        try output.write(text + "\n")
        try spool.write(text + "\n")
    }

    // MARK: Statements

    /// Runs a command of the shell, or all statements of a text.
    ///
    /// - Returns: false to leave the shell.
    /// - Throws: `ShellFailure`, `SQLFailure` of the first statement that fails; those before it are done.
    package func run(_ text: String) async throws -> Bool {
        if let command = ShellCommand(text) { return try await perform(command) }
        var reader = StatementReader(text, dialect: .commandLine)
        while true {
            let parsed: ParsedStatement?
            do throws(SQLSyntaxError) { parsed = try reader.next() } catch { throw Self.failure(error) }
            guard let parsed else { return true }
            try spool.write(parsed.closedText + "\n")
            try await run(parsed)
        }
    }

    private static func failure(_ error: SQLSyntaxError) -> ShellFailure { ShellFailure(error.report) }

    private func run(_ parsed: ParsedStatement) async throws {
        switch parsed.statement {
        case .setProperty, .unsetProperty, .defineVariable, .undefineVariable, .runScript, .spool:
            var values = SQLVariables()
            for variable in session.variables { values[variable.name] = variable.value }
            let statement: Statement
            do throws(SQLSyntaxError) { statement = try parsed.substituting(values).statement } catch {
                throw Self.failure(error)
            }
            try await runHere(statement)
        case .query, .printTopic: try await query(parsed)
        default: try await execute(parsed.closedText)
        }
    }

    private func runHere(_ statement: Statement) async throws {
        switch statement {
        case .setProperty(let name, let value):
            try await client.check(property: name)
            setProperty(name, value)
            try tell(
                "Successfully changed local property '\(name)' to '\(value)'. Use the UNSET command to revert your change."
            )
        case .unsetProperty(let name):
            guard session.properties.contains(where: { $0.name.lowercased() == name.lowercased() }) else {
                throw ShellFailure(
                    "Cannot unset local property '\(name)': it was never set"
                        + (nearestName(to: name, among: session.properties.map(\.name)).map {
                            ". Did you mean '\($0)'?"
                        } ?? "."))
            }
            set(&session.properties, name, nil)
            try tell("Successfully unset local property '\(name)'.")
        case .defineVariable(let name, let value): define(name, value)
        case .undefineVariable(let name):
            guard session.variables.contains(where: { $0.name.lowercased() == name.lowercased() }) else {
                throw ShellFailure("Cannot undefine variable '\(name)' which was never defined")
            }
            set(&session.variables, name, nil)
        case .runScript(let path): try await runScript(path)
        case .spool(let path):
            try spool.open(path)
            try tell(path.map { "Session will be spooled to \($0). Enter SPOOL OFF to disable." } ?? "Spooling is off.")
        default: break
        }
    }

    /// - Throws: `ShellFailure` naming the file.
    package func runScript(_ path: String) async throws {
        guard scriptDepth < Self.scriptDepthMax else {
            throw ShellFailure("\(path): scripts run each other more than \(Self.scriptDepthMax) deep")
        }
        let text: String
        do { text = try TextFile.read(path) } catch { throw ShellFailure("\(path): \(error.message)") }
        scriptDepth += 1
        defer { scriptDepth -= 1 }
        _ = try await run(text)
    }

    private func tell(_ text: String) throws {
        if options.format == .tabular { try print(text) }
    }

    private func execute(_ statement: String) async throws {
        let entities: [JSONValue]
        do throws(SQLFailure) { entities = try await client.execute(statement, session) } catch {
            for entity in error.entities { try show(entity) }
            throw error
        }
        for entity in entities {
            if let number = entity["commandSequenceNumber"]?.integer, number >= 0 {
                session.commandSequenceNumber = number
            }
            try show(entity)
        }
    }

    private func show(_ entity: JSONValue) throws {
        try print(
            options.format == .json ? String(decoding: entity.pretty, as: UTF8.self) : EntityText.text(entity))
    }

    // MARK: Queries

    private func query(_ parsed: ParsedStatement) async throws {
        let printer = RowPrinter(
            .init(format: options.format, overflow: overflow, columnWidth: columnWidth, width: output.width)
        ) { [output, spool] text in
            try output.write(text + "\n")
            try spool.write(text + "\n")
        }
        let client = client
        let session = session
        let rowLimit = options.queryRowLimit
        let text = parsed.closedText
        let task = Task {
            var rows = try await client.query(text, session)
            while let piece = try await rows.next() {
                try printer.take(piece)
                if let rowLimit, printer.rowCount >= rowLimit { return }
            }
        }
        running.hold(task)
        defer { running.hold(nil) }
        let waiting = waiting(for: parsed)
        let output = output
        let timeout = options.queryTimeout
        // Ends with the query.
        let watch = Task {
            let start = ContinuousClock.now
            var isTold = false
            while !Task.isCancelled {
                try await Task.sleep(for: .milliseconds(100))
                try printer.show()
                let elapsed = ContinuousClock.now - start
                if let timeout, elapsed > timeout { task.cancel() }
                if !isTold, elapsed > .seconds(3), printer.rowCount == 0 {
                    output.note(waiting)
                    isTold = true
                }
            }
        }
        defer { watch.cancel() }
        do {
            try await task.value
        } catch {
            try printer.flush()
            if task.isCancelled { return try tell("Query terminated") }
            throw error
        }
        try printer.flush()
        if task.isCancelled { try tell("Query terminated") }
    }

    /// What an empty query is waiting for.
    private func waiting(for parsed: ParsedStatement) -> String {
        let end = "Ctrl-C ends the query."
        if case .printTopic(let print) = parsed.statement {
            return "No record yet in the topic since the statement began"
                + (print.fromBeginning ? "; it is empty. " : "; FROM BEGINNING shows those of before. ") + end
        }
        guard case .query(let query) = parsed.statement else { return end }
        let sources = query.from.sources.map(\.name.text).joined(separator: ", ")
        let reset = session.properties.last { $0.name.lowercased().hasSuffix("auto.offset.reset") }?.value.lowercased()
        if reset == "earliest" {
            return
                "No row yet: nothing in \(sources) has come through the query. EXPLAIN ANALYZE shows where rows stay. "
                + end
        }
        return "No row yet: waiting for new records in \(sources). SET 'auto.offset.reset' = 'earliest'; shows what is "
            + "there already. " + end
    }

    // MARK: Commands

    private func perform(_ command: ShellCommand) async throws -> Bool {
        switch command {
        case .help: try print(ShellCommand.helpText)
        case .exit: return false
        case .clear: if output.width != nil { try output.write("\u{1B}[H\u{1B}[2J") }
        case .history:
            for (index, line) in history.enumerated() { try print("\(index + 1): \(EntityText.oneLine(line))") }
        case .version:
            let info = try await client.info()
            try print("CLI v\(version), server \(SQLClient.version(in: info))")
        case .output(nil): try print("Current output format: \(options.format.rawValue.uppercased())")
        case .output(let name?):
            guard let format = ShellFormat(rawValue: name.lowercased()) else {
                throw ShellFailure("Invalid output format: '\(name)' (valid formats: TABULAR, JSON)")
            }
            options.format = format
            try tell("Output format set to \(format.rawValue.uppercased())")
        case .server(nil): try print(client.address.description)
        case .server(let text?):
            guard let address = HTTPAddress(text) else {
                throw ShellFailure("a server is named like http://127.0.0.1:8088, not '\(text)'")
            }
            let next = makeClient(address)
            let info = try await next.info()
            client = next
            session.commandSequenceNumber = nil
            try tell(
                "Server \(address) is \(EntityText.cell(info["serverStatus"])), version \(SQLClient.version(in: info))"
            )
        case .wrap(let text):
            guard ["on", "off"].contains(text.lowercased()) else {
                throw ShellFailure("WRAP is ON or OFF, not '\(text)'")
            }
            overflow = text.lowercased() == "on" ? .wrap : .clip
        case .columnWidth(let text):
            guard let width = Int(text), 0...10_000 ~= width else {
                throw ShellFailure("COLUMN-WIDTH is a number from 0 to 10000, not '\(text)'")
            }
            columnWidth = width == 0 ? nil : width
        case .requestPipelining:
            try tell("Statements wait for those before them; there is nothing to switch.")
        }
        return true
    }
}

extension ParsedStatement {
    /// The statement as it is sent: with one semicolon behind it.
    fileprivate var closedText: String { text.hasSuffix(";") ? text : text + ";" }
}
