import ArgumentParser
import Bytes
import Glibc
import JSONCalls
import Security
import Synchronization

/// Who the user of a registry or worker is, and whose certificates are trusted: the same options with every command that
/// asks one over HTTP.
struct WebCredentials: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "User of the server, by basic authentication. The password comes from --password-file, from "
                + "$SWIFTWATER_PASSWORD, or is asked for.", valueName: "name"))
    var user: String?
    @Option(
        help: ArgumentHelp("A file whose first line is the password of the user.", valueName: "file"),
        completion: .file())
    var passwordFile: String?
    @Option(
        help: ArgumentHelp(
            "A file with a bearer token (OAuth 2.0) to show instead of a password. (default: $SWIFTWATER_TOKEN)",
            valueName: "file"), completion: .file())
    var tokenFile: String?
    @Option(
        help: ArgumentHelp(
            "A PEM file of authorities to trust for https, besides the system's. (default: $SWIFTWATER_CA)",
            valueName: "file"), completion: .file())
    var cacert: String?

    func validate() throws {
        if passwordFile != nil, user == nil { throw ValidationError("--password-file needs --user") }
        if tokenFile != nil, user != nil { throw ValidationError("--token-file and --user exclude each other") }
    }

    /// The token for addresses without a user; nil for none.
    func token() throws -> String? {
        guard user == nil else { return nil }
        guard let text = try tokenFile.map(PasswordSource.firstLine) ?? EnvironmentVariables.value("SWIFTWATER_TOKEN")
        else { return nil }
        let token = text.trimmed
        guard BearerToken.isWellFormed(token) else {
            throw CommandFailure.usage(
                "what is given as a token is none",
                hint: "a token is one word such as eyJ..., without 'Bearer' before it")
        }
        return token
    }

    /// Puts the user on an address that has none, and has https trust what it is to trust.
    func apply(to address: inout HTTPAddress) throws {
        try Self.trust(cacert)
        guard let user, address.user == nil else { return }
        address.user = user
        address.password = try PasswordSource.password(
            of: user, file: passwordFile, variables: ["SWIFTWATER_PASSWORD"])
    }

    /// - Parameter file: nil for the one of the environment, if any.
    static func trust(_ file: String?) throws {
        guard let file = file ?? EnvironmentVariables.value("SWIFTWATER_CA"), JSONCalls.trustFile == nil else { return }
        do throws(JSONCalls.NoAnswer) { try JSONCalls.trust(file) } catch {
            throw CommandFailure.usage(error.words, hint: "it is a file of certificates that begin with -----BEGIN")
        }
    }
}

/// Where passwords come from that do not stand in the arguments, which everybody on a machine can read.
enum PasswordSource {
    private static let asked = Mutex<[String: String]>([:])

    /// From a file, from a variable, or from the terminal, where a user is asked once.
    ///
    /// - Throws: `CommandFailure` when there is none.
    static func password(of user: String, file: String?, variables: [String]) throws -> String {
        if let file { return try firstLine(of: file) }
        for variable in variables { if let value = EnvironmentVariables.value(variable) { return value } }
        if let known = asked.withLock({ $0[user] }) { return known }
        guard let password = ask("Password of \(user): ") else {
            throw CommandFailure.usage(
                "there is no password of the user '\(user)'",
                hint: "set \(variables.first ?? "a variable"), or use --password-file FILE")
        }
        asked.withLock { $0[user] = password }
        return password
    }

    static func firstLine(of file: String) throws -> String {
        let text = try PropertiesFile.text(file)
        let line = text.prefix { !$0.isNewline }
        guard !line.isEmpty else { throw CommandFailure.usage("'\(file)' has no password in its first line") }
        return String(line)
    }

    /// Asks at the terminal, without showing what is typed.
    ///
    /// - Returns: nil without a terminal, or when nothing was typed.
    static func ask(_ prompt: String) -> String? {
        guard let terminal = fopen("/dev/tty", "r+e") else { return nil }
        defer { fclose(terminal) }
        let descriptor = fileno(terminal)
        var before = termios()
        guard tcgetattr(descriptor, &before) == 0 else { return nil }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        guard tcsetattr(descriptor, TCSAFLUSH, &silent) == 0 else { return nil }
        defer {
            tcsetattr(descriptor, TCSAFLUSH, &before)
            fputs("\n", terminal)
        }
        fputs(prompt, terminal)
        fflush(terminal)
        var bytes = [CChar](repeating: 0, count: 1024)
        guard fgets(&bytes, Int32(bytes.count), terminal) != nil else { return nil }
        let line = bytes.prefix { $0 != 0 && $0 != CChar(bitPattern: UInt8(ascii: "\n")) }
        return line.isEmpty ? nil : String(decoding: line.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
