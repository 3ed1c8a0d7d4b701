import Bytes

/// The broker's properties, by the names of Kafka's server.properties, with defaults and checked values.
package struct ServerProperties: Sendable, Equatable {
    /// Values that were set, by name; everything else has its default.
    package private(set) var values: [String: String]

    /// All defaults.
    package init() { values = [:] }

    /// - Throws: `ConfigError` for an unknown name (it tells the nearest one) or a value that is not permitted.
    package init(_ values: [String: String]) throws(ConfigError) {
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            guard let definition = Self.byName[name] else {
                let hint = nearestName(to: name, among: Self.known.lazy.map(\.name)).map { "; did you mean '\($0)'?" }
                throw ConfigError("unknown property '\(name)'\(hint ?? "")")
            }
            if let problem = definition.problem(with: value) {
                throw ConfigError("invalid value '\(value)' for property '\(name)': \(problem)")
            }
        }
        self.values = values
        if let conflict { throw ConfigError(conflict) }
    }

    /// The value of a known property, or its default.
    package func text(_ name: String) -> String { values[name] ?? Self.byName[name]?.defaultValue ?? "" }
    package func number(_ name: String) -> Int64 { Int64(text(name).trimmingSpaces) ?? 0 }
    package func flag(_ name: String) -> Bool { text(name).trimmingSpaces.lowercased() == "true" }
    package func isSet(_ name: String) -> Bool { values[name] != nil }
    package static func definition(_ name: String) -> ConfigDefinition? { byName[name] }

    /// Sets or, with nil, resets a property that was checked before (broker configs altered while running).
    package mutating func set(_ name: String, to value: String?) { values[name] = value }

    /// The reason why values that are each permitted cannot stand together, in Kafka's words; nil when they can.
    var conflict: String? {
        if let name = Self.synonyms(of: "log.retention.ms").first(where: isSet), number(name) == 0 {
            return "log.retention.ms must be unlimited (-1) or, greater than or equal to 1, and \(name) is 0"
        }
        if number("log.cleaner.dedupe.buffer.size") / max(1, number("log.cleaner.threads")) < 1_048_576 {
            return "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread (log.cleaner.threads)"
        }
        return authorizationConflict ?? shareConflict ?? streamsConflict
    }

    /// What a topic without an override of `topicConfig` has.
    package func topicDefault(_ topicConfig: String) -> String {
        guard let definition = TopicConfigs.definition(topicConfig) else { return "" }
        if let name = definition.serverName, let value = topicDefaultOverride(name) { return value }
        return definition.defaultValue
    }

    private static let byName = Dictionary(uniqueKeysWithValues: known.map { ($0.name, $0) })

    /// Every property that we know. An unknown one is an error, so that a misspelling is never silently ignored.
    package static let known: [ConfigDefinition] = {
        let count: ConfigDefinition.Rule = .range(1...Int64(Int32.max))
        let property = ConfigDefinition.ofServer
        /// A unit that stands before a coarser one, and has no value of its own.
        func unit(
            _ name: String, _ type: ConfigDefinition.ValueType, _ rule: ConfigDefinition.Rule, _ documentation: String
        ) -> ConfigDefinition {
            .init(
                name: name, type: type, defaultValue: "", rule: rule, serverName: nil, documentation: documentation,
                hasNoDefault: true)
        }
        let own = [
            property("node.id", .int, "1", .range(0...Int64(Int32.max)), "The id of this broker in metadata."),
            property("cluster.id", .string, "", .anything, "The cluster id of a new data folder; made up when empty."),
            property(
                "num.partitions", .int, "1", .range(1...10_000),
                "Partitions of a topic that is created without a number."),
            property(
                "default.replication.factor", .int, "1", .range(1...1), "Replicas of a topic; there is one broker."),
            property(
                "auto.create.topics.enable", .boolean, "true", .anything,
                "Whether asking for an unknown topic creates it."),
            property("delete.topic.enable", .boolean, "true", .anything, "Whether topics can be deleted."),
            property(
                "log.flush", .string, "sync", .oneOf(["sync", "os"]),
                "sync: acks=all is answered after the data is on disk (one fdatasync for all that wait). os: after the page cache has it, as Kafka does by default."
            ),
            property(
                "log.flush.offset.checkpoint.interval.ms", .int, "5000", count,
                "Milliseconds between two background flushes; they bound what a start after a crash has to check."),
            property(
                "log.cleaner.enable", .boolean, "true", .anything,
                "Whether compacted topics are cleaned; without it they grow without bound."),
            property("log.cleaner.threads", .int, "1", .range(1...64), "Threads that clean compacted topics."),
            property(
                "log.cleaner.dedupe.buffer.size", .long, "134217728", .range(1_048_576...(64 << 30)),
                "Most memory for the keys of logs that are being cleaned, of all threads together, in bytes; 24 per key."
            ),
            property(
                "log.cleaner.io.buffer.load.factor", .double, "0.9", .fraction,
                "How full the memory for keys may become."),
            property(
                "log.cleaner.io.buffer.size", .int, "524288", .range(8192...Int64(Int32.max)),
                "Memory to read and write logs that are being cleaned, of all threads together, in bytes."),
            property(
                "log.cleaner.io.max.bytes.per.second", .double, "1.7976931348623157E308", .anything,
                "Bytes per second that cleaning may read and write, of all threads together."),
            property(
                "log.cleaner.backoff.ms", .long, "15000", .range(1 ... .max),
                "Milliseconds between two looks for a log to clean when there was none."),
            property(
                "log.retention.check.interval.ms", .long, "300000", .range(1 ... .max),
                "Milliseconds between two looks for segments to delete."),
            unit(
                "log.retention.ms", .long, .anything,
                "How long topics keep records, in milliseconds; log.retention.minutes or log.retention.hours where it "
                    + "is not set. Negative is no limit."),
            unit("log.retention.minutes", .int, .anything, "Like log.retention.ms, in minutes."),
            property("log.retention.hours", .int, "168", .anything, "Like log.retention.ms, in hours."),
            unit(
                "log.roll.ms", .long, .range(1 ... .max),
                "Age at which a new segment begins, in milliseconds; log.roll.hours where it is not set."),
            property("log.roll.hours", .int, "168", count, "Like log.roll.ms, in hours."),
            unit(
                "log.roll.jitter.ms", .long, .range(0 ... .max),
                "Random time taken from log.roll.ms, in milliseconds; log.roll.jitter.hours where it is not set."),
            property(
                "log.roll.jitter.hours", .int, "0", .range(0...Int64(Int32.max)), "Like log.roll.jitter.ms, in hours."),
            property(
                "num.network.threads", .int, "0", .range(0...256),
                "Event loop threads; 0 is one for every two processors."),
            property(
                "metrics.groups.max", .int, "100", .range(0...100_000),
                "Groups whose lag /metrics tells, the first in the order of names; 0 tells of none."),
            property(
                "metrics.topics.max", .int, "100", .range(0...100_000),
                "Topics with metrics of their own; the others are summed up. 0: no metrics by topic."),
            property("num.io.threads", .int, "4", .range(1...64), "Threads that force data to disk."),
            property("socket.request.max.bytes", .int, "104857600", count, "Largest request, in bytes."),
            property(
                "queued.max.request.bytes", .long, "268435456", .range(1_048_576 ... .max),
                "Memory for requests that are still arriving, in bytes; beyond it connections wait."),
            property(
                "max.connections", .int, "2147483647", .range(0...Int64(Int32.max)),
                "Connections at a time; one more is closed."),
            property(
                "max.connections.per.ip", .int, "2147483647", .range(0...Int64(Int32.max)),
                "Connections at a time from one address."),
            property(
                "connections.max.idle.ms", .long, "600000", .anything,
                "Milliseconds after which an idle connection is closed; negative is never."),
            property(
                "fetch.max.bytes", .int, "57671680", .range(1024...Int64(Int32.max)),
                "Largest answer to one fetch, in bytes."),
            property(
                "max.request.partition.size.limit", .int, "2000", count,
                "Most partitions in one answer to DescribeTopicPartitions."),
            property(
                "max.incremental.fetch.session.cache.slots", .int, "1000", .range(0...Int64(Int32.max)),
                "Fetch sessions at a time."),
            property(
                "producer.id.expiration.ms", .int, "86400000", count,
                "Milliseconds after which a silent producer's sequence numbers are forgotten."),
            property(
                "open.segment.files.max", .int, "256", .range(1...Int64(Int32.max)),
                "Closed segments whose files are kept open."),
        ]
        let named = own + coordination + share + streams + authorization + quotas + tokens
        let ownNames = Set(named.map(\.name))
        let fromTopics = TopicConfigs.definitions.compactMap { definition -> ConfigDefinition? in
            guard let name = definition.serverName, !ownNames.contains(name) else { return nil }
            var server = definition
            server.name = name
            server.serverName = nil
            return server
        }
        return (named + fromTopics).sorted { $0.name < $1.name }
    }()
}
