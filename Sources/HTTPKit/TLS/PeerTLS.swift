package import NIOCore
package import NIOSSL
package import Security

/// How a server speaks TLS to others of its kind, as a client.
package struct PeerTLS: Sendable {
    package let configuration: TLSConfiguration
    private let context: NIOSSLContext

    /// - Parameter store: of this server; nil trusts the system's authorities and shows nothing.
    /// - Throws: what cannot be used.
    package init(_ store: KeyStore?) throws(KeyStoreError) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let store { configuration = try store.clientConfiguration() }
        self.configuration = configuration
        do { context = try NIOSSLContext(configuration: configuration) } catch {
            throw KeyStoreError("certificate and key do not fit together (\(error))")
        }
    }

    /// The first handler of a connection to a host.
    package func handler(host: String) throws -> any ChannelHandler {
        // An address is compared with the addresses of the certificate, and has no place in SNI.
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
    }
}
