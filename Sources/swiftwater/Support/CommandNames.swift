import ArgumentParser
import Bytes

/// Finds misspelt subcommands before the argument parser takes them for unexpected arguments.
enum CommandNames {
    /// - Throws: `CommandFailure` when a word stands where a subcommand must and is none.
    static func check(_ arguments: [String], in root: any ParsableCommand.Type) throws {
        var command = root
        var path = [name(of: root)]
        for (index, word) in arguments.enumerated() {
            let subcommands = command.configuration.subcommands
            guard !subcommands.isEmpty, !word.hasPrefix("-") else { return }
            // What help is asked about has to be there, too.
            if index == 0, word == "help" { continue }
            guard word != "help" else { return }
            if let next = subcommands.first(where: { name(of: $0) == word || $0.configuration.aliases.contains(word) })
            {
                command = next
                path.append(word)
                continue
            }
            let names = subcommands.filter { $0.configuration.shouldDisplay }.map(name(of:))
            let nearest =
                KafkaTools.meant(word, among: names, isFirst: path.count == 1) ?? nearestName(to: word, among: names)
            throw CommandFailure.usage(
                "unknown command '\(word)'" + (nearest.map { ": did you mean '\($0)'?" } ?? ""),
                hint: "\(path.joined(separator: " ")) has the commands \(names.joined(separator: ", "))")
        }
    }

    private static func name(of command: any ParsableCommand.Type) -> String {
        command.configuration.commandName ?? String(describing: command).lowercased()
    }
}
