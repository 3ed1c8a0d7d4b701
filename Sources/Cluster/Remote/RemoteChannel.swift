import KafkaMessages
import NIOCore
import NIOPosix
import Synchronization

/// Kafka's requests over connections of our own: one per broker.
///
/// Speaks TLS and SASL with the mechanisms of `ConnectionSecurity`. What needs another one is refused with the reason;
/// topics and records go through librdkafka, which has them all.
final class RemoteChannel: RequestChannel {
    private let configuration: RemoteConfiguration
    private let loop: RequestLoop
    private let bootstrap: [BrokerAddress]
    private let state = Mutex(State())

    private struct State {
        var connections: [BrokerAddress: RequestConnection] = [:]
        var brokers: [Int32: BrokerAddress] = [:]
        var coordinators: [RequestTarget: Int32] = [:]
        var isClosed = false
    }

    convenience init(_ configuration: RemoteConfiguration) { self.init(configuration, RequestLoop()) }

    private init(_ configuration: RemoteConfiguration, _ loop: RequestLoop) {
        self.configuration = configuration
        self.loop = loop
        bootstrap = BrokerAddress.list(configuration.bootstrapServers)
    }

    deinit { close() }

    var timeout: Duration { configuration.requestTimeout }

    func separate() -> any RequestChannel {
        let other = RemoteChannel(configuration, loop)
        let (brokers, coordinators) = state.withLock { ($0.brokers, $0.coordinators) }
        other.state.withLock { state in
            state.brokers = brokers
            state.coordinators = coordinators
        }
        return other
    }

    func close() {
        let all = state.withLock { state in
            state.isClosed = true
            defer { state.connections = [:] }
            return Array(state.connections.values)
        }
        for connection in all { connection.close() }
    }

    func forget(_ target: RequestTarget) { state.withLock { $0.coordinators[target] = nil } }

    func call<Request: KafkaRequest>(
        to target: RequestTarget, versions: ClosedRange<Int16>, timeout: Duration,
        _ make: @Sendable (Int16) -> Request
    ) async throws(ClusterError) -> Request.Response {
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        let connection = try await connection(to: target, timeout)
        let version = try connection.version(of: Request.apiKey, versions)
        return try await connection.exchange(
            make(version), version: version, timeout: max(.milliseconds(1), deadline - clock.now))
    }

    func broker(_ target: RequestTarget) async throws(ClusterError) -> BrokerDescription {
        let timeout = configuration.requestTimeout
        let id: Int32
        switch target {
        case .broker(let given): id = given
        case .groupCoordinator, .transactionCoordinator: id = try await coordinator(target, timeout)
        case .anyBroker:
            try await learnBrokers(timeout)
            id = state.withLock { $0.brokers.keys.min() } ?? -1
        }
        let address = try await address(of: id, timeout)
        return BrokerDescription(id: id, host: address.host, port: Int32(clamping: address.port))
    }

    // MARK: Who and where

    private func connection(to target: RequestTarget, _ timeout: Duration) async throws(ClusterError)
        -> RequestConnection
    {
        switch target {
        case .anyBroker: return try await anyConnection(timeout)
        case .broker(let id): return try await connection(try await address(of: id, timeout), timeout)
        case .groupCoordinator, .transactionCoordinator:
            let id = try await coordinator(target, timeout)
            return try await connection(try await address(of: id, timeout), timeout)
        }
    }

    private func address(of id: Int32, _ timeout: Duration) async throws(ClusterError) -> BrokerAddress {
        if let known = state.withLock({ $0.brokers[id] }) { return known }
        try await learnBrokers(timeout)
        guard let known = state.withLock({ $0.brokers[id] }) else {
            throw ClusterError(.brokerNotAvailable, "broker \(id) is not there")
        }
        return known
    }

    private func learnBrokers(_ timeout: Duration) async throws(ClusterError) {
        let answer = try await call(to: .anyBroker, versions: 1...9, timeout: timeout) { _ in
            MetadataRequest(topics: [], allowAutoTopicCreation: true)
        }
        state.withLock { state in
            state.brokers = Dictionary(
                answer.brokers.map { ($0.nodeId, BrokerAddress(host: $0.host, port: Int($0.port))) }
            ) { $1 }
        }
    }

    private func coordinator(_ target: RequestTarget, _ timeout: Duration) async throws(ClusterError) -> Int32 {
        if let known = state.withLock({ $0.coordinators[target] }) { return known }
        let key: String
        let type: Int8
        switch target {
        case .groupCoordinator(let group): (key, type) = (group, 0)
        case .transactionCoordinator(let id): (key, type) = (id, 1)
        case .anyBroker, .broker: preconditionFailure("only coordinators are looked for")
        }
        let answer = try await call(to: .anyBroker, versions: 1...6, timeout: timeout) { version in
            var request = FindCoordinatorRequest()
            request.keyType = type
            if version >= 4 { request.coordinatorKeys = [key] } else { request.key = key }
            return request
        }
        let attempt = "find the coordinator of '\(key)'"
        let (id, address): (Int32, BrokerAddress)
        if let found = answer.coordinators.first {
            try check(found.errorCode, attempt, detail: found.errorMessage)
            (id, address) = (found.nodeId, BrokerAddress(host: found.host, port: Int(found.port)))
        } else {
            try check(answer.errorCode, attempt, detail: answer.errorMessage)
            (id, address) = (answer.nodeId, BrokerAddress(host: answer.host, port: Int(answer.port)))
        }
        state.withLock { state in
            state.coordinators[target] = id
            state.brokers[id] = address
        }
        return id
    }

    // MARK: Connections

    private func anyConnection(_ timeout: Duration) async throws(ClusterError) -> RequestConnection {
        let (open, known) = state.withLock { state in
            (state.connections.values.first { $0.isOpen }, state.brokers.values.map { $0 })
        }
        if let open { return open }
        var failure = ClusterError(.brokerNotAvailable, "no broker is named to connect to")
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        let addresses = bootstrap + known.filter { !bootstrap.contains($0) }
        for (index, address) in addresses.enumerated() {
            let left = deadline - clock.now
            guard left > .zero || index < bootstrap.count, !Task.isCancelled else { break }
            do throws(ClusterError) {
                // One that is silent leaves time for the others; each gets some, also when this process was late.
                let share = index == addresses.count - 1 ? left : left / 2
                return try await connection(address, max(share, timeout / 8))
            } catch {
                guard Self.unreachable.contains(ErrorCode(rawValue: error.code.rawValue)) else { throw error }
                failure = error
            }
        }
        throw failure
    }

    /// After these another broker may answer.
    private static let unreachable: Set<ErrorCode> = [.brokerNotAvailable, .networkException, .requestTimedOut]

    /// - Parameter timeout: for all that it takes; what the broker is to answer has a quarter of it in any case, as the time
    ///   before may have been lost here.
    private func connection(_ address: BrokerAddress, _ timeout: Duration) async throws(ClusterError)
        -> RequestConnection
    {
        let (present, isClosed) = state.withLock { ($0.connections[address], $0.isClosed) }
        if isClosed { throw ClusterError(.invalidRequest, "the channel is closed") }
        if let present, present.isOpen { return present }
        let security = try loop.security(configuration.properties)
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        let new = try await RequestConnection.open(
            address, security, on: loop.group, clientId: configuration.properties["client.id"] ?? "swiftwater",
            timeout: timeout)
        if let credentials = security.credentials {
            try await new.authenticate(credentials, timeout: max(timeout / 4, deadline - clock.now))
        }
        // Two callers may have connected at the same time: one connection is enough.
        return state.withLock { state in
            if state.isClosed {
                new.close()
            } else if let other = state.connections[address], other.isOpen {
                return other
            } else {
                state.connections[address] = new
            }
            return new
        }
    }
}

/// The one thread that all connections of a cluster share.
private final class RequestLoop: Sendable {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let known = Mutex<ConnectionSecurity?>(nil)

    /// Files are read once; what cannot be used is looked at again with the next connection.
    func security(_ properties: [String: String]) throws(ClusterError) -> ConnectionSecurity {
        if let known = known.withLock({ $0 }) { return known }
        let read = try ConnectionSecurity(properties)
        known.withLock { $0 = read }
        return read
    }

    deinit {
        // Closes what is open and ends the thread; nobody is left to be told about it.
        group.shutdownGracefully { _ in }
    }
}
