import Broker
import Bytes
import Cluster
import JSONFormat
import KafkaMessages

/// Configurations of brokers and groups of any Kafka cluster since 2.3, by its protocol (KIP-339).
struct ConfigCalls {
    /// What carries a configuration.
    enum Resource: Hashable {
        case broker(Int32)
        /// What holds for every broker that has nothing of its own.
        case allBrokers
        case group(String)

        fileprivate var type: Int8 {
            switch self {
            case .broker, .allBrokers: 4
            case .group: 32
            }
        }

        fileprivate var name: String {
            switch self {
            case .broker(let id): String(id)
            case .allBrokers: ""
            case .group(let name): name
            }
        }

        var text: String {
            switch self {
            case .broker(let id): "broker \(id)"
            case .allBrokers: "all brokers"
            case .group(let name): "group '\(name)'"
            }
        }

        /// A broker tells what it has itself; everything else is asked of any.
        fileprivate var target: RequestTarget {
            if case .broker(let id) = self { .broker(id) } else { .anyBroker }
        }
    }

    struct Entry {
        var name: String
        /// nil when it is not set, and for sensitive values.
        var value: String?
        /// Kafka's name of where it comes from.
        var source: String
        var isDefault: Bool
        var isReadOnly: Bool
        var isSensitive: Bool

        /// Whether it was set for the group; what was set for brokers holds for groups, too.
        var isOfGroup: Bool { source == ConfigCalls.source(8) }

        var json: JSONValue {
            .object([
                ("name", .string(name)), ("value", .string(isSensitive ? nil : value)), ("source", .string(source)),
                ("readOnly", .bool(isReadOnly)), ("sensitive", .bool(isSensitive)),
            ])
        }
    }

    private let requests: any RequestChannel

    init(_ cluster: any Cluster) { requests = cluster.requests }

    /// What a resource is configured to, by name.
    func list(_ resource: Resource) async throws -> [Entry] {
        let attempt = "describe the configuration of \(resource.text)"
        let answer = try await requests.call(to: resource.target, versions: 1...4, timeout: requests.timeout) { _ in
            DescribeConfigsRequest(resources: [
                .init(resourceType: resource.type, resourceName: resource.name, configurationKeys: nil)
            ])
        }
        guard let result = answer.results.first else {
            throw ClusterError(.unknownServerError, "\(attempt): the answer is empty")
        }
        try check(result.errorCode, attempt, detail: result.errorMessage)
        return result.configs.map { config in
            Entry(
                name: config.name, value: config.value, source: Self.source(config.configSource),
                isDefault: config.configSource == 5, isReadOnly: config.readOnly, isSensitive: config.isSensitive)
        }.sorted { $0.name < $1.name }
    }

    /// Applies all changes or none; what they do not name stays as it is.
    func alter(_ resource: Resource, _ changes: [ConfigChange], validateOnly: Bool) async throws {
        let attempt = "alter the configuration of \(resource.text)"
        let configs = changes.map { change in
            let (operation, value): (Int8, String?) =
                switch change.operation {
                case .set(let value): (0, value)
                case .reset: (1, nil)
                case .append(let value): (2, value)
                case .subtract(let value): (3, value)
                }
            return IncrementalAlterConfigsRequest.AlterableConfig(
                name: change.name, configOperation: operation, value: value)
        }
        let request = IncrementalAlterConfigsRequest(
            resources: [.init(resourceType: resource.type, resourceName: resource.name, configs: configs)],
            validateOnly: validateOnly)
        let answer = try await requests.call(to: resource.target, versions: 0...1, timeout: requests.timeout) { _ in
            request
        }
        for result in answer.responses { try check(result.errorCode, attempt, detail: result.errorMessage) }
    }

    /// Throws for a name that is probably misspelt, with the nearest one that the resource has. Brokers take names that
    /// they do not know, and then a misspelling has no effect; some of those that they know they tell only once set.
    func checkNames(_ names: [String], _ resource: Resource) async throws {
        var known: [String]
        if case .allBrokers = resource {
            // What is set for all is all that is told of it.
            known = try await list(.broker(requests.broker(.anyBroker).id)).map(\.name)
        } else {
            known = try await list(resource).map(\.name)
        }
        if resource.type == Resource.allBrokers.type { known += ServerProperties.withoutUse.map(\.name) }
        for name in names {
            guard let meant = Self.meant(by: name, among: known) else { continue }
            throw CommandFailure(
                "unknown configuration '\(name)' of \(resource.text): did you mean '\(meant)'?",
                // Groups have no names but those that are listed; brokers take those of their plugins, too.
                hint: resource.type == Resource.allBrokers.type
                    ? "--force asks for it under this name all the same" : nil)
        }
    }

    /// What a name that is probably misspelt was to be; nil for one that may be right.
    ///
    /// - Parameter known: the names that the resource has.
    static func meant(by name: String, among known: [String]) -> String? {
        // What is for one listener has the listener's name within its own.
        guard !known.contains(name), !name.hasPrefix("listener.name.") else { return nil }
        return nearestName(to: name, among: known)
    }

    private static func source(_ code: Int8) -> String {
        switch code {
        case 7: "DYNAMIC_CLIENT_METRICS_CONFIG"
        case 8: "DYNAMIC_GROUP_CONFIG"
        default: (ConfigEntry.Source(rawValue: code) ?? .unknown).name
        }
    }
}

/// Configurations as they are printed.
enum ConfigListing {
    /// - Parameter all: also those that nobody set.
    static func text(_ entries: [ConfigCalls.Entry], all: Bool) -> String {
        var table = Table("CONFIG", "VALUE", "SOURCE", "CHANGES")
        for entry in entries where all || !entry.isDefault {
            table.add(
                entry.name, entry.isSensitive ? "(hidden)" : entry.value ?? "", entry.source,
                entry.isReadOnly ? "with a restart" : "while it runs")
        }
        return table.text
    }

    static func json(_ entries: [ConfigCalls.Entry], all: Bool) -> JSONValue {
        .array(entries.filter { all || !$0.isDefault }.map(\.json))
    }
}
