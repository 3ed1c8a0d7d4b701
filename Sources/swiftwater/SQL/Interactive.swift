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
        if !editor.isUnicode {
            Output.complain("This system has no locale of UTF-8, such as C.UTF-8: only ASCII can be typed.")
        }
        // Ctrl-C ends a query, the waiting for an answer, or gives a line up; the shell stays.
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
        do {
            let info = try await shell.serverInfo()
            try output.line(
                "Server version \(SQLClient.version(in: info)), \(info["serverStatus"]?.text ?? "?"). Type help for help."
            )
            editor.setCompletion(try await shell.completion())
        } catch let failure as SQLFailure {
            Output.complain(SQLCommand.explained(failure, isGiven: false).text)
        } catch is ShellFailure {
            throw CommandFailure("no answer of \(address) was waited for any longer", kind: .interrupted)
        }
        var statement = ""
        while true {
            try output.flush()
            let prompt = statement.isEmpty ? "swiftwater> " : "          > "
            let isContinued = !statement.isEmpty
            let line = try await onThread { editor.read(prompt: prompt, isContinued: isContinued) }
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
                    editor.remember(HistoryText.joined(trimmed))
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

    private func refresh(_ editor: LineEditor) async {
        // Who gives up waiting for the names keeps those of before.
        if let completion = try? await shell.completion() { editor.setCompletion(completion) }
    }

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
