import Coordinators
import KafkaMessages
import Logging
import Security

/// What the sender of one request may do, by the rules of the moment when it was taken up.
///
/// Where there is no authorizer, and for calls of this process, there is no `Access`: everything is permitted and nothing
/// is looked up.
struct Access: Sendable {
    fileprivate let grants: Grants
    fileprivate let host: String
    fileprivate let apiKey: ApiKey
    fileprivate let denials: Denials

    /// - Parameter isTold: whether a denial is one: false where the answer only leaves out what is not permitted, or where
    ///   another permission would do as well.
    func permits(_ operation: AclOperation, _ type: AclResourceType, _ name: String, isTold: Bool = true) -> Bool {
        if grants.permits(operation, type, name) { return true }
        if isTold { denials.note(operation, type, name, of: self) }
        return false
    }

    /// What is permitted of that which means something for the resource (KIP-430).
    func operations(_ type: AclResourceType, _ name: String) -> AclOperations {
        grants.operations(type, name).intersection(type.operations)
    }

    /// Whether there can be a resource with which it is permitted (KIP-679).
    func permitsAny(_ operation: AclOperation, _ type: AclResourceType) -> Bool {
        grants.permitsAny(operation, type)
    }
}

extension Access? {
    func permits(_ operation: AclOperation, _ type: AclResourceType, _ name: String, isTold: Bool = true) -> Bool {
        self?.permits(operation, type, name, isTold: isTold) ?? true
    }

    func permitsCluster(_ operation: AclOperation, isTold: Bool = true) -> Bool {
        self?.permits(operation, .cluster, AclResourceType.clusterName, isTold: isTold) ?? true
    }

    /// As the protocol tells it, in bits.
    func operations(_ type: AclResourceType, _ name: String) -> Int32 {
        (self?.operations(type, name) ?? type.operations).rawValue
    }

    /// Who may not even see the cluster is told that nothing is permitted.
    var clusterOperations: Int32 {
        permitsCluster(.describe) ? operations(.cluster, AclResourceType.clusterName) : 0
    }
}

extension BrokerNode {
    /// What the sender of a request may do; nil when that is everything.
    func access(_ responder: Responder) -> Access? {
        guard let authorizer = controller.authorizer, let principal = responder.principal else { return nil }
        // Groups show addresses with a slash in front, as Java writes them.
        let address = responder.client.host
        let host = String(address.hasPrefix("/") ? address.dropFirst() : address[...])
        return Access(
            grants: authorizer.grants(principal, host: host), host: host, apiKey: responder.apiKey, denials: denials)
    }
}

/// Counts what was refused, and tells it as Kafka's authorizer log does. The program's log lets so many lines of the kind
/// through as people can read.
struct Denials: Sendable {
    let logger: Logger
    let metrics: BrokerMetrics

    func note(_ operation: AclOperation, _ type: AclResourceType, _ name: String, of access: Access) {
        metrics.noteDenial(operation)
        logger.warning(
            "not authorized",
            metadata: [
                "principal": "\(access.grants.principal)", "host": "\(access.host)",
                "operation": "\(operation.constant)", "resource": "\(type.name):LITERAL:\(name)",
                "request": "\(access.apiKey.name)", "rule": "\(access.grants.rule(operation, type, name))",
            ])
    }
}
