import Synchronization

/// Other nodes of the cluster, by what they have sent: heartbeats.
final class Peers: Sendable {
    /// Nodes that are remembered: whoever sends more names is no cluster.
    private static let countMax = 1000

    private let heard = Mutex<[String: Int64]>([:])

    /// - Parameter time: in milliseconds since 1970.
    func hear(_ host: String, at time: Int64) {
        heard.withLock { heard in
            if heard[host] != nil || heard.count < Self.countMax { heard[host] = time }
        }
    }

    /// By name, with the time of the last heartbeat.
    var all: [(host: String, time: Int64)] {
        heard.withLock { $0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
