import Bytes
import SQLSyntax

/// What the shell does itself, without the server.
enum ShellCommand: Equatable {
    case help, exit, clear, history, version
    /// nil shows the format.
    case output(String?)
    /// nil shows the server.
    case server(String?)
    case wrap(String)
    case columnWidth(String)
    case runScript(String)
    /// nil ends it.
    case spool(String?)
    /// Of ksqlDB's command line: every statement here waits for those before it anyway.
    case requestPipelining

    static let names = [
        "help", "exit", "quit", "clear", "history", "version", "output", "server", "set cli", "request-pipelining",
        "run script", "spool",
    ]

    /// nil: the text is a statement.
    init?(_ text: String) {
        if let path = Self.path(in: text, behind: ["run", "script"]) {
            self = .runScript(path)
            return
        }
        if let path = Self.path(in: text, behind: ["spool"]) {
            self = .spool(path.lowercased() == "off" ? nil : path)
            return
        }
        var words = text.split(whereSeparator: { $0.isWhitespace || $0 == ";" }).map(String.init)
        guard let first = words.first?.lowercased(), text.split(separator: "\n").count <= 1 else { return nil }
        words.removeFirst()
        let argument = words.first.map { $0.trimming("'") }
        switch (first, words.count) {
        case ("help", 0), ("?", 0): self = .help
        case ("exit", 0), ("quit", 0): self = .exit
        case ("clear", 0): self = .clear
        case ("history", 0): self = .history
        case ("version", 0): self = .version
        case ("output", 0...1): self = .output(argument)
        case ("server", 0...1): self = .server(argument)
        case ("request-pipelining", 0...1): self = .requestPipelining
        case ("set", 3) where words[0].lowercased() == "cli":
            let value = words[2].trimming("'")
            switch words[1].lowercased() {
            case "wrap": self = .wrap(value)
            case "column-width": self = .columnWidth(value)
            default: return nil
            }
        default: return nil
        }
    }

    /// The path that ends a line, bare or in quotes, with or without a semicolon. nil where it is none, and where variables
    /// stand in it: statements know them.
    private static func path(in text: String, behind words: [String]) -> String? {
        var rest = Substring(text)
        func skipSpace() { rest = rest.drop(while: \.isWhitespace) }
        for word in words {
            skipSpace()
            guard rest.prefix(word.count).lowercased() == word else { return nil }
            rest = rest.dropFirst(word.count)
            guard rest.first?.isWhitespace == true else { return nil }
        }
        skipSpace()
        while let last = rest.last, last.isWhitespace || last == ";" { rest.removeLast() }
        guard let first = rest.first, !rest.contains(where: \.isNewline), !rest.contains("${") else { return nil }
        guard first == "'" || first == "\"" else {
            return rest.contains { $0.isWhitespace || $0 == ";" || $0 == "'" } ? nil : String(rest)
        }
        let inside = rest.dropFirst()
        guard let end = inside.firstIndex(of: first), end > inside.startIndex, inside[end...].count == 1 else {
            return nil
        }
        return String(inside[..<end])
    }

    static let helpText = """
        Statements end with ';' and may have several lines. Tab completes keywords and names, Ctrl-C ends a query
        or the waiting for an answer, Ctrl-D the shell.

          SHOW STREAMS; TABLES; TOPICS; QUERIES; FUNCTIONS; TYPES; PROPERTIES; VARIABLES; CONNECTORS;
          DESCRIBE name [EXTENDED];            EXPLAIN [ANALYZE] query_id;
          PRINT 'topic' [FROM BEGINNING];      SELECT ... EMIT CHANGES;

        Of the shell itself, without ';':
          help                     this text
          exit, quit               leave
          clear                    empty the screen
          history                  statements of before
          version                  of this program and the server
          output [JSON|TABULAR]    show or choose how results are printed
          server [URL]             show or choose the server
          RUN SCRIPT file          run a file's statements
          SPOOL file, SPOOL OFF    print to a file, too
          SET CLI WRAP ON|OFF      whether long cells go on in the next line
          SET CLI COLUMN-WIDTH n   the same width for all columns; 0 fits them to the terminal
        """
}

extension String {
    /// Without one character at both ends.
    fileprivate func trimming(_ character: Character) -> String {
        var text = self[...]
        if text.first == character { text.removeFirst() }
        if text.last == character { text.removeLast() }
        return String(text)
    }
}
