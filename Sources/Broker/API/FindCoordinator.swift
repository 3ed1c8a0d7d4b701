import KafkaMessages

extension BrokerNode {
    /// Offered although there are no consumer groups yet: librdkafka compresses with lz4 only for a broker that lists
    /// FindCoordinator, and would else silently send uncompressed batches.
    ///
    /// The error is one that clients do not wait out: a consumer that joins a group is told at once.
    func handleFindCoordinator(_ request: FindCoordinatorRequest, _ responder: Responder) {
        let code = ErrorCode.unsupportedVersion.rawValue
        let message = "this broker has no consumer groups and transactions yet; assign partitions instead"
        var response = FindCoordinatorResponse()
        if responder.apiVersion >= 4 {
            response.coordinators = request.coordinatorKeys.map { key in
                FindCoordinatorResponse.Coordinator(
                    key: key, nodeId: -1, host: "", port: -1, errorCode: code, errorMessage: message)
            }
        } else {
            response.nodeId = -1
            response.port = -1
            response.errorCode = code
            response.errorMessage = responder.apiVersion >= 1 ? message : nil
        }
        responder.send(response)
    }
}
