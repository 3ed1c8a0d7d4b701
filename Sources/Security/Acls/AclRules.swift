/// What can be wrong with a new rule, in Kafka's words.
///
/// - SeeAlso: upstream `AclApis.handleCreateAcls`, `AclControlManager.validateNewAcl`.
package enum AclRules {
    /// Rules that one request may make or delete (upstream `QuorumController.MAX_RECORDS_PER_USER_OP`).
    package static let changeCountMax = 10_000
    /// Longest name, principal or host of a rule, in bytes: a rule is kept in memory and in the metadata's log.
    package static let textByteCountMax = 1024

    /// - Returns: nil when nothing is.
    package static func problem(with binding: AclBinding) -> String? {
        if binding.resourceType == .cluster, binding.resourceName != AclResourceType.clusterName {
            return "The only valid name for the CLUSTER resource is \(AclResourceType.clusterName)"
        }
        if binding.resourceName.isEmpty { return "Invalid empty resource name" }
        if Principal(binding.principal) == nil {
            return "Could not parse principal from `\(binding.principal)` (no colon is present separating the "
                + "principal type from the principal name)"
        }
        if binding.host.isEmpty { return "Invalid empty host: an IP address, or * for all" }
        let texts = [binding.resourceName, binding.principal, binding.host]
        if texts.contains(where: { $0.utf8.count > textByteCountMax }) {
            return "Resource name, principal and host have at most \(textByteCountMax) bytes each"
        }
        return nil
    }
}
