package import Cluster
import KafkaMessages
import NIOCore
package import Security

/// The users of a cluster that come by SCRAM (KIP-554). Works with any Kafka since 2.7.
package struct UserCredentials: Sendable {
    /// What a cluster tells of a user: never anything of the password.
    package struct Known: Equatable, Sendable {
        package var user: String
        package var mechanism: ScramMechanism
        package var iterationCount: Int32

        package init(user: String, mechanism: ScramMechanism, iterationCount: Int32) {
            self.user = user
            self.mechanism = mechanism
            self.iterationCount = iterationCount
        }
    }

    private let requests: any RequestChannel

    package init(_ cluster: any Cluster) { requests = cluster.requests }

    /// All credentials, by user and mechanism.
    package func list() async throws(ClusterError) -> [Known] {
        let attempt = "list users"
        let response = try await requests.call(to: .anyBroker, versions: 0...0, timeout: requests.timeout) { _ in
            DescribeUserScramCredentialsRequest(users: nil)
        }
        try Self.check(response.errorCode, attempt, response.errorMessage)
        var found: [Known] = []
        for result in response.results.sorted(by: { $0.user < $1.user }) {
            try Self.check(result.errorCode, attempt, result.errorMessage)
            for info in result.credentialInfos.sorted(by: { $0.mechanism < $1.mechanism }) {
                guard let mechanism = ScramMechanism(rawValue: info.mechanism) else { continue }  // of a newer cluster
                found.append(Known(user: result.user, mechanism: mechanism, iterationCount: info.iterations))
            }
        }
        return found
    }

    /// Makes or replaces a credential. The password does not leave this process: it is salted here.
    package func set(
        _ user: String, password: String, _ mechanism: ScramMechanism, iterationCount: Int32
    ) async throws(ClusterError) {
        let salt = ScramCredential.randomSalt()
        let salted = mechanism.salted(Array(password.utf8), salt, Int(iterationCount))
        try await alter(
            AlterUserScramCredentialsRequest(upsertions: [
                .init(
                    name: user, mechanism: mechanism.rawValue, iterations: iterationCount,
                    salt: ByteBuffer(bytes: salt), saltedPassword: ByteBuffer(bytes: salted))
            ]), "set the password of user '\(user)'")
    }

    package func delete(_ user: String, _ mechanism: ScramMechanism) async throws(ClusterError) {
        try await alter(
            AlterUserScramCredentialsRequest(deletions: [.init(name: user, mechanism: mechanism.rawValue)]),
            "delete user '\(user)'")
    }

    private func alter(_ request: AlterUserScramCredentialsRequest, _ attempt: String) async throws(ClusterError) {
        let response = try await requests.call(to: .anyBroker, versions: 0...0, timeout: requests.timeout) { _ in
            request
        }
        for result in response.results { try Self.check(result.errorCode, attempt, result.errorMessage) }
    }

    private static func check(_ code: Int16, _ attempt: String, _ detail: String?) throws(ClusterError) {
        guard code != 0 else { return }
        throw ClusterError(code: ErrorCode(rawValue: code), attempt, detail: detail)
    }
}
