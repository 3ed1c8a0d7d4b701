internal import Cluster
internal import ConnectCore
internal import JSONFormat
internal import Synchronization

/// What tells a connector to do something, wherever it comes from.
struct Signal: Sendable {
    var id: String
    var type: String
    /// JSON.
    var data: String
    /// Where the next signal of its topic is, for those that come out of one.
    var nextOffset: Int64?

    /// Debezium's data of an object's member is any JSON.
    static func text(_ json: JSONValue?) -> String? {
        guard let json else { return nil }
        return json.text ?? String(decoding: json.bytes, as: UTF8.self)
    }
}

/// Signals that come from outside of the database, on their way to the thread that reads its log.
final class SignalInbox: Sendable {
    private let signals = Mutex<[Signal]>([])
    /// So that a topic's signals cannot fill the memory.
    static let countMax = 1000

    /// - Returns: false when too many wait.
    func add(_ signal: Signal) -> Bool {
        signals.withLock { signals in
            guard signals.count < Self.countMax else { return false }
            signals.append(signal)
            return true
        }
    }

    var isEmpty: Bool { signals.withLock { $0.isEmpty } }

    /// The one that came first. It stays until it was followed, also when the connection breaks in between.
    var first: Signal? { signals.withLock { $0.first } }

    /// By the one reader, when the first one was followed.
    func removeFirst() { signals.withLock { signals in if !signals.isEmpty { signals.removeFirst() } } }
}

/// A way of signals besides the database's own table.
protocol SignalChannel: Sendable {
    /// Hands signals over until its task is cancelled.
    func run(_ inbox: SignalInbox, _ log: @escaping @Sendable (TaskLogLevel, String) -> Void) async
    /// What was read before an offset need not come again: all that it led to is stored.
    func done(before offset: Int64) async throws(ClusterError)
}

extension SignalChannel {
    func done(before offset: Int64) async throws(ClusterError) {}
}
