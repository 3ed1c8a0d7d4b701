import ArgumentParser
import Bytes
import RegistryClient
import SchemaRules

/// Which schema registry: the same options with every command that needs one.
struct RegistryOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The schema registry, or its nodes separated by commas; user and password may stand before the host. "
                + "(default: $SWIFTWATER_REGISTRY or http://127.0.0.1:8081)", valueName: "url"))
    var registry: String?
    @OptionGroup var credentials: WebCredentials

    func validate() throws {
        do {
            _ = try addresses()
        } catch let failure as CommandFailure {
            throw ValidationError(failure.message)
        }
    }

    func addresses(environment: (String) -> String? = EnvironmentVariables.value) throws -> [HTTPAddress] {
        let text = registry ?? environment("SWIFTWATER_REGISTRY") ?? "http://127.0.0.1:8081"
        return try text.split(separator: ",").map { part in
            guard let address = HTTPAddress(String(part).trimmed) else {
                throw CommandFailure.usage(
                    "a schema registry is named like http://127.0.0.1:8081, not '\(part.trimmed)'")
            }
            return address
        }
    }

    /// - Parameter seconds: for one exchange.
    func client(timeout seconds: Double = 30) throws -> RegistryClient {
        var addresses = try addresses()
        for index in addresses.indices { try credentials.apply(to: &addresses[index]) }
        return RegistryClient(
            addresses, timeout: .milliseconds(Int64(seconds * 1000)),
            tokens: try credentials.token().map { try RegistryTokens(token: $0) })
    }

    /// What to do about a registry that is not there, where that is always the same.
    var isGiven: Bool { registry != nil || EnvironmentVariables.value("SWIFTWATER_REGISTRY") != nil }
}

extension RegistryOptions {
    /// Runs a command's exchanges and says what can be done about their failures.
    func explaining<Result>(
        subject: String? = nil, _ body: (RegistryClient) async throws -> Result
    ) async throws -> Result {
        let client = try client()
        do {
            return try await body(client)
        } catch let failure as RegistryFailure {
            throw await explained(failure, subject, client)
        } catch let failure as SchemaFailure {
            throw CommandFailure(failure.message)
        }
    }

    private func explained(
        _ failure: RegistryFailure, _ subject: String?, _ client: RegistryClient
    ) async -> CommandFailure {
        switch failure.kind {
        case .unreachable:
            return CommandFailure(
                failure.message,
                hint: isGiven
                    ? "is a schema registry running there?"
                    : "'swiftwater start' runs one; name another with --registry URL")
        case .refused(_, 40401):
            guard let subject else { return CommandFailure(failure.message) }
            let names = (try? await client.subjects()) ?? []  // only for the hint
            if let nearest = nearestName(to: subject, among: names) {
                return CommandFailure("subject '\(subject)' does not exist: did you mean '\(nearest)'?")
            }
            return CommandFailure(
                "subject '\(subject)' does not exist", hint: "'swiftwater schema list' shows those that do")
        case .refused(401, _), .refused(403, _):
            return CommandFailure(
                failure.message,
                hint: "the registry asks for a user who may do that: --user NAME, http://NAME:PASSWORD@HOST:8081, or "
                    + "--token-file FILE")
        case .refused(let status, let code) where status == code && status == 404:
            // The registry's own codes have five digits: this one comes from something else.
            return CommandFailure(failure.message, hint: "is it a schema registry that runs there?")
        case .refused, .notUnderstood, .unknownType: return CommandFailure(failure.message)
        }
    }
}

/// A type of schema as the command line names it.
enum SchemaTypeName: String, CaseIterable, ExpressibleByArgument {
    case avro, protobuf
    case jsonSchema = "json-schema"

    init(_ type: SchemaType) {
        switch type {
        case .avro: self = .avro
        case .protobuf: self = .protobuf
        case .json: self = .jsonSchema
        }
    }

    var type: SchemaType {
        switch self {
        case .avro: .avro
        case .protobuf: .protobuf
        case .jsonSchema: .json
        }
    }

    /// By the ending of a file's name; nil when it does not tell.
    init?(file: String) {
        if file.hasSuffix(".avsc") || file.hasSuffix(".avro") {
            self = .avro
        } else if file.hasSuffix(".proto") {
            self = .protobuf
        } else if file.hasSuffix(".json") {
            self = .jsonSchema
        } else {
            return nil
        }
    }
}
