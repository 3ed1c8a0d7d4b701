package import HTTPKit
import HTTPTypes
import JSONFormat
import Logging
import NIOCore
import Observability
import SchemaRules

/// The registry's HTTP surface: Confluent's Schema Registry API.
///
/// Every path exists a second time below `/contexts/{context}`, where it is about that context.
package struct RegistryAPI: Sendable {
    typealias Handler = @Sendable (Exchange) async throws(RegistryError) -> Reply

    let registry: SchemaRegistry
    let client: LeaderClient
    private(set) var router = HTTPRouter(errors: Self.errors)

    /// All routes.
    package static func router(_ registry: SchemaRegistry, client: LeaderClient) -> HTTPRouter {
        var api = RegistryAPI(registry: registry, client: client)
        api.addSchemas()
        api.addSubjects()
        api.addVersions()
        api.addCompatibility()
        api.addSettings()
        api.addKeys()
        api.addOthers()
        return api.router
    }

    private init(registry: SchemaRegistry, client: LeaderClient) {
        self.registry = registry
        self.client = client
    }

    /// What goes wrong before a handler runs, in the words of the original's server.
    private static let errors = ErrorBody { failure in
        let status = Int(failure.status.code)
        let message = [404, 405].contains(status) ? "HTTP \(status) \(failure.status.reasonPhrase)" : failure.message
        return answer(RegistryError(failure.code ?? status, message), .version1)
    }

    static func answer(_ error: RegistryError, _ type: MediaType) -> HTTPAnswer {
        .json(
            .object([("error_code", .number(Int64(error.code))), ("message", .string(error.message))]),
            status: HTTPResponse.Status(code: error.status), contentType: type.rawValue)
    }

    // MARK: Routes

    mutating func get(_ pattern: String, _ handler: @escaping Handler) { on(.get, pattern, handler) }
    mutating func post(_ pattern: String, _ handler: @escaping Handler) { on(.post, pattern, handler) }

    /// A route whose requests change the registry: the leader carries them out.
    mutating func change(_ method: HTTPRequest.Method, _ pattern: String, _ handler: @escaping Handler) {
        let api = self
        on(method, pattern) { exchange throws(RegistryError) in try await api.lead(exchange, handler) }
    }

    /// As `change`, for a path that exists once.
    mutating func changeOnce(_ method: HTTPRequest.Method, _ path: String, _ handler: @escaping Handler) {
        let api = self
        on(method, [path]) { exchange throws(RegistryError) in try await api.lead(exchange, handler) }
    }

    private mutating func on(_ method: HTTPRequest.Method, _ pattern: String, _ handler: @escaping Handler) {
        on(method, [pattern, "/contexts/{context}" + pattern], handler)
    }

    private mutating func on(_ method: HTTPRequest.Method, _ paths: [String], _ handler: @escaping Handler) {
        let registry = registry
        let limit = registry.settings.requestByteCountMax
        for path in paths {
            router.on(method, path, bodyByteCountMax: limit) { call in
                guard let type = MediaType.negotiated(call.headers[.accept]) else {
                    return Self.answer(RegistryError(406, "HTTP 406 Not Acceptable"), .version1)
                }
                let hasBody = method == .post || method == .put
                if hasBody, !MediaType.isTaken(call.headers[.contentType]) {
                    return Self.answer(RegistryError(415, "HTTP 415 Unsupported Media Type"), type)
                }
                // What is not read yet would be answered as if it were not there, and clients believe that.
                if let problem = registry.problem {
                    return Self.answer(
                        RegistryError(503, "The registry is not ready yet (\(problem)): try again in a moment"), type)
                }
                func handle(_ body: ByteBuffer) async -> HTTPAnswer {
                    do throws(RegistryError) {
                        return Self.answer(try await handler(Exchange(call, registry, body: body)), type)
                    } catch {
                        return Self.answer(error.asRead(by: call), type)
                    }
                }
                guard hasBody else { return await handle(ByteBuffer()) }
                let byteCount = call.headers[.contentLength].flatMap(Int.init) ?? .max
                if byteCount > limit, byteCount < .max {
                    // A client hears the refusal only after it has sent everything, so that is let through and dropped.
                    if byteCount / 8 <= limit { try await call.parts { _ in } }
                    throw HTTPFailure(
                        .contentTooLarge, "the body is longer than \(limit) bytes", closesConnection: true)
                }
                guard byteCount > Self.smallByteCountMax else { return await handle(try await call.bytes()) }
                return try await registry.largeBodies.pass(true) { await handle(try await call.bytes()) }
            }
        }
    }

    /// Bodies beyond it, and those that do not say how long they are, take turns.
    private static let smallByteCountMax = 256 << 10

    private static func answer(_ reply: Reply, _ type: MediaType) -> HTTPAnswer {
        switch reply {
        case .json(let value): .json(value, contentType: type.rawValue)
        case .text(let text): .bytes(text.utf8, contentType: type.rawValue)
        case .nothing: .empty()
        case .forwarded(let answer): answer
        }
    }

    // MARK: Leading

    /// Carries a change out, if this node leads, or has the leader do it.
    func lead(_ exchange: Exchange, _ handler: Handler) async throws(RegistryError) -> Reply {
        // A node may learn in the middle that it does not lead any more; then nothing was written, and another one does.
        for _ in 0..<3 {
            switch await registry.role() {
            case .unknown: throw .unknownLeader
            case .follower(let leader): return try await forward(exchange, to: leader)
            case .leader:
                do throws(RegistryError) {
                    return try await handler(exchange)
                } catch {
                    guard error.code == RegistryError.unknownLeader.code else { throw error }
                }
            }
        }
        throw .unknownLeader
    }

    private func forward(_ exchange: Exchange, to leader: NodeIdentity) async throws(RegistryError) -> Reply {
        let headers = exchange.call.headers
        // Two nodes that take each other for the leader must not pass a request to and fro.
        guard headers[.forward]?.lowercased() != "true" else { throw .unknownLeader }
        registry.figures.forwarded.add()
        var passed: [(name: String, value: String)] = [("X-Forward", "true")]
        if let shown = exchange.call.authorizationToHandOn {
            passed.append((HTTPField.Name.authorization.rawName, shown))
        }
        for name in [HTTPField.Name.contentType, .accept, .acceptUnknownProperties] {
            if let value = headers[name] { passed.append((name.rawName, value)) }
        }
        let target = exchange.call.path + (exchange.call.rawQuery.map { "?" + $0 } ?? "")
        let request = LeaderClient.Request(
            method: exchange.call.method.rawValue, target: target, headers: passed, body: exchange.body)
        do {
            let response = try await client.send(request, to: leader)
            var answer = HTTPAnswer(status: HTTPResponse.Status(code: response.status), body: .bytes(response.body))
            if let type = response.contentType { answer.headers[.contentType] = type }
            // So that a client which asks here next sees what it has written. It is written in any case.
            if response.status < 300 { _ = try? await registry.log.catchUp(limit: .seconds(1)) }
            return .forwarded(answer)
        } catch {
            registry.logger.warning(
                "cannot forward a request to the leader", metadata: ["leader": "\(leader.url)", "error": "\(error)"])
            throw .forwardingFailed("Error while forwarding the request to the leader \(leader.url)")
        }
    }
}

extension HTTPField.Name {
    /// Set on requests that a follower passes on.
    static let forward = HTTPField.Name(parsed: "x-forward") ?? .from
    /// With the value "true": the client passes over members of an answer that it does not know.
    static let acceptUnknownProperties = HTTPField.Name(parsed: "confluent-accept-unknown-properties") ?? .from
}

extension RegistryError {
    /// Releases before 8.0 said 409 where those since then say 40901; clients that do not accept unknown properties are
    /// of that time.
    fileprivate func asRead(by call: HTTPCall) -> RegistryError {
        guard code == 40901, call.headers[.acceptUnknownProperties]?.lowercased() != "true" else { return self }
        return RegistryError(409, message)
    }
}
