import Bytes
import Cluster
import Glibc
import JSONFormat
import SQLClient

/// Runs the statements of a pipeline on the platform, and tells about it.
struct DemoRun {
    let pipeline: DemoPipeline
    let platform: DemoPlatform
    /// Values of the statements' variables.
    let variables: [(name: String, value: String)]
    /// Whether each statement is shown and explained, one after the other.
    let isTour: Bool
    /// How long anything may take.
    let limit: Duration

    private let client: SQLClient
    private var session = SQLClient.Session()
    /// Whether the folder has the pipeline from an earlier run: rows are not inserted again.
    private var isContinued = false

    /// - Throws: `CommandFailure` when the platform has no SQL server.
    init(
        _ pipeline: DemoPipeline, _ platform: DemoPlatform, variables: [(name: String, value: String)], isTour: Bool,
        limit: Duration
    ) throws {
        guard let address = HTTPAddress(platform.sql) else { throw CommandFailure("the platform has no SQL server") }
        self.pipeline = pipeline
        self.platform = platform
        self.variables = variables
        self.isTour = isTour
        self.limit = limit
        client = SQLClient(address)
        session.variables = variables
        session.properties = [("auto.offset.reset", "earliest")]
    }

    var rows: DemoRows { DemoRows(client: client, session: session) }

    var verification: DemoVerification {
        DemoVerification(
            rows: rows, platform: platform, variables: Dictionary(variables.map { ($0.name, $0.value) }) { $1 },
            limit: limit)
    }

    // MARK: Statements

    /// Runs all statements.
    ///
    /// - Throws: `CommandFailure` with the statement that failed.
    mutating func build() async throws {
        for (number, step) in pipeline.script.steps.enumerated() {
            if isTour {
                try say("\n\(number + 1) of \(pipeline.script.steps.count). \(step.comment)\n")
                for statement in step.statements { try say(Self.indented(statement)) }
                try await pause()
            } else {
                try say("  - \(step.summary)")
            }
            if step.statements.allSatisfy({ DemoStatementKind($0) == .insert }) {
                if !isContinued { try await run(step.statements.joined(separator: "\n")) }
                continue
            }
            for statement in step.statements {
                switch DemoStatementKind(statement) {
                case .query: if isTour { try await show(statement) }
                case .insert: if !isContinued { try await run(statement) }
                case .connector(let name): try await create(name, statement)
                case .other: try await run(statement)
                }
            }
        }
    }

    /// A statement that reads a topic is tried again while the topic or its schema are still to come.
    private mutating func run(_ statement: String) async throws {
        let end = ContinuousClock.now + limit
        while true {
            do throws(SQLFailure) {
                for entity in try await client.execute(statement, session) { note(entity) }
                return
            } catch {
                if Self.isThere(error) {
                    isContinued = true
                    if isTour { try say("    (it is there already)") }
                    return
                }
                guard error.message.contains("does not exist") || Self.isStarting(error), .now < end else {
                    throw Self.failure(statement, error)
                }
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// A connector of an earlier run is made anew, as addresses may have changed. It goes on where it was: places are kept
    /// by name.
    private mutating func create(_ name: String, _ statement: String) async throws {
        do throws(SQLFailure) {
            for entity in try await client.execute(statement, session) { note(entity) }
        } catch {
            guard Self.isThere(error) || Self.isStarting(error) else { throw Self.failure(statement, error) }
            try await run("DROP CONNECTOR IF EXISTS \(name);")
            try await run(statement)
        }
    }

    private mutating func note(_ entity: JSONValue) {
        if let number = entity["commandSequenceNumber"]?.integer, number >= 0 { session.commandSequenceNumber = number }
    }

    private static func isThere(_ failure: SQLFailure) -> Bool {
        failure.message.contains("already exists") || failure.message.contains("already been added")
    }

    /// A server with queries of an earlier run reads its commands first.
    private static func isStarting(_ failure: SQLFailure) -> Bool {
        if case .refused(_, 50302) = failure.kind { true } else { false }
    }

    private static func failure(_ statement: String, _ error: SQLFailure) -> CommandFailure {
        let line = statement.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        return CommandFailure("stage '\(line)' failed: \(error.message)")
    }

    // MARK: Telling

    private func show(_ query: String) async throws {
        let found: DemoRows.Found
        do {
            found = try await rows.first(.max, of: query, within: limit)
        } catch let failure as SQLFailure {
            throw Self.failure(query, failure)
        }
        var table = Table(found.columns)
        for row in found.rows { table.add(row.map(DemoRows.text)) }
        try say("\n" + Self.indented(table.text))
    }

    /// Waits for Enter where somebody can press it.
    private func pause() async throws {
        guard isatty(STDIN_FILENO) == 1, Output.standard.isTerminal else { return }
        try Output.standard.write("    [Enter] ".utf8)
        try Output.standard.flush()
        while true {
            let isReady = try await onThread { () -> Bool in
                var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
                return poll(&waiting, 1, 200) > 0
            }
            try Task.checkCancellation()
            if isReady { break }
        }
        var bytes = [UInt8](repeating: 0, count: 4096)
        _ = read(STDIN_FILENO, &bytes, bytes.count)  // the line, or the end of the input, which means: go on
    }

    /// Shows rows as they come, until the task is cancelled or there were `count`.
    ///
    /// - Parameter first: called after the first.
    func follow(count: Int, first: () throws -> Void) async throws {
        var shown = 0
        var widths: [Int] = []
        func line(_ cells: [String]) throws {
            var text = "  "
            for (column, cell) in cells.enumerated() where column < widths.count {
                widths[column] = max(widths[column], cell.count)
                text += cell + String(repeating: " ", count: widths[column] - cell.count + 2)
            }
            try say(text)
        }
        do {
            try await rows.each(of: pipeline.live) { columns, row in
                if shown == 0 {
                    widths = columns.map(\.count)
                    try line(columns)
                }
                try line(row.map(DemoRows.text))
                shown += 1
                if shown == 1 { try first() }
                return shown < count
            }
        } catch let failure as SQLFailure {
            throw Self.failure(pipeline.live, failure)
        }
    }

    func say(_ text: String) throws {
        try Output.standard.line(text)
        try Output.standard.flush()
    }

    private static func indented(_ text: String) -> String {
        text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map { "    " + $0 }
            .joined(separator: "\n")
    }
}
