import Bytes
import Cluster
import Glibc
import JSONFormat
import SQLClient
import SQLShell

/// A person at a terminal.
struct Interactive {
    let shell: Shell
    let running: Shell.RunningQuery
    let address: HTTPAddress

    func run() async throws {
        let output = Output.standard
        let editor = LineEditor(historyPath: Self.historyPath())
        // Ctrl-C ends a query or gives a line up; the shell stays.
        let signals = try Interruption(keepsHandling: true)
        let running = running
        // Lives as long as the process: it waits for signals.
        Task {
            while true {
                await signals.next()
                if !running.end() { editor.interrupt() }
            }
        }
        try output.line("Swiftwater SQL \(Swiftwater.version), server \(address)")
        do throws(SQLFailure) {
            let info = try await shell.client.info()
            try? output.line(
                "Server version \(SQLClient.version(in: info)), \(info["serverStatus"]?.text ?? "?"). Type help for help."
            )
        } catch {
            Output.complain(SQLCommand.explained(error, isGiven: false).text)
        }
        await refresh(editor)
        var statement = ""
        while true {
            try output.flush()
            let prompt = statement.isEmpty ? "swiftwater> " : "          > "
            let line = try await onThread { editor.read(prompt: prompt) }
            switch line {
            case .end:
                try output.line("")
                return try output.flush()
            case .interrupted:
                try output.line("^C")
                statement = ""
            case .text(let text):
                statement += (statement.isEmpty ? "" : "\n") + text
                let trimmed = statement.trimmed
                if trimmed.isEmpty {
                    statement = ""
                } else if shell.isWhole(statement) {
                    editor.remember(Self.oneLine(trimmed))
                    shell.history = editor.history
                    statement = ""
                    guard try await perform(trimmed, editor) else { return }
                }
            }
        }
    }

    /// - Returns: false to leave.
    private func perform(_ text: String, _ editor: LineEditor) async throws -> Bool {
        do {
            guard try await shell.run(text) else { return false }
        } catch let failure as SQLFailure {
            Output.complain(SQLCommand.explained(failure, isGiven: true).text.replacing("swiftwater: ", with: ""))
        } catch let failure as ShellFailure {
            Output.complain(failure.message)
        }
        let verb = text.prefix { $0.isLetter }.uppercased()
        if ["CREATE", "DROP", "ALTER", "SERVER", "RUN"].contains(verb) { await refresh(editor) }
        return true
    }

    /// Statements of several lines come back as one, unless a comment would swallow what follows it.
    private static func oneLine(_ text: String) -> String {
        text.contains("--") ? text : text.split(separator: "\n").map { $0.trimmed }.joined(separator: " ")
    }

    private func refresh(_ editor: LineEditor) async { editor.setCompletion(await shell.completion()) }

    /// `$XDG_STATE_HOME/swiftwater/sql_history`; nil when the folder cannot be made.
    private static func historyPath() -> String? {
        guard
            let state = EnvironmentVariables.value("XDG_STATE_HOME")
                ?? EnvironmentVariables.value("HOME").map({ $0 + "/.local/state" })
        else { return nil }
        var folder = ""
        for part in (state + "/swiftwater").split(separator: "/") {
            folder += "/" + part
            guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { return nil }
        }
        return folder + "/sql_history"
    }
}
