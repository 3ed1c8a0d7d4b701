import Cluster
import KafkaMessages
import NIOCore
import Synchronization

/// Kafka's requests to the broker of this process, by function calls.
final class EmbeddedChannel: RequestChannel {
    private static let clientId = "swiftwater"

    private let node: BrokerNode
    /// Key types of coordinators whose topic is known to exist.
    private let found = Mutex<Set<Int8>>([])

    init(_ node: BrokerNode) { self.node = node }

    var timeout: Duration { .seconds(30) }

    func call<Request: KafkaRequest>(
        to target: RequestTarget, versions: ClosedRange<Int16>, timeout: Duration,
        _ make: @Sendable (Int16) -> Request
    ) async throws(ClusterError) -> Request.Response {
        guard let offered = OfferedApis.versions(of: Request.apiKey), offered.overlaps(versions) else {
            throw ClusterError(.unsupportedVersion, "this broker does not offer \(Request.apiKey.name)")
        }
        try await find(target)
        let version = min(versions.upperBound, offered.upperBound)
        return try await perform(make(version), version, timeout)
    }

    /// The first look for a coordinator makes the topic that it keeps its state in.
    private func find(_ target: RequestTarget) async throws(ClusterError) {
        let (key, type): (String, Int8)
        switch target {
        case .groupCoordinator(let group): (key, type) = (group, 0)
        case .transactionCoordinator(let id): (key, type) = (id, 1)
        case .anyBroker, .broker: return
        }
        guard !found.withLock({ $0.contains(type) }) else { return }
        var request = FindCoordinatorRequest()
        request.keyType = type
        request.coordinatorKeys = [key]
        let answer = try await perform(request, 4, timeout)
        if let coordinator = answer.coordinators.first {
            try check(
                coordinator.errorCode, "find the coordinator of '\(key)'", detail: coordinator.errorMessage)
        }
        found.withLock { _ = $0.insert(type) }
    }

    private func perform<Request: KafkaRequest>(
        _ request: Request, _ version: Int16, _ timeout: Duration
    ) async throws(ClusterError) -> Request.Response {
        let answer = FirstAnswer<Request.Response>()
        let name = Request.apiKey.name
        // Owned by the broker, which answers every request or stops; its answer may find nobody waiting any more.
        Task { [node] in
            do throws(ControlError) {
                answer.give(.success(try await node.call(request, version: version, clientId: Self.clientId)))
            } catch {
                answer.give(.failure(ClusterError(error, name)))
            }
        }
        let timer = node.timerLoop.scheduleTask(in: TimeAmount(timeout)) {
            answer.give(.failure(ClusterError(.requestTimedOut, "no answer to \(name) within \(timeout)")))
        }
        defer { timer.cancel() }
        let result = await withTaskCancellationHandler {
            await answer.wait()
        } onCancel: {
            answer.give(.failure(ClusterError(.requestTimedOut, "the wait for \(name) was cancelled")))
        }
        return try result.get()
    }

    func broker(_ target: RequestTarget) async throws(ClusterError) -> BrokerDescription {
        let address = node.advertised
        return BrokerDescription(id: node.nodeId, host: address.host, port: address.port)
    }

    func forget(_ target: RequestTarget) { found.withLock { $0 = [] } }

    /// Function calls do not wait for each other.
    func separate() -> any RequestChannel { self }

    func close() {}
}

/// Takes the first of several answers, for one waiter.
private final class FirstAnswer<Value: Sendable>: Sendable {
    private enum State {
        case empty
        case waiting(CheckedContinuation<Result<Value, ClusterError>, Never>)
        case given(Result<Value, ClusterError>)
    }
    private let state = Mutex(State.empty)

    func give(_ result: Result<Value, ClusterError>) {
        let waiter = state.withLock { state -> CheckedContinuation<Result<Value, ClusterError>, Never>? in
            switch state {
            case .empty: state = .given(result)
            case .waiting(let waiter):
                state = .given(result)
                return waiter
            case .given: break
            }
            return nil
        }
        waiter?.resume(returning: result)
    }

    func wait() async -> Result<Value, ClusterError> {
        await withCheckedContinuation { continuation in
            let given = state.withLock { state -> Result<Value, ClusterError>? in
                if case .given(let result) = state { return result }
                state = .waiting(continuation)
                return nil
            }
            if let given { continuation.resume(returning: given) }
        }
    }
}
