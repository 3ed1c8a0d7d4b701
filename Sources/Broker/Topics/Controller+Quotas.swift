import KafkaMessages

extension Controller {
    /// Changes quotas; on the control thread.
    ///
    /// - Returns: what came of each entity.
    /// - Throws: when none was changed: too many at once, or the disk refused them.
    func alterQuotas(_ request: AlterClientQuotasRequest) throws(ControlError) -> [QuotaRules.Outcome] {
        var outcomes: [QuotaRules.Outcome] = []
        var isChanged = false
        try change { image throws(ControlError) in
            let found = try QuotaRules.changes(request, image.quotas)
            outcomes = found.outcomes
            guard !request.validateOnly else { return [] }
            isChanged = !found.records.isEmpty
            return found.records
        }
        if isChanged { publishQuotas() }
        return outcomes
    }

    /// From now on the quotas of the metadata are in force.
    func publishQuotas() {
        let table = image { $0.quotas }
        quotas.replace(table)
        connectionRates.replace(table)
    }
}
