import ArgumentParser
import Glibc
import HTTPKit

/// Makes a line of a file of users (`http.users.file`).
struct ConfigPassword: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "password", abstract: "Make the line of a user for http.users.file, with the password hashed.",
        discussion: """
            The password is asked for at the terminal, read from a file, or is the first line of standard input.

            EXAMPLES
              swiftwater config password ann --roles admin >> users.properties
              swiftwater config password scraper --password-file secret >> users.properties
            """)

    @Argument(help: "Name of the user.") var name: String
    @Option(help: ArgumentHelp("Roles of the user, separated by commas.", valueName: "roles")) var roles: String?
    @Option(
        help: ArgumentHelp("A file whose first line is the password.", valueName: "file"), completion: .file())
    var passwordFile: String?
    @Option(
        help: ArgumentHelp("Rounds of PBKDF2: more make a try slower, for everybody.", valueName: "count"))
    var iterations = StoredPassword.iterations

    func validate() throws {
        guard !name.isEmpty, !name.contains(where: { ":=,#!".contains($0) || $0.isWhitespace }) else {
            throw ValidationError("a name has no spaces and none of : = , # !")
        }
        guard 1000...10_000_000 ~= iterations else {
            throw ValidationError("--iterations is from 1000 to 10000000")
        }
        for role in roles?.split(separator: ",", omittingEmptySubsequences: false) ?? [] where role.trimmed.isEmpty {
            throw ValidationError("--roles names them with commas, as in admin,developer")
        }
    }

    func run() throws {
        let hash = StoredPassword.derived(from: try password(), iterations: iterations)
        let all = [hash] + (roles?.split(separator: ",").map(\.trimmed) ?? [])
        try Output.standard.line("\(name): \(all.joined(separator: ","))")
    }

    private func password() throws -> String {
        if let passwordFile { return try PasswordSource.firstLine(of: passwordFile) }
        if isatty(STDIN_FILENO) == 1 {
            guard let first = PasswordSource.ask("Password of \(name): "),
                let second = PasswordSource.ask("The same again: ")
            else { throw CommandFailure.usage("there is no password") }
            guard first == second else { throw CommandFailure.usage("these are two different passwords") }
            return first
        }
        guard let line = readLine(), !line.isEmpty else {
            throw CommandFailure.usage("there is no password on standard input")
        }
        return line
    }
}
