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
    /// Another node of the cluster, which may do the same.
    package var isNode: Bool
    /// Of a part of this process: the `Authorization` that other nodes take instead of its own; nil when there is none.
    package var nodeAuthorization: String?
    /// When what was shown is over, and answers without end with it; nil for what has no end.
    package var until: NIODeadline?

    package init(_ principal: Principal, roles: Set<String> = [], isProcess: Bool = false, isNode: Bool = false) {
        self.principal = principal
        self.roles = roles
        self.isProcess = isProcess
        self.isNode = isNode
    }

    /// A part of the process whose password this is.
    static func part(of process: ProcessCredentials) -> HTTPUser {
        var user = HTTPUser(Principal(name: ProcessCredentials.user), isProcess: true)
        user.nodeAuthorization = process.nodes?.header
        return user
    }

    static let node = HTTPUser(Principal(name: NodeCredentials.user), isNode: true)
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

    /// A password that is being tried.
    private struct Try {
        /// Whose try it is, and takes a place; nil for one that is tried again though it was right.
        var address: String?
        var waiters: [CheckedContinuation<Verdict, Never>] = []
    }

    private struct State {
        var known: [[UInt8]: Known] = [:]
        var tries: [[UInt8]: Try] = [:]
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

    /// The roles of a user that the file has, whichever way the user comes. Takes microseconds, on any thread: that the file has
    /// changed, the next request learns.
    package func roles(of user: String) -> Set<String> {
        guard let file else { return [] }
        let now = now()
        let mustLook = state.withLock { state in
            let mustLook = state.looked.map { now - $0 >= Self.lookInterval } ?? true
            if mustLook { state.looked = now }
            return mustLook
        }
        if mustLook { threads.submit { _ in _ = self.look() } }
        return file.roles(of: user)
    }

    /// The user, if it can be told at once. Takes microseconds, on any thread.
    ///
    /// - Parameter isNear: whether the request comes from this machine; nobody else is a part of this process.
    func atHand(_ credentials: BasicCredentials, isNear: @autoclosure () -> Bool) -> HTTPUser? {
        if process.matches(credentials), isNear() { return .part(of: process) }
        if process.nodes?.matches(credentials) == true { return .node }
        let tag = tag(credentials)
        let now = now()
        let (user, mustLook) = state.withLock { state in
            let known = state.known[tag]
            let mustLook = file != nil && known != nil && state.looked.map { now - $0 >= Self.lookInterval } ?? true
            if mustLook { state.looked = now }
            return (known.flatMap { now < $0.until ? $0.user : nil }, mustLook)
        }
        // The answer of now does not wait for it; who has just lost access loses it with the next request.
        if mustLook { threads.submit { _ in _ = self.look() } }
        return user
    }

    /// Tries a password. Equal ones are tried once at a time: whoever else comes with them gets the same verdict, and
    /// counts as no try. Those who wait are bounded by the connections that there may be.
    ///
    /// - Parameters:
    ///   - address: of the client.
    ///   - isNear: whether the client is on this machine.
    func check(_ credentials: BasicCredentials, from address: String, isNear: Bool) async -> Verdict {
        if let user = atHand(credentials, isNear: isNear) { return .right(user) }
        guard credentials.user != ProcessCredentials.user, credentials.user != NodeCredentials.user else {
            return .wrong
        }
        let tag = tag(credentials)
        return await withCheckedContinuation { continuation in
            let start = now()
            let (verdict, mustTry): (Verdict?, Bool) = state.withLock { state in
                if let known = state.known[tag], start < known.trustedUntil {
                    // It was right a short while ago: it is let in, and tried again beside that.
                    guard start >= known.until, state.tries[tag] == nil else { return (.right(known.user), false) }
                    state.tries[tag] = Try(address: nil)
                    return (.right(known.user), true)
                }
                if state.tries[tag] != nil {
                    state.tries[tag]?.waiters.append(continuation)
                    return (nil, false)
                }
                guard state.waiting < Self.waitingCountMax else { return (.busy, false) }
                guard state.throttle.take(address, at: start) else { return (.throttled, false) }
                state.waiting += 1
                state.tries[tag] = Try(address: address, waiters: [continuation])
                return (nil, true)
            }
            // Not under the lock: while the process stops, the work ends at once.
            if mustTry {
                threads.submit { work in self.end(tag, work == .active ? self.find(credentials) : nil) }
            }
            if let verdict { continuation.resume(returning: verdict) }
        }
    }

    /// What a try has found; nil when there was none, as the process stops.
    private func end(_ tag: [UInt8], _ found: Found?) {
        let now = now()
        let waiters = state.withLock { state in
            let ended = state.tries.removeValue(forKey: tag)
            if let address = ended?.address {
                state.waiting -= 1
                if found == nil || found?.user != nil { state.throttle.giveBack(address, at: now) }
            }
            if let found {
                if found.user == nil {
                    state.known[tag] = nil
                } else if let user = found.user, found.version == state.version {
                    // What was found among the users before is not remembered among those of now.
                    Self.makeRoom(&state.known, now)
                    state.known[tag] = Known(
                        user: user, until: now + Self.knownTime, trustedUntil: now + Self.trustedTime)
                }
            }
            return ended?.waiters ?? []
        }
        let verdict: Verdict = found.map { $0.user.map { .right($0) } ?? .wrong } ?? .busy
        for waiter in waiters { waiter.resume(returning: verdict) }
    }

    private struct Found {
        /// nil for none.
        var user: HTTPUser?
        /// Of the users among whom it was looked for.
        var version: Int
    }

    private func find(_ credentials: BasicCredentials) -> Found {
        var found = Found(version: 0)
        // Users that change meanwhile are asked again; not without end.
        for _ in 0..<3 {
            let version = look()
            found = Found(user: user(credentials), version: version)
            guard look() != version else { break }
        }
        return found
    }

    private func user(_ credentials: BasicCredentials) -> HTTPUser? {
        for check in checks.withLock({ $0 }) {
            guard let principal = check.principal(user: credentials.user, password: credentials.password) else {
                continue
            }
            return HTTPUser(principal, roles: check is UserFile ? file?.roles(of: credentials.user) ?? [] : [])
        }
        return nil
    }

    /// Looks whether the file has changed: what was remembered of the one before is forgotten.
    ///
    /// - Returns: the version of the users, which grows.
    private func look() -> Int {
        let version = file?.refresh() ?? 0
        return state.withLock { state in
            guard version > state.version else { return state.version }
            state.version = version
            state.known = [:]
            return version
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
