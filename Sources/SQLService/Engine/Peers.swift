import JSONFormat
import SQLRuntime
import Synchronization

/// Other nodes of the service, by what they have sent: heartbeats, and how far their state is.
final class Peers: Sendable {
    /// Nodes that are remembered: whoever sends more names is no cluster.
    private static let countMax = 1000

    struct Peer: Sendable {
        /// Of the last heartbeat, in milliseconds since 1970.
        var heard: Int64 = 0
        /// `hostStoreLags` of its last report.
        var lags: JSONValue?
    }

    private let peers = Mutex<[String: Peer]>([:])

    /// - Parameter time: in milliseconds since 1970.
    func hear(_ host: String, at time: Int64) { change(host) { $0.heard = time } }

    func report(_ host: String, _ lags: JSONValue) { change(host) { $0.lags = lags } }

    private func change(_ host: String, _ body: (inout Peer) -> Void) {
        peers.withLock { peers in
            guard peers[host] != nil || peers.count < Self.countMax else { return }
            body(&peers[host, default: Peer()])
        }
    }

    /// By name.
    var all: [(host: String, peer: Peer)] {
        peers.withLock { $0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
