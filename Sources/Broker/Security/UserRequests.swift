import Bytes
import KafkaMessages
import NIOCore
import Security

/// Users and what they are known by (KIP-554), and the requests of SASL where they have no place.
///
/// - SeeAlso: upstream `ScramControlManager`, `ScramImage`.
extension BrokerNode {
    /// Null or an empty list asks for all users.
    func handleDescribeUserScramCredentials(
        _ request: DescribeUserScramCredentialsRequest, _ responder: Responder
    ) {
        controller.perform { controller in
            let all = controller.scramCredentials
            var response = DescribeUserScramCredentialsResponse(errorMessage: nil)
            let wanted = request.users.flatMap { $0.isEmpty ? nil : $0.map(\.name) }
            var seen: Set<String> = []
            var duplicates: Set<String> = []
            var byUser: [String: [(ScramMechanism, Int32)]] = [:]
            for (key, credential) in all.sorted(by: { $0.key < $1.key }) {
                byUser[key.user, default: []].append((key.mechanism, credential.iterationCount))
            }
            for name in wanted ?? [] where !seen.insert(name).inserted { duplicates.insert(name) }
            for name in wanted.map({ _ in seen.sorted() }) ?? byUser.keys.sorted() {
                var result = DescribeUserScramCredentialsResponse.DescribeUserScramCredentialsResult(
                    user: name, errorMessage: nil)
                if duplicates.contains(name) {
                    result.errorCode = ErrorCode.duplicateResource.rawValue
                    result.errorMessage =
                        "Cannot describe SCRAM credentials for the same user twice in a single request: \(name)"
                } else if let credentials = byUser[name] {
                    result.credentialInfos = credentials.map { mechanism, count in
                        .init(mechanism: mechanism.rawValue, iterations: count)
                    }
                } else {
                    result.errorCode = ErrorCode.resourceNotFound.rawValue
                    result.errorMessage = "Attempt to describe a user credential that does not exist: \(name)"
                }
                response.results.append(result)
            }
            responder.send(response)
        }
    }

    func handleAlterUserScramCredentials(_ request: AlterUserScramCredentialsRequest, _ responder: Responder) {
        controller.perform { controller in
            responder.send(Self.alter(request, controller))
        }
    }

    static func alter(
        _ request: AlterUserScramCredentialsRequest, _ controller: Controller
    ) -> AlterUserScramCredentialsResponse {
        var changes = ScramChanges()
        do throws(ControlError) {
            try controller.alterUsers { present in
                changes = ScramChanges(request, present)
                return changes.records
            }
        } catch {
            // None of them is in force.
            for user in changes.accepted { changes.problems[user] = error }
            changes.accepted = []
        }
        var response = AlterUserScramCredentialsResponse()
        for user in changes.accepted { response.results.append(.init(user: user, errorMessage: nil)) }
        for (user, problem) in changes.problems.sorted(by: { $0.key < $1.key }) {
            response.results.append(
                .init(user: user, errorCode: problem.code.rawValue, errorMessage: problem.message))
        }
        return response
    }

    // MARK: SASL out of place

    /// A client that wants to authenticate is told at once that this is no listener for it, as by Kafka on one without SASL;
    /// without an answer it would try until its time is over.
    func handleSaslHandshake(_ request: SaslHandshakeRequest, _ responder: Responder) {
        responder.send(SaslHandshakeResponse(errorCode: ErrorCode.illegalSaslState.rawValue))
    }

    func handleSaslAuthenticate(_ request: SaslAuthenticateRequest, _ responder: Responder) {
        responder.send(
            SaslAuthenticateResponse(
                errorCode: ErrorCode.illegalSaslState.rawValue,
                errorMessage: "SaslAuthenticate request received after successful authentication"))
    }
}

/// What a request of changes comes to: one user may be in it once only, and one that is wrong does not hinder the others.
private struct ScramChanges {
    var records: [MetadataRecord] = []
    /// Users whose change is taken, sorted.
    var accepted: [String] = []
    var problems: [String: ControlError] = [:]

    /// Longest salt and salted password, in bytes; honest ones have 64 at most.
    private static let byteCountMax = 1024

    init() {}

    init(_ request: AlterUserScramCredentialsRequest, _ present: [ScramCredentialKey: ScramCredential]) {
        var taken: [String: MetadataRecord] = [:]
        func take(_ user: String, _ make: () throws(ControlError) -> MetadataRecord) {
            guard problems[user] == nil else { return }
            if taken.removeValue(forKey: user) != nil {
                problems[user] = ControlError(
                    .duplicateResource, "A user credential cannot be altered twice in the same request")
                return
            }
            do throws(ControlError) { taken[user] = try make() } catch { problems[user] = error }
        }
        for deletion in request.deletions {
            take(deletion.name) { () throws(ControlError) in
                let key = try Self.key(deletion.name, deletion.mechanism)
                guard present[key] != nil else {
                    throw ControlError(
                        .resourceNotFound, "Attempt to delete a user credential that does not exist")
                }
                return .scramCredentialRemoved(key)
            }
        }
        for upsertion in request.upsertions {
            take(upsertion.name) { () throws(ControlError) in
                let key = try Self.key(upsertion.name, upsertion.mechanism)
                // They would look alike everywhere, and be told apart nowhere else.
                let others = present.keys.filter { $0.user == key.user }
                guard others.allSatisfy({ $0.user.utf8.elementsEqual(key.user.utf8) }) else {
                    throw ControlError(
                        .unacceptableCredential, "Another user's name is spelled alike: Unicode takes both for one")
                }
                let counts = ScramMechanism.iterationCounts
                guard upsertion.iterations >= counts.lowerBound else {
                    throw ControlError(.unacceptableCredential, "Too few iterations")
                }
                guard upsertion.iterations <= counts.upperBound else {
                    throw ControlError(.unacceptableCredential, "Too many iterations")
                }
                let lengths = 1...Self.byteCountMax
                guard lengths ~= upsertion.salt.readableBytes, lengths ~= upsertion.saltedPassword.readableBytes
                else {
                    throw ControlError(
                        .unacceptableCredential, "Salt and salted password have 1 to \(Self.byteCountMax) bytes")
                }
                return .scramCredential(
                    key,
                    ScramCredential(
                        saltedPassword: Array(upsertion.saltedPassword.readableBytesView),
                        salt: Array(upsertion.salt.readableBytesView), iterationCount: upsertion.iterations,
                        key.mechanism))
            }
        }
        accepted = taken.keys.sorted()
        records = accepted.compactMap { taken[$0] }
    }

    private static func key(_ user: String, _ number: Int8) throws(ControlError) -> ScramCredentialKey {
        guard !user.isEmpty else { throw ControlError(.unacceptableCredential, "Username must not be empty") }
        guard let mechanism = ScramMechanism(rawValue: number) else {
            throw ControlError(.unsupportedSaslMechanism, "Unknown SCRAM mechanism")
        }
        return ScramCredentialKey(user: user, mechanism: mechanism)
    }
}
