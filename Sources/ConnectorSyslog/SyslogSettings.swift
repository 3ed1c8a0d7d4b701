import ConnectCore
import Environment
import NIOCore
import NIOSSL

/// What a configuration asks for.
struct SyslogSettings: Sendable {
    enum Transport: String, Sendable { case udp = "UDP", tcp = "TCP", tls = "TCPSSL" }

    var transport: Transport
    var host: String
    var port: Int
    var topic: String
    var batchCount: Int
    var queueCount: Int
    var wait: Int64
    /// Whether senders have their names in records.
    var namesSenders: Bool
    /// For how long a name is good, in milliseconds.
    var nameAge: Int64
    private var chainFile: String?
    private var keyFile: String?
    private var keyPassword: String?

    /// - Throws: `.config` for options that do not go together.
    init(_ values: ConfigValues) throws(ConnectError) {
        transport = (values.text("syslog.listener")?.uppercased()).flatMap(Transport.init) ?? .udp
        host = values.text("syslog.listen.address") ?? "127.0.0.1"
        port = Int(values.integer("syslog.port") ?? 0)
        topic = values.text("topic") ?? "syslog"
        batchCount = Int(values.integer("syslog.queue.batch.size") ?? 1)
        queueCount = Int(values.integer("syslog.queue.max.size") ?? 1)
        wait = values.integer("syslog.backoff.millis") ?? 100
        namesSenders = values.flag("syslog.reverse.dns.remote.ip")
        nameAge = values.integer("syslog.reverse.dns.cache.ms") ?? 0
        chainFile = values.text("syslog.ssl.cert.chain.path")
        keyFile = values.text("syslog.ssl.key.path")
        keyPassword = values.text("syslog.ssl.key.password")
        guard transport == .tls else { return }
        guard !values.flag("syslog.ssl.self.signed.certificate.enable") else {
            throw .config(
                "syslog.ssl.self.signed.certificate.enable", "true",
                "certificates are not made here; make one with: openssl req -x509 -newkey rsa:2048 -nodes -days 365 "
                    + "-subj /CN=HOST -keyout key.pem -out cert.pem, and name the files in syslog.ssl.cert.chain.path "
                    + "and syslog.ssl.key.path")
        }
        for (name, file) in [("syslog.ssl.cert.chain.path", chainFile), ("syslog.ssl.key.path", keyFile)]
        where file == nil {
            throw .config(name, nil, "syslog.listener=TCPSSL needs the server's certificate and its key as PEM files")
        }
    }

    /// Reads the server's certificate and key; nil without TLS.
    ///
    /// - Throws: `.config` with the file that cannot be used.
    func tls() throws(ConnectError) -> NIOSSLContext? {
        guard transport == .tls, let chainFile, let keyFile else { return nil }
        let chain = try Self.contents(chainFile)
        let key = try Self.contents(keyFile)
        let password = Array((keyPassword ?? "").utf8)
        let certificates: [NIOSSLCertificate]
        do {
            certificates = try NIOSSLCertificate.fromPEMBytes(chain)
        } catch {
            throw .config("syslog.ssl.cert.chain.path", chainFile, "the file holds no PEM certificates")
        }
        let privateKey: NIOSSLPrivateKey
        do {
            privateKey = try NIOSSLPrivateKey(bytes: key, format: .pem) { setPassword in setPassword(password) }
        } catch {
            throw .config(
                "syslog.ssl.key.path", keyFile,
                "the file holds no PEM key, or syslog.ssl.key.password is not its password")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(privateKey))
        configuration.minimumTLSVersion = .tlsv12
        configuration.shutdownTimeout = .milliseconds(500)
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw .config(
                "syslog.ssl.key.path", keyFile, "the key does not belong to the certificate in '\(chainFile)'")
        }
    }

    private static func contents(_ path: String) throws(ConnectError) -> [UInt8] {
        do throws(DiskError) { return try StreamFile.contents(path, byteCountMax: 16 << 20) } catch {
            throw .config("'\(path)' cannot be read: \(error.reason)")
        }
    }

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("syslog.port", .int, .required, .between(1, 65535), .high, "The port to listen on.")
        definition.define(
            "syslog.listener", .string, .value(.string("UDP")), .oneOf(["TCPSSL", "TCP", "UDP"], ignoresCase: true),
            .high, "How messages come: UDP, TCP, or TCPSSL for TCP with TLS.")
        definition.define(
            "syslog.listen.address", .string, .value(.string("127.0.0.1")), nil, .high,
            "The address to listen on. 0.0.0.0 or :: let other machines send; syslog knows no passwords.")
        definition.define(
            "topic", .string, .value(.string("syslog")), .notEmpty, .high, "The topic to write to.")
        definition.define(
            "topic.prefix", .string, .null, nil, .low, "The earlier name of topic, taken where that is not given.")
        definition.define(
            "syslog.queue.batch.size", .int, .value(.integer(1024)), .atLeast(1), .low,
            "The most messages that are taken at once.")
        definition.define(
            "syslog.queue.max.size", .int, .value(.integer(10_000)), .atLeast(1), .low,
            "How many messages may wait to be written. When so many do, nothing is read: senders of TCP wait, what comes by "
                + "UDP is dropped by the system once its buffer is full.")
        definition.define(
            "syslog.backoff.millis", .int, .value(.integer(100)), .between(10, 60_000), .low,
            "How long to wait for a message before asking again, in milliseconds. One that comes is taken at once.")
        definition.define(
            "syslog.write.timeout.millis", .long, .value(.integer(60_000)), .atLeast(1), .low,
            "Taken without effect: a full queue makes senders wait instead of being given up after a time.")
        definition.define(
            "syslog.reverse.dns.remote.ip", .boolean, .value(.boolean(false)), nil, .low,
            "Whether remoteAddress is the name of the sender where it has one, instead of its address.")
        definition.define(
            "syslog.reverse.dns.cache.ms", .long, .value(.integer(60_000)), .atLeast(0), .low,
            "For how long a name that was found is good, in milliseconds.")
        definition.define(
            "syslog.ssl.cert.chain.path", .string, .null, nil, .medium,
            "For TCPSSL: a PEM file with the server's certificate, and those between it and its root.")
        definition.define(
            "syslog.ssl.key.path", .string, .null, nil, .medium, "For TCPSSL: a PEM file with the certificate's key.")
        definition.define("syslog.ssl.key.password", .password, .null, nil, .medium, "The password of that key.")
        definition.define(
            "syslog.ssl.self.signed.certificate.enable", .boolean, .value(.boolean(false)), nil, .low,
            "Only false: certificates are not made here.")
        definition.define(
            "syslog.ssl.provider", .string, .value(.string("JDK")),
            .oneOf(["JDK", "OPENSSL", "OPENSSL_REFCNT"], ignoresCase: true), .low, "Taken without effect.")
        return definition
    }()
}
