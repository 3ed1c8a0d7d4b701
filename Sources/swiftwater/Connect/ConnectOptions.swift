import ArgumentParser
import Bytes
import ConnectService
import JSONFormat

/// Which Connect worker: the same option with every command that needs one.
struct ConnectOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A Connect worker, ours or another. (default: $SWIFTWATER_CONNECT or http://127.0.0.1:8083)",
            valueName: "url"))
    var connectUrl: String?
    @OptionGroup var credentials: WebCredentials

    func validate() throws {
        do { _ = try address() } catch let failure as CommandFailure { throw ValidationError(failure.message) }
    }

    private func address(
        environment: (String) -> String? = EnvironmentVariables.value
    ) throws -> HTTPAddress {
        let text = connectUrl ?? environment("SWIFTWATER_CONNECT") ?? "http://127.0.0.1:8083"
        guard let address = HTTPAddress(text) else {
            throw CommandFailure.usage(
                "a Connect worker is named like http://127.0.0.1:8083, not '\(HTTPAddress.hidingPasswords(text))'")
        }
        return address
    }

    func client(environment: (String) -> String? = EnvironmentVariables.value) throws -> ConnectClient {
        var address = try address(environment: environment)
        try credentials.apply(to: &address)
        return ConnectClient(address, token: try credentials.token())
    }

    /// Runs a command's exchanges and says what can be done about their failures.
    func explaining<Result>(
        connector: String? = nil, _ body: (ConnectClient) async throws -> Result
    ) async throws -> Result {
        let client = try client()
        do {
            return try await body(client)
        } catch let failure as ConnectClientFailure {
            guard let status = failure.status else {
                let isGiven = connectUrl != nil || EnvironmentVariables.value("SWIFTWATER_CONNECT") != nil
                throw CommandFailure(
                    failure.message,
                    hint: isGiven
                        ? "is a Connect worker running there?"
                        : "'swiftwater start' runs one; name another with --connect-url URL")
            }
            if status == 401 || status == 403 {
                throw CommandFailure(
                    failure.message,
                    hint: "the worker asks for a user who may do that: --user NAME, http://NAME:PASSWORD@HOST:8083, or "
                        + "--token-file FILE")
            }
            if status == 404, let connector {
                // Only for the hint.
                let names = (try? await client.exchange("GET", ["connectors"]).elements?.compactMap(\.text)) ?? []
                guard names.contains(connector) else {
                    if let nearest = nearestName(to: connector, among: names) {
                        throw CommandFailure("connector '\(connector)' does not exist: did you mean '\(nearest)'?")
                    }
                    throw CommandFailure(
                        "connector '\(connector)' does not exist", hint: "'swiftwater connect list' shows those that do"
                    )
                }
            }
            if let name = Self.unknownClass(failure.message) {
                throw CommandFailure(
                    "the worker has no connector class '\(name)'",
                    hint: "'swiftwater connect plugins' lists those that it has")
            }
            // The worker's own answers say what it does not have.
            let isForeign = status == 404 && failure.message.hasPrefix("HTTP ")
            throw CommandFailure(
                failure.message, hint: isForeign ? "is it a Connect worker that runs there?" : nil)
        }
    }

    /// The class that the worker does not have. Its own message, which is Java's, goes on with everything that it has.
    private static func unknownClass(_ message: String) -> String? {
        guard let start = message.firstRange(of: "any class that implements Connector and which name matches "),
            let end = message.firstRange(of: ", available connectors are:"), start.upperBound <= end.lowerBound
        else { return nil }
        return String(message[start.upperBound..<end.lowerBound])
    }
}

/// A connector's configuration from a file and from the command line.
struct ConnectorSource: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A file with the configuration: JSON, with or without \"name\" and \"config\" around it, or properties.",
            valueName: "file"), completion: .file())
    var config: String?

    @Argument(help: ArgumentHelp("Options of the connector, which win over the file's.", valueName: "option=value"))
    var options: [String] = []

    /// - Returns: the configuration, and the name that the file has, if any.
    func read() throws -> (name: String?, properties: [(String, String)]) {
        var properties: [(String, String)] = []
        var name: String?
        if let config {
            let text = try PropertiesFile.text(config)
            if text.first(where: { !$0.isWhitespace }) == "{" {
                guard let json = JSONValue.parse(Array(text.utf8)) else { throw CommandFailure("\(config) is no JSON") }
                name = json["name"]?.text
                let own = json["config"]?.members != nil ? json["config"] : json
                for (option, value) in own?.members ?? [] {
                    switch value {
                    case .null: continue
                    case .array, .object: throw CommandFailure("\(config): option '\(option)' is not a text")
                    default: properties.append((option, value.text ?? String(decoding: value.bytes, as: UTF8.self)))
                    }
                }
            } else {
                properties = PropertiesFile.parse(text).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            }
        }
        for (option, value) in try pairs(options, option: "an option of a connector") {
            properties.removeAll { $0.0 == option }
            properties.append((option, value))
        }
        if let own = properties.first(where: { $0.0 == "name" })?.1 { name = own }
        return (name, properties)
    }
}
