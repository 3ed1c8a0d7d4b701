import KafkaMessages

extension BrokerNode {
    /// There is no coordinator for groups and transactions: COORDINATOR_NOT_AVAILABLE, with words where the version has
    /// them. The request is offered all the same, as librdkafka takes it for the sign of a broker that knows lz4.
    func handleFindCoordinator(_ request: FindCoordinatorRequest, _ responder: Responder) {
        let message =
            switch request.keyType {
            case 0: "this broker does not coordinate consumer groups: assign partitions instead of subscribing"
            case 1: "this broker does not coordinate transactions: use an idempotent producer"
            default: "this broker has no coordinator of type \(request.keyType)"
            }
        var response = FindCoordinatorResponse()
        if responder.apiVersion >= 4 {
            response.coordinators = request.coordinatorKeys.map { key in
                var entry = FindCoordinatorResponse.Coordinator()
                entry.key = key
                entry.nodeId = -1
                entry.port = -1
                entry.errorCode = ErrorCode.coordinatorNotAvailable.rawValue
                entry.errorMessage = message
                return entry
            }
        } else {
            response.nodeId = -1
            response.port = -1
            response.errorCode = ErrorCode.coordinatorNotAvailable.rawValue
            if responder.apiVersion >= 1 { response.errorMessage = message }
        }
        responder.send(response)
    }
}
