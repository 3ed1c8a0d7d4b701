import Glibc

/// Asks who answers at an address, in the words of the role that should. One short question, bounded in time and bytes.
enum PortProbe {
    private static let byteCountMax = 16 << 10
    private static let milliseconds: Int32 = 1000

    /// Whether what answers is what `start` would put there, ours or another's.
    static func answers(_ door: Door) -> Bool {
        var address = door.address
        if ["0.0.0.0", "::"].contains(address.host) { address.host = "127.0.0.1" }
        switch door.role {
        case "kafka":
            // ApiVersions, version 0: length, key, version, correlation id, no client id. The answer begins with its
            // length and the same id.
            let question: [UInt8] = [0, 0, 0, 10, 0, 18, 0, 0, 1, 2, 3, 4, 0xFF, 0xFF]
            let answer = ask(address, question, isEnough: { $0.count >= 8 })
            return answer.count >= 8 && Array(answer[4..<8]) == [1, 2, 3, 4]
        // A record of a handshake: there is a server of TLS, and who it is would take more than a question.
        case _ where door.isSecure:
            return ask(address, clientHello, isEnough: { $0.count >= 2 }).starts(with: [0x16, 0x03])
        case _ where isClosed(door, address): return true
        case "registry": return http(address, "/subjects").contains("schemaregistry")
        case "connect": return http(address, "/").contains("kafka_cluster_id")
        case "sql":
            let answer = http(address, "/info")
            return answer.contains("KsqlServerInfo") || answer.contains("50302")  // one that is starting
        case "console": return http(address, "/").contains("Swiftwater")
        case "admin": return http(address, "/").contains(", administration")
        default: return false
        }
    }

    /// The first message of TLS 1.3 or 1.2 (RFC 8446, 4.1.2), without a key: what answers asks for one, or chooses 1.2.
    private static let clientHello: [UInt8] = {
        let extensions: [UInt8] =
            [0x00, 0x0A, 0x00, 0x06, 0x00, 0x04, 0x00, 0x1D, 0x00, 0x17]  // groups: x25519, secp256r1
            + [0x00, 0x0B, 0x00, 0x02, 0x01, 0x00]  // points: uncompressed
            + [0x00, 0x0D, 0x00, 0x0A, 0x00, 0x08, 0x04, 0x03, 0x08, 0x04, 0x04, 0x01, 0x05, 0x03]  // signatures
            + [0x00, 0x2B, 0x00, 0x05, 0x04, 0x03, 0x04, 0x03, 0x03]  // versions: 1.3, 1.2
            + [0x00, 0x33, 0x00, 0x02, 0x00, 0x00]  // no share of a key
        let ciphers: [UInt8] = [
            0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xC0, 0x2B, 0xC0, 0x2F, 0xC0, 0x2C, 0xC0, 0x30,
        ]
        func counted(_ bytes: [UInt8]) -> [UInt8] { [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)] + bytes }
        let random = (0..<32).map { _ in UInt8.random(in: 0...255) }
        let body = [0x03, 0x03] + random + [0x00] + counted(ciphers) + [0x01, 0x00] + counted(extensions)
        return [0x16, 0x03, 0x01] + counted([0x01, 0x00] + counted(body))
    }()

    /// Whether what answers asks for a password in the words of the port.
    private static func isClosed(_ door: Door, _ address: HostPort) -> Bool {
        guard let realm = door.realm else { return false }
        let answer = http(address, "/")
        return answer.hasPrefix("HTTP/1.1 401 ") && answer.contains(" realm=\"\(realm)\"")
    }

    private static func http(_ address: HostPort, _ path: String) -> String {
        let question = "GET \(path) HTTP/1.1\r\nHost: \(address)\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        return String(decoding: ask(address, Array(question.utf8), isEnough: { _ in false }), as: UTF8.self)
    }

    /// The answer until it is enough, the other side ends it, or time or space are up.
    private static func ask(_ address: HostPort, _ question: [UInt8], isEnough: ([UInt8]) -> Bool) -> [UInt8] {
        SocketAddresses.first(address, passive: false) { family, socketAddress, length -> [UInt8] in
            let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            let descriptor = socket(family, type, 0)
            guard descriptor >= 0 else { return [] }
            defer { close(descriptor) }
            guard connect(descriptor, socketAddress, length) == 0 || errno == EINPROGRESS,
                isReady(descriptor, POLLOUT),
                send(descriptor, question, question.count, Int32(MSG_NOSIGNAL)) == question.count
            else { return [] }
            var answer: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 4096)
            while answer.count < byteCountMax, !isEnough(answer), isReady(descriptor, POLLIN) {
                let count = recv(descriptor, &chunk, chunk.count, 0)
                guard count > 0 else { break }
                answer += chunk[..<count]
            }
            return answer
        } ?? []
    }

    private static func isReady(_ descriptor: Int32, _ event: Int32) -> Bool {
        var wait = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        return poll(&wait, 1, milliseconds) > 0
    }
}
