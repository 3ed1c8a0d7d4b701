package import Observability
import SQLPlan
import Synchronization

/// What the SQL server counts.
package final class SQLFigures: Sendable {
    package let durations: Histogram
    package let statements: Counter
    package let failedStatements: Counter
    private let requests = Mutex<[Int: Int64]>([:])

    package init(_ metrics: MetricRegistry) {
        durations = metrics.histogram(
            "swiftwater_sql_request_duration_seconds",
            "From the end of a request's headers to the end of its answer, in seconds.")
        statements = metrics.counter("swiftwater_sql_statements_total", "Statements that were executed.")
        failedStatements = metrics.counter(
            "swiftwater_sql_failed_statements_total", "Requests with statements that were refused.")
        metrics.samples(
            "swiftwater_sql_requests_total", "Requests to the SQL server, by HTTP status.", .counter
        ) { [self] in samples }
    }

    private var samples: [MetricRegistry.Sample] {
        requests.withLock { $0 }.sorted { $0.key < $1.key }.map {
            .init([("status", String($0.key))], Double($0.value))
        }
    }

    package func count(status: Int) { requests.withLock { $0[status, default: 0] += 1 } }

    func observe(_ metrics: MetricRegistry, _ engine: SQLEngine) {
        metrics.gauge("swiftwater_sql_sources", "Streams and tables.") { Double(engine.current.sources.count) }
        metrics.gauge("swiftwater_sql_persistent_queries", "Persistent queries.") {
            Double(engine.current.queries.count)
        }
        metrics.gauge("swiftwater_sql_client_queries", "Push queries of clients that are running.") {
            Double(engine.transients.count)
        }
        metrics.gauge(
            "swiftwater_sql_failed_starts", "Persistent queries that could not be started and are tried again."
        ) {
            Double(engine.state.withLock { $0.startFailures.count })
        }
        metrics.gauge("swiftwater_sql_command_offset", "The next offset of the command topic to be executed.") {
            Double(engine.log.progress.reached)
        }
    }
}
