import Observability
import Synchronization

/// What a worker counts.
final class WorkerFigures: Sendable {
    let polled: Counter
    let written: Counter
    let read: Counter
    let put: Counter
    let skipped: Counter
    let deadLetters: Counter
    let failures: Counter
    let durations: Histogram
    private let requests = Mutex<[Int: Int64]>([:])

    init(_ metrics: MetricRegistry) {
        polled = metrics.counter(
            "swiftwater_connect_source_records_polled_total", "Records that sources gave, before transforms.")
        written = metrics.counter(
            "swiftwater_connect_source_records_written_total", "Records of sources that were handed to their topics.")
        read = metrics.counter(
            "swiftwater_connect_sink_records_read_total", "Records that were read for sinks, before transforms.")
        put = metrics.counter("swiftwater_connect_sink_records_put_total", "Records that sinks took.")
        skipped = metrics.counter(
            "swiftwater_connect_records_skipped_total", "Records passed over because of errors that are tolerated.")
        deadLetters = metrics.counter(
            "swiftwater_connect_dead_letters_total", "Records written to topics of dead letters.")
        failures = metrics.counter("swiftwater_connect_task_failures_total", "Tasks that ended with an error.")
        durations = metrics.histogram(
            "swiftwater_connect_request_duration_seconds",
            "From the end of a request's headers to the end of its answer, in seconds.")
        metrics.samples(
            "swiftwater_connect_requests_total", "Requests to the Connect worker, by HTTP status.", .counter
        ) { [self] in
            requests.withLock { $0 }.sorted { $0.key < $1.key }.map {
                .init([("status", String($0.key))], Double($0.value))
            }
        }
    }

    func count(status: Int) { requests.withLock { $0[status, default: 0] += 1 } }
}
