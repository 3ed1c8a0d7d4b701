import HTTPKit
import Logging
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
            guard try settings.asksForPasswords(port) else { continue }
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
        metrics.samples(
            "swiftwater_http_authentications_total",
            "Requests to HTTP ports that ask for passwords, by port and outcome.", .counter
        ) { [self] in
            guards.withLock { $0 }.flatMap { port, authentication in
                authentication.counts.map { outcome, count in
                    .init([("port", port.rawValue), ("outcome", outcome.rawValue)], Double(count))
                }
            }
        }
    }

    /// How a port is protected.
    ///
    /// - Throws: `CommandFailure` for certificates that cannot be used.
    func security(_ port: WebPort) throws -> HTTPSecurity {
        var security = HTTPSecurity()
        let asks = try settings.asksForPasswords(port)
        let isSecure = settings.securePorts.contains(port)
        guard asks || isSecure else { return security }
        security.process = process
        if asks, let users {
            let authentication = HTTPAuthentication(users, try settings.accessRules(port))
            security.authentication = authentication
            guards.withLock { $0.append((port, authentication)) }
            if !isSecure, let address = settings.address(port), !address.isLoopback {
                logger.warning(
                    """
                    passwords travel readable: \(port.words) asks for them and has no TLS; listen on https:// or put a proxy \
                    with TLS in front
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
    func shutdown() async { await users?.shutdown() }
}
