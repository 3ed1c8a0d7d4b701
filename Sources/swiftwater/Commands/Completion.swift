import ArgumentParser

struct Completion: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion", abstract: "Print a completion script for a shell.",
        discussion: """
            EXAMPLES
              swiftwater completion bash > /etc/bash_completion.d/swiftwater
              swiftwater completion zsh > ~/.zfunc/_swiftwater
              swiftwater completion fish > ~/.config/fish/completions/swiftwater.fish
            """)

    enum Shell: String, CaseIterable, ExpressibleByArgument {
        case bash, zsh, fish
    }

    @Argument(help: "The shell.") var shell: Shell

    func run() throws {
        let script: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        try Output.standard.line(Swiftwater.completionScript(for: script))
    }
}
