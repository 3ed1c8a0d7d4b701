import ArgumentParser
import JSONFormat
import Security

struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Make, renew, end and list delegation tokens, which stand for a password for a while.",
        discussion: """
            A client comes by a token with SCRAM: the token's id is the user, its HMAC the password, and tokenauth=true goes \
            along. Works with any Kafka cluster that has delegation.token.secret.key set, over SASL or with a certificate.

            EXAMPLES
              swiftwater token create --renewer User:scheduler
              swiftwater token describe
              swiftwater token renew 2RGzGdOmSpuuWjMNRtbjlA
              swiftwater token expire 2RGzGdOmSpuuWjMNRtbjlA
            """,
        subcommands: [TokenCreate.self, TokenRenew.self, TokenExpire.self, TokenDescribe.self])
}

/// How tokens are shown.
enum TokenListing {
    static func principals(_ texts: [String], _ option: String) throws -> [Principal] {
        try texts.map { text in
            guard let principal = Principal(text), !principal.name.isEmpty else {
                throw ValidationError("\(option) '\(text)' is no principal: TYPE:NAME, as User:\(text)")
            }
            return principal
        }
    }

    static func json(_ known: TokenCalls.Known, showsSecret: Bool) -> JSONValue {
        let token = known.token
        return .object(
            [
                ("id", .string(token.id)), ("owner", .string(token.owner.description)),
                ("requester", .string(token.requester.description)),
                ("renewers", .array(token.renewers.map { .string($0.description) })),
                ("issuedMs", .number(token.issuedAt)), ("expiresMs", .number(token.expiresAt)),
                ("maxMs", .number(token.endsAt)),
            ] + (showsSecret ? [("hmac", .string(known.secret))] : []))
    }

    static func show(_ value: JSONValue) throws {
        try Output.standard.write(value.pretty + [UInt8(ascii: "\n")])
    }

    /// The token of an id, by whose HMAC it is renewed or ended: so no secret is typed, which others could read.
    static func find(_ id: String, _ calls: TokenCalls) async throws -> TokenCalls.Known {
        guard let known = try await calls.describe(nil).first(where: { $0.token.id == id }) else {
            throw CommandFailure(
                "there is no delegation token '\(id)'", hint: "'swiftwater token describe' shows those that you may see"
            )
        }
        return known
    }
}

struct TokenCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create a token and print it with its HMAC, which is a secret.",
        discussion: """
            EXAMPLES
              swiftwater token create
              swiftwater token create --renewer User:scheduler --max-lifetime 2d
              swiftwater token create --owner User:ann -o json > token.json
            """)

    @Option(help: ArgumentHelp("Whose token it is, if not your own; needs CreateTokens.", valueName: "principal"))
    var owner: String?
    @Option(
        help: ArgumentHelp("Who may renew and end it besides the owner; may be repeated.", valueName: "principal"))
    var renewer: [String] = []
    @Option(
        help: ArgumentHelp("How long it can be renewed, as in 2d; no longer than the cluster's.", valueName: "span"))
    var maxLifetime: String?
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        _ = try owners()
        _ = try TokenListing.principals(renewer, "--renewer")
        _ = try lifetime()
    }

    private func owners() throws -> [Principal] {
        try TokenListing.principals(owner.map { [$0] } ?? [], "--owner")
    }

    private func lifetime() throws -> Int64? {
        guard let maxLifetime else { return nil }
        let span = try milliseconds(maxLifetime, "--max-lifetime")
        guard span > 0 else { throw ValidationError("--max-lifetime is more than 0") }
        return span
    }

    func run() async throws {
        let known = try await TokenCalls(connection.connect()).create(
            owner: owners().first, renewers: TokenListing.principals(renewer, "--renewer"), lifetimeMs: lifetime())
        if output.format == .json { return try TokenListing.show(TokenListing.json(known, showsSecret: true)) }
        let token = known.token
        try Output.standard.line(
            """
            id:       \(RecordPrinter.visible(token.id))
            hmac:     \(known.secret)
            owner:    \(RecordPrinter.visible(token.owner.description))
            expires:  \(Timestamps.text(milliseconds: token.expiresAt)) unless it is renewed
            ends:     \(Timestamps.text(milliseconds: token.endsAt))
            """)
    }
}

struct TokenRenew: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew", abstract: "Put off when a token expires; up to its maximum.",
        discussion: """
            EXAMPLES
              swiftwater token renew 2RGzGdOmSpuuWjMNRtbjlA
              swiftwater token renew 2RGzGdOmSpuuWjMNRtbjlA --period 12h
            """)

    @Argument(help: "The token's id.") var id: String
    @Option(
        help: ArgumentHelp("For how long from now, as in 12h; no longer than the cluster's.", valueName: "span"))
    var period: String?
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws { _ = try span() }

    private func span() throws -> Int64? {
        guard let period else { return nil }
        let span = try milliseconds(period, "--period")
        guard span > 0 else { throw ValidationError("--period is more than 0") }
        return span
    }

    func run() async throws {
        let calls = TokenCalls(try await connection.connect())
        var known = try await TokenListing.find(id, calls)
        known.token.expiresAt = try await calls.renew(known, periodMs: span())
        if output.format == .json { return try TokenListing.show(TokenListing.json(known, showsSecret: false)) }
        try Output.standard.line(
            "token '\(id)' expires at \(Timestamps.text(milliseconds: known.token.expiresAt))")
    }
}

struct TokenExpire: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "expire",
        abstract: "End a token, at once or soon; connections that came by it last until it would have expired.",
        discussion: """
            EXAMPLES
              swiftwater token expire 2RGzGdOmSpuuWjMNRtbjlA
              swiftwater token expire 2RGzGdOmSpuuWjMNRtbjlA --in 10m
            """)

    @Argument(help: "The token's id.") var id: String
    @Option(
        name: .customLong("in"), help: ArgumentHelp("In how long, as in 10m. (default: at once)", valueName: "span"))
    var delay: String?
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws { _ = try span() }

    private func span() throws -> Int64? { try delay.map { try milliseconds($0, "--in") } }

    func run() async throws {
        let calls = TokenCalls(try await connection.connect())
        var known = try await TokenListing.find(id, calls)
        let span = try span()
        let expiry = try await calls.expire(known, periodMs: span)
        if span != nil { known.token.expiresAt = expiry }
        if output.format == .json {
            return try TokenListing.show(
                .object([
                    ("id", .string(id)), ("deleted", .bool(span == nil)),
                    ("expiresMs", span == nil ? .null : .number(expiry)),
                ]))
        }
        try Output.standard.line(
            span == nil
                ? "ended token '\(id)'" : "token '\(id)' expires at \(Timestamps.text(milliseconds: expiry))")
    }
}

struct TokenDescribe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "List the tokens that you may see, without their HMACs unless asked.",
        discussion: """
            These are your own, those that you asked for or may renew, and by rules for DescribeTokens and Describe those of \
            others.

            EXAMPLES
              swiftwater token describe
              swiftwater token describe --owner User:ann -o json
              swiftwater token describe --show-hmac -o json > tokens.json
            """)

    @Option(
        help: ArgumentHelp(
            "Only tokens that are this principal's, that it asked for or may renew; may be repeated.",
            valueName: "principal"))
    var owner: [String] = []
    @Flag(help: "Print the HMACs, too, which are secrets.") var showHmac = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws { _ = try TokenListing.principals(owner, "--owner") }

    func run() async throws {
        let owners = try TokenListing.principals(owner, "--owner")
        let known = try await TokenCalls(connection.connect()).describe(owners.isEmpty ? nil : owners)
        let sorted = known.sorted {
            ($0.token.owner.description, $0.token.id) < ($1.token.owner.description, $1.token.id)
        }
        if output.format == .json {
            return try TokenListing.show(.array(sorted.map { TokenListing.json($0, showsSecret: showHmac) }))
        }
        let names = ["ID", "OWNER", "REQUESTER", "RENEWERS", "EXPIRES", "ENDS"]
        var table = Table(names + (showHmac ? ["HMAC"] : []))
        for known in sorted {
            let token = known.token
            table.add(
                [
                    token.id, token.owner.description, token.requester.description,
                    token.renewers.isEmpty ? "-" : token.renewers.map(\.description).joined(separator: " "),
                    Timestamps.text(milliseconds: token.expiresAt), Timestamps.text(milliseconds: token.endsAt),
                ] + (showHmac ? [known.secret] : []))
        }
        try Output.standard.line(table.text)
    }
}
