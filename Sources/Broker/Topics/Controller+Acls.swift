import KafkaMessages
import Security

extension Controller {
    /// Makes rules, those that are there already excepted; on the control thread.
    ///
    /// - Returns: what is wrong with each, nil for those that are in force now.
    /// - Throws: when none was made: too many at once, or the disk refused them.
    func createAcls(_ bindings: [AclBinding]) throws(ControlError) -> [String?] {
        let problems = bindings.map(AclRules.problem)
        var added: [AclBinding] = []
        try change { image throws(ControlError) in
            var random = SystemRandomNumberGenerator()
            var known: Set<AclBinding> = []
            for (binding, problem) in zip(bindings, problems)
            where problem == nil && image.aclIds[binding] == nil && known.insert(binding).inserted {
                added.append(binding)
            }
            try Self.checkCount(added.count)
            return added.map { MetadataRecord.acl(id: .random(using: &random), $0) }
        }
        if !added.isEmpty { authorizer?.change(adding: added, removing: []) }
        return problems
    }

    /// Removes the rules that filters match; on the control thread.
    ///
    /// - Returns: by filter, what it matched.
    func deleteAcls(_ filters: [AclFilter]) throws(ControlError) -> [[AclBinding]] {
        var matched: [[AclBinding]] = []
        var removed: Set<AclBinding> = []
        try change { image throws(ControlError) in
            for filter in filters {
                let found = image.acls.values.filter(filter.matches).sorted()
                removed.formUnion(found)
                matched.append(found)
            }
            try Self.checkCount(removed.count)
            return removed.sorted().compactMap { image.aclIds[$0] }.map { MetadataRecord.aclRemoved(id: $0) }
        }
        if !removed.isEmpty { authorizer?.change(adding: [], removing: Array(removed)) }
        return matched
    }

    private static func checkCount(_ count: Int) throws(ControlError) {
        guard count <= AclRules.changeCountMax else {
            throw ControlError(
                .policyViolation,
                "Unable to perform excessively large batch operation: \(count) rules, and "
                    + "\(AclRules.changeCountMax) are the most at once.")
        }
    }
}
