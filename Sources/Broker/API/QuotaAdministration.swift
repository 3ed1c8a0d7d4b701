import KafkaMessages

/// Quotas of users, client ids and addresses, as administrators see and change them (KIP-546).
///
/// - SeeAlso: upstream `ClientQuotaControlManager`, `ClientQuotasImage`.
extension BrokerNode {
    func handleDescribeClientQuotas(_ request: DescribeClientQuotasRequest, _ responder: Responder) {
        let filter: QuotaFilter
        do throws(ControlError) { filter = try QuotaFilter(request) } catch {
            return responder.send(
                DescribeClientQuotasResponse(
                    errorCode: error.code.rawValue, errorMessage: error.message, entries: nil))
        }
        controller.perform { controller in
            let found = controller.image { $0.quotas }.values.filter { filter.matches($0.key) }
            let entries = found.sorted { $0.key < $1.key }.map { entity, kinds in
                DescribeClientQuotasResponse.EntryData(
                    entity: entity.parts.map { .init(entityType: $0.type, entityName: $0.part.name) },
                    values: kinds.sorted { $0.key.rawValue < $1.key.rawValue }.map {
                        .init(key: $0.key.rawValue, value: $0.value)
                    })
            }
            responder.send(DescribeClientQuotasResponse(errorMessage: nil, entries: entries))
        }
    }

    func handleAlterClientQuotas(_ request: AlterClientQuotasRequest, _ responder: Responder) {
        controller.perform { controller in
            var response = AlterClientQuotasResponse()
            do throws(ControlError) {
                response.entries = try controller.alterQuotas(request).map { outcome in
                    .init(
                        errorCode: outcome.problem?.code.rawValue ?? 0, errorMessage: outcome.problem?.message,
                        entity: outcome.entity.map(\.answered))
                }
            } catch {
                // None of them is in force.
                response.entries = request.entries.map { entry in
                    .init(
                        errorCode: error.code.rawValue, errorMessage: error.message,
                        entity: entry.entity.map(\.answered))
                }
            }
            responder.send(response)
        }
    }
}

extension AlterClientQuotasRequest.EntityData {
    /// The same in an answer.
    var answered: AlterClientQuotasResponse.EntityData { .init(entityType: entityType, entityName: entityName) }
}
