package import KafkaMessages
import Synchronization

/// A topic as it is at one moment. Immutable: a change makes a new value that shares the partitions.
package final class Topic: Sendable {
    package let name: String
    /// Never used again, also not for a topic of the same name.
    package let id: KafkaUUID
    package let partitions: [Partition]
    /// Settings made on the topic itself, by Kafka's names.
    package let overrides: [String: String]
    package let config: EffectiveTopicConfig

    init(
        name: String, id: KafkaUUID, partitions: [Partition], overrides: [String: String],
        config: EffectiveTopicConfig
    ) {
        self.name = name
        self.id = id
        self.partitions = partitions
        self.overrides = overrides
        self.config = config
    }

    /// The log of the cluster's metadata, which is no topic that requests may make.
    static let metadataName = "__cluster_metadata"

    /// Topics that the platform itself writes (Kafka marks the same three as internal).
    package static func isInternal(_ name: String) -> Bool { InternalTopic(rawValue: name) != nil }

    func partition(_ index: Int32) -> Partition? {
        0..<Int32(clamping: partitions.count) ~= index ? partitions[Int(index)] : nil
    }

    /// The reason why `name` cannot be a topic's name, in Kafka's words; nil when it can.
    package static func problem(withName name: String) -> String? {
        if name.isEmpty { return "Topic name is invalid: the empty string is not allowed" }
        if name == "." || name == ".." { return "Topic name is invalid: '\(name)' is not allowed" }
        if name.utf8.count > 249 {
            return "Topic name is invalid: the length of '\(name)' is longer than the max allowed length 249"
        }
        let isLegal = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        return isLegal
            ? nil
            : "Topic name is invalid: '\(name)' contains one or more characters other than "
                + "ASCII alphanumerics, '.', '_' and '-'"
    }
}

/// All topics. Readers take a snapshot and never wait for a change in progress; only the controller publishes.
package final class TopicCatalog: Sendable {
    package struct Snapshot: Sendable {
        package fileprivate(set) var byName: [String: Topic] = [:]
        package fileprivate(set) var byId: [KafkaUUID: Topic] = [:]
        fileprivate(set) var changeCount: UInt64 = 0

        /// By the bytes of its name: a text that Unicode takes for equal is another name.
        package func topic(named name: String) -> Topic? {
            guard let topic = byName[name], topic.name.utf8.elementsEqual(name.utf8) else { return nil }
            return topic
        }

        /// In the order of names.
        package var sorted: [Topic] { byName.values.sorted { $0.name < $1.name } }
    }
    private let state = Mutex(Snapshot())

    package var snapshot: Snapshot { state.withLock { $0 } }
    package func topic(named name: String) -> Topic? { state.withLock { $0.topic(named: name) } }
    package func topic(id: KafkaUUID) -> Topic? { state.withLock { $0.byId[id] } }

    func publish(_ topics: [Topic], removing removed: [Topic] = []) {
        state.withLock { state in
            state.changeCount += 1
            for topic in removed {
                state.byName[topic.name] = nil
                state.byId[topic.id] = nil
            }
            for topic in topics {
                state.byName[topic.name] = topic
                state.byId[topic.id] = topic
            }
        }
    }
}
