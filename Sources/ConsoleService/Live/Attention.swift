import Administration
import Bytes
import Cluster
package import JSONFormat

/// Something that somebody should look at.
package struct Attention: Sendable, Equatable {
    package enum Severity: String, Sendable { case error, warning, info }

    package var severity: Severity
    package var title: String
    package var detail: String
    package var link: String

    /// Lag of a group that nobody reads for, from which on it is worth a line.
    static let abandonedLagMin: Int64 = 1000
    private static let countMax = 100

    /// What there is, the worst first.
    ///
    /// - Parameter brokerProblem: why there is no sample.
    package static func list(
        _ sample: Sample?, _ surroundings: Surroundings, brokerProblem: String?
    ) -> [Attention] {
        var all: [Attention] = []
        func add(_ severity: Severity, _ title: String, _ detail: String, _ link: String) {
            all.append(Attention(severity: severity, title: title, detail: detail, link: link))
        }
        if let brokerProblem { add(.error, "The brokers do not answer", brokerProblem, "/overview") }
        for (upstream, problem) in surroundings.problems.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            add(.error, "The \(upstream.title) does not answer", problem, "/overview")
        }
        for connector in surroundings.connectors where connector.state == "FAILED" {
            let tasks = connector.failedTaskCount
            add(
                .error, "Connector \(connector.name) has failed",
                tasks == 0 ? "the connector itself" : tasks == 1 ? "1 task has failed" : "\(tasks) tasks have failed",
                "/connectors/" + PercentEncoding.encoded(connector.name))
        }
        for query in surroundings.queries where query.state == "ERROR" {
            add(
                .error, "Query \(query.id) has failed", query.error ?? query.statement,
                "/queries/" + PercentEncoding.encoded(query.id))
        }
        if let sample {
            for topic in sample.topics {
                let link = "/topics/" + PercentEncoding.encoded(topic.name)
                let leaderless = topic.partitions.count { $0.leader == nil }
                let behind = topic.partitions.count { $0.inSyncReplicas.count < $0.replicas.count }
                if leaderless > 0 {
                    add(.error, "Topic \(topic.name) cannot be used", "\(leaderless) partitions have no leader", link)
                } else if behind > 0 {
                    add(
                        .warning, "Topic \(topic.name) is under-replicated",
                        "\(behind) partitions lack replicas in sync",
                        link)
                }
            }
            for connector in surroundings.connectors {
                guard let letters = connector.deadLetterTopic,
                    let topic = sample.topics.first(where: { $0.name == letters })
                else { continue }
                let sent = sample.groups[DeadLetters.group(letters)]?.offsets ?? [:]
                let waiting = topic.partitions.reduce(Int64(0)) { sum, partition in
                    let place = TopicPartition(letters, partition.partition)
                    let start = max(sample.starts[place] ?? 0, sent[place]?.offset ?? 0)
                    return sum + max(0, (sample.ends[place] ?? 0) - start)
                }
                guard waiting > 0 else { continue }
                add(
                    .warning, "Connector \(connector.name) has dead letters",
                    waiting == 1 ? "1 record waits in \(letters)" : "\(waiting) records wait in \(letters)",
                    "/connectors/" + PercentEncoding.encoded(connector.name))
            }
            for group in sample.groups.values.sorted(by: { $0.id < $1.id })
            where group.memberCount == 0 && group.lag >= abandonedLagMin && group.state == .empty {
                // Connectors and queries commit without being members; theirs are told above.
                guard !group.id.hasPrefix("connect-"), !group.id.hasPrefix("_"),
                    !group.id.hasPrefix("swiftwater-redrive-")
                else { continue }
                add(
                    .warning, "Group \(group.id) has no members", "\(group.lag) records are not read",
                    "/groups/" + PercentEncoding.encoded(group.id))
            }
            if let total = sample.sizes?.diskTotal, let free = sample.sizes?.diskFree, total > 0 {
                let percent = free * 100 / total
                if percent < 10 {
                    add(
                        percent < 5 ? .error : .warning, "The disk is nearly full", "\(percent) % are free", "/overview"
                    )
                }
            }
        }
        let order: [Severity] = [.error, .warning, .info]
        return Array(order.flatMap { severity in all.filter { $0.severity == severity } }.prefix(countMax))
    }

    package var json: JSONValue {
        .object([
            ("severity", .string(severity.rawValue)), ("title", .string(title)), ("detail", .string(detail)),
            ("link", .string(link)),
        ])
    }
}
