import ArgumentParser
import Cluster
import KafkaMessages

/// Completes names of what a cluster has, for shells: asks the cluster that the line so far is about, and gives none when it
/// does not answer soon.
enum NameCompletion {
    static let topics = completion { cluster async throws(ClusterError) in
        try await cluster.topics().filter { !$0.isInternal }.map(\.name)
    }
    static let groups = completion { cluster async throws(ClusterError) in try await cluster.groups().map(\.id) }
    static let transactionalIds = completion { cluster async throws(ClusterError) in
        let answer = try await cluster.requests.call(
            to: .anyBroker, versions: 0...2, timeout: cluster.requests.timeout
        ) { _ in ListTransactionsRequest() }
        return answer.transactionStates.map(\.transactionalId)
    }

    /// Whoever presses Tab does not wait for longer.
    private static let secondsMax = 2.0

    private static func completion(
        _ list: @escaping @Sendable (RemoteCluster) async throws(ClusterError) -> [String]
    ) -> CompletionKind {
        .custom { (words: [String], _: Int, prefix: String) -> [String] in
            guard let options = options(of: words) else { return [] }
            // The shell's process waits for this answer, and nothing else runs here: its main thread may wait, too.
            let names = try? blockingThread { () async throws(ClusterError) -> [String] in
                // Nobody reads what is wrong while typing.
                guard let cluster = try? await options.connect() else { return [] }
                return try await list(cluster)
            }
            return (names ?? []).filter { $0.hasPrefix(prefix) && isPlain($0) }.sorted()
        }
    }

    /// Whether a shell takes the name for nothing but a word. Others made it, and bash expands what it is offered: it would
    /// run a command that stands in a name.
    static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix("-")
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "-._:/@+".utf8.contains(byte)
                }
            }
    }

    /// What a line that is being typed says of the cluster; nil when that makes no sense yet.
    static func options(of words: [String]) -> ConnectionOptions? {
        let names = ["-b", "--bootstrap", "--bootstrap-server", "-X", "--property", "--command-config"]
        var found: [String] = []
        var rest = words[...]
        while let word = rest.popFirst() {
            if names.contains(word), let value = rest.popFirst() {
                found += [word, value]
            } else if names.contains(where: { $0.hasPrefix("--") && word.hasPrefix($0 + "=") }) {
                found.append(word)
            }
        }
        return try? ConnectionOptions.parse(found + ["--timeout", String(secondsMax)])
    }
}
