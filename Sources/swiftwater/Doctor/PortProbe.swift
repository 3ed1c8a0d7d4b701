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
        // A record of TLS that says that it was expected: there is a server of TLS, and no more is to be known without.
        case _ where door.isSecure:
            let answer = ask(address, Array("GET / HTTP/1.1\r\n\r\n".utf8), isEnough: { $0.count >= 2 })
            return answer.starts(with: [0x15, 0x03])
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

    /// Whether what answers asks for a password in the words of the port.
    private static func isClosed(_ door: Door, _ address: HostPort) -> Bool {
        guard let realm = door.realm else { return false }
        let answer = http(address, "/")
        return answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("Basic realm=\"\(realm)\"")
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
