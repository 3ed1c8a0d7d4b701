import KafkaMessages
import LogStorage
package import Observability
import Security
import Synchronization

/// What the broker counts, and where its parts register what they count themselves.
package final class BrokerMetrics: Sendable {
    package let registry: MetricRegistry

    let producedRecords: Counter
    let producedBytes: Counter
    let fetchedRecords: Counter
    let fetchedBytes: Counter
    let syncDurations: Histogram
    let segmentsDeleted: Counter
    let clockSteps: Counter
    let connectionsAccepted: Counter

    private struct ErrorKey: Hashable {
        var apiKey: ApiKey
        var code: Int16
    }
    private let errors = Mutex<[ErrorKey: Int64]>([:])
    private struct AuthenticationKey: Hashable {
        var listener: String
        var mechanism: String
        var isRight: Bool
    }
    private let authentications = Mutex<[AuthenticationKey: Int64]>([:])
    private let storageFailures = Mutex<[LogError.Code: Int64]>([:])
    private let refusals = Mutex<[String: Int64]>([:])
    private let denials = Mutex<[AclOperation: Int64]>([:])
    private let loops = Mutex<[LoopMetrics]>([])

    init(_ registry: MetricRegistry) {
        self.registry = registry
        producedRecords = registry.counter("swiftwater_produced_records_total", "Records appended to logs.")
        producedBytes = registry.counter(
            "swiftwater_produced_bytes_total", "Bytes of record batches appended, as clients sent them.")
        fetchedRecords = registry.counter(
            "swiftwater_fetched_records_total", "Records sent to consumers, counted by their offsets.")
        fetchedBytes = registry.counter(
            "swiftwater_fetched_bytes_total", "Bytes of record batches sent to consumers.")
        syncDurations = registry.histogram(
            "swiftwater_log_sync_duration_seconds",
            "Durations of forcing logs to disk for those who wait for it, in seconds; their number is the count.")
        segmentsDeleted = registry.counter(
            "swiftwater_log_segments_deleted_total", "Segments deleted by retention or DeleteRecords.")
        clockSteps = registry.counter(
            "swiftwater_clock_steps_total", "Times the system clock was set by a second or more.")
        connectionsAccepted = registry.counter(
            "swiftwater_kafka_connections_accepted_total", "Connections of Kafka clients that were accepted.")
        registerRequests()
        registry.samples(
            "swiftwater_kafka_connections_refused_total",
            "Connections refused, by the property whose bound was reached.",
            .counter
        ) { [self] in
            refusals.withLock { $0 }.sorted { $0.key < $1.key }.map { .init([("bound", $0.key)], Double($0.value)) }
        }
        registry.samples(
            "swiftwater_authorization_denials_total",
            "Operations that clients were refused for want of a permission, by operation.", .counter
        ) { [self] in
            denials.withLock { $0 }.sorted { $0.key.rawValue < $1.key.rawValue }.map {
                .init([("operation", $0.key.name)], Double($0.value))
            }
        }
        registry.samples(
            "swiftwater_kafka_authentications_total",
            "Clients that showed who they are, and those that were refused, by listener and mechanism.", .counter
        ) { [self] in
            authentications.withLock { $0 }
                .sorted { ($0.key.listener, $0.key.mechanism) < ($1.key.listener, $1.key.mechanism) }
                .map { key, count in
                    .init(
                        [
                            ("listener", key.listener), ("mechanism", key.mechanism),
                            ("result", key.isRight ? "accepted" : "refused"),
                        ], Double(count))
                }
        }
        registry.samples(
            "swiftwater_storage_failures_total", "Operations that the disk refused, by kind.", .counter
        ) { [self] in
            storageFailures.withLock { $0 }.sorted { $0.key.rawValue < $1.key.rawValue }.map {
                .init([("kind", $0.key.rawValue)], Double($0.value))
            }
        }
    }

    // MARK: Counting

    func noteError(_ apiKey: ApiKey, _ code: Int16) {
        errors.withLock { $0[ErrorKey(apiKey: apiKey, code: code), default: 0] += 1 }
    }

    func noteStorageFailure(_ code: LogError.Code) { storageFailures.withLock { $0[code, default: 0] += 1 } }

    func noteDenial(_ operation: AclOperation) { denials.withLock { $0[operation, default: 0] += 1 } }

    /// - Parameter mechanism: of SASL, or TLS for certificates; their number is bounded.
    func noteAuthentication(listener: String, mechanism: String, isRight: Bool) {
        let key = AuthenticationKey(listener: listener, mechanism: mechanism, isRight: isRight)
        authentications.withLock { $0[key, default: 0] += 1 }
    }

    /// - Parameter bound: the property whose bound is reached.
    func noteRefusedConnection(_ bound: String) { refusals.withLock { $0[bound, default: 0] += 1 } }

    func noteProduced(recordCount: Int64, byteCount: Int) {
        producedRecords.add(recordCount)
        producedBytes.add(Int64(byteCount))
    }

    func noteFetched(_ parts: [FetchedPartition]) {
        var recordCount: Int64 = 0
        var byteCount = 0
        for case let slice? in parts.lazy.map(\.slice) where slice.byteCount > 0 {
            recordCount &+= slice.nextOffset &- slice.firstOffset
            byteCount &+= slice.byteCount
        }
        noteFetched(recordCount, byteCount)
    }

    func noteFetched(_ parts: [SharedPart]) {
        noteFetched(parts.reduce(0) { $0 &+ $1.recordCount }, parts.reduce(0) { $0 + $1.byteCount })
    }

    private func noteFetched(_ recordCount: Int64, _ byteCount: Int) {
        guard byteCount > 0 else { return }
        fetchedRecords.add(recordCount)
        fetchedBytes.add(Int64(byteCount))
    }

    /// The counters of one more event loop.
    func addLoop() -> LoopMetrics {
        let metrics = LoopMetrics()
        loops.withLock { $0.append(metrics) }
        return metrics
    }

    // MARK: Showing

    /// By API, over all event loops; APIs without a request are left out.
    func requests() -> [(name: String, figures: LoopMetrics.Figures)] {
        let loops = loops.withLock { $0 }
        return ApiKey.allCases.compactMap { apiKey in
            var figures = LoopMetrics.Figures()
            for loop in loops { figures.add(loop.figures(apiKey)) }
            return figures.requestCount > 0 ? (apiKey.name, figures) : nil
        }
    }

    private func registerRequests() {
        registry.samples("swiftwater_kafka_requests_total", "Requests of Kafka clients, by API.", .counter) { [self] in
            requests().map { .init([("api", $0.name)], Double($0.figures.requestCount)) }
        }
        registry.samples(
            "swiftwater_kafka_request_bytes_total", "Bytes of requests, with their length prefixes, by API.", .counter
        ) { [self] in
            requests().map { .init([("api", $0.name)], Double($0.figures.bytesIn)) }
        }
        registry.samples(
            "swiftwater_kafka_response_bytes_total", "Bytes of responses, with their length prefixes, by API.", .counter
        ) { [self] in
            requests().map { .init([("api", $0.name)], Double($0.figures.bytesOut)) }
        }
        registry.samples(
            "swiftwater_kafka_request_duration_seconds",
            "From the arrival of a request to its answer, in seconds, by API; a fetch that waits for records waits here too.",
            .histogram
        ) { [self] in
            requests().map { .init([("api", $0.name)], $0.figures.durations) }
        }
        registry.samples(
            "swiftwater_kafka_request_errors_total",
            "Error codes in responses, by API; a response may carry several.", .counter
        ) { [self] in
            errors.withLock { $0 }.map { (key: ($0.apiKey.name, ErrorCode(rawValue: $0.code).name), count: $1) }
                .sorted { $0.key < $1.key }
                .map { .init([("api", $0.key.0), ("error", $0.key.1)], Double($0.count)) }
        }
    }
}
