/// A secret that a broker made for a client, which can come by it in place of a password (KIP-48, KIP-373).
///
/// The secret itself is not part of it: it follows from the id and the broker's key. Times are milliseconds since 1970.
package struct DelegationToken: Equatable, Sendable {
    /// Random, and no secret.
    package var id: String
    /// Who a client is that comes with the token.
    package var owner: Principal
    /// Who asked for it.
    package var requester: Principal
    /// Who may renew and end it besides the owner.
    package var renewers: [Principal]
    package var issuedAt: Int64
    /// When it ends unless it is renewed.
    package var expiresAt: Int64
    /// How long it can be renewed.
    package var endsAt: Int64

    package init(
        id: String, owner: Principal, requester: Principal, renewers: [Principal], issuedAt: Int64, expiresAt: Int64,
        endsAt: Int64
    ) {
        self.id = id
        self.owner = owner
        self.requester = requester
        self.renewers = renewers
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.endsAt = endsAt
    }

    /// Bytes of the principals, which clients choose, as `TYPE:NAME`.
    package var principalByteCount: Int {
        renewers.reduce(owner.byteCount + requester.byteCount) { $0 + $1.byteCount }
    }

    /// Whether it is a token of `principal`'s: upstream `TokenInformation.ownerOrRenewer`.
    package func concerns(_ principal: Principal) -> Bool { requester == principal || isRenewable(by: principal) }

    /// Upstream `DelegationTokenControlManager.allowedToRenew`.
    package func isRenewable(by principal: Principal) -> Bool { owner == principal || renewers.contains(principal) }

    /// Whether it counts no more, be it still kept.
    package func isOver(at now: Int64) -> Bool { expiresAt < now || endsAt < now }
}
