package import HTTPTypes
import HummingbirdCore
package import Logging
package import NIOCore
import Synchronization

/// How an HTTP server is to run. The defaults are for small requests of many clients.
package struct HTTPServerConfiguration: Sendable {
    package var host: String
    /// 0 takes any free port.
    package var port: Int
    /// Connections at a time; more wait in the system's queue until one ends.
    package var connectionCountMax = 1024
    /// A connection without a request ends after this; so does one whose request has incomplete headers.
    package var idleTimeout = TimeAmount.seconds(60)
    /// From the end of a request's headers to the end of its body; nil where bodies have no end.
    package var requestTimeout: TimeAmount? = .seconds(30)
    /// How long a client may take nothing of an answer.
    package var stallTimeout = TimeAmount.seconds(30)
    /// All headers of a request together.
    package var headerByteCountMax = 32 << 10
    package var headerCountMax = 100
    /// The body of a request, unless the route says otherwise.
    package var bodyByteCountMax = 1 << 20
    /// Requests at a time on one connection of HTTP/2.
    package var streamCountMax = 1000
    /// What a client may send ahead on one HTTP/2 stream.
    package var streamWindowByteCount = 1 << 20
    /// Pages of other origins that may use the server; nil for none.
    package var crossOrigin: CrossOriginRules?
    /// Names by which pages may reach the server, besides where it listens, see `PageGuard`.
    package var names: [String] = []
    /// What lets further pages in, for messages.
    package var pageOption = PageGuard.Option.none
    /// TLS, and who may use the server.
    package var security = HTTPSecurity.none
    /// Called after each answer, on any thread.
    package var observe: (@Sendable (HTTPExchange) -> Void)?

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

/// One request and its answer, for those who count.
package struct HTTPExchange: Sendable {
    package var method: HTTPRequest.Method
    /// The pattern of the route; nil when there was none.
    package var route: String?
    package var status: HTTPResponse.Status
    /// From the end of the request's headers to the end of the answer, in nanoseconds.
    package var nanoseconds: Int64
}

/// Why a server does not listen.
package struct HTTPServerError: Error, CustomStringConvertible {
    package enum Code: Sendable { case addressInUse, addressUnavailable }
    package var code: Code
    package var message: String
    package var description: String { message }
}

/// A running server of HTTP/1.1, HTTP/2 and WebSocket on the same port, with or without TLS.
package final class HTTPServer: Sendable {
    package let host: String
    package let port: Int
    private let server: Server<HTTPConnections>
    private let connections: OpenConnections
    private let run: Task<Void, Never>
    private let isStopped = Atomic<Bool>(false)
    private let security: HTTPSecurity
    /// A second, plain port on loopback, which only parts of this process can use: whatever certificate the other one
    /// has, and whatever certificates it asks for, need not hold for them.
    private let inner: HTTPServer?

    private init(
        _ channel: any Channel, _ configuration: HTTPServerConfiguration, _ server: Server<HTTPConnections>,
        _ connections: OpenConnections, _ run: Task<Void, Never>, inner: HTTPServer?
    ) {
        self.inner = inner
        security = configuration.security
        host = channel.localAddress?.ipAddress ?? configuration.host
        port = channel.localAddress?.port ?? configuration.port
        self.server = server
        self.connections = connections
        self.run = run
    }

    package var connectionCount: Int { connections.count }

    /// "https" or "http".
    package var scheme: String { security.tls == nil ? "http" : "https" }

    /// Where other parts of this process reach the server, with the user that they are: nothing to show anybody.
    package var ownURL: String {
        if let inner { return inner.ownURL }
        var user = ""
        if let process = security.process, security.authentication != nil {
            user = "\(ProcessCredentials.user):\(process.password)@"
        }
        let host = ["0.0.0.0", "::"].contains(host) ? "127.0.0.1" : host
        return "http://\(user)\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    /// Listens and answers by `router`.
    ///
    /// - Throws: `HTTPServerError`.
    package static func start(
        _ configuration: HTTPServerConfiguration, router: HTTPRouter, on group: any EventLoopGroup, logger: Logger
    ) async throws(HTTPServerError) -> HTTPServer {
        guard configuration.security.tls != nil, let process = configuration.security.process else {
            return try await listen(configuration, router, on: group, logger, inner: nil)
        }
        var own = configuration
        own.host = "127.0.0.1"
        own.port = 0
        own.names.append(configuration.host)
        own.security = HTTPSecurity(authentication: HTTPAuthentication(process: process), process: process)
        let inner = try await listen(own, router, on: group, logger, inner: nil)
        do throws(HTTPServerError) {
            return try await listen(configuration, router, on: group, logger, inner: inner)
        } catch {
            await inner.stop(within: .zero)
            throw error
        }
    }

    private static func listen(
        _ configuration: HTTPServerConfiguration, _ router: HTTPRouter, on group: any EventLoopGroup, _ logger: Logger,
        inner: HTTPServer?
    ) async throws(HTTPServerError) -> HTTPServer {
        let connections = OpenConnections()
        let responder = HTTPResponder(router: router, configuration: configuration, logger: logger)
        // The framework's own lines are about its insides; what an operator needs, this file tells.
        var quiet = logger
        quiet.logLevel = .critical
        let child = HTTPConnections(responder: responder, configuration: configuration, connections: connections)
        let (running, isRunning) = AsyncStream.makeStream(of: Result<any Channel, any Error>.self)
        let server = Server(
            childChannelSetup: child,
            configuration: ServerConfiguration(
                address: .hostname(configuration.host, port: configuration.port),
                availableConnectionsDelegate: ConnectionPlaces(configuration, logger: logger)),
            onServerRunning: { isRunning.yield(.success($0)) }, eventLoopGroup: group, logger: quiet)
        // Owned by the server that is returned: `stop` ends and awaits it.
        let run = Task {
            do {
                try await server.run()
            } catch {
                isRunning.yield(.failure(error))
            }
            isRunning.finish()
        }
        for await result in running {
            switch result {
            case .success(let channel):
                return HTTPServer(channel, configuration, server, connections, run, inner: inner)
            case .failure(let error): throw failure(error, configuration)
            }
        }
        throw HTTPServerError(code: .addressUnavailable, message: "the server ended before it listened")
    }

    private static func failure(_ error: any Error, _ configuration: HTTPServerConfiguration) -> HTTPServerError {
        if let error = error as? IOError, error.errnoCode == 98 {  // EADDRINUSE on Linux
            return HTTPServerError(
                code: .addressInUse, message: "port \(configuration.port) on \(configuration.host) is already in use")
        }
        return HTTPServerError(
            code: .addressUnavailable,
            message: "cannot listen on \(configuration.host):\(configuration.port): \(error)")
    }

    /// Stops listening, lets requests that are being answered end, and closes connections: those without a request at
    /// once, the others after their answer, all of them after `limit`. A second call returns at once.
    package func stop(within limit: Duration = .seconds(2)) async {
        guard !isStopped.exchange(true, ordering: .acquiringAndReleasing) else { return }
        async let own: Void? = inner?.stop(within: limit)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                try? await self.server.shutdownGracefully()  // it fails only when the port is closed already
            }
            group.addTask {
                do { try await Task.sleep(for: limit) } catch { return }
                await self.connections.closeAll()
                self.run.cancel()
            }
            await group.next()
            group.cancelAll()
        }
        await run.value
        _ = await own
    }
}
