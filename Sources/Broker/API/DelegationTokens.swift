import KafkaMessages
import NIOCore
import Security

/// Delegation tokens, as clients make, renew, end and see them (KIP-48, KIP-373).
///
/// - SeeAlso: upstream `KafkaApis`, whose order the checks have.
extension BrokerNode {
    /// What stands for a time in answers without one (upstream `DelegationTokenManager.ERROR_TIMESTAMP`).
    private static let noTime: Int64 = -1

    func handleCreateDelegationToken(_ request: CreateDelegationTokenRequest, _ responder: Responder) {
        let requester = responder.principal ?? .anonymous
        var owner = requester
        if let name = request.ownerPrincipalName, !name.isEmpty {
            // As it is read again after a restart: of what has several colons the first one ends the type.
            guard let type = request.ownerPrincipalType, let named = Principal("\(type):\(name)") else {
                return responder.send(
                    Self.refusal(.unknownServerError, .anonymous, .anonymous, responder, time: Self.noTime))
            }
            owner = named
        }
        func refuse(_ code: ErrorCode, time: Int64 = Self.noTime) {
            responder.send(Self.refusal(code, owner, requester, responder, time: time))
        }
        guard takesTokenRequests(responder) else { return refuse(.delegationTokenRequestNotAllowed) }
        guard owner == requester || access(responder).permits(.createTokens, .user, owner.description) else {
            return refuse(.delegationTokenAuthorizationFailed)
        }
        let renewers = request.renewers.map { Principal(type: $0.principalType, name: $0.principalName) }
        guard renewers.allSatisfy({ $0.type == Principal.userType }) else { return refuse(.invalidPrincipalType) }
        let lifetimeMs = request.maxLifetimeMs
        controller.perform { [owner] controller in
            do throws(ControlError) {
                let token = try controller.createToken(
                    owner: owner, requester: requester, renewers: renewers, lifetimeMs: lifetimeMs)
                var answer = Self.refusal(.none, owner, requester, responder, time: 0)
                answer.issueTimestampMs = token.issuedAt
                answer.expiryTimestampMs = token.expiresAt
                answer.maxTimestampMs = token.endsAt
                answer.tokenId = token.id
                answer.hmac = ByteBuffer(bytes: controller.delegationTokens?.hmac(of: token.id) ?? [])
                responder.send(answer)
            } catch {
                responder.send(Self.refusal(error.code, owner, requester, responder, time: 0))
            }
        }
    }

    private static func refusal(
        _ code: ErrorCode, _ owner: Principal, _ requester: Principal, _ responder: Responder, time: Int64
    ) -> CreateDelegationTokenResponse {
        var answer = CreateDelegationTokenResponse(
            errorCode: code.rawValue, principalType: owner.type, principalName: owner.name, issueTimestampMs: time,
            expiryTimestampMs: time, maxTimestampMs: time)
        if responder.apiVersion >= 3 {
            answer.tokenRequesterPrincipalType = requester.type
            answer.tokenRequesterPrincipalName = requester.name
        }
        return answer
    }

    func handleRenewDelegationToken(_ request: RenewDelegationTokenRequest, _ responder: Responder) {
        guard takesTokenRequests(responder), let principal = responder.principal else {
            return responder.send(
                RenewDelegationTokenResponse(
                    errorCode: ErrorCode.delegationTokenRequestNotAllowed.rawValue, expiryTimestampMs: Self.noTime))
        }
        controller.perform { controller in
            do throws(ControlError) {
                let expiry = try controller.renewToken(
                    hmac: Array(request.hmac.readableBytesView), by: principal, periodMs: request.renewPeriodMs)
                responder.send(RenewDelegationTokenResponse(expiryTimestampMs: expiry))
            } catch {
                responder.send(RenewDelegationTokenResponse(errorCode: error.code.rawValue))
            }
        }
    }

    func handleExpireDelegationToken(_ request: ExpireDelegationTokenRequest, _ responder: Responder) {
        guard takesTokenRequests(responder), let principal = responder.principal else {
            return responder.send(
                ExpireDelegationTokenResponse(
                    errorCode: ErrorCode.delegationTokenRequestNotAllowed.rawValue, expiryTimestampMs: Self.noTime))
        }
        controller.perform { controller in
            do throws(ControlError) {
                let expiry = try controller.expireToken(
                    hmac: Array(request.hmac.readableBytesView), by: principal, periodMs: request.expiryTimePeriodMs)
                responder.send(ExpireDelegationTokenResponse(expiryTimestampMs: expiry))
            } catch {
                responder.send(ExpireDelegationTokenResponse(errorCode: error.code.rawValue))
            }
        }
    }

    func handleDescribeDelegationToken(_ request: DescribeDelegationTokenRequest, _ responder: Responder) {
        func refuse(_ code: ErrorCode) {
            responder.send(DescribeDelegationTokenResponse(errorCode: code.rawValue))
        }
        guard takesTokenRequests(responder), let principal = responder.principal else {
            return refuse(.delegationTokenRequestNotAllowed)
        }
        guard let tokens = controller.delegationTokens else { return refuse(.delegationTokenAuthDisabled) }
        let owners = request.owners.map { Set($0.map { Principal(type: $0.principalType, name: $0.principalName) }) }
        let access = access(responder)
        controller.perform { [diskPool] controller in
            let all = controller.image { $0.delegationTokens }
            // With many tokens rules and HMACs take a second, for which changes of the metadata need not wait.
            diskPool.submit { _ in
                let shown = all.values.filter { token in
                    if let owners, owners.isDisjoint(with: [token.owner, token.requester] + token.renewers) {
                        return false
                    }
                    return token.concerns(principal)
                        || access.permits(.describe, .delegationToken, token.id, isTold: false)
                        || access.permits(.describeTokens, .user, token.owner.description, isTold: false)
                }
                let sorted = shown.sorted { $0.id < $1.id }
                responder.send(
                    DescribeDelegationTokenResponse(
                        tokens: sorted.map {
                            Self.described($0, tokens.hmac(of: $0.id), version: responder.apiVersion)
                        }))
            }
        }
    }

    private static func described(
        _ token: DelegationToken, _ hmac: [UInt8], version: Int16
    ) -> DescribeDelegationTokenResponse.DescribedDelegationToken {
        var described = DescribeDelegationTokenResponse.DescribedDelegationToken(
            principalType: token.owner.type, principalName: token.owner.name, issueTimestamp: token.issuedAt,
            expiryTimestamp: token.expiresAt, maxTimestamp: token.endsAt, tokenId: token.id,
            hmac: ByteBuffer(bytes: hmac),
            renewers: token.renewers.map { .init(principalType: $0.type, principalName: $0.name) })
        if version >= 3 {
            described.tokenRequesterPrincipalType = token.requester.type
            described.tokenRequesterPrincipalName = token.requester.name
        }
        return described
    }

    /// Whether somebody may ask about tokens: who has shown who it is, and not by a token, which would beget others without
    /// end (upstream `KafkaApis.allowTokenRequests`).
    private func takesTokenRequests(_ responder: Responder) -> Bool {
        guard !responder.isByToken, let listener = responder.listener, let principal = responder.principal else {
            return false
        }
        return switch listener.securityProtocol {
        case .plaintext: false
        case .ssl: principal != .anonymous
        case .saslPlaintext, .saslSSL: true
        }
    }
}
