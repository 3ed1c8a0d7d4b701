import Bytes
import Cluster
import KafkaMessages
import NIOCore
import Security

/// Delegation tokens of any Kafka cluster, by its protocol (KIP-48).
struct TokenCalls {
    private let requests: any RequestChannel

    init(_ cluster: any Cluster) { requests = cluster.requests }

    /// A token with its secret.
    struct Known {
        var token: DelegationToken
        var hmac: [UInt8]

        /// What stands for a password.
        var secret: String { Base64.encode(hmac) }
    }

    /// - Parameters:
    ///   - owner: nil is whoever asks.
    ///   - lifetimeMs: nil is what the cluster has set.
    func create(owner: Principal?, renewers: [Principal], lifetimeMs: Int64?) async throws -> Known {
        // Before version 3 nobody can ask for others.
        let versions: ClosedRange<Int16> = owner == nil ? 1...3 : 3...3
        let answer = try await requests.call(to: .anyBroker, versions: versions, timeout: requests.timeout) { version in
            CreateDelegationTokenRequest(
                ownerPrincipalType: version >= 3 ? owner?.type : "",
                ownerPrincipalName: version >= 3 ? owner?.name : "",
                renewers: renewers.map { .init(principalType: $0.type, principalName: $0.name) },
                maxLifetimeMs: lifetimeMs ?? -1)
        }
        try Self.check(answer.errorCode, "create a delegation token")
        let made = Principal(type: answer.principalType, name: answer.principalName)
        let requester = Principal(type: answer.tokenRequesterPrincipalType, name: answer.tokenRequesterPrincipalName)
        return Known(
            token: DelegationToken(
                id: answer.tokenId, owner: made, requester: requester.name.isEmpty ? made : requester,
                renewers: renewers, issuedAt: answer.issueTimestampMs, expiresAt: answer.expiryTimestampMs,
                endsAt: answer.maxTimestampMs),
            hmac: Array(answer.hmac.readableBytesView))
    }

    /// - Parameter owners: only their tokens, those that they asked for, and those that they may renew; nil is all that whoever
    ///   asks may see.
    func describe(_ owners: [Principal]?) async throws -> [Known] {
        let answer = try await requests.call(to: .anyBroker, versions: 1...3, timeout: requests.timeout) { _ in
            DescribeDelegationTokenRequest(
                owners: owners.map { $0.map { .init(principalType: $0.type, principalName: $0.name) } })
        }
        try Self.check(answer.errorCode, "describe delegation tokens")
        return answer.tokens.map { token in
            let owner = Principal(type: token.principalType, name: token.principalName)
            let requester = Principal(
                type: token.tokenRequesterPrincipalType, name: token.tokenRequesterPrincipalName)
            return Known(
                token: DelegationToken(
                    id: token.tokenId, owner: owner, requester: requester.name.isEmpty ? owner : requester,
                    renewers: token.renewers.map { Principal(type: $0.principalType, name: $0.principalName) },
                    issuedAt: token.issueTimestamp, expiresAt: token.expiryTimestamp, endsAt: token.maxTimestamp),
                hmac: Array(token.hmac.readableBytesView))
        }
    }

    /// - Parameter periodMs: nil is what the cluster has set.
    /// - Returns: when the token expires now.
    func renew(_ known: Known, periodMs: Int64?) async throws -> Int64 {
        let answer = try await requests.call(to: .anyBroker, versions: 1...2, timeout: requests.timeout) { _ in
            RenewDelegationTokenRequest(hmac: ByteBuffer(bytes: known.hmac), renewPeriodMs: periodMs ?? -1)
        }
        try Self.check(answer.errorCode, "renew delegation token '\(known.token.id)'")
        return answer.expiryTimestampMs
    }

    /// - Parameter periodMs: nil ends the token at once.
    /// - Returns: when the token expires now; nothing that means anything when it is gone.
    func expire(_ known: Known, periodMs: Int64?) async throws -> Int64 {
        let answer = try await requests.call(to: .anyBroker, versions: 1...2, timeout: requests.timeout) { _ in
            ExpireDelegationTokenRequest(hmac: ByteBuffer(bytes: known.hmac), expiryTimePeriodMs: periodMs ?? -1)
        }
        try Self.check(answer.errorCode, "end delegation token '\(known.token.id)'")
        return answer.expiryTimestampMs
    }

    private static func check(_ number: Int16, _ attempt: String) throws {
        let code = ErrorCode(rawValue: number)
        let hint: String
        switch code {
        case .none: return
        case .delegationTokenAuthDisabled:
            hint = "a broker makes tokens once its setting delegation.token.secret.key is set"
        case .delegationTokenRequestNotAllowed:
            hint =
                "a cluster talks of tokens with those who come by SASL or with a certificate, and not by a token: "
                + "--command-config FILE says who comes"
        case .delegationTokenOwnerMismatch: hint = "its owner and its renewers can"
        case .delegationTokenAuthorizationFailed:
            hint =
                "to create tokens for others takes the operation CreateTokens on them: "
                + "'swiftwater acl add --user-principal User:NAME'"
        case .invalidPrincipalType: hint = "renewers are written as User:NAME"
        default: throw ClusterError(code: code, attempt, detail: nil)
        }
        throw ClusterError(
            ClusterError.Code(rawValue: number), "\(attempt): \(Self.words[code] ?? code.name)", hint: hint)
    }

    private static let words: [ErrorCode: String] = [
        .delegationTokenAuthDisabled: "the cluster has no delegation tokens",
        .delegationTokenRequestNotAllowed: "the cluster does not talk of tokens over this connection",
        .delegationTokenOwnerMismatch: "it is somebody else's",
        .delegationTokenAuthorizationFailed: "you may not",
        .invalidPrincipalType: "a renewer is no user",
    ]
}
