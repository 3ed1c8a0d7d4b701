import CRdKafka
import Glibc
import NIOPosix
import Synchronization

/// Connections that librdkafka cannot make itself: before 2.6.1 its SCRAM repeats the nonce, which Kafka 4 refuses; and as
/// Debian builds it, it gets no tokens from endpoints. No version of it comes by delegation tokens.
///
/// It speaks plaintext with one end of a pair of sockets, which nobody else can reach; from the other end bytes go over a
/// connection of our own, which has TLS and knows who comes.
///
/// - SeeAlso: librdkafka issue 4895; CVE-2024-56128.
final class SecureRelay: Sendable {
    private let security: ConnectionSecurity
    private let clientId: String
    /// For the connection, and once more for the authentication.
    let timeout: Duration
    /// The other ends of sockets that are not connected yet.
    private let ends = Mutex<[Int32: Int32]>([:])
    private let lastFailure = Mutex<ClusterError?>(nil)

    /// 2.6.1 in the form of `rd_kafka_version`.
    private static let versionWithoutNeed: Int32 = 0x0206_01FF

    /// - Returns: nil where librdkafka does it right.
    /// - Throws: as `ConnectionSecurity`.
    init?(_ configuration: RemoteConfiguration, version: Int32 = rd_kafka_version()) throws(ClusterError) {
        let properties = configuration.properties
        let mechanism = (properties["sasl.mechanism"] ?? properties["sasl.mechanisms"] ?? "").uppercased()
        let protocolName = (properties["security.protocol"] ?? "").lowercased()
        let authenticates =
            mechanism == "OAUTHBEARER" || version < Self.versionWithoutNeed && mechanism.hasPrefix("SCRAM-")
            || properties[RemoteConfiguration.tokenAuthName] == "true"
        // Of a chain as text librdkafka shows the first certificate alone; what it alone knows is left to it.
        let showsChain =
            Self.hasIntermediates(properties) && (properties["ssl.crl.location"] ?? "").isEmpty
            && (protocolName == "ssl" || ConnectionSecurity.Mechanism(rawValue: mechanism) != nil)
        guard
            authenticates && protocolName.hasPrefix("sasl_")
                || showsChain && (protocolName == "ssl" || protocolName == "sasl_ssl")
        else { return nil }
        security = try ConnectionSecurity(properties)
        clientId = properties["client.id"] ?? "swiftwater"
        let given = properties["socket.connection.setup.timeout.ms"].flatMap { Int($0) }
        timeout = min(configuration.requestTimeout, .milliseconds(max(1, given ?? 30_000)))
    }

    private static func hasIntermediates(_ properties: [String: String]) -> Bool {
        (properties["ssl.certificate.pem"] ?? "").ranges(of: "-----BEGIN CERTIFICATE-----").count > 1
    }

    /// Why the last connection was not made, until another one is.
    var failure: ClusterError? { lastFailure.withLock { $0 } }

    /// - Returns: a socket for librdkafka; -1 when there is none.
    func socket() -> Int32 {
        var pair: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &pair) == 0 else { return -1 }
        ends.withLock { $0[pair[0]] = pair[1] }
        return pair[0]
    }

    /// Connects the other end of `socket`. Bytes may be written meanwhile; the end of the pair tells of a failure.
    ///
    /// - Parameter name: `HOST:PORT` of the broker.
    func connect(_ socket: Int32, to name: String) -> Int32 {
        guard let end = ends.withLock({ $0.removeValue(forKey: socket) }) else { return EBADF }
        guard let colon = name.lastIndex(of: ":"), let port = Int(name[name.index(after: colon)...]) else {
            close(end)
            return EINVAL
        }
        let host = name[..<colon].filter { $0 != "[" && $0 != "]" }
        // Ends with the attempt: from then on the connection lives by itself, until one of its sides ends it. librdkafka
        // gives up after a while, so that it goes before tasks of the ordinary kind, however many of them wait.
        Task(priority: .userInitiated) { await join(end, BrokerAddress(host: host, port: port)) }
        return 0
    }

    private func join(_ end: Int32, _ address: BrokerAddress) async {
        let connection: RequestConnection
        do throws(ClusterError) {
            connection = try await RequestConnection.open(
                address, security, on: MultiThreadedEventLoopGroup.singleton, clientId: clientId, timeout: timeout)
            if let credentials = security.credentials {
                try await connection.authenticate(credentials, timeout: timeout)
            }
        } catch {
            lastFailure.withLock { $0 = error }
            close(end)
            return
        }
        lastFailure.withLock { $0 = nil }
        // The socket is taken; a failure ends both connections, which librdkafka sees.
        try? await connection.relay(end)
    }
}

extension ClusterError {
    /// As librdkafka would tell it.
    var ofConnection: (code: rd_kafka_resp_err_t, text: String) {
        let told: rd_kafka_resp_err_t =
            switch code {
            case .saslAuthenticationFailed, .unsupportedSaslMechanism: RD_KAFKA_RESP_ERR__AUTHENTICATION
            case .invalidConfig: RD_KAFKA_RESP_ERR__SSL
            default: RD_KAFKA_RESP_ERR__TRANSPORT
            }
        return (told, message + (hint.map { " (\($0))" } ?? ""))
    }
}
