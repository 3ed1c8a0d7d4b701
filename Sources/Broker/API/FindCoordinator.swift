import Coordinators
import KafkaMessages
import Security

extension BrokerNode {
    /// Types of keys (KIP-98, KIP-932).
    private enum KeyType {
        static let group: Int8 = 0
        static let transaction: Int8 = 1
        static let share: Int8 = 2
    }

    /// This node coordinates everything. The internal topic that keeps the coordinator's state is made by the first
    /// request that needs it, and the answer waits for that.
    func handleFindCoordinator(_ request: FindCoordinatorRequest, _ responder: Responder) {
        let refused = refusedKeys(request, responder)
        let answer: @Sendable (ControlError?) -> Void = { [self] error in
            responder.send(coordinators(request, responder.apiVersion, advertised(to: responder), error, refused))
        }
        // Nobody makes the coordinators' topics who may not know of any, or asks for none that can be.
        let keys = request.keys(version: responder.apiVersion)
        if !keys.isEmpty, keys.allSatisfy({ refused[$0] != nil }) { return answer(nil) }
        switch request.keyType {
        case KeyType.group: groups.prepare(controller, answer)
        case KeyType.transaction: transactions.topic.prepare(controller, answer)
        case KeyType.share: shares.topic.prepare(controller, answer)
        default:
            answer(
                ControlError(
                    .invalidRequest,
                    "there is no coordinator of type \(request.keyType); 0 (groups), 1 (transactions) and 2 (share "
                        + "partitions) are there"))
        }
    }

    /// The groups and transactional ids that the client may not describe, with their errors; for share partitions, which
    /// only brokers ask for, also those that are none.
    private func refusedKeys(_ request: FindCoordinatorRequest, _ responder: Responder) -> [String: ErrorCode] {
        let access = access(responder)
        var refused: [String: ErrorCode] = [:]
        for key in request.keys(version: responder.apiVersion) {
            switch request.keyType {
            case KeyType.group:
                if !access.permits(.describe, .group, key) { refused[key] = .groupAuthorizationFailed }
            case KeyType.transaction:
                if !access.permits(.describe, .transactionalId, key) {
                    refused[key] = .transactionalIdAuthorizationFailed
                }
            case KeyType.share:
                if responder.apiVersion < 6 {
                    refused[key] = .invalidRequest
                } else if !access.permitsCluster(.clusterAction) {
                    refused[key] = .clusterAuthorizationFailed
                } else if SharePartitionKey(coordinatorKey: key) == nil {
                    refused[key] = .invalidRequest
                }
            default: break
            }
        }
        return refused
    }

    private func coordinators(
        _ request: FindCoordinatorRequest, _ version: Int16, _ advertised: Listener.Address, _ error: ControlError?,
        _ refused: [String: ErrorCode]
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
                if let refusal = refused[key] {
                    entry.nodeId = -1
                    entry.port = -1
                    entry.errorCode = refusal.rawValue
                    entry.errorMessage = nil
                    return entry
                }
                entry.nodeId = error == nil ? nodeId : -1
                entry.host = error == nil ? advertised.host : ""
                entry.port = error == nil ? advertised.port : -1
                entry.errorCode = code.rawValue
                entry.errorMessage = error?.message
                return entry
            }
        } else if let refusal = refused[request.key] {
            response.nodeId = -1
            response.port = -1
            response.errorCode = refusal.rawValue
            if version >= 1 { response.errorMessage = nil }
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

extension FindCoordinatorRequest {
    fileprivate func keys(version: Int16) -> [String] { version >= 4 ? coordinatorKeys : [key] }
}
