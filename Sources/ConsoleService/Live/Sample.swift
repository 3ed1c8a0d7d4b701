package import Administration
package import Cluster

/// What the console knows of a cluster at one moment.
package struct Sample: Sendable {
    /// Milliseconds since 1970.
    package var time: Int64 = 0
    package var topics: [TopicDescription] = []
    package var starts: [TopicPartition: Int64] = [:]
    package var ends: [TopicPartition: Int64] = [:]
    package var groups: [String: Group] = [:]
    package var sizes: LogSizes?
    /// Records per second, by topic; empty until there are two samples.
    package var rates: [String: Double] = [:]
    /// Bytes per second of all topics; nil until that is known.
    package var byteRate: Double?

    package struct Group: Sendable {
        package var id: String
        package var protocolType: String
        package var state: GroupState
        package var memberCount: Int
        package var offsets: [TopicPartition: CommittedOffset]
        /// By topic.
        package var lags: [String: Int64] = [:]
        /// Records per second that the group has passed, by topic.
        package var rates: [String: Double] = [:]

        package var lag: Int64 { lags.values.reduce(0, +) }
        package var topics: [String] { Set(offsets.keys.map(\.topic)).sorted() }
    }

    package init() {}

    /// Records that a topic holds, gaps counted.
    package func messageCount(_ topic: TopicDescription) -> Int64 {
        topic.partitions.reduce(0) { sum, partition in
            let place = TopicPartition(topic.name, partition.partition)
            return sum + max(0, (ends[place] ?? 0) - (starts[place] ?? 0))
        }
    }

    package func end(_ topic: TopicDescription) -> Int64 {
        topic.partitions.reduce(0) { $0 + (ends[TopicPartition(topic.name, $1.partition)] ?? 0) }
    }

    /// Records per second that come in, without those that brokers write for themselves.
    package var messageRate: Double {
        topics.reduce(0) { $0 + ($1.isInternal ? 0 : rates[$1.name] ?? 0) }
    }
}
