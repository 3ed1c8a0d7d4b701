import HTTPKit
import HTTPTypes
import Logging
import Observability

/// The port for those who run the program: metrics, health, readiness. It answers while everything else is still loading.
enum AdminServer {
    static func router(metrics: MetricRegistry, readiness: Readiness) -> HTTPRouter {
        var router = HTTPRouter(errors: .plain)
        router.get("/") { _ in .text(help) }
        router.get("/metrics") { call in
            let format = MetricText.Format(accept: call.headers[.accept])
            return .bytes(MetricText.write(metrics.look(), as: format), contentType: format.contentType)
        }
        router.get("/healthz") { _ in .text("ok\n") }
        router.get("/readyz") { _ in
            let problems = readiness.problems
            guard problems.isEmpty else {
                return .text(problems.joined(separator: "\n") + "\n", status: .serviceUnavailable)
            }
            return .text("ready\n")
        }
        return router
    }

    static let help = """
        Swiftwater \(Swiftwater.version), administration

        /metrics   metrics for Prometheus, in its text format or in OpenMetrics
        /healthz   200 while the process runs
        /readyz    200 when clients are served; else 503 and what keeps them from it, one reason a line

        """

    /// Small limits: it is asked by a scraper and a supervisor, not by the public.
    static func configuration(_ address: HostPort, _ security: HTTPSecurity = .none) -> HTTPServerConfiguration {
        var configuration = HTTPServerConfiguration(
            host: address.host == "localhost" ? "127.0.0.1" : address.host, port: address.port)
        configuration.connectionCountMax = 64
        configuration.bodyByteCountMax = 0
        configuration.security = security
        // Nothing of the process asks here.
        configuration.security.process = nil
        return configuration
    }
}
