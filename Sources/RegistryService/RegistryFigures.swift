import Observability
import Synchronization

/// What the registry counts.
final class RegistryFigures: Sendable {
    let registrations: Counter
    let forwarded: Counter
    let incompatible: Counter
    let durations: Histogram
    private let requests = Mutex<[Int: Int64]>([:])

    init(_ metrics: MetricRegistry) {
        registrations = metrics.counter(
            "swiftwater_registry_registrations_total", "Schema versions registered by this node as the leader.")
        forwarded = metrics.counter(
            "swiftwater_registry_forwarded_total", "Requests that this node handed to the leader.")
        incompatible = metrics.counter(
            "swiftwater_registry_incompatible_total", "Registrations refused because of compatibility.")
        durations = metrics.histogram(
            "swiftwater_registry_request_duration_seconds",
            "From the end of a request's headers to the end of its answer, in seconds.")
    }

    func count(status: Int) { requests.withLock { $0[status, default: 0] += 1 } }

    func observe(
        _ metrics: MetricRegistry, _ holder: StateHolder, _ log: SchemaLog, _ leadership: Leadership,
        _ writer: RegistryWriter, _ cache: DocumentCache
    ) {
        metrics.samples(
            "swiftwater_registry_requests_total", "Requests to the schema registry, by HTTP status.", .counter
        ) { [self] in
            requests.withLock { $0 }.sorted { $0.key < $1.key }.map {
                .init([("status", String($0.key))], Double($0.value))
            }
        }
        metrics.gauge("swiftwater_registry_schemas", "Versions of all subjects, deleted ones included.") {
            Double(holder.read { $0.versionCount })
        }
        metrics.gauge("swiftwater_registry_subjects", "Subjects, deleted ones included.") {
            Double(holder.read { $0.subjectCount })
        }
        metrics.gauge("swiftwater_registry_leader", "1 when this node leads the registries, else 0.") {
            leadership.epoch == nil ? 0 : 1
        }
        metrics.gauge("swiftwater_registry_parsed_schemas", "Parsed schemas that are kept.") { Double(cache.count) }
        metrics.counter("swiftwater_registry_appends_total", "Appends to the schemas topic.") {
            Double(writer.appends.load(ordering: .relaxed))
        }
        metrics.counter(
            "swiftwater_registry_skipped_records_total", "Records of the schemas topic that could not be used."
        ) {
            Double(log.skipped.load(ordering: .relaxed))
        }
    }
}
