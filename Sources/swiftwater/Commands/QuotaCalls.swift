import Cluster
import KafkaMessages

/// Quotas of any Kafka cluster, by its protocol (KIP-546).
struct QuotaCalls {
    private static let versions: ClosedRange<Int16> = 0...1
    private let requests: any RequestChannel

    init(_ cluster: any Cluster) { requests = cluster.requests }

    /// Part of an entity: its type, and its name or nil for the default.
    struct Part: Hashable {
        var type: String
        var name: String?
    }

    /// What an entity has.
    struct Entry {
        var entity: [Part]
        var values: [(key: String, value: Double)]
    }

    /// The quotas of all entities that have at least these parts.
    func list(_ parts: [Part]) async throws -> [Entry] {
        let request = DescribeClientQuotasRequest(
            components: parts.map { .init(entityType: $0.type, matchType: $0.name == nil ? 1 : 0, match: $0.name) },
            strict: false)
        let answer = try await call(request)
        try Self.check(answer.errorCode, "list quotas", answer.errorMessage)
        return (answer.entries ?? []).map { entry in
            Entry(
                entity: entry.entity.map { Part(type: $0.entityType, name: $0.entityName) },
                values: entry.values.map { (key: $0.key, value: $0.value) }.sorted { $0.key < $1.key })
        }
    }

    /// - Parameter changes: values by key; nil removes one.
    func alter(_ entity: [Part], _ changes: [(key: String, value: Double?)], _ attempt: String) async throws {
        let entry = AlterClientQuotasRequest.EntryData(
            entity: entity.map { .init(entityType: $0.type, entityName: $0.name) },
            ops: changes.map { .init(key: $0.key, value: $0.value ?? 0, remove: $0.value == nil) })
        for result in try await call(AlterClientQuotasRequest(entries: [entry])).entries {
            try Self.check(result.errorCode, attempt, result.errorMessage)
        }
    }

    private func call<Request: KafkaRequest>(_ request: Request) async throws -> Request.Response {
        try await requests.call(to: .anyBroker, versions: Self.versions, timeout: requests.timeout) { _ in request }
    }

    private static func check(_ code: Int16, _ attempt: String, _ detail: String?) throws {
        guard code != ErrorCode.none.rawValue else { return }
        throw ClusterError(code: ErrorCode(rawValue: code), attempt, detail: detail)
    }
}
