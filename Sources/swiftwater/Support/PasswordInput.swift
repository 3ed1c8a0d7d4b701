import ArgumentParser
import Glibc

/// Where a password comes from: a file, standard input, or somebody who types it. Never an argument, which everybody on the
/// machine can see.
struct PasswordOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("A file whose first line is the password.", valueName: "file"), completion: .file())
    var passwordFile: String?

    @Flag(help: "Read the password from standard input, up to the end of the line.")
    var passwordStdin = false

    private static let byteCountMax = 1024

    func validate() throws {
        if passwordStdin, passwordFile != nil {
            throw ValidationError("--password-file and --password-stdin exclude each other")
        }
    }

    /// - Parameter user: for the question.
    /// - Throws: `CommandFailure` for a password that is empty or too long, or when there is nobody to ask.
    func password(of user: String) throws -> String {
        let password: String
        if let passwordFile {
            password = Self.firstLine(try PropertiesFile.text(passwordFile))
        } else if passwordStdin {
            password = readLine(strippingNewline: true) ?? ""
        } else {
            guard isatty(STDIN_FILENO) == 1 else {
                throw CommandFailure.usage(
                    "no password, and standard input is no terminal to ask for it",
                    hint: "use --password-file FILE or --password-stdin")
            }
            password = try Self.asked("Password for \(user): ")
            guard try Self.asked("Again: ") == password else {
                throw CommandFailure("the two passwords are not the same")
            }
        }
        guard !password.isEmpty else { throw CommandFailure("the password is empty") }
        guard password.utf8.count <= Self.byteCountMax else {
            throw CommandFailure("the password is longer than \(Self.byteCountMax) bytes")
        }
        guard !password.contains("\0") else { throw CommandFailure("the password has a zero byte in it") }
        return password
    }

    private static func firstLine(_ text: String) -> String {
        text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).first.map(String.init) ?? ""
    }

    /// Asks on the terminal, which shows nothing of what is typed.
    private static func asked(_ question: String) throws -> String {
        var shown = termios()
        guard tcgetattr(STDIN_FILENO, &shown) == 0 else { throw CommandFailure("the terminal cannot be set up") }
        var hidden = shown
        hidden.c_lflag &= ~tcflag_t(ECHO)
        guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0 else {
            throw CommandFailure("the terminal cannot be set up")
        }
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown)
            Output.complain("")
        }
        Output.complain(Array(question.utf8))
        guard let line = readLine(strippingNewline: true) else { throw CommandFailure("no password was given") }
        return line
    }
}
