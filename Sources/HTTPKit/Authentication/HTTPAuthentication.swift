package import HTTPTypes
import NIOCore
import Security
import Synchronization

/// Who may use one port, by the names of the original's servers.
///
/// - SeeAlso: `RestConfig` of rest-utils; RFC 7617.
package struct HTTPAccessRules: Sendable {
    /// `authentication.realm`: what the browser shows.
    package var realm: String
    /// `authentication.roles`: one of them is needed; nil for every user.
    package var roles: Set<String>?
    /// `authentication.skip.paths`: `/path`, or `/path/*` for all below.
    package var skippedPaths: [String]
    /// What needs no user besides, by method and decoded parts of the path.
    package var isOpen: @Sendable (HTTPRequest.Method, [String]) -> Bool
    /// The surface's own number of a refused password; nil where the status says all.
    package var unauthorizedCode: Int?
    package var unauthorizedMessage = "Unauthorized"
    /// The surface's own number of a role that is missing.
    package var forbiddenCode: Int?

    package init(
        realm: String, roles: Set<String>? = nil, skippedPaths: [String] = [],
        isOpen: @escaping @Sendable (HTTPRequest.Method, [String]) -> Bool = { _, _ in false }
    ) {
        self.realm = realm
        self.roles = roles
        self.skippedPaths = skippedPaths
        self.isOpen = isOpen
    }

    /// What is wrong with a path of `authentication.skip.paths`; nil when it is right.
    package static func problem(withPath path: String) -> String? {
        let literal = path.hasSuffix("/*") ? path.dropLast(2) : path[...]
        guard path.hasPrefix("/"), !literal.contains("*"), !literal.contains("?"), RequestTarget(path) != nil else {
            return "'\(path)' is no path: they are /path, or /path/* for all below"
        }
        return nil
    }
}

/// The guard of one port: asks for users and passwords, and counts.
package final class HTTPAuthentication: Sendable {
    package enum Outcome: String, Sendable, CaseIterable {
        case allowed, missing, wrong, forbidden, throttled, busy
    }

    private enum Source: Sendable {
        case users(HTTPUsers, HTTPAccessRules)
        /// Only the parts of this process.
        case process(ProcessCredentials)
        /// Only other nodes.
        case nodes(NodeCredentials)
    }

    private struct Path {
        var parts: [String]
        var isPrefix: Bool
    }

    private let source: Source
    /// nil where nobody comes by a token.
    private let tokens: HTTPTokens?
    /// Whether users come by passwords; parts of the process and other nodes always do.
    private let takesPasswords: Bool
    private let skipped: [Path]
    private let outcomes = Mutex<[Outcome: Int64]>([:])

    /// - Parameters:
    ///   - tokens: of those who come by one; nil for none.
    ///   - takesPasswords: whether users may come by their passwords.
    package init(
        _ users: HTTPUsers, _ rules: HTTPAccessRules, tokens: HTTPTokens? = nil, takesPasswords: Bool = true
    ) {
        source = .users(users, rules)
        self.tokens = tokens
        self.takesPasswords = takesPasswords
        skipped = rules.skippedPaths.compactMap { path in
            let isPrefix = path.hasSuffix("/*")
            return RequestTarget(isPrefix ? String(path.dropLast(2)) : path).map {
                Path(parts: $0.segments, isPrefix: isPrefix)
            }
        }
    }

    /// For a port that is the process's own.
    init(process: ProcessCredentials) {
        source = .process(process)
        tokens = nil
        takesPasswords = true
        skipped = []
    }

    /// For a port that is for other nodes alone.
    package init(nodes: NodeCredentials) {
        source = .nodes(nodes)
        tokens = nil
        takesPasswords = true
        skipped = []
    }

    /// Since the start, by outcome.
    package var counts: [(outcome: Outcome, count: Int64)] {
        let counts = outcomes.withLock { $0 }
        return Outcome.allCases.map { ($0, counts[$0] ?? 0) }
    }

    private func count(_ outcome: Outcome) { outcomes.withLock { $0[outcome, default: 0] += 1 } }

    /// Whether a request is answered without the rest: the user is known, and may.
    ///
    /// - Parameter isNear: whether it comes from this machine; only looked at where it matters.
    func allowsAtHand(_ header: String?, isNear: @autoclosure () -> Bool) -> HTTPUser? {
        if let tokens, case .users(_, let rules) = source, let token = header.flatMap(HTTPTokens.token) {
            guard let user = tokens.atHand(token), Self.mayUse(user, rules) else { return nil }
            count(.allowed)
            return user
        }
        guard let credentials = header.flatMap({ BasicCredentials($0) }) else { return nil }
        switch source {
        case .process(let own):
            return own.matches(credentials) && isNear() ? .part(of: own) : nil
        case .nodes(let nodes): return nodes.matches(credentials) ? .node : nil
        case .users(let users, let rules):
            guard let user = users.atHand(credentials, isNear: isNear()),
                takesPasswords || user.isProcess || user.isNode,
                Self.mayUse(user, rules)
            else { return nil }
            count(.allowed)
            return user
        }
    }

    /// Whether nobody need say who they are.
    func isOpen(_ request: HTTPRequest) -> Bool {
        guard case .users(_, let rules) = source else { return false }
        // What methods there are is no secret, and a browser asks without a user (`access.control.skip.options`).
        if request.method == .options { return true }
        guard let target = RequestTarget(request.path ?? "") else { return false }
        if rules.isOpen(request.method, target.segments) { return true }
        return skipped.contains { path in
            path.isPrefix ? target.segments.starts(with: path.parts) : target.segments == path.parts
        }
    }

    /// Who sends a request; nil where nobody need say.
    ///
    /// - Parameter isNear: whether it comes from this machine, as what other parts of the process send does.
    /// - Throws: 401 without a user or with a wrong password, 403 for a user without the role, 429 and 503 for too many
    ///   tries.
    package func user(
        of request: HTTPRequest, from address: String, isNear: Bool
    ) async throws(HTTPFailure) -> HTTPUser? {
        if isOpen(request) { return nil }
        let header = request.headerFields[.authorization]
        if let tokens, case .users(_, let rules) = source, let token = header.flatMap(HTTPTokens.token) {
            return try user(by: token, tokens, rules)
        }
        guard let credentials = header.flatMap({ BasicCredentials($0) }) else {
            count(.missing)
            throw unauthorized()
        }
        switch source {
        case .process, .nodes:
            guard let user = allowsAtHand(header, isNear: isNear) else { throw unauthorized() }
            return user
        case .users(let users, let rules):
            guard takesPasswords else {
                guard let user = allowsAtHand(header, isNear: isNear) else {
                    count(.wrong)
                    throw unauthorized()
                }
                return user
            }
            switch await users.check(credentials, from: address, isNear: isNear) {
            case .right(let user):
                guard Self.mayUse(user, rules) else {
                    count(.forbidden)
                    throw HTTPFailure(
                        .forbidden, "User is denied: it has none of the roles that may use this server",
                        code: rules.forbiddenCode)
                }
                count(.allowed)
                return user
            case .wrong:
                count(.wrong)
                throw unauthorized()
            case .throttled:
                count(.throttled)
                throw HTTPFailure(
                    .tooManyRequests, "too many wrong passwords from this address: wait a moment",
                    headers: [.retryAfter: "1"])
            case .busy:
                count(.busy)
                throw HTTPFailure(
                    .serviceUnavailable, "too many passwords are being checked: try again in a moment",
                    headers: [.retryAfter: "1"])
            }
        }
    }

    private func user(
        by token: String, _ tokens: HTTPTokens, _ rules: HTTPAccessRules
    ) throws(HTTPFailure) -> HTTPUser {
        let user: HTTPUser
        do throws(TokenFailure) { user = try tokens.user(token) } catch {
            count(.wrong)
            throw unauthorized(error)
        }
        guard Self.mayUse(user, rules) else {
            count(.forbidden)
            throw HTTPFailure(
                .forbidden, "User is denied: it has none of the roles that may use this server",
                code: rules.forbiddenCode,
                headers: [
                    .wwwAuthenticate: "Bearer realm=\"\(Self.quoted(rules.realm))\", error=\"insufficient_scope\""
                ])
        }
        count(.allowed)
        return user
    }

    /// Has the password or token of a request tried, so that it is known at hand afterwards if it is right.
    func prepare(_ request: HTTPRequest, from address: String, isNear: Bool) async throws {
        if let tokens, let token = request.headerFields[.authorization].flatMap(HTTPTokens.token) {
            _ = try? tokens.user(token)  // why not, the request is told that goes the long way
            return
        }
        guard takesPasswords else { return }
        guard case .users(let users, _) = source,
            let credentials = request.headerFields[.authorization].flatMap({ BasicCredentials($0) })
        else { return }
        _ = await users.check(credentials, from: address, isNear: isNear)
    }

    private static func mayUse(_ user: HTTPUser, _ rules: HTTPAccessRules) -> Bool {
        guard !user.isProcess, !user.isNode, let roles = rules.roles else { return true }
        return !roles.isDisjoint(with: user.roles)
    }

    /// - Parameter failure: of a token that was shown.
    private func unauthorized(_ failure: TokenFailure? = nil) -> HTTPFailure {
        let rules: HTTPAccessRules
        switch source {
        case .process: return HTTPFailure(.unauthorized, "this port is the program's own")
        case .nodes:
            return HTTPFailure(
                .unauthorized, "this port is for nodes of the service, which show the secret of http.nodes.secret")
        case .users(_, let own): rules = own
        }
        let realm = Self.quoted(rules.realm)
        // A field for each: some clients read the first challenge of a field only. Browsers know Basic.
        var headers = HTTPFields()
        if takesPasswords {
            headers.append(HTTPField(name: .wwwAuthenticate, value: "Basic realm=\"\(realm)\", charset=\"UTF-8\""))
        }
        if tokens != nil {
            // RFC 6750, section 3: without a token nothing is said of errors.
            let error = failure.map {
                ", error=\"\($0.status.rawValue)\", error_description=\"\(Self.quoted($0.reason))\""
            }
            headers.append(HTTPField(name: .wwwAuthenticate, value: "Bearer realm=\"\(realm)\"" + (error ?? "")))
        }
        return HTTPFailure(.unauthorized, rules.unauthorizedMessage, code: rules.unauthorizedCode, headers: headers)
    }

    private static func quoted(_ text: String) -> String {
        text.filter { $0 != "\"" && $0 != "\\" && !$0.isNewline }
    }
}

/// How one port is protected.
package struct HTTPSecurity: Sendable {
    /// nil for plain HTTP.
    package var tls: TLSListener?
    /// nil: whoever reaches the port may use it.
    package var authentication: HTTPAuthentication?
    /// What other parts of the process show; nil where none of them comes here.
    package var process: ProcessCredentials?
    /// How other servers of the kind are reached that speak TLS; nil where none does.
    package var peers: PeerTLS?

    package static let none = HTTPSecurity()

    package init(
        tls: TLSListener? = nil, authentication: HTTPAuthentication? = nil, process: ProcessCredentials? = nil
    ) {
        self.tls = tls
        self.authentication = authentication
        self.process = process
    }
}
