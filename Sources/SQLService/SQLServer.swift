package import HTTPKit
import HTTPTypes
package import Logging
package import NIOCore
package import Observability

/// A running SQL server: the command topic being followed, the port listening.
package final class SQLServer: Sendable {
    package let engine: SQLEngine
    private let http: HTTPServer
    /// For other nodes, where they have a port of their own.
    private let nodes: HTTPServer?
    private let readiness: Readiness

    package var host: String { http.host }
    package var port: Int { http.port }
    /// "https" or "http".
    package var scheme: String { http.scheme }
    /// For other parts of this process, see `HTTPServer`.
    package var ownURL: String { http.ownURL }

    private init(_ engine: SQLEngine, _ http: HTTPServer, nodes: HTTPServer?, _ readiness: Readiness) {
        self.engine = engine
        self.http = http
        self.nodes = nodes
        self.readiness = readiness
    }

    /// Listens, and answers statements once the command topic has been read.
    ///
    /// - Parameters:
    ///   - group: the threads of the HTTP server.
    ///   - security: TLS, and who may use the server; the port of nodes has its own, see `SQLNodeSecurity`.
    /// - Throws: `HTTPServerError` when the port cannot be had.
    package static func start(
        _ engine: SQLEngine, host: String, port: Int, on group: any EventLoopGroup,
        security: HTTPSecurity = .none, metrics: MetricRegistry, readiness: Readiness, logger: Logger
    ) async throws(HTTPServerError) -> SQLServer {
        readiness.hold("sql", because: "reading the command topic")
        let figures = SQLFigures(metrics)
        var configuration = HTTPServerConfiguration(host: host, port: port)
        configuration.bodyByteCountMax = engine.settings.requestByteCountMax
        configuration.idleTimeout = engine.settings.idleTimeout
        // Queries end before: their clients have this long to come back and read why.
        configuration.stallTimeout = .milliseconds(engine.settings.stallMilliseconds) + .seconds(30)
        configuration.names = [engine.settings.advertised.flatMap(HTTPAuthority.host)].compactMap { $0 }
        configuration.pageOption = .origins
        configuration.security = security
        configuration.crossOrigin = CrossOriginRules(
            origins: engine.settings.allowedOrigins, methods: engine.settings.allowedMethods,
            headers: engine.settings.allowedHeaders)
        configuration.observe = { exchange in
            figures.count(status: Int(exchange.status.code))
            figures.durations.record(exchange.nanoseconds)
        }
        let http: HTTPServer
        var nodes: HTTPServer?
        do {
            http = try await HTTPServer.start(
                configuration, router: SQLAPI.router(engine, figures: figures), on: group, logger: logger)
        } catch {
            readiness.release("sql")
            throw error
        }
        if let listener = engine.settings.internalListener {
            var own = HTTPServerConfiguration(host: listener.host, port: listener.port)
            own.bodyByteCountMax = engine.settings.requestByteCountMax
            own.idleTimeout = engine.settings.idleTimeout
            own.security = engine.settings.nodes.port
            do {
                nodes = try await HTTPServer.start(
                    own, router: SQLAPI.nodeRouter(engine), on: group, logger: logger)
            } catch {
                await http.stop(within: .zero)
                readiness.release("sql")
                throw error
            }
        }
        engine.start(at: "\((nodes ?? http).host):\((nodes ?? http).port)")
        figures.observe(metrics, engine)
        readiness.check("sql") { engine.problem }
        readiness.release("sql")
        return SQLServer(engine, http, nodes: nodes, readiness)
    }

    /// Answers what has been asked, ends queries in good order, and closes.
    package func stop() async {
        readiness.hold("sql", because: "stopping")
        await engine.transients.cancelAll()
        await http.stop(within: .seconds(1))
        await engine.stop()
        await nodes?.stop(within: .seconds(1))
    }
}
