import Broker
import Environment
import HTTPKit
import Logging
import OAuthCalls
import Observability
import SQLService
import Security
import Synchronization

/// What protects the HTTP ports of a process: its users, the certificates, and what its parts show each other.
final class WebSecurity: Sendable {
    /// nil when no port asks for passwords.
    let users: HTTPUsers?
    /// What other nodes show, and are shown; nil without `http.nodes.secret`.
    let nodes: NodeCredentials?
    private let process: ProcessCredentials
    private let settings: ServerSettings
    private let logger: Logger
    /// Of all listeners and ports of the process that take tokens.
    private let keys: [TokenKeySource: KeyFetcher]
    private let guards = Mutex<[(port: WebPort, guard: HTTPAuthentication)]>([])

    /// - Throws: `CommandFailure` for a file of users that cannot be used.
    init(_ settings: ServerSettings, _ metrics: MetricRegistry, _ logger: Logger) throws {
        // What the parts ask of others, they trust by the same file as the commands.
        try WebCredentials.trust(nil)
        self.settings = settings
        self.logger = logger
        nodes = try settings.nodeCredentials()
        process = ProcessCredentials(nodes: nodes)
        var path = ""
        var hasUsers = false
        for port in WebPort.allCases where settings.address(port) != nil {
            guard try settings.asksForUsers(port) else { continue }
            hasUsers = true
            let file = settings.web("http.users.file", port)
            guard !file.isEmpty else { continue }
            guard path.isEmpty || path == file else {
                throw CommandFailure.usage("http.users.file names two files: '\(path)' and '\(file)'")
            }
            path = file
        }
        if !hasUsers {
            users = nil
        } else {
            do throws(UserFile.Malformed) {
                users = HTTPUsers(
                    file: path.isEmpty ? nil : try UserFile(path, logger: logger), process: process)
            } catch {
                throw CommandFailure.usage("http.users.file: \(error)")
            }
        }
        var sources = Set(settings.listeners.compactMap(\.tokenKeySource))
        for port in WebPort.allCases
        where try settings.address(port) != nil && settings.authenticationMethods(port).tokens {
            sources.insert(try settings.tokenSettings(port).source)
        }
        keys = Dictionary(uniqueKeysWithValues: sources.map { ($0, KeyFetcher($0, logger: logger)) })
        metrics.samples(
            "swiftwater_http_authentications_total",
            "Requests to HTTP ports that ask for users, by port and outcome.", .counter
        ) { [self] in
            guards.withLock { $0 }.flatMap { port, authentication in
                authentication.counts.map { outcome, count in
                    .init([("port", port.rawValue), ("outcome", outcome.rawValue)], Double(count))
                }
            }
        }
    }

    /// Fetches the keys of tokens, for which it waits a little, and goes on until `shutdown`.
    func start() async {
        await withDiscardingTaskGroup { group in
            for fetcher in keys.values { group.addTask { await fetcher.start() } }
        }
    }

    /// The keys of tokens, as they are at any time.
    var tokenKeys: [TokenKeySource: TokenKeys] { keys.mapValues(\.keys) }

    /// How a port is protected.
    ///
    /// - Throws: `CommandFailure` for certificates that cannot be used.
    func security(_ port: WebPort) throws -> HTTPSecurity {
        var security = HTTPSecurity()
        let methods = try settings.authenticationMethods(port)
        let asks = methods != ServerSettings.WebMethods()
        let isSecure = settings.securePorts.contains(port)
        guard asks || isSecure else { return security }
        security.process = process
        if asks, let users {
            let authentication = HTTPAuthentication(
                users, try settings.accessRules(port), tokens: methods.tokens ? try tokens(port, users) : nil,
                takesPasswords: methods.passwords)
            security.authentication = authentication
            guards.withLock { $0.append((port, authentication)) }
            if !isSecure, let address = settings.address(port), !address.isLoopback {
                logger.warning(
                    """
                    \(methods.passwords ? "passwords" : "tokens") travel readable: \(port.words) asks for them and has no TLS; \
                    listen on https:// or put a proxy with TLS in front
                    """, metadata: ["listener": "\(address)"])
            }
        }
        guard isSecure else { return security }
        let store = try settings.keyStore(port)
        do throws(KeyStoreError) {
            security.tls = try TLSListener(store, logger: logger)
            security.peers = try PeerTLS(store, logger: logger)
        } catch {
            throw CommandFailure.usage("https of \(port.words): \(error.message)", hint: error.hint)
        }
        return security
    }

    private func tokens(_ port: WebPort, _ users: HTTPUsers) throws -> HTTPTokens? {
        let wanted = try settings.tokenSettings(port)
        // Made for all ports at the start.
        guard let keys = keys[wanted.source]?.keys else { return nil }
        return HTTPTokens(TokenValidator(wanted.rules, keys) { SystemWallClock().now() }) { users.roles(of: $0) }
    }

    /// How the port of `ksql.internal.listener` is protected, and how the nodes of the SQL service speak to each other.
    ///
    /// - Parameters:
    ///   - listener: nil when nodes use the port of clients.
    ///   - clients: how that one is protected.
    /// - Throws: `CommandFailure` for certificates that cannot be used.
    func nodesOfSQL(_ listener: InternalListener?, clients: HTTPSecurity) throws -> SQLNodeSecurity {
        guard let listener else {
            return SQLNodeSecurity(
                port: .none, peers: clients.peers,
                authorization: clients.authentication == nil ? nil : nodes?.header)
        }
        var port = HTTPSecurity()
        if let nodes { port.authentication = HTTPAuthentication(nodes: nodes) }
        guard listener.isSecure else {
            return SQLNodeSecurity(port: port, peers: nil, authorization: nodes?.header)
        }
        do throws(KeyStoreError) {
            let store = try settings.internalKeyStore()
            port.tls = try TLSListener(store, logger: logger)
            return SQLNodeSecurity(
                port: port, peers: try PeerTLS(store, logger: logger), authorization: nodes?.header)
        } catch {
            throw CommandFailure.usage("https of ksql.internal.listener: \(error.message)", hint: error.hint)
        }
    }

    /// When the servers have stopped.
    func shutdown() async {
        await users?.shutdown()
        for fetcher in keys.values { await fetcher.stop() }
    }
}
