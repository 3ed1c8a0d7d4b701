package import Bytes
package import JSONFormat
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

    /// Ends the query that runs, or the waiting for an answer, from any thread.
    package final class RunningQuery: Sendable {
        private let cancel = Mutex<(@Sendable () -> Void)?>(nil)

        package init() {}

        /// - Returns: whether there was one.
        @discardableResult package func end() -> Bool {
            let cancel = cancel.withLock { $0 }
            cancel?()
            return cancel != nil
        }

        fileprivate func hold(_ next: (@Sendable () -> Void)?) { cancel.withLock { $0 = next } }
    }

    /// Waits for the server, as long as the user does.
    ///
    /// - Throws: what the server refuses; `ShellFailure` when the user gives up.
    func answer<Value: Sendable>(
        _ body: @escaping @Sendable (SQLClient) async throws(SQLFailure) -> Value
    ) async throws -> Value {
        let client = client
        let task = Task { try await body(client) }
        running.hold { task.cancel() }
        defer { running.hold(nil) }
        do {
            return try await task.value
        } catch {
            guard task.isCancelled else { throw error }
            throw ShellFailure(
                "stopped waiting for the server at \(client.address): it may still carry out what it was sent")
        }
    }

    /// What the server tells about itself.
    package func serverInfo() async throws -> JSONValue {
        try await answer { client throws(SQLFailure) in try await client.info() }
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

    /// Runs a command of the shell, or all statements of a text. Statements that follow each other and change something go to
    /// the server together, which tries all of them before it carries out the first.
    ///
    /// - Returns: false to leave the shell.
    /// - Throws: `ShellFailure`, `SQLFailure` of the first statement that fails. Nothing is done when the text cannot be read.
    package func run(_ text: String) async throws -> Bool {
        do {
            if let command = ShellCommand(text) {
                try spool.write(text + "\n")
                return try await perform(command)
            }
            try await runStatements(text)
            return true
        } catch {
            // Of scripts that run others, once.
            if scriptDepth == 0 { try spool.write(Self.words(error) + "\n") }
            throw error
        }
    }

    /// Runs what stands in an argument of the command line, where the last statement may lack its semicolon.
    ///
    /// - Returns, Throws: as `run`.
    package func run(argument text: String) async throws -> Bool {
        guard ShellCommand(text) == nil else { return try await run(text) }
        do throws(SQLSyntaxError) {
            _ = try SQLParser.script(text, dialect: .commandLine)
        } catch {
            // In a line of its own: a comment may stand at the end.
            if error.report.contains("missing ';' at '<EOF>'") { return try await run(text + "\n;") }
        }
        return try await run(text)
    }

    /// Runs lines as a person would type them: commands of the shell, and statements that end with their semicolon.
    ///
    /// - Parameter next: lines as they come, nil at the end.
    /// - Throws: as `run`.
    package func run(lines next: () async throws -> [String]?) async throws {
        var statement = ""
        while let lines = try await next() {
            for line in lines {
                let isFirst = statement.isEmpty
                statement += (isFirst ? "" : "\n") + line
                guard line.contains(";") || isFirst, isWhole(statement) else {
                    if statement.allSatisfy(\.isWhitespace) { statement = "" }
                    continue
                }
                let whole = statement
                statement = ""
                guard try await run(whole) else { return }
            }
        }
        if !statement.isEmpty { _ = try await run(statement) }
    }

    private static func words(_ error: any Error) -> String {
        switch error {
        case let failure as SQLFailure: failure.message
        case let failure as ShellFailure: failure.message
        default: "\(error)"
        }
    }

    private func runStatements(_ text: String) async throws {
        let statements: [ParsedStatement]
        do throws(SQLSyntaxError) { statements = try SQLParser.script(text, dialect: .commandLine) } catch {
            throw Self.failure(error)
        }
        var together: [String] = []
        var byteCount = 0
        for parsed in statements {
            let joins = parsed.statement.goesWithOthers
            if !joins || byteCount > Self.togetherByteCountMax {
                try await execute(together)
                (together, byteCount) = ([], 0)
            }
            if joins {
                together.append(parsed.closedText)
                byteCount += parsed.closedText.utf8.count
            } else {
                try spool.write(parsed.closedText + "\n")
                try await run(parsed)
            }
        }
        try await execute(together)
    }

    /// More than scripts of people have; a server takes a body of a few megabytes.
    private static let togetherByteCountMax = 512 << 10

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
        default: try await send([parsed.closedText])
        }
    }

    private func runHere(_ statement: Statement) async throws {
        switch statement {
        case .setProperty(let name, let value):
            try await check(property: name, value)
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
        case .spool(let path): try startSpool(path)
        default: break
        }
    }

    private func startSpool(_ path: String?) throws {
        try spool.open(path)
        try tell(path.map { "Session will be spooled to \($0). Enter SPOOL OFF to disable." } ?? "Spooling is off.")
    }

    /// Makes sure that the session may have a property with a value: a session with a wrong one can do nothing.
    ///
    /// - Throws: `.refused` in the server's words.
    package func check(property name: String, _ value: String) async throws {
        var tried = SQLClient.Session()
        tried.properties = [(name, value)]
        try await answer { [tried] client throws(SQLFailure) in
            try await client.check(property: name)
            // Values are looked at with statements, of which none is needed.
            _ = try await client.execute("", tried)
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

    private func execute(_ statements: [String]) async throws {
        guard !statements.isEmpty else { return }
        for statement in statements { try spool.write(statement + "\n") }
        try await send(statements)
    }

    private func send(_ statements: [String]) async throws {
        let session = session
        let entities: [JSONValue]
        do {
            entities = try await answer { client throws(SQLFailure) in
                try await client.execute(statements.joined(separator: "\n"), session, count: statements.count)
            }
        } catch var failure as SQLFailure {
            for entity in failure.entities { try show(entity) }
            // Of several it is to be told which one.
            if statements.count > 1, let statement = failure.statement, !failure.message.contains(statement) {
                failure.message += "\nStatement: " + statement
            }
            throw failure
        }
        for entity in entities {
            if let number = entity["commandSequenceNumber"]?.integer, number >= 0 {
                self.session.commandSequenceNumber = number
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
        running.hold { task.cancel() }
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
            let info = try await serverInfo()
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
            let info = try await answer { _ throws(SQLFailure) in try await next.info() }
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
        case .runScript(let path): try await runScript(path)
        case .spool(let path): try startSpool(path)
        case .requestPipelining:
            try tell("Statements wait for those before them; there is nothing to switch.")
        }
        return true
    }
}

extension Statement {
    /// Whether it may go to the server in one request with others. TERMINATE may not: what comes behind it is tried while the
    /// query still runs.
    fileprivate var goesWithOthers: Bool {
        switch self {
        case .createSource, .createSourceAs, .alterSource, .dropSource, .insertInto, .insertValues, .createType,
            .dropType:
            true
        default: false
        }
    }
}

extension ParsedStatement {
    /// The statement as it is sent: with one semicolon behind it.
    fileprivate var closedText: String { text.hasSuffix(";") ? text : text + ";" }
}
