import CRdKafka
import Logging
import Synchronization

/// Any Kafka-compatible cluster, through librdkafka.
///
/// Holds no connection until it is used and gives all of them back when the last reference to it and to its readers
/// and writers is gone. What librdkafka 2.0 (Debian 12) does not offer is said at the methods.
package final class RemoteCluster: Cluster {
    let configuration: RemoteConfiguration
    let calls = BlockingCalls(threadCountMax: 4)
    package let requests: any RequestChannel

    private struct State {
        var clients: [ConsumerClient] = []
    }
    private let state = Mutex(State())

    /// - Throws: `.invalidConfig` for a property that librdkafka does not know or whose value it refuses.
    package init(_ configuration: RemoteConfiguration) throws(ClusterError) {
        self.configuration = configuration
        requests = RemoteChannel(configuration)
        // Made now so that wrong properties are found now.
        let client = try ConsumerClient(configuration, isolation: .readUncommitted)
        state.withLock { $0.clients.append(client) }
    }

    /// Waits until a broker answers, and fails as soon as it is clear that none of the list will: refused connections,
    /// unknown hosts and wrong credentials do not wait for `timeout`.
    ///
    /// - Throws: `.brokerNotAvailable`, `.saslAuthenticationFailed`, `.requestTimedOut`.
    package func connect(timeout: Duration = .seconds(10)) async throws(ClusterError) {
        let admin = admin
        let servers = configuration.bootstrapServers
        try await calls.run { () throws(ClusterError) in
            let clock = ContinuousClock()
            let deadline = clock.now + timeout
            // Short at first, so that a refused connection is noticed at once; never beyond the deadline.
            var slice = min(250, max(1, timeout.milliseconds))
            while true {
                var metadata: UnsafePointer<rd_kafka_metadata>?
                let error = rd_kafka_metadata(admin.client, 0, nil, &metadata, slice)
                if let metadata { rd_kafka_metadata_destroy(metadata) }
                if error == RD_KAFKA_RESP_ERR_NO_ERROR {
                    admin.connectionError = nil
                    return
                }
                let failure = admin.connectionError
                switch failure?.code {
                case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN?, RD_KAFKA_RESP_ERR__RESOLVE?,
                    RD_KAFKA_RESP_ERR__AUTHENTICATION?, RD_KAFKA_RESP_ERR__SSL?:
                    throw Self.cannotConnect(servers, failure)
                default:
                    guard clock.now < deadline else {
                        throw failure == nil
                            ? ClusterError(.requestTimedOut, "cannot connect to \(servers): no answer")
                            : Self.cannotConnect(servers, failure)
                    }
                    slice = min(slice * 2, 4000, max(1, (deadline - clock.now).milliseconds))
                }
            }
        }
    }

    private static func cannotConnect(
        _ servers: String, _ failure: (code: rd_kafka_resp_err_t, text: String)?
    ) -> ClusterError {
        let code = failure.map { ClusterError.code($0.code) } ?? .brokerNotAvailable
        return ClusterError(
            code == .networkException ? .brokerNotAvailable : code,
            "cannot connect to \(servers)" + (failure.map { ": " + reason($0.text) } ?? ""))
    }

    /// The reason inside librdkafka's text: `HOST:1/bootstrap: Connect to ipv4#... failed: Connection refused (after ...)`.
    static func reason(_ text: String) -> String {
        var reason = Substring(text)
        if let failed = reason.ranges(of: "failed: ").last { reason = reason[failed.upperBound...] }
        if let after = reason.firstRange(of: " (after ") { reason = reason[..<after.lowerBound] }
        if let broker = reason.firstRange(of: "/bootstrap: ") { reason = reason[broker.upperBound...] }
        // A word that begins with two capitals is a name: SASL, SSL.
        guard reason.dropFirst().first?.isUppercase != true else { return String(reason) }
        return reason.prefix(1).lowercased() + reason.dropFirst()
    }

    /// The client for admin calls and metadata. It never causes a topic to be created.
    var admin: ClientHandle {
        state.withLock { $0.clients[0].handle }  // made by init and never removed
    }

    /// A client of this isolation level that does not consume `partition` yet, which it then does until `release`:
    /// librdkafka consumes a partition once per client.
    func client(consuming partition: TopicPartition, isolation: Isolation) throws(ClusterError) -> ConsumerClient {
        let free = state.withLock { state in
            state.clients.first { $0.isolation == isolation && $0.claim(partition) }
        }
        if let free { return free }
        let new = try ConsumerClient(configuration, isolation: isolation)
        _ = new.claim(partition)
        state.withLock { $0.clients.append(new) }
        return new
    }

    /// A client of this isolation level for requests that depend on it.
    func client(isolation: Isolation) throws(ClusterError) -> ClientHandle {
        if let client = state.withLock({ $0.clients.first { $0.isolation == isolation } }) { return client.handle }
        let new = try ConsumerClient(configuration, isolation: isolation)
        state.withLock { $0.clients.append(new) }
        return new.handle
    }

    var requestTimeoutMilliseconds: Int32 { configuration.requestTimeout.milliseconds }

    /// Adds to a failure that says only "timed out" why there was no connection, when that is known.
    ///
    /// - Parameter handle: the client that was asked; the admin client by default.
    func explained(_ error: ClusterError, by handle: ClientHandle? = nil) -> ClusterError {
        guard [.requestTimedOut, .networkException, .brokerNotAvailable].contains(error.code),
            let connectionError = (handle ?? admin).connectionError
        else { return error }
        var error = error
        error.message += ": " + Self.reason(connectionError.text)
        return error
    }

    package func reader(
        _ partition: TopicPartition, from start: LogPosition, isolation: Isolation
    ) async throws(ClusterError) -> any PartitionReader {
        let client = try client(consuming: partition, isolation: isolation)
        do throws(ClusterError) {
            // Asked for by the client that reads: it may know the topic as it was before it got this partition, or before
            // it was made anew, and would not look for minutes.
            let count = try await calls.run { [self] () throws(ClusterError) in
                try topicBlocking(partition.topic, by: client.handle).partitions.count
            }
            guard 0..<count ~= Int(partition.partition) else { throw Self.unknown(partition, partitionCount: count) }
            let offset: Int64
            if case .offset(let given) = start {
                offset = given
            } else if let found = try await offsets([partition: start], isolation: isolation, by: client.handle)[
                partition]
            {
                offset = found
            } else {
                throw Self.unknown(partition, partitionCount: nil)
            }
            return RemoteReader(partition, from: offset, client: client, calls: calls)
        } catch {
            client.release(partition)
            throw error
        }
    }

    package func writer(_ mode: WriterMode) async throws(ClusterError) -> any RecordWriter {
        try RemoteWriter(self, mode)
    }

    package func transactionalWriter(
        _ id: String, timeout: Duration
    ) async throws(ClusterError) -> any TransactionalWriter {
        let writer = try RemoteTransactionalWriter(self, id, timeout: timeout)
        try await writer.start()
        return writer
    }

    static func unknown(_ partition: TopicPartition, partitionCount: Int?) -> ClusterError {
        ClusterError(
            .unknownTopicOrPartition,
            "topic '\(partition.topic)' has no partition \(partition.partition)"
                + (partitionCount.map { ", it has \($0)" } ?? ""))
    }
}

/// A consumer without a group and the partitions it reads.
final class ConsumerClient: Sendable {
    let handle: ClientHandle
    let isolation: Isolation
    private let claimed = Mutex<Set<TopicPartition>>([])

    init(_ configuration: RemoteConfiguration, isolation: Isolation) throws(ClusterError) {
        self.isolation = isolation
        handle = try ClientHandle(
            .consumer, configuration,
            properties: [
                "allow.auto.create.topics": "false",
                "auto.offset.reset": "error",
                // As the Java consumer does.
                "check.crcs": "true",
                "enable.partition.eof": "true",
                "isolation.level": isolation == .readCommitted ? "read_committed" : "read_uncommitted",
                "queued.max.messages.kbytes": "16384",
                // A client fetches all its partitions of a broker by one request at a time, so a new reader's first
                // records wait for the one under way.
                "fetch.wait.max.ms": "100",
                // A topic was seen before it is read. So when it is unknown now it was deleted, unless a broker that does
                // not know it yet was asked: a few seconds allow for that.
                "topic.metadata.propagation.max.ms": "5000",
                "client.id": "swiftwater",
            ])
    }

    func claim(_ partition: TopicPartition) -> Bool { claimed.withLock { $0.insert(partition).inserted } }
    func release(_ partition: TopicPartition) { claimed.withLock { _ = $0.remove(partition) } }
}

extension Duration {
    /// Whole milliseconds, rounded up, never negative, at most what an Int32 holds.
    var milliseconds: Int32 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        guard seconds < 2_000_000 else { return .max }
        return Int32(seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
