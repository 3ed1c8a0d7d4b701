import Environment
import KafkaMessages
import Logging
import Security

/// Delegation tokens. All of this is on the control thread.
///
/// - SeeAlso: upstream `DelegationTokenControlManager`.
extension Controller {
    /// Tokens that there can be, and bytes of their principals: all are kept in memory, and one answer can have them all.
    private static let tokenCountMax = 100_000
    private static let tokenByteCountMax = 64 << 20
    /// Of one token: renewers, bytes of a principal, and of all of them, which each renewal writes to the disk.
    private static let renewerCountMax = 1000
    private static let principalByteCountMax = 1024
    private static let principalsByteCountMax = 16 << 10
    /// Tokens that one batch of metadata removes.
    private static let removalCountMax = 1000

    private static let tokensDisabled = ControlError(.delegationTokenAuthDisabled)

    /// The tokens that count here; nil where there are none.
    var delegationTokens: DelegationTokens? { users.delegationTokens }

    /// - Parameter lifetimeMs: how long it can be renewed at most; 0 and less leave that to the settings.
    func createToken(
        owner: Principal, requester: Principal, renewers: [Principal], lifetimeMs: Int64
    ) throws(ControlError) -> DelegationToken {
        guard let tokens = delegationTokens else { throw Self.tokensDisabled }
        guard renewers.count <= Self.renewerCountMax,
            ([owner, requester] + renewers).allSatisfy({ $0.byteCount <= Self.principalByteCountMax })
        else { throw ControlError(.invalidRequest) }
        let limits = server.tokenLifetimes
        let now = clock.now()
        let end = now + (lifetimeMs > 0 ? min(limits.max, lifetimeMs) : limits.max)
        var random = SystemRandomNumberGenerator()
        let token = DelegationToken(
            id: KafkaUUID.random(using: &random).description, owner: owner, requester: requester, renewers: renewers,
            issuedAt: now, expiresAt: min(end, now + limits.renewal), endsAt: end)
        guard token.principalByteCount <= Self.principalsByteCountMax else { throw ControlError(.invalidRequest) }
        try change { image throws(ControlError) in
            guard Self.hasRoom(image, for: token) else { throw ControlError(.policyViolation) }
            return [.delegationToken(token)]
        }
        tokens.set(token)
        logger.info(
            "made a delegation token",
            metadata: ["token": "\(token.id)", "owner": "\(owner)", "requester": "\(requester)"])
        return token
    }

    /// Whether a further token can be kept.
    static func hasRoom(_ image: MetadataImage, for token: DelegationToken) -> Bool {
        image.delegationTokens.count < tokenCountMax
            && image.delegationTokenByteCount + token.principalByteCount <= tokenByteCountMax
    }

    /// - Parameter periodMs: for how long; 0 and less leave that to the settings.
    /// - Returns: when it expires now.
    func renewToken(hmac: [UInt8], by principal: Principal, periodMs: Int64) throws(ControlError) -> Int64 {
        var token = try token(hmac, for: principal)
        let limit = server.tokenLifetimes.renewal
        token.expiresAt = min(token.endsAt, clock.now() + (periodMs > 0 ? min(limit, periodMs) : limit))
        try keep(token)
        return token.expiresAt
    }

    /// - Parameter periodMs: in how long; less than 0 is at once, and the token is gone.
    /// - Returns: when it expires now; the period itself when it is gone.
    func expireToken(hmac: [UInt8], by principal: Principal, periodMs: Int64) throws(ControlError) -> Int64 {
        var token = try token(hmac, for: principal)
        guard periodMs >= 0 else {
            let id = token.id
            try change { _ throws(ControlError) in [.delegationTokenRemoved(id: id)] }
            delegationTokens?.remove([id])
            logger.info("ended a delegation token", metadata: ["token": "\(id)", "by": "\(principal)"])
            return periodMs
        }
        let (moment, isBeyond) = clock.now().addingReportingOverflow(periodMs)
        token.expiresAt = isBeyond ? token.endsAt : min(token.endsAt, moment)
        try keep(token)
        return token.expiresAt
    }

    /// Forgets the tokens that are over.
    func removeExpiredTokens() {
        let now = clock.now()
        var ids = image { $0.delegationTokens.values.filter { $0.isOver(at: now) }.map(\.id) }.sorted()[...]
        while !ids.isEmpty {
            let some = ids.prefix(Self.removalCountMax)
            ids = ids.dropFirst(Self.removalCountMax)
            do throws(ControlError) {
                try change { _ throws(ControlError) in some.map { .delegationTokenRemoved(id: $0) } }
            } catch { return }  // it is in the log, and the next look tries again
            delegationTokens?.remove(some)
        }
    }

    private func token(_ hmac: [UInt8], for principal: Principal) throws(ControlError) -> DelegationToken {
        guard let tokens = delegationTokens else { throw Self.tokensDisabled }
        guard let token = tokens.token(hmac: hmac) else { throw ControlError(.delegationTokenNotFound) }
        guard !token.isOver(at: clock.now()) else { throw ControlError(.delegationTokenExpired) }
        guard token.isRenewable(by: principal) else { throw ControlError(.delegationTokenOwnerMismatch) }
        return token
    }

    private func keep(_ token: DelegationToken) throws(ControlError) {
        try change { _ throws(ControlError) in [.delegationToken(token)] }
        delegationTokens?.set(token)
    }
}
