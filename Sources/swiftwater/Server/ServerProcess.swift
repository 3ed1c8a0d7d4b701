import Broker
import Cluster
import HTTPKit
import Logging
import NIOCore
import Observability

/// All that one `swiftwater start` runs, in the order of starting: the admin port, the broker. It stops in the reverse
/// order, so that `/readyz` tells of a stop until the end of it.
final class ServerProcess {
    let broker: BrokerServer
    /// nil when there is none.
    let admin: HTTPServer?
    /// Why there is no admin port although one was not refused.
    let adminProblem: String?
    private let httpLoops: HTTPLoops?

    private init(broker: BrokerServer, admin: HTTPServer?, adminProblem: String?, httpLoops: HTTPLoops?) {
        self.broker = broker
        self.admin = admin
        self.adminProblem = adminProblem
        self.httpLoops = httpLoops
    }

    var adminAddress: HostPort? { admin.map { HostPort(host: $0.host, port: $0.port) } }

    /// - Throws: `CommandFailure`, `BrokerError`.
    static func start(
        _ settings: ServerSettings, _ configuration: BrokerConfiguration, _ logger: Logger
    ) async throws -> ServerProcess {
        let metrics = MetricRegistry()
        let readiness = Readiness()
        metrics.addProcess()
        metrics.gauge("swiftwater_build_info", "1, with the version of the program.", [("version", Swiftwater.version)])
        {
            1
        }
        metrics.gauge("swiftwater_ready", "1 when /readyz answers 200, else 0.") {
            readiness.problems.isEmpty ? 1 : 0
        }
        var admin: HTTPServer?
        var problem: String?
        let loops = settings.admin == nil ? nil : HTTPLoops()
        do {
            if let address = settings.admin, let loops {
                do throws(HTTPServerError) {
                    admin = try await HTTPServer.start(
                        AdminServer.configuration(address),
                        router: AdminServer.router(metrics: metrics, readiness: readiness), on: loops.group,
                        logger: logger)
                } catch {
                    // A second broker on this machine must not fail for a port that nobody asked for.
                    guard error.code == .addressInUse, settings["admin.listener"].origin == .byDefault else {
                        throw CommandFailure(
                            error.message, hint: "choose another with --admin HOST:PORT, or --admin none")
                    }
                    problem = "off: \(error.message)"
                }
            }
            let broker = try await BrokerServer.start(
                configuration, logger: logger, metrics: metrics, readiness: readiness)
            return ServerProcess(broker: broker, admin: admin, adminProblem: problem, httpLoops: loops)
        } catch {
            await admin?.stop(within: .zero)
            await loops?.shutdown()
            throw error
        }
    }

    /// Takes less than five seconds while the disk works.
    ///
    /// - Returns: whether the next start has nothing to check.
    func stop() async -> Bool {
        let isClean = await broker.stop()
        await admin?.stop(within: .milliseconds(200))
        await httpLoops?.shutdown()
        return isClean
    }
}
