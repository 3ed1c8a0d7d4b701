import NIOCore
package import Security
import Synchronization

/// A listener that runs. Connections know the one that they came by, and their requests are answered with its address.
package final class Listener: Sendable {
    package let configuration: ListenerConfiguration
    /// nil without TLS.
    let tls: ListenerTLS?
    /// nil without SASL.
    let sasl: SaslSettings?
    /// What checks tokens; nil without OAUTHBEARER.
    let tokens: TokenValidator?
    /// Who may come with a password.
    let passwords: UserCheck
    private let places = Mutex<(bound: Address, advertised: Address)>((Address(), Address()))
    private let connections = Atomic<Int>(0)

    package struct Address: Sendable, Equatable {
        package var host = ""
        package var port: Int32 = 0

        /// With brackets around an IPv6 address.
        package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    init(
        _ configuration: ListenerConfiguration, tls: ListenerTLS?, users: UserDirectory, tokens: TokenValidator? = nil
    ) {
        self.configuration = configuration
        self.tls = tls
        self.tokens = tokens
        sasl = configuration.sasl
        passwords = UserCheck(users, listed: [configuration.sasl?.listedUsers ?? [:]])
    }

    package var name: String { configuration.name }
    package var securityProtocol: SecurityProtocol { configuration.securityProtocol }

    /// Where it listens.
    package var bound: Address { places.withLock { $0.bound } }
    /// Where clients are told to connect to.
    package var advertised: Address { places.withLock { $0.advertised } }

    func isBound(to host: String, _ port: Int) {
        let bound = Address(host: host, port: Int32(clamping: port))
        let advertised = Address(
            host: configuration.advertisedHost ?? host,
            port: Int32(clamping: configuration.advertisedPort ?? port))
        places.withLock { $0 = (bound, advertised) }
    }

    /// Open connections.
    var connectionCount: Int { connections.load(ordering: .relaxed) }
    func connected() { connections.add(1, ordering: .relaxed) }
    func disconnected() { connections.subtract(1, ordering: .relaxed) }
}
