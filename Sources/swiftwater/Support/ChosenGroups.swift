import Bytes
import Cluster

/// The topics and partitions that `--topic` names, each `TOPIC` or `TOPIC:0,2,5-7`.
///
/// - Throws: `CommandFailure` for what does not exist.
func chosenPartitions(topics: [String], in cluster: any Cluster) async throws -> [TopicPartition] {
    var chosen: [TopicPartition] = []
    for text in topics {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let numbers = parts.count == 2 ? String(parts[1]) : nil
        chosen += try await chosenPartitions(numbers, of: String(parts[0]), in: cluster)
    }
    return Set(chosen).sorted()
}

extension ConnectionOptions {
    /// The failure for a group that does not exist: with the nearest name that does.
    static func unknownGroup(_ name: String, in cluster: any Cluster) async -> CommandFailure {
        guard let nearest = await nearestGroup(to: name, in: cluster) else {
            return CommandFailure("group '\(name)' does not exist", hint: "'swiftwater group list' shows those that do")
        }
        return CommandFailure("group '\(name)' does not exist: did you mean '\(nearest)'?")
    }

    static func nearestGroup(to name: String, in cluster: any Cluster) async -> String? {
        nearestName(to: name, among: (try? await cluster.groups().map(\.id)) ?? [])  // only for the hint
    }

    /// The group, or `unknownGroup`.
    static func group(_ name: String, in cluster: any Cluster) async throws -> GroupDescription {
        do {
            return try await cluster.group(name)
        } catch let error where error.code == .groupIdNotFound {
            throw await unknownGroup(name, in: cluster)
        }
    }
}
