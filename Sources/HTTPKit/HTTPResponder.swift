import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore

/// From a request to an answer: routes, errors, the access log.
struct HTTPResponder: Sendable {
    private let router: HTTPRouter
    private let configuration: HTTPServerConfiguration
    private let logger: Logger
    private let date = HTTPDate()

    init(router: HTTPRouter, configuration: HTTPServerConfiguration, logger: Logger) {
        self.router = router
        self.configuration = configuration
        self.logger = logger
    }

    func respond(to request: Request, with writer: consuming ResponseWriter, on channel: any Channel) async throws {
        let began = NIODeadline.now()
        let remote = channel.remoteAddress?.ipAddress ?? "unknown"
        var route: String?
        var answer: HTTPAnswer
        let preflight = configuration.crossOrigin?.preflight(request.head)
        do {
            if let preflight {
                route = "OPTIONS"
                answer = preflight
            } else {
                let (found, call) = try find(request, remote)
                route = found.pattern
                if request.headers[.expect]?.lowercased() == "100-continue", isBodyWanted(call) {
                    try await writer.writeInformationalHead(HTTPResponse(status: .continue))
                }
                answer = try await found.handler(call)
            }
        } catch let failure as HTTPFailure {
            answer = router.errors.write(failure)
            answer.headers.append(contentsOf: failure.headers)
            if failure.closesConnection { answer.headers[.connection] = "close" }
        } catch let failure as ConnectionFailure {
            throw failure.cause
        } catch let error as CancellationError {
            throw error
        } catch {
            logger.error(
                "request failed",
                metadata: ["method": "\(request.method)", "path": "\(request.head.path ?? "")", "error": "\(error)"])
            answer = router.errors.write(HTTPFailure(.internalServerError, "internal server error"))
        }
        if preflight == nil { configuration.crossOrigin?.apply(to: &answer, of: request.head) }
        let status = answer.status
        try await send(answer, isHead: request.method == .head, writer)
        let nanoseconds = (NIODeadline.now() - began).nanoseconds
        configuration.observe?(
            HTTPExchange(method: request.method, route: route, status: status, nanoseconds: nanoseconds))
        logger.debug(
            "http request",
            metadata: [
                "method": "\(request.method)", "path": "\(request.head.path ?? "")", "status": "\(status.code)",
                "us": "\(nanoseconds / 1000)", "remote": "\(remote)",
            ])
    }

    private func find(_ request: Request, _ remote: String) throws(HTTPFailure) -> (HTTPRouter.Route, HTTPCall) {
        let path = request.head.path ?? ""
        if request.method == .options {
            let methods = path == "*" ? [.options] : RequestTarget(path).map { router.methods($0.segments) } ?? []
            guard !methods.isEmpty else { throw HTTPFailure(.notFound, "there is nothing at \(path)") }
            let options = HTTPRouter.Route(pattern: "OPTIONS") { _ in
                HTTPAnswer(status: .noContent, headers: [.allow: Self.list(methods)])
            }
            guard let target = RequestTarget(path == "*" ? "/" : path) else {
                throw HTTPFailure(.badRequest, "the path cannot be decoded")
            }
            return (options, call(request, target, remote, [:], nil))
        }
        guard let target = RequestTarget(path) else { throw HTTPFailure(.badRequest, "the path cannot be decoded") }
        switch router.find(request.method, target.segments) {
        case .route(let route, let parameters):
            return (route, call(request, target, remote, parameters, route.bodyByteCountMax))
        case .otherMethods(let methods):
            throw HTTPFailure(
                .methodNotAllowed, "\(target.path) takes \(Self.list(methods))", headers: [.allow: Self.list(methods)])
        case .nothing: throw HTTPFailure(.notFound, "there is nothing at \(target.path)")
        }
    }

    private func call(
        _ request: Request, _ target: RequestTarget, _ remote: String, _ parameters: [String: String],
        _ bodyByteCountMax: Int?
    ) -> HTTPCall {
        HTTPCall(
            request, target, remoteAddress: remote, parameters: parameters,
            bodyByteCountMax: bodyByteCountMax ?? configuration.bodyByteCountMax)
    }

    private static func list(_ methods: [HTTPRequest.Method]) -> String {
        methods.map(\.rawValue).joined(separator: ", ")
    }

    /// Whether the client is told to send a body that it asks about first.
    private func isBodyWanted(_ call: HTTPCall) -> Bool {
        (call.headers[.contentLength].flatMap(Int.init) ?? 0) <= call.bodyByteCountMax
    }

    private func send(_ answer: HTTPAnswer, isHead: Bool, _ writer: consuming ResponseWriter) async throws {
        var head = HTTPResponse(status: answer.status, headerFields: answer.headers)
        if head.headerFields[.date] == nil { head.headerFields[.date] = date.now() }
        switch answer.body {
        case .bytes(let bytes):
            // 204 and 304 have no body, and no length that would announce one (RFC 9110, 8.6).
            if answer.status != .noContent, answer.status != .notModified {
                head.headerFields[.contentLength] = String(bytes.readableBytes)
            }
            if isHead || bytes.readableBytes == 0 {
                try await writer.writeResponse(head)
            } else {
                try await writer.write(response: head, body: ResponseBody(byteBuffer: bytes))
            }
        case .stream(let write):
            if isHead { return try await writer.writeResponse(head) }
            let body = ResponseBody { root in
                var stream = HTTPBodyWriter(root)
                do {
                    try await write(&stream)
                } catch let failure as ConnectionFailure {
                    throw failure.cause
                } catch {
                    // The head has left, so the end of the connection is all that can tell the client.
                    logger.error("answer ended before it was whole", metadata: ["error": "\(error)"])
                    throw error
                }
                try await stream.finish()
            }
            try await writer.write(response: head, body: body)
        }
    }
}
