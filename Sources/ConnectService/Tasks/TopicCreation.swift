import Cluster
import ConnectCore

/// Makes the topics that a source writes to: `topic.creation.*` (KIP-158), else as the brokers would themselves.
struct TopicCreation: Sendable {
    private struct Rule: Sendable {
        var include: [JavaRegex]
        var exclude: [JavaRegex]
        /// -1 for the brokers' default.
        var replicationFactor: Int16
        var partitionCount: Int32
        var configs: [String: String]
    }

    /// In their order; the last one, `default`, is for all other topics.
    private let rules: [Rule]

    private static let prefix = "topic.creation."

    /// - Returns: nil when the connector has no rules.
    init?(_ connector: [String: String]) throws(ConnectError) {
        let rest = Self.prefix + "default."
        guard connector.keys.contains(where: { $0.hasPrefix(rest) }) || connector["topic.creation.groups"] != nil else {
            return nil
        }
        let names = (connector["topic.creation.groups"] ?? "").split(separator: ",").map {
            String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }.filter { !$0.isEmpty && $0 != "default" }
        var rules: [Rule] = []
        for name in names + ["default"] {
            let prefix = Self.prefix + name + "."
            var own: [String: String] = [:]
            for (key, value) in connector where key.hasPrefix(prefix) {
                own[String(key.dropFirst(prefix.count))] = value
            }
            if name != "default", own["include"] == nil {
                throw .config("Missing required configuration \"\(prefix)include\" which has no default value.")
            }
            rules.append(
                Rule(
                    include: try Self.expressions(own["include"], prefix + "include"),
                    exclude: try Self.expressions(own["exclude"], prefix + "exclude"),
                    replicationFactor: Int16(clamping: try Self.number("replication.factor", own, prefix, connector)),
                    partitionCount: Int32(clamping: try Self.number("partitions", own, prefix, connector)),
                    configs: own.filter {
                        !["include", "exclude", "replication.factor", "partitions"].contains($0.key)
                    }))
        }
        self.rules = rules
    }

    /// Groups inherit what they do not say from the default group.
    private static func number(
        _ option: String, _ own: [String: String], _ prefix: String, _ connector: [String: String]
    ) throws(ConnectError) -> Int64 {
        let fallback = Self.prefix + "default." + option
        guard let text = own[option] ?? connector[fallback] else {
            throw .config("Missing required configuration \"\(fallback)\" which has no default value.")
        }
        guard let number = Int64(text), number == -1 || number >= 1 else {
            throw .config(prefix + option, text, "must be positive, or -1 to use the broker's default")
        }
        return number
    }

    private static func expressions(_ text: String?, _ option: String) throws(ConnectError) -> [JavaRegex] {
        var found: [JavaRegex] = []
        for part in (text ?? "").split(separator: ",") {
            // Spaces around the commas of a list belong to none of its elements.
            let part = ConnectAPI.trimmed(String(part))
            if part.isEmpty { continue }
            do throws(ConnectError) { found.append(try JavaRegex(part)) } catch {
                throw .config(option, part, "Invalid regex: \(error.message)")
            }
        }
        return found
    }

    private func rule(_ topic: String) throws(ConnectError) -> Rule? {
        for rule in rules.dropLast() {
            var isIncluded = false
            for expression in rule.include where try expression.matches(topic) { isIncluded = true }
            for expression in rule.exclude where try expression.matches(topic) { isIncluded = false }
            if isIncluded { return rule }
        }
        return rules.last
    }

    /// Makes a topic that is not there.
    ///
    /// - Parameter rules: nil: as the brokers make topics, if they do.
    static func make(_ topic: String, _ rules: TopicCreation?, in cluster: any Cluster) async throws(ConnectError) {
        do {
            _ = try await cluster.topic(topic)
            return
        } catch {
            guard error.code == .unknownTopicOrPartition else { throw ConnectError(error) }
        }
        var new = NewTopic(topic)
        if let rule = try rules?.rule(topic) {
            new.partitionCount = rule.partitionCount > 0 ? rule.partitionCount : nil
            new.replicationFactor = rule.replicationFactor > 0 ? rule.replicationFactor : nil
            new.configs = rule.configs
        } else if try await !brokersMakeTopics(cluster) {
            throw ConnectError(
                .connect,
                "topic '\(topic)' does not exist, and the brokers do not make topics (auto.create.topics.enable): create "
                    + "it, or add topic.creation.default.partitions and topic.creation.default.replication.factor")
        }
        do {
            try await cluster.createTopic(new, validateOnly: false)
        } catch {
            // Another task was faster.
            guard error.code == .topicAlreadyExists else {
                throw ConnectError(.connect, "cannot make topic '\(topic)': \(error)")
            }
        }
    }

    private static func brokersMakeTopics(_ cluster: any Cluster) async throws(ConnectError) -> Bool {
        do {
            guard let broker = try await cluster.describeCluster().brokers.first else { return true }
            return try await cluster.configs(of: .broker(broker.id))
                .first { $0.name == "auto.create.topics.enable" }?.value != "false"
        } catch {
            throw ConnectError(error)
        }
    }
}
