import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import Security

/// From a request to an answer: routes, errors, the access log.
struct HTTPResponder: Sendable {
    private let router: HTTPRouter
    private let configuration: HTTPServerConfiguration
    private let logger: Logger
    private let pages: PageGuard
    private let date = HTTPDate()

    init(router: HTTPRouter, configuration: HTTPServerConfiguration, logger: Logger) {
        self.router = router
        self.configuration = configuration
        self.logger = logger
        pages = PageGuard(
            names: configuration.names + [configuration.host], crossOrigin: configuration.crossOrigin,
            option: configuration.pageOption)
    }

    var errors: ErrorBody { router.errors }

    /// nil where there are none.
    var quickRoutes: QuickRoutes? {
        router.quickRoutes.isEmpty
            ? nil
            : QuickRoutes(
                router.quickRoutes, date, configuration.security.authentication, observe: configuration.observe, logger)
    }

    func respond(
        to request: Request, with writer: consuming ResponseWriter, on channel: any Channel, isHTTP2: Bool
    ) async throws {
        let began = NIODeadline.now()
        let remote = channel.remoteAddress?.ipAddress ?? "unknown"
        var route: String?
        var user: HTTPUser?
        var answer: HTTPAnswer
        let preflight = configuration.crossOrigin?.preflight(request.head)
        do {
            if let preflight {
                route = "OPTIONS"
                answer = preflight
            } else {
                try pages.check(request.head)
                user = try await configuration.security.authentication?.user(
                    of: request.head, from: remote, isNear: ClientAddress.isNear(channel))
                let (found, call) = try find(request, remote, user, isHTTP2)
                route = found.pattern
                if found.traits.contains(.hasEndlessBody) {
                    channel.triggerUserOutboundEvent(GuardEvent.bodyHasNoEnd, promise: nil)
                }
                if request.headers[.expect]?.lowercased() == "100-continue", isBodyWanted(call) {
                    try await writer.writeInformationalHead(HTTPResponse(status: .continue))
                }
                if found.traits.contains(.isShort) {
                    answer = try await found.handler(call)
                } else {
                    answer = try await withTaskExecutorPreference(globalConcurrentExecutor) {
                        try await found.handler(call)
                    }
                }
            }
        } catch let failure as HTTPFailure {
            answer = router.errors.write(failure)
            answer.headers.append(contentsOf: failure.headers)
            if failure.closesConnection, !isHTTP2 { answer.headers[.connection] = "close" }
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
        // HTTP/2 has no such fields (RFC 9113, 8.2.2).
        if isHTTP2 {
            answer.headers[.connection] = nil
            answer.headers[.upgrade] = nil
        }
        try await send(answer, isHead: request.method == .head, writer, channel, until: user?.until)
        let nanoseconds = (NIODeadline.now() - began).nanoseconds
        configuration.observe?(
            HTTPExchange(method: request.method, route: route, status: status, nanoseconds: nanoseconds))
        logger.debug(
            "http request",
            metadata: [
                "method": "\(request.method)", "path": "\(request.head.path ?? "")", "status": "\(status.code)",
                "us": "\(nanoseconds / 1000)", "remote": "\(remote)", "user": "\(user?.principal.name ?? "-")",
            ])
    }

    private func find(
        _ request: Request, _ remote: String, _ user: HTTPUser?, _ isHTTP2: Bool
    ) throws(HTTPFailure) -> (HTTPRouter.Route, HTTPCall) {
        let path = request.head.path ?? ""
        if request.method == .options {
            let methods = path == "*" ? [.options] : RequestTarget(path).map { router.methods($0.segments) } ?? []
            guard !methods.isEmpty else { throw HTTPFailure(.notFound, "there is nothing at \(path)") }
            let options = HTTPRouter.Route(pattern: "OPTIONS", traits: .isShort) { _ in
                HTTPAnswer(status: .noContent, headers: [.allow: Self.list(methods)])
            }
            guard let target = RequestTarget(path == "*" ? "/" : path) else {
                throw HTTPFailure(.badRequest, "the path cannot be decoded")
            }
            return (options, call(request, target, remote, user, [:], nil, isHTTP2))
        }
        guard let target = RequestTarget(path) else { throw HTTPFailure(.badRequest, "the path cannot be decoded") }
        switch router.find(request.method, target.segments) {
        case .route(let route, let parameters):
            return (route, call(request, target, remote, user, parameters, route.bodyByteCountMax, isHTTP2))
        case .otherMethods(let methods):
            throw HTTPFailure(
                .methodNotAllowed, "\(target.path) takes \(Self.list(methods))", headers: [.allow: Self.list(methods)])
        case .nothing: throw HTTPFailure(.notFound, "there is nothing at \(target.path)")
        }
    }

    private func call(
        _ request: Request, _ target: RequestTarget, _ remote: String, _ user: HTTPUser?,
        _ parameters: [String: String], _ bodyByteCountMax: Int?, _ isHTTP2: Bool
    ) -> HTTPCall {
        HTTPCall(
            request, target, remoteAddress: remote, user: user, parameters: parameters,
            bodyByteCountMax: bodyByteCountMax ?? configuration.bodyByteCountMax, isHTTP2: isHTTP2)
    }

    /// A WebSocket that has a handler, with what the handler is called with.
    struct WebSocketCall: Sendable {
        var messageCountMax: Int
        var run: @Sendable (WebSocket) async -> WebSocketClosing
    }

    /// What takes time before a request for a WebSocket is answered: the look at a password that is not known yet.
    ///
    /// - Returns: nil where there is nothing of that kind.
    func prepareSocket(_ upgrade: UpgradeRequest, on channel: any Channel) -> EventLoopFuture<Void>? {
        guard let authentication = configuration.security.authentication,
            let target = RequestTarget(upgrade.target), router.webSocketRoute(target.path) != nil,
            let header = upgrade.value("authorization"),
            authentication.allowsAtHand(header, isNear: ClientAddress.isNear(channel)) == nil
        else { return nil }
        let head = Self.head(upgrade)
        let remote = channel.remoteAddress?.ipAddress ?? "unknown"
        return channel.eventLoop.makeFutureWithTask {
            try await authentication.prepare(head, from: remote, isNear: ClientAddress.isNear(channel))
        }
    }

    private static func head(_ upgrade: UpgradeRequest) -> HTTPRequest {
        HTTPRequest(
            method: .get, scheme: "http", authority: upgrade.value("host"), path: upgrade.target,
            headerFields: upgrade.headerFields)
    }

    /// - Returns: nil when there is no handler for the path, it does not accept the request, or its sender may not.
    func webSocket(_ upgrade: UpgradeRequest, on channel: any Channel) -> WebSocketCall? {
        guard let target = RequestTarget(upgrade.target), let route = router.webSocketRoute(target.path) else {
            return nil
        }
        let head = Self.head(upgrade)
        do { try pages.check(head, opensSocket: true) } catch { return nil }
        var user: HTTPUser?
        if let authentication = configuration.security.authentication, !authentication.isOpen(head) {
            // Who is not known goes on as a request of HTTP/1.1, and is told why.
            guard
                let known = authentication.allowsAtHand(
                    head.headerFields[.authorization], isNear: ClientAddress.isNear(channel))
            else { return nil }
            user = known
        }
        let call = call(
            Request(head: head, body: RequestBody(buffer: ByteBuffer())), target,
            channel.remoteAddress?.ipAddress ?? "unknown", user, [:], nil, false)
        guard route.accepts(call) else { return nil }
        let configuration = configuration
        let end = user?.until
        return WebSocketCall(messageCountMax: route.messageCountMax) { socket in
            let began = NIODeadline.now()
            let closing = await Self.within(end) { await route.handler(call, socket) }
            configuration.observe?(
                HTTPExchange(
                    method: .get, route: target.path, status: .switchingProtocols,
                    nanoseconds: (NIODeadline.now() - began).nanoseconds))
            return closing
        }
    }

    /// Runs a handler until what its user has shown is over.
    private static func within(
        _ end: NIODeadline?, _ handler: @escaping @Sendable () async -> WebSocketClosing
    ) async -> WebSocketClosing {
        guard let end else { return await handler() }
        return await withTaskGroup(of: WebSocketClosing.self) { group in
            group.addTask { await handler() }
            group.addTask {
                let left = max(0, (end - .now()).nanoseconds)
                try? await Task.sleep(for: .nanoseconds(left))  // the end of the handler ends it
                return WebSocketClosing(1008, "the token has expired")
            }
            let first = await group.next()
            group.cancelAll()
            return first ?? WebSocketClosing(1008, "the token has expired")
        }
    }

    private static func list(_ methods: [HTTPRequest.Method]) -> String {
        methods.map(\.rawValue).joined(separator: ", ")
    }

    /// Whether the client is told to send a body that it asks about first.
    private func isBodyWanted(_ call: HTTPCall) -> Bool {
        (call.headers[.contentLength].flatMap(Int.init) ?? 0) <= call.bodyByteCountMax
    }

    private func send(
        _ answer: HTTPAnswer, isHead: Bool, _ writer: consuming ResponseWriter, _ channel: any Channel,
        until: NIODeadline?
    ) async throws {
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
            // Who has shown a token gets no more when it is over.
            let end = until.map { channel.eventLoop.scheduleTask(deadline: $0) { channel.close(promise: nil) } }
            defer { end?.cancel() }
            let body = ResponseBody { root in
                let stream = HTTPBodyWriter(root)
                do {
                    try await run(write, stream, channel)
                } catch let failure as ConnectionFailure {
                    throw failure.cause
                } catch let error as CancellationError {
                    throw error
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

    /// Writes a body without end, until its writer ends or the client is gone.
    private func run(
        _ write: @escaping @Sendable (inout HTTPBodyWriter) async throws -> Void, _ stream: HTTPBodyWriter,
        _ channel: any Channel
    ) async throws {
        let (gone, signal) = AsyncStream.makeStream(of: Never.self)
        let registered = channel.eventLoop.makePromise(of: Void.self)
        registered.futureResult.whenFailure { _ in signal.finish() }
        channel.triggerUserOutboundEvent(GuardEvent.answerHasNoEnd { signal.finish() }, promise: registered)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var stream = stream
                try await withTaskExecutorPreference(globalConcurrentExecutor) { try await write(&stream) }
            }
            group.addTask {
                for await _ in gone {}
                throw CancellationError()
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }
}
