import Cluster
import KafkaMessages

/// Kafka's requests to the broker of this process, by function calls.
final class EmbeddedChannel: RequestChannel {
    private let node: BrokerNode

    init(_ node: BrokerNode) { self.node = node }

    var timeout: Duration { .seconds(30) }

    func call<Request: KafkaRequest>(
        to target: RequestTarget, versions: ClosedRange<Int16>, timeout: Duration,
        _ make: @Sendable (Int16) -> Request
    ) async throws(ClusterError) -> Request.Response {
        throw ClusterError(.unsupportedVersion, "this broker does not offer \(Request.apiKey.name)")
    }

    func broker(_ target: RequestTarget) async throws(ClusterError) -> BrokerDescription {
        let address = node.advertised
        return BrokerDescription(id: node.nodeId, host: address.host, port: address.port)
    }

    func forget(_ target: RequestTarget) {}
    func separate() -> any RequestChannel { self }
    func close() {}
}
