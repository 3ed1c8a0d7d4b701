import Crypto
package import NIOCore
import NIOPosix
package import Security
import Synchronization

/// Who has sent a request.
package struct HTTPUser: Sendable, Hashable {
    package var principal: Principal
    package var roles: Set<String>
    /// A part of this process, which may do everything.
    package var isProcess: Bool

    package init(_ principal: Principal, roles: Set<String> = [], isProcess: Bool = false) {
        self.principal = principal
        self.roles = roles
        self.isProcess = isProcess
    }
}

/// The users of all HTTP ports of a process: a file of them and whatever else knows users, see `PasswordCheck`.
///
/// Stored passwords are slow to try, so they are tried on threads of their own, few at a time, and what was right is
/// remembered for a moment: under a keyed hash whose key nobody else has, never as it came. An address that sends many
/// wrong ones has to wait, unless the password was right a short while ago.
package final class HTTPUsers: Sendable {
    package enum Verdict: Sendable, Equatable {
        case right(HTTPUser)
        /// The user is unknown or the password is another, which nobody is to tell apart.
        case wrong
        /// Too many wrong ones from that address.
        case throttled
        /// Too many are being tried.
        case busy
    }

    private struct Known {
        var user: HTTPUser
        var until: NIODeadline
        /// Up to this time it may be tried although others of its address are wrong.
        var trustedUntil: NIODeadline
    }

    private struct State {
        var known: [[UInt8]: Known] = [:]
        var throttle = FailureThrottle()
        var waiting = 0
        var version = 0
        var looked: NIODeadline?
    }

    static let knownCountMax = 1024
    static let knownTime = TimeAmount.seconds(60)
    static let trustedTime = TimeAmount.minutes(15)
    /// Tries that may wait for a thread.
    static let waitingCountMax = 64
    /// A file of users is looked at no more often.
    static let lookInterval = TimeAmount.seconds(1)

    private let file: UserFile?
    private let checks: Mutex<[any PasswordCheck]>
    private let process: ProcessCredentials
    private let key = SymmetricKey(size: .bits256)
    private let state = Mutex(State())
    private let threads: NIOThreadPool
    private let now: @Sendable () -> NIODeadline

    /// - Parameters:
    ///   - file: whose users have roles; nil for none.
    ///   - now: the time, for what is remembered.
    package init(
        file: UserFile?, process: ProcessCredentials,
        now: @escaping @Sendable () -> NIODeadline = { .now() }
    ) {
        self.file = file
        self.process = process
        self.now = now
        threads = NIOThreadPool(numberOfThreads: 2)
        threads.start()
        checks = Mutex(file.map { [$0] } ?? [])
    }

    /// Ends its threads; the servers must have stopped.
    package func shutdown() async {
        try? await threads.shutdownGracefully()  // it fails only when it was called before
    }

    /// Lets the users of another list in, too. They have no roles.
    package func add(_ check: any PasswordCheck) { checks.withLock { $0.append(check) } }

    /// The user, if it can be told at once. Takes microseconds, on any thread.
    func atHand(_ credentials: BasicCredentials) -> HTTPUser? {
        if process.matches(credentials) { return HTTPUser(Principal(name: ProcessCredentials.user), isProcess: true) }
        let tag = tag(credentials)
        let now = now()
        let (user, mustLook) = state.withLock { state in
            let known = state.known[tag]
            let mustLook = file != nil && known != nil && state.looked.map { now - $0 >= Self.lookInterval } ?? true
            if mustLook { state.looked = now }
            return (known.flatMap { now < $0.until ? $0.user : nil }, mustLook)
        }
        // The answer of now does not wait for it; who has just lost access loses it with the next request.
        if mustLook { threads.submit { _ in self.look() } }
        return user
    }

    /// Tries a password.
    ///
    /// - Parameter address: of the client.
    func check(_ credentials: BasicCredentials, from address: String) async -> Verdict {
        if let user = atHand(credentials) { return .right(user) }
        guard credentials.user != ProcessCredentials.user else { return .wrong }
        let tag = tag(credentials)
        let start = now()
        let refusal: Verdict? = state.withLock { state in
            guard state.waiting < Self.waitingCountMax else { return .busy }
            let isTrusted = state.known[tag].map { start < $0.trustedUntil } ?? false
            guard state.throttle.take(address, at: start) || isTrusted else { return .throttled }
            state.waiting += 1
            return nil
        }
        if let refusal { return refusal }
        let user = try? await threads.runIfActive { self.find(credentials) }  // it fails only while the process stops
        let now = now()
        state.withLock { state in
            state.waiting -= 1
            guard let user = user ?? nil else {
                state.known[tag] = nil
                return
            }
            state.throttle.giveBack(address, at: now)
            Self.makeRoom(&state.known, now)
            state.known[tag] = Known(user: user, until: now + Self.knownTime, trustedUntil: now + Self.trustedTime)
        }
        guard let user = user ?? nil else { return .wrong }
        return .right(user)
    }

    private func find(_ credentials: BasicCredentials) -> HTTPUser? {
        look()
        for check in checks.withLock({ $0 }) {
            guard let principal = check.principal(user: credentials.user, password: credentials.password) else {
                continue
            }
            return HTTPUser(principal, roles: check is UserFile ? file?.roles(of: credentials.user) ?? [] : [])
        }
        return nil
    }

    /// Looks whether the file has changed: what was remembered of the one before is forgotten.
    private func look() {
        guard let version = file?.refresh() else { return }
        state.withLock { state in
            guard version != state.version else { return }
            state.version = version
            state.known = [:]
        }
    }

    private func tag(_ credentials: BasicCredentials) -> [UInt8] {
        // No user has a colon.
        Array(
            HMAC<SHA256>.authenticationCode(
                for: Array("\(credentials.user):\(credentials.password)".utf8), using: key))
    }

    private static func makeRoom(_ known: inout [[UInt8]: Known], _ now: NIODeadline) {
        guard known.count >= knownCountMax else { return }
        known = known.filter { now < $0.value.trustedUntil }
        guard known.count >= knownCountMax, let oldest = known.min(by: { $0.value.until < $1.value.until })?.key else {
            return
        }
        known[oldest] = nil
    }
}
