import KafkaMessages

extension BrokerNode {
    /// Gives an idempotent producer its id (KIP-98). Every id is given once, also over crashes.
    func handleInitProducerId(_ request: InitProducerIdRequest, _ responder: Responder) {
        var response = InitProducerIdResponse()
        guard request.transactionalId == nil else {
            // Transactions are not offered: neither FindCoordinator nor EndTxn is listed.
            response.errorCode =
                (request.transactionalId?.isEmpty == true ? ErrorCode.invalidRequest : ErrorCode.unsupportedVersion)
                .rawValue
            response.producerEpoch = -1
            return responder.send(response)
        }
        if let id = producerIds.next() {
            response.producerId = id
            return responder.send(response)
        }
        controller.perform { [self] controller in
            var response = InitProducerIdResponse()
            do throws(ControlError) {
                // Requests that came while this one waited may have brought new ids already.
                if let id = producerIds.next() {
                    response.producerId = id
                } else {
                    producerIds.refill(try controller.takeProducerIds(ProducerIdPool.blockSize))
                    response.producerId = producerIds.next() ?? -1
                }
            } catch {
                response.errorCode = error.code.rawValue
                response.producerEpoch = -1
            }
            responder.send(response)
        }
    }
}
