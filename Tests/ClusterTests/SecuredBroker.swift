import Bytes
import Glibc
import KafkaMessages
import NIOCore
import Security
import Synchronization

@testable import Cluster

/// A listener that wants to know who comes before it answers anything. Users have their name for a password.
final class SecuredBroker: Sendable {
    let port: Int
    private let listener: Int32
    private let mechanisms: [String]
    /// Of each connection, in milliseconds.
    private let lifetime: Int64
    private let accepted = Atomic<Int>(0)

    var connectionCount: Int { accepted.load(ordering: .relaxed) }

    init(_ mechanisms: [String], lifetime: Int64 = 0) throws {
        self.mechanisms = mechanisms
        self.lifetime = lifetime
        let silent = try SilentListener()
        listener = silent.socket
        port = silent.port
        startThread { [self] in serve() }
    }

    /// Ends the listener; its thread ends with it.
    func close() { shutdown(listener, Int32(SHUT_RDWR)) }

    private func serve() {
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { break }
            accepted.add(1, ordering: .relaxed)
            startThread { [self] in
                // What a client sends wrong ends its connection.
                try? talk(connection)
                Glibc.close(connection)
            }
        }
        Glibc.close(listener)
    }

    private func talk(_ connection: Int32) throws {
        var mechanism = ""
        var scram: (exchange: ScramExchange, final: String)?
        var isKnown = false
        while true {
            var reader = WireReader(try Self.frame(connection))
            var peek = reader
            let key = ApiKey(rawValue: try peek.readInt16())
            let version = try peek.readInt16()
            let header = try RequestHeader(from: &reader, version: key?.requestHeaderVersion(version) ?? 1)
            func answer(_ response: some KafkaMessage) throws {
                var writer = WireWriter(ByteBuffer(integer: 0 as Int32))
                try ResponseHeader(correlationId: header.correlationId).encode(
                    to: &writer, version: key?.responseHeaderVersion(version) ?? 0)
                try response.encode(to: &writer, version: version)
                var frame = writer.buffer
                frame.setInteger(Int32(frame.readableBytes - 4), at: frame.readerIndex)
                let bytes = Array(frame.readableBytesView)
                guard send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
                    throw SystemFailure(errno)
                }
            }
            switch key {
            case .apiVersions:
                try answer(
                    ApiVersionsResponse(apiKeys: [
                        .init(apiKey: 3, minVersion: 0, maxVersion: 9), .init(apiKey: 17, minVersion: 0, maxVersion: 1),
                        .init(apiKey: 18, minVersion: 0, maxVersion: 3),
                        .init(apiKey: 36, minVersion: 0, maxVersion: 2),
                    ]))
            case .saslHandshake:
                mechanism = try SaslHandshakeRequest(from: &reader, version: version).mechanism
                let code: Int16 = mechanisms.contains(mechanism) ? 0 : 33
                try answer(SaslHandshakeResponse(errorCode: code, mechanisms: mechanisms))
            case .saslAuthenticate:
                let token = String(buffer: try SaslAuthenticateRequest(from: &reader, version: version).authBytes)
                var words: String?
                if mechanism == "PLAIN" {
                    let parts = token.split(separator: "\0", omittingEmptySubsequences: false)
                    if parts.count == 3, parts[1] == parts[2] { words = "" }
                } else if let known = scram {
                    // As Kafka 4 the whole message is compared, with the nonce in it.
                    if known.final == token { words = "v=" + Base64.encode(known.exchange.serverSignature) }
                } else if let (user, nonce) = Self.first(token) {
                    let first = "r=\(nonce)SERVER,s=c2FsdA==,i=4096"
                    var exchange = ScramExchange(
                        mechanism == "SCRAM-SHA-256" ? .sha256 : .sha512, user: user, password: user, nonce: nonce)
                    scram = (exchange, "")
                    let final = try exchange.proof(for: first)
                    scram = (exchange, final)
                    try answer(SaslAuthenticateResponse(errorMessage: nil, authBytes: ByteBuffer(string: first)))
                    continue
                }
                guard let words else {
                    return try answer(SaslAuthenticateResponse(errorCode: 58, errorMessage: "invalid credentials"))
                }
                isKnown = true
                try answer(
                    SaslAuthenticateResponse(
                        errorMessage: nil, authBytes: ByteBuffer(string: words), sessionLifetimeMs: lifetime))
            case .metadata:
                guard isKnown else { return }
                var response = MetadataResponse()
                response.brokers = [.init(nodeId: 7, host: "127.0.0.1", port: Int32(port))]
                try answer(response)
            default: return
            }
        }
    }

    /// User and nonce of `n,,n=USER,r=NONCE`.
    private static func first(_ token: String) -> (user: String, nonce: String)? {
        let parts = token.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "n", parts[2].hasPrefix("n="), parts[3].hasPrefix("r=") else { return nil }
        return (String(parts[2].dropFirst(2)), String(parts[3].dropFirst(2)))
    }

    private static func frame(_ connection: Int32) throws -> ByteBuffer {
        func read(_ count: Int) throws -> [UInt8] {
            var bytes: [UInt8] = []
            var part = [UInt8](repeating: 0, count: count)
            while bytes.count < count {
                let got = recv(connection, &part, count - bytes.count, 0)
                guard got > 0 else { throw SystemFailure(errno) }
                bytes += part[..<got]
            }
            return bytes
        }
        let byteCount = try read(4).reduce(0) { $0 << 8 | Int($1) }
        return ByteBuffer(bytes: try read(byteCount))
    }
}

/// A port of this machine on which connections are taken by the system and nobody answers.
struct SilentListener {
    let port: Int
    let socket: Int32

    init() throws {
        let listener = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard listener >= 0 else { throw SystemFailure(errno) }
        // A `sockaddr_in`: family, port and address; the port is the system's choice.
        var address: [UInt8] = [UInt8(AF_INET), 0, 0, 0, 127, 0, 0, 1] + [UInt8](repeating: 0, count: 8)
        var byteCount = socklen_t(address.count)
        let (bound, listening, named) = address.withUnsafeMutableBytes { raw in
            let pointer = raw.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            return (
                bind(listener, pointer, byteCount), listen(listener, 8), getsockname(listener, pointer, &byteCount)
            )
        }
        guard bound == 0, listening == 0, named == 0 else {
            let failure = SystemFailure(errno)
            Glibc.close(listener)
            throw failure
        }
        socket = listener
        port = Int(address[2]) << 8 | Int(address[3])
    }

    func close() { Glibc.close(socket) }
}
