package import Cluster
package import HTTPKit
import HTTPTypes
package import Logging
package import NIOCore
package import Observability
import Synchronization

/// A running console.
package final class ConsoleServer: Sendable {
    private let http: HTTPServer
    private let console: Console

    package var host: String { http.host }
    package var port: Int { http.port }
    /// "https" or "http".
    package var scheme: String { http.scheme }

    private init(_ http: HTTPServer, _ console: Console) {
        self.http = http
        self.console = console
    }

    /// - Parameters:
    ///   - cluster: whose topics and groups are shown.
    ///   - security: TLS, and who may use the console.
    ///   - now: milliseconds since 1970.
    package static func start(
        _ cluster: any Cluster, _ settings: ConsoleSettings, host: String, port: Int, on group: any EventLoopGroup,
        security: HTTPSecurity = .none, metrics: MetricRegistry, logger: Logger,
        now: @escaping @Sendable () -> Int64
    ) async throws(HTTPServerError) -> ConsoleServer {
        var settings = settings
        settings.hosts.append(host)
        let figures = ConsoleFigures(metrics)
        var configuration = HTTPServerConfiguration(host: host, port: port)
        configuration.bodyByteCountMax = 2 << 20
        configuration.requestTimeout = .seconds(120)
        configuration.connectionCountMax = 512
        configuration.names = settings.hosts
        configuration.pageOption = ConsoleGuard.pageOption
        configuration.security = security
        configuration.observe = { figures.count(status: Int($0.status.code)) }
        let console = Console(cluster, settings, now: now, logger: logger)
        let http = try await HTTPServer.start(
            configuration, router: ConsoleAPI(console).router(), on: group, logger: logger)
        return ConsoleServer(http, console)
    }

    /// Ends streams and what samples for them.
    package func stop() async {
        await http.stop(within: .milliseconds(300))
        await console.stop()
    }
}

/// What the console counts of itself.
private final class ConsoleFigures: Sendable {
    private let requests = Mutex<[Int: Int64]>([:])

    init(_ metrics: MetricRegistry) {
        metrics.samples("swiftwater_console_requests_total", "Requests to the console, by HTTP status.", .counter) {
            [self] in
            requests.withLock { $0 }.sorted { $0.key < $1.key }.map {
                .init([("status", String($0.key))], Double($0.value))
            }
        }
    }

    func count(status: Int) { requests.withLock { $0[status, default: 0] += 1 } }
}
