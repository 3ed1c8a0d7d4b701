import Administration
import ArgumentParser
import Broker
import Cluster
import Environment
import JSONFormat
import Logging
import Security
import Synchronization

struct UserCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Create, list, change and delete users who come with a password.",
        discussion: """
            Works with any Kafka cluster. With --data-dir the users of a data folder are changed that no broker uses: so the \
            first user of a broker comes to be that lets in nobody unknown.

            EXAMPLES
              swiftwater user create admin --data-dir /var/lib/swiftwater
              swiftwater user create ann --password-file ann.txt -b kafka.example.com:9092
              swiftwater user list
              swiftwater user delete ann
            """, subcommands: [UserCreate.self, UserAlter.self, UserList.self, UserDelete.self])
}

/// Where users are: in a running cluster or in a data folder.
struct UserPlace: ParsableArguments {
    @Option(
        help: ArgumentHelp("A data folder that no broker uses, in place of a running cluster.", valueName: "folder"),
        completion: .directory)
    var dataDir: String?

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if dataDir != nil, connection.bootstrap != nil {
            throw ValidationError("--data-dir and --bootstrap exclude each other")
        }
    }

    /// Credentials that there are.
    func list() async throws -> [UserCredentials.Known] {
        guard let dataDir else { return try await UserCredentials(try await connection.connect()).list() }
        try Self.requireFolder(dataDir)
        let found = FoundUsers()
        try await Self.alter(dataDir) { present in
            found.set(present)
            return [:]
        }
        return found.list
    }

    /// Sets the passwords of a user.
    ///
    /// - Parameter check: is given the user's credentials that there are.
    func set(
        _ user: String, password: String, _ mechanisms: [ScramMechanism], iterationCount: Int32,
        check: @Sendable ([UserCredentials.Known]) throws -> Void
    ) async throws {
        guard let dataDir else {
            let users = UserCredentials(try await connection.connect())
            try check(try await users.list().filter { $0.user == user })
            for mechanism in mechanisms {
                try await users.set(user, password: password, mechanism, iterationCount: iterationCount)
            }
            return
        }
        try await Self.alter(dataDir) { present in
            try check(FoundUsers.known(present).filter { $0.user == user })
            var changes: [ScramCredentialKey: ScramCredential?] = [:]
            for mechanism in mechanisms {
                let salt = ScramCredential.randomSalt()
                let salted = mechanism.salted(Array(password.utf8), salt, Int(iterationCount))
                changes[ScramCredentialKey(user: user, mechanism: mechanism)] = ScramCredential(
                    saltedPassword: salted, salt: salt, iterationCount: iterationCount, mechanism)
            }
            return changes
        }
    }

    /// - Returns: what was deleted.
    func delete(_ user: String, _ mechanisms: [ScramMechanism]) async throws -> [ScramMechanism] {
        guard let dataDir else {
            let users = UserCredentials(try await connection.connect())
            let present = try await users.list().filter { $0.user == user }.map(\.mechanism)
            let deleted = present.filter { mechanisms.contains($0) }
            for mechanism in deleted { try await users.delete(user, mechanism) }
            return deleted
        }
        try Self.requireFolder(dataDir)
        let found = FoundUsers()
        try await Self.alter(dataDir) { present in
            let keys = present.keys.filter { $0.user == user && mechanisms.contains($0.mechanism) }
            found.set(present.filter { keys.contains($0.key) })
            return Dictionary(uniqueKeysWithValues: keys.map { ($0, ScramCredential?.none) })
        }
        return found.list.map(\.mechanism)
    }

    /// Only a new user makes a data folder.
    private static func requireFolder(_ dataDir: String) throws {
        guard RealDisk().exists(dataDir + "/meta") else {
            throw CommandFailure(
                "'\(dataDir)' is no data folder", hint: "name the folder that the broker is started with")
        }
    }

    private static func alter(
        _ dataDir: String,
        _ decide: @Sendable ([ScramCredentialKey: ScramCredential]) throws -> [ScramCredentialKey: ScramCredential?]
    ) async throws {
        var configuration = BrokerConfiguration()
        configuration.dataDirectory = dataDir
        var logger = Logger(label: "swiftwater", factory: StandardErrorLog.init)
        logger.logLevel = .warning
        do {
            try await BrokerServer.alterUsers(configuration, logger: logger, decide)
        } catch let error as BrokerError {
            guard case .dataDirectoryLocked = error.code else { throw CommandFailure(error.message) }
            throw CommandFailure(
                error.message, hint: "a running broker's users are changed without --data-dir, with -b HOST:PORT")
        }
    }
}

/// Takes users out of a closure.
private final class FoundUsers: Sendable {
    private let found = Mutex<[UserCredentials.Known]>([])

    func set(_ credentials: [ScramCredentialKey: ScramCredential]) {
        found.withLock { $0 = Self.known(credentials) }
    }

    var list: [UserCredentials.Known] { found.withLock { $0 } }

    static func known(_ credentials: [ScramCredentialKey: ScramCredential]) -> [UserCredentials.Known] {
        credentials.sorted { $0.key < $1.key }.map { key, credential in
            .init(user: key.user, mechanism: key.mechanism, iterationCount: credential.iterationCount)
        }
    }
}

extension ScramMechanism: ExpressibleByArgument {
    package init?(argument: String) { self.init(name: argument.uppercased()) }
    package static var allValueStrings: [String] { allCases.map(\.name) }
    package var defaultValueDescription: String { name }
    // What the parser's own description of a raw value would list one by one.
    package static var allValueDescriptions: [String: String] { [:] }
}

/// How passwords are kept.
struct ScramOptions: ParsableArguments {
    @Option(
        name: .customLong("mechanism"),
        help: ArgumentHelp(
            "How the password can be shown, SCRAM-SHA-256 or SCRAM-SHA-512; may be repeated. (default: both)",
            valueName: "name"))
    var mechanisms: [ScramMechanism] = []

    @Option(help: "How often the password is hashed, 4096 to 16384: more is harder to guess and slower.")
    var iterations: Int32 = 4096

    var chosen: [ScramMechanism] { mechanisms.isEmpty ? ScramMechanism.allCases : mechanisms }

    func validate() throws {
        guard ScramMechanism.iterationCounts ~= iterations else {
            throw ValidationError("--iterations is 4096 to 16384")
        }
    }
}

struct UserCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create a user; asks for the password.",
        discussion: """
            EXAMPLES
              swiftwater user create ann
              printf %s "$PASSWORD" | swiftwater user create ann --password-stdin
            """)

    @Argument(help: "The user's name.") var user: String
    @OptionGroup var scram: ScramOptions
    @OptionGroup var password: PasswordOptions
    @OptionGroup var place: UserPlace

    func run() async throws {
        guard !user.isEmpty else { throw CommandFailure.usage("a user has a name") }
        let text = try password.password(of: user)
        let name = user
        try await place.set(user, password: text, scram.chosen, iterationCount: scram.iterations) { present in
            guard present.isEmpty else {
                throw CommandFailure(
                    "user '\(name)' exists already", hint: "'swiftwater user alter \(name)' changes the password")
            }
        }
        try Output.standard.line("created user '\(user)'")
    }
}

struct UserAlter: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alter", abstract: "Change the password of a user; asks for the new one.",
        discussion: """
            EXAMPLES
              swiftwater user alter ann
            """)

    @Argument(help: "The user's name.") var user: String
    @OptionGroup var scram: ScramOptions
    @OptionGroup var password: PasswordOptions
    @OptionGroup var place: UserPlace

    func run() async throws {
        let text = try password.password(of: user)
        let name = user
        try await place.set(user, password: text, scram.chosen, iterationCount: scram.iterations) { present in
            guard !present.isEmpty else {
                throw CommandFailure(
                    "user '\(name)' does not exist", hint: "'swiftwater user list' shows those that do")
            }
        }
        try Output.standard.line("changed the password of user '\(user)'")
    }
}

struct UserList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List users and how they can show their password.",
        discussion: """
            EXAMPLES
              swiftwater user list -o json
            """)

    @OptionGroup var output: OutputOptions
    @OptionGroup var place: UserPlace

    func run() async throws {
        let users = try await place.list()
        switch output.format {
        case .json:
            let values = users.map { known in
                JSONValue.object([
                    ("user", .string(known.user)), ("mechanism", .string(known.mechanism.name)),
                    ("iterations", .number(Int64(known.iterationCount))),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            var table = Table("USER", "MECHANISM", "ITERATIONS#")
            for known in users { table.add(known.user, known.mechanism.name, String(known.iterationCount)) }
            try Output.standard.line(table.text)
        }
    }
}

struct UserDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a user; connections that there are stay until they end.",
        discussion: """
            EXAMPLES
              swiftwater user delete ann
              swiftwater user delete ann --mechanism SCRAM-SHA-256
            """)

    @Argument(help: "The user's name.") var user: String
    @Option(
        name: .customLong("mechanism"),
        help: ArgumentHelp("Only this way to show the password; may be repeated. (default: all)", valueName: "name"))
    var mechanisms: [ScramMechanism] = []
    @OptionGroup var place: UserPlace

    func run() async throws {
        let deleted = try await place.delete(user, mechanisms.isEmpty ? ScramMechanism.allCases : mechanisms)
        guard !deleted.isEmpty else {
            throw CommandFailure("user '\(user)' does not exist", hint: "'swiftwater user list' shows those that do")
        }
        try Output.standard.line("deleted user '\(user)' (\(deleted.map(\.name).joined(separator: ", ")))")
    }
}
