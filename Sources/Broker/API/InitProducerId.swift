import Coordinators
import KafkaMessages
import Security

extension BrokerNode {
    /// Gives an idempotent or transactional producer its id and epoch (KIP-98, KIP-360). Every id is given once, also
    /// over crashes.
    func handleInitProducerId(_ request: InitProducerIdRequest, _ responder: Responder) {
        let access = access(responder)
        guard let transactionalId = request.transactionalId else {
            // KIP-679: who may write to any topic may do so idempotently.
            guard
                access.permitsCluster(.idempotentWrite, isTold: false) || access?.permitsAny(.write, .topic) ?? true
                    || access.permitsCluster(.idempotentWrite)
            else { return responder.send(Self.refusal(.clusterAuthorizationFailed)) }
            guard (request.producerId == -1) == (request.producerEpoch == -1) else {
                return responder.send(Self.refusal(.invalidRequest))
            }
            return producerIds.withNext { result in
                var response = InitProducerIdResponse()
                switch result {
                case .success(let id): response.producerId = id
                case .failure(let error):
                    response.errorCode = error.code.rawValue
                    response.producerEpoch = -1
                }
                responder.send(response)
            }
        }
        guard access.permits(.write, .transactionalId, transactionalId) else {
            return responder.send(Self.refusal(.transactionalIdAuthorizationFailed))
        }
        guard !transactionalId.isEmpty else { return responder.send(Self.refusal(.invalidRequest)) }
        guard let host = transactions.topic.host(of: transactionalId) else {
            return responder.send(Self.refusal(.notCoordinator))
        }
        producerIds.withNext { [producerIds] result in
            guard case .success(let freshId) = result else {
                return responder.send(Self.refusal(.coordinatorNotAvailable))
            }
            host.submit(responder, refusal: Self.refusal) { shard, token, now, _ in
                let decision = shard.initProducerId(
                    request, version: responder.apiVersion, token: token, at: now, freshProducerId: freshId)
                if !decision.usedFreshProducerId { producerIds.giveBack(freshId) }
                return (decision.decision, decision.markers)
            }
        }
    }

    private static func refusal(_ code: ErrorCode) -> InitProducerIdResponse {
        var response = InitProducerIdResponse()
        response.errorCode = code.rawValue
        response.producerEpoch = -1
        return response
    }
}
