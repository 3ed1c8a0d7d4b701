import Crypto
package import NIOCore
package import Security
import Synchronization

/// The users of one HTTP port who show tokens (RFC 6750). What was found out about a token is kept for a minute, under a keyed
/// hash whose key nobody else has, so that a signature is not checked for each request.
package final class HTTPTokens: Sendable {
    private struct Known {
        /// With the roles that the token names, and no others.
        var user: HTTPUser
        var until: NIODeadline
        /// Of the keys by which it was checked.
        var revision: Int
    }

    static let knownCountMax = 1024
    static let knownMs: Int64 = 60_000
    /// Longer headers are none of ours.
    private static let byteCountMax = 64 << 10

    private let validator: TokenValidator
    private let roles: @Sendable (String) -> Set<String>
    private let key = SymmetricKey(size: .bits256)
    private let known = Mutex<[[UInt8]: Known]>([:])
    private let now: @Sendable () -> NIODeadline

    /// - Parameters:
    ///   - roles: of a user by name, besides those that the token names. Asked for with each request.
    ///   - now: the time, for what is kept.
    package init(
        _ validator: TokenValidator, roles: @escaping @Sendable (String) -> Set<String> = { _ in [] },
        now: @escaping @Sendable () -> NIODeadline = { .now() }
    ) {
        self.validator = validator
        self.roles = roles
        self.now = now
    }

    /// The token in the value of `Authorization`; nil for another scheme.
    static func token(_ header: String) -> String? {
        let bytes = header.utf8
        guard bytes.count <= byteCountMax, let space = bytes.firstIndex(of: UInt8(ascii: " ")),
            bytes.prefix(upTo: space).elementsEqual("bearer".utf8, by: { $0 | 0x20 == $1 })
        else { return nil }
        let token = bytes[space...].drop { $0 == UInt8(ascii: " ") }
        let end = token.lastIndex { $0 != UInt8(ascii: " ") }.map(token.index(after:)) ?? token.startIndex
        return String(header[token.startIndex..<end])
    }

    /// The user, if the token was looked at a short while ago. Takes microseconds, on any thread.
    func atHand(_ token: String) -> HTTPUser? {
        let tag = tag(token)
        let revision = validator.revision
        let now = now()
        let found = known.withLock { known in
            known[tag].flatMap { now < $0.until && $0.revision == revision ? $0.user : nil }
        }
        return found.map(withRoles)
    }

    /// Roles are those of now: a token knows nothing of a file that has changed.
    private func withRoles(_ user: HTTPUser) -> HTTPUser {
        var user = user
        user.roles.formUnion(roles(user.principal.name))
        return user
    }

    /// - Throws: `TokenFailure` for a token that is not taken.
    func user(_ token: String) throws(TokenFailure) -> HTTPUser {
        if let user = atHand(token) { return user }
        guard BearerToken.isWellFormed(token) else {
            throw TokenFailure("the token has other characters than tokens have")
        }
        let revision = validator.revision
        let read = try validator.validate(token)
        guard read.principal.name != ProcessCredentials.user, read.principal.name != NodeCredentials.user else {
            throw TokenFailure("the token is for a name that is the program's own")
        }
        let start = now()
        let remaining = validator.remaining(read)
        var user = HTTPUser(read.principal, roles: read.groups)
        // The bound keeps the sum within what a deadline can be.
        user.until = start + .milliseconds(min(remaining, 1 << 42))
        let until = start + .milliseconds(min(Self.knownMs, remaining))
        let tag = tag(token)
        known.withLock { known in
            if known.count >= Self.knownCountMax {
                known = known.filter { start < $0.value.until }
                if known.count >= Self.knownCountMax,
                    let oldest = known.min(by: { $0.value.until < $1.value.until })?.key
                {
                    known[oldest] = nil
                }
            }
            known[tag] = Known(user: user, until: until, revision: revision)
        }
        return withRoles(user)
    }

    private func tag(_ token: String) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(token.utf8), using: key))
    }
}
