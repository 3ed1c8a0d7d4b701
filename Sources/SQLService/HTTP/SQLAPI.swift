package import HTTPKit
package import HTTPTypes
package import JSONFormat
import NIOCore

/// ksqlDB's HTTP API.
package struct SQLAPI: Sendable {
    package let engine: SQLEngine
    private(set) var router = HTTPRouter(errors: Self.errors)

    /// All routes; those of nodes among themselves only where they have no port of their own.
    package static func router(_ engine: SQLEngine, figures: SQLFigures? = nil) -> HTTPRouter {
        var api = SQLAPI(engine: engine)
        api.addServer()
        api.addStatements(figures)
        api.addQueries()
        if engine.settings.internalListener == nil { api.addNodes() }
        return api.router
    }

    /// What nodes ask and tell each other.
    static func nodeRouter(_ engine: SQLEngine) -> HTTPRouter {
        var api = SQLAPI(engine: engine)
        api.addNodes()
        return api.router
    }

    private init(engine: SQLEngine) { self.engine = engine }

    /// What goes wrong before a handler runs, and what handlers throw.
    private static let errors = ErrorBody { failure in
        let status = Int(failure.status.code)
        let message =
            switch status {
            case 404: "Not Found"
            case 405: "Method Not Allowed"
            default: failure.message
            }
        return answer(KsqlFailure(failure.code ?? status * 100, message), status: failure.status)
    }

    package static func answer(
        _ failure: KsqlFailure, status: HTTPResponse.Status? = nil, type: MediaType = .json
    ) -> HTTPAnswer {
        var answer = HTTPAnswer.json(
            failure.json, status: status ?? HTTPResponse.Status(code: failure.status), contentType: type.rawValue)
        if failure.status == 503 { answer.headers[.retryAfter] = "1" }
        return answer
    }

    package mutating func get(
        _ path: String, traits: HTTPRouter.Traits = [],
        _ handler: @escaping @Sendable (HTTPCall) async throws(KsqlFailure) -> HTTPAnswer
    ) {
        router.on(.get, path, traits: traits) { call in
            do throws(KsqlFailure) { return try await handler(call) } catch { return Self.answer(error) }
        }
    }

    /// A route for requests with a JSON body.
    ///
    /// - Parameters:
    ///   - offered: the media types that it can answer with, the default first.
    ///   - handler: gets the body and the type to answer with.
    package mutating func post(
        _ path: String, offers offered: [MediaType], traits: HTTPRouter.Traits = [],
        _ handler: @escaping @Sendable (HTTPCall, JSONValue, MediaType) async throws(KsqlFailure) -> HTTPAnswer
    ) {
        router.post(path, bodyByteCountMax: engine.settings.requestByteCountMax, traits: traits) { call in
            guard let type = MediaType.negotiated(call.headers[.accept], among: offered) else {
                return Self.answer(.notAcceptable)
            }
            let bytes = try await call.bytes()
            do throws(KsqlFailure) {
                let body: JSONValue
                do {
                    let text = Array(bytes.readableBytesView)
                    body = try JSONValue.read(text.span.bytes)
                } catch {
                    throw .badRequest("Malformed JSON in the request's body: \(error)")
                }
                guard body.members != nil else { throw .badRequest("The request's body is no JSON object") }
                return try await handler(call, body, type)
            } catch { return Self.answer(error) }
        }
    }

    /// The short way to the answers of pull queries.
    ///
    /// - Parameter members: of the body that have the statement, and the properties of the session.
    mutating func quickPulls(
        _ path: String, members: (statement: String, properties: String), offers offered: [MediaType],
        _ service: QueryService
    ) {
        let patterns = BodyPatterns()
        router.quick(path, bodyByteCountMax: min(engine.settings.requestByteCountMax, Self.quickByteCountMax)) {
            (request, output) in
            guard let type = MediaType.quicklyNegotiated(request.accept, among: offered) else { return nil }
            let form = ResultWriter.Form(type, on: path)
            return service.answerAtHand(request.body, members: members, patterns, form, &output)
                ? MediaType(form).rawValue : nil
        }
    }

    /// Longer requests take a while to read.
    private static let quickByteCountMax = 8192

    /// A route whose handler reads the request itself.
    package mutating func on(
        _ method: HTTPRequest.Method, _ path: String, traits: HTTPRouter.Traits = [],
        _ handler: @escaping HTTPRouter.Handler
    ) {
        router.on(
            method, path, bodyByteCountMax: engine.settings.requestByteCountMax, traits: traits, handler)
    }

    /// A WebSocket.
    package mutating func webSocket(_ path: String, _ handler: @escaping HTTPRouter.WebSocketHandler) {
        router.webSocket(path, handler)
    }
}
