import ArgumentParser
import Bytes
import JSONFormat

struct QuotaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quota", abstract: "Say how much users, clients and addresses may ask of the cluster.",
        discussion: """
            EXAMPLES
              swiftwater quota list
              swiftwater quota set --user ann --producer-byte-rate 1048576
              swiftwater quota remove --user ann
            """,
        subcommands: [QuotaList.self, QuotaSet.self, QuotaRemove.self])
}

/// Whom a quota is for.
struct QuotaEntityOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A user, or 'default' for all without a quota of their own.", valueName: "name"))
    var user: String?
    @Option(
        help: ArgumentHelp(
            "A client id, or 'default'; with --user, that user's clients with it.", valueName: "id"))
    var clientId: String?
    @Option(help: ArgumentHelp("An IP address, or 'default'.", valueName: "address"))
    var ip: String?

    /// The word for all that have no quota of their own.
    static let defaultName = "default"

    var parts: [QuotaCalls.Part] {
        [("user", user), ("client-id", clientId), ("ip", ip)].compactMap { type, name in
            name.map { QuotaCalls.Part(type: type, name: Self.name($0)) }
        }
    }

    /// One that is really called 'default' is named with a `=` in front.
    private static func name(_ text: String) -> String? {
        if text == defaultName { return nil }
        return text.hasPrefix("=") ? String(text.dropFirst()) : text
    }

    func validate() throws {
        if ip != nil, user != nil || clientId != nil {
            throw ValidationError("--ip stands alone: quotas of addresses are about connections, whoever comes")
        }
        for part in parts where part.name == "" { throw ValidationError("the name of a \(part.type) is not empty") }
    }

    func requireEntity() throws {
        guard !parts.isEmpty else { throw ValidationError("name --user, --client-id or --ip") }
    }
}

/// The quotas that there are, by Kafka's keys.
enum QuotaKeys {
    static let ofClients = [
        "producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate",
    ]
    static let ofAddresses = ["connection_creation_rate"]

    static func check(_ keys: [String], _ entity: QuotaEntityOptions) throws {
        let permitted = entity.ip == nil ? ofClients : ofAddresses
        for key in keys where !permitted.contains(key) {
            if (ofClients + ofAddresses).contains(key) {
                throw ValidationError(
                    "\(key) is no quota of \(entity.ip == nil ? "users and client ids" : "an address"): there are "
                        + permitted.joined(separator: ", "))
            }
            throw ValidationError(
                "there is no quota '\(key)'"
                    + (nearestName(to: key, among: permitted).map { ": did you mean '\($0)'?" }
                        ?? ": there are \(permitted.joined(separator: ", "))"))
        }
    }
}

struct QuotaList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List quotas.",
        discussion: """
            Without options all are listed; with them those of the user, client id or address, and of what the user is \
            combined with.

            EXAMPLES
              swiftwater quota list
              swiftwater quota list --user ann
              swiftwater quota list --user default -o json
            """)

    @OptionGroup var entity: QuotaEntityOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let entries = try await QuotaCalls(connection.connect()).list(entity.parts)
        try QuotaListing.show(entries, output.format)
    }
}

struct QuotaSet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Set quotas; others of the same user, client id or address stay.",
        discussion: """
            A quota of a user is shared by all of the user's clients, that of a client id by all users who come with it; \
            'default' is for each that has none of its own. Of several that fit, one of a user with a client id goes first, \
            then one of the user, then one of the client id.

            EXAMPLES
              swiftwater quota set --user ann --producer-byte-rate 1048576 \\
                  --consumer-byte-rate 2097152
              swiftwater quota set --user default --request-percentage 50
              swiftwater quota set --user ann --client-id reports \\
                  --consumer-byte-rate 524288
              swiftwater quota set --client-id default --controller-mutation-rate 5
              swiftwater quota set --ip 10.0.0.7 --connection-creation-rate 10
            """)

    @OptionGroup var entity: QuotaEntityOptions
    @Option(help: ArgumentHelp("Bytes per second that may be produced.", valueName: "bytes"))
    var producerByteRate: Double?
    @Option(help: ArgumentHelp("Bytes per second that may be consumed.", valueName: "bytes"))
    var consumerByteRate: Double?
    @Option(
        help: ArgumentHelp("Time of the broker's threads, in percent of one of them.", valueName: "percent"))
    var requestPercentage: Double?
    @Option(
        help: ArgumentHelp("Partitions per second that may be created and deleted.", valueName: "partitions"))
    var controllerMutationRate: Double?
    @Option(help: ArgumentHelp("Connections per second from the address.", valueName: "connections"))
    var connectionCreationRate: Double?
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    private var changes: [(key: String, value: Double)] {
        [
            ("producer_byte_rate", producerByteRate), ("consumer_byte_rate", consumerByteRate),
            ("request_percentage", requestPercentage), ("controller_mutation_rate", controllerMutationRate),
            ("connection_creation_rate", connectionCreationRate),
        ].compactMap { key, value in value.map { (key, $0) } }
    }

    func validate() throws {
        try entity.requireEntity()
        guard !changes.isEmpty else {
            throw ValidationError("say what to set, such as --producer-byte-rate 1048576")
        }
        try QuotaKeys.check(changes.map(\.key), entity)
        for (key, value) in changes where !value.isFinite || value <= 0 {
            throw ValidationError("\(key) is more than 0; 'swiftwater quota remove' takes a quota away")
        }
    }

    func run() async throws {
        let calls = QuotaCalls(try await connection.connect())
        try await calls.alter(entity.parts, changes.map { ($0.key, $0.value) }, "set quotas")
        try QuotaListing.show([.init(entity: entity.parts, values: changes)], output.format)
    }
}

struct QuotaRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove quotas.",
        discussion: """
            Removes the quotas of exactly this user, client id or address; those of a user together with a client id stay \
            until both are named.

            EXAMPLES
              swiftwater quota remove --user ann
              swiftwater quota remove --user ann --quota producer_byte_rate
              swiftwater quota remove --ip default
            """)

    @OptionGroup var entity: QuotaEntityOptions
    @Option(
        help: ArgumentHelp(
            "Only this one, such as producer_byte_rate; may be repeated. (default: all)", valueName: "key")
    )
    var quota: [String] = []
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        try entity.requireEntity()
        try QuotaKeys.check(quota, entity)
    }

    func run() async throws {
        let calls = QuotaCalls(try await connection.connect())
        let wanted = Set(entity.parts)
        var removed = try await calls.list(entity.parts).filter { Set($0.entity) == wanted }
        for index in removed.indices where !quota.isEmpty {
            removed[index].values.removeAll { !quota.contains($0.key) }
        }
        removed.removeAll { $0.values.isEmpty }
        guard !removed.isEmpty else {
            throw CommandFailure(
                "there is no such quota of \(QuotaListing.text(entity.parts))",
                hint: "'swiftwater quota list' shows those that there are")
        }
        for entry in removed {
            try await calls.alter(entity.parts, entry.values.map { ($0.key, nil) }, "remove quotas")
        }
        try QuotaListing.show(removed, output.format, "removed")
    }
}

/// Quotas as they are printed.
enum QuotaListing {
    /// - Parameter done: what was done with them; nil for a list.
    static func show(_ entries: [QuotaCalls.Entry], _ format: OutputFormat, _ done: String? = nil) throws {
        switch format {
        case .json:
            let values = entries.map { entry in
                JSONValue.object([
                    (
                        "entity",
                        .object(
                            entry.entity.map { part in
                                let name: JSONValue = part.name.map { .string($0) } ?? .null
                                return (part.type, name)
                            })
                    ),
                    ("quotas", .object(entry.values.map { ($0.key, number($0.value)) })),
                ])
            }
            try Output.standard.write(JSONValue.array(values).pretty + [UInt8(ascii: "\n")])
        case .table:
            if let done {
                let count = entries.reduce(0) { $0 + $1.values.count }
                try Output.standard.line("\(done) \(count) quota\(count == 1 ? "" : "s")")
            }
            var table = Table("USER", "CLIENT-ID", "IP", "QUOTA", "VALUE#")
            for entry in entries {
                func cell(_ type: String) -> String {
                    entry.entity.first { $0.type == type }.map { $0.name.map(shown) ?? QuotaEntityOptions.defaultName }
                        ?? "-"
                }
                for (key, value) in entry.values {
                    table.add(cell("user"), cell("client-id"), cell("ip"), key, text(value))
                }
            }
            try Output.standard.line(table.text)
        }
    }

    /// A name as it is given to the options.
    private static func shown(_ name: String) -> String {
        name == QuotaEntityOptions.defaultName || name == "-" || name.hasPrefix("=") ? "=" + name : name
    }

    static func text(_ parts: [QuotaCalls.Part]) -> String {
        parts.map { part in
            "\(part.type) " + (part.name.map { "'\($0)'" } ?? QuotaEntityOptions.defaultName)
        }.joined(separator: " with ")
    }

    /// Whole numbers without a fraction.
    static func text(_ value: Double) -> String { Int64(exactly: value).map { "\($0)" } ?? "\(value)" }

    private static func number(_ value: Double) -> JSONValue {
        Int64(exactly: value).map { .number($0) } ?? .raw(Array("\(value)".utf8))
    }
}
