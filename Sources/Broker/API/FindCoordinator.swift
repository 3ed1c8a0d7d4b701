import KafkaMessages

extension BrokerNode {
    /// Types of keys (KIP-98, KIP-932).
    private enum KeyType {
        static let group: Int8 = 0
        static let transaction: Int8 = 1
    }

    /// This node coordinates everything. The internal topic that keeps the coordinator's state is made by the first
    /// request that needs it, and the answer waits for that.
    func handleFindCoordinator(_ request: FindCoordinatorRequest, _ responder: Responder) {
        let answer: @Sendable (ControlError?) -> Void = { [self] error in
            responder.send(coordinators(request, responder.apiVersion, advertised(to: responder), error))
        }
        switch request.keyType {
        case KeyType.group: groups.prepare(controller, answer)
        case KeyType.transaction: transactions.topic.prepare(controller, answer)
        default:
            answer(
                ControlError(
                    .invalidRequest,
                    "there is no coordinator of type \(request.keyType); 0 (groups) and 1 (transactions) are there"))
        }
    }

    private func coordinators(
        _ request: FindCoordinatorRequest, _ version: Int16, _ advertised: Listener.Address, _ error: ControlError?
    ) -> FindCoordinatorResponse {
        let code: ErrorCode
        switch error?.code {
        case nil: code = .none
        case .invalidRequest?: code = .invalidRequest
        // The topic could not be made, such as for a full disk: clients try again.
        case _?: code = .coordinatorNotAvailable
        }
        var response = FindCoordinatorResponse()
        if version >= 4 {
            response.coordinators = request.coordinatorKeys.map { key in
                var entry = FindCoordinatorResponse.Coordinator()
                entry.key = key
                entry.nodeId = error == nil ? nodeId : -1
                entry.host = error == nil ? advertised.host : ""
                entry.port = error == nil ? advertised.port : -1
                entry.errorCode = code.rawValue
                entry.errorMessage = error?.message
                return entry
            }
        } else {
            response.nodeId = error == nil ? nodeId : -1
            response.host = error == nil ? advertised.host : ""
            response.port = error == nil ? advertised.port : -1
            response.errorCode = code.rawValue
            if version >= 1 { response.errorMessage = error?.message }
        }
        return response
    }
}
