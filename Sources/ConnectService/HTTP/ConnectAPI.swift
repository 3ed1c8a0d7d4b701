import Bytes
import Cluster
import ConnectCore
import HTTPKit
import HTTPTypes
import JSONFormat
import NIOCore
import SchemaRules
import Synchronization

/// The worker's HTTP surface: Kafka Connect's REST API.
///
/// - SeeAlso: KIP-26, 449, 495, 507, 558, 745, 875, 976.
struct ConnectAPI: Sendable {
    /// Where the worker is once it has been made: its name has the port that the server listens on.
    final class Slot: Sendable {
        private let inside = Mutex<Herder?>(nil)
        var herder: Herder? {
            get { inside.withLock { $0 } }
            set { inside.withLock { $0 = newValue } }
        }
    }

    private let slot: Slot
    private(set) var router = HTTPRouter(errors: Self.errors)

    typealias Handler = @Sendable (Herder, HTTPCall, [UInt8]) async throws -> HTTPAnswer

    static func router(_ slot: Slot) -> HTTPRouter {
        var api = ConnectAPI(slot: slot)
        api.addRoot()
        api.addConnectors()
        api.addStates()
        api.addOffsets()
        api.addPlugins()
        api.addLoggers()
        api.addImpact()
        api.addInternal()
        return api.router
    }

    private init(slot: Slot) { self.slot = slot }

    /// What goes wrong before a handler runs, in the words of the original's server.
    private static let errors = ErrorBody { failure in
        let status = Int(failure.status.code)
        let message = [404, 405].contains(status) ? "HTTP \(status) \(failure.status.reasonPhrase)" : failure.message
        return answer(failure.code ?? status, status, message)
    }

    static func answer(_ code: Int, _ status: Int, _ message: String) -> HTTPAnswer {
        .json(
            .object([("error_code", .number(Int64(code))), ("message", .string(message))]),
            status: HTTPResponse.Status(code: status))
    }

    /// A route whose failures are told in Connect's form, and which another worker answers where it has to.
    mutating func on(_ method: HTTPRequest.Method, _ pattern: String, _ handler: @escaping Handler) {
        let slot = slot
        router.on(method, pattern) { call in
            guard let herder = slot.herder else { return Self.answer(503, 503, "Worker is still starting up.") }
            let body = method == .get ? [] : Array(try await call.bytes().readableBytesView)
            guard body.isEmpty || Self.isTaken(call.headers[.contentType]) else {
                return Self.answer(415, 415, "HTTP 415 Unsupported Media Type")
            }
            do {
                return try await handler(herder, call, body)
            } catch let failure as HerderFailure {
                switch failure {
                case .refused(let status, let message): return Self.answer(status, status, message)
                case .elsewhere(let url): return await Self.forward(call, body, to: url, herder)
                }
            } catch let error as ConnectError {
                return Self.answer(500, 500, error.message)
            } catch let error as ClusterError {
                return Self.answer(500, 500, "\(error)")
            }
        }
    }

    // MARK: Other workers

    private static func forward(_ call: HTTPCall, _ body: [UInt8], to url: String, _ herder: Herder) async -> HTTPAnswer
    {
        let hop = call.query("forward")
        // Once to the leader, from there once to who runs the connector, and no further.
        guard hop != "false" else {
            return answer(
                409, 409,
                "Cannot complete request because of a conflicting operation (e.g. worker rebalance)")
        }
        var query = (call.rawQuery ?? "").split(separator: "&").filter { !$0.hasPrefix("forward=") }.map(String.init)
        query.append("forward=\(hop == nil ? "true" : "false")")
        do {
            let headers = call.authorizationToHandOn.map { [("Authorization", $0)] } ?? []
            let got = try await herder.peers.send(
                call.method.rawValue, call.path + "?" + query.joined(separator: "&"), to: url, body: body,
                headers: headers)
            var answer = HTTPAnswer(
                status: HTTPResponse.Status(code: got.status), body: .bytes(ByteBuffer(bytes: got.body)))
            if let type = got.contentType { answer.headers[.contentType] = type }
            if let location = got.location { answer.headers[.location] = location }
            return answer
        } catch {
            return answer(500, 500, "IO Error trying to forward REST request: \(error)")
        }
    }

    // MARK: Bodies

    /// Whether a body of this `Content-Type` is taken. Without one it is, as in the original. No other type may be: a browser
    /// lets any page send it anywhere, and JSON only after asking.
    static func isTaken(_ contentType: String?) -> Bool {
        guard let contentType else { return true }
        return contentType.prefix { $0 != ";" }.filter { $0 != " " }.lowercased() == "application/json"
    }

    /// - Throws: 400 when the body is no JSON object.
    static func object(_ body: [UInt8]) throws(HerderFailure) -> JSONValue {
        guard !body.isEmpty else { throw .badRequest("The request has no body: a JSON object is expected") }
        guard let json = JSONValue.parse(body) else { throw .badRequest("The body of the request is no JSON") }
        guard json.members != nil else { throw .badRequest("The body of the request is no JSON object") }
        return json
    }

    /// Options of a configuration: texts; numbers and flags are taken as such, too.
    static func properties(_ json: JSONValue) throws(HerderFailure) -> [(String, String?)] {
        guard let members = json.members else { throw .badRequest("A configuration is a JSON object of texts") }
        var properties: [(String, String?)] = []
        for (name, value) in members {
            switch value {
            case .null: properties.append((name, nil))
            case .string(let text): properties.append((name, text))
            case .number, .bool, .raw: properties.append((name, String(decoding: value.bytes, as: UTF8.self)))
            case .array, .object: throw .badRequest("Option '\(name)' of the configuration is not a text")
            }
        }
        return properties
    }

    static func configuration(_ json: JSONValue) throws(HerderFailure) -> [String: String] {
        var configuration: [String: String] = [:]
        for (name, value) in try properties(json) { configuration[name] = value }
        return configuration
    }

    // MARK: The worker

    /// What clients are told that they speak with: the release of Kafka Connect whose API this is. Tools that need one
    /// of at least such a version compare it.
    static let originalVersion = "4.3.0"

    private mutating func addRoot() {
        on(.get, "/") { herder, _, _ in
            let id = try await herder.parts.cluster.describeCluster().id
            return .json(
                .object([
                    ("version", .string(Self.originalVersion)),
                    ("commit", .string("swiftwater-\(herder.settings.version)")),
                    ("kafka_cluster_id", .string(id)),
                ]))
        }
        on(.get, "/health") { herder, _, _ in
            let isReady = herder.config.isReady && herder.status.isReady
            let standing = await herder.standing
            let (status, word, message) =
                !isReady || standing.role == .none
                ? (503, "starting", "Worker is still starting up.")
                : (200, "healthy", "Worker has completed startup and is ready to handle requests.")
            return .json(
                .object([("status", .string(word)), ("message", .string(message))]),
                status: HTTPResponse.Status(code: status))
        }
    }

    /// What the registry asks; the original has nothing of the kind.
    private mutating func addImpact() {
        on(.post, "/impact") { herder, _, body in
            let json = try Self.object(body)
            let question: ImpactQuestion
            do throws(SchemaFailure) { question = try ImpactQuestion(json) } catch {
                throw HerderFailure.badRequest(error.message)
            }
            return .json(await herder.impact(of: question).json)
        }
    }

    // MARK: Workers among themselves

    private mutating func addInternal() {
        @Sendable func check(_ herder: Herder, _ call: HTTPCall, _ body: [UInt8]) throws(HerderFailure) {
            guard let key = herder.config.read({ $0.sessionKey }) else {
                guard herder.settings.protocolName.lowercased() == "sessioned" else { return }
                // Without a key nobody can be told from a worker.
                throw .refused(
                    status: 503,
                    "This worker is still starting up and has not been able to read a session key from the config "
                        + "topic yet")
            }
            guard let signature = HTTPField.Name(WorkerPeers.signatureHeader),
                let algorithm = HTTPField.Name(WorkerPeers.algorithmHeader),
                let given = call.headers[signature]
            else { throw .badRequest("Internal request missing required header: \(WorkerPeers.signatureHeader)") }
            guard WorkerPeers.isSigned(body, given, call.headers[algorithm], key) else {
                throw .refused(status: 403, "Internal request contained invalid signature.")
            }
        }
        on(.post, "/connectors/{name}/tasks") { herder, call, body in
            try check(herder, call, body)
            guard let elements = JSONValue.parse(body)?.elements else {
                throw HerderFailure.badRequest("The body of the request is no JSON array")
            }
            var configs: [[String: String]] = []
            for element in elements { configs.append(try Self.configuration(element)) }
            try await herder.mustLead()
            try await herder.store(call.parameter("name"), configs)
            return .empty()
        }
        on(.put, "/connectors/{name}/fence") { herder, call, body in
            try check(herder, call, body)
            try await herder.mustLead()
            try await herder.fenceAsLeader(call.parameter("name"))
            return .empty()
        }
    }
}
