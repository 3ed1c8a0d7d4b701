import Glibc
import NIOPosix

/// A client that sends text and reads text, for what a well-behaved client would not send.
///
/// It blocks on threads of its own: the server under test answers on those of Swift's tasks. One task uses it at a time,
/// which makes it safe to hand to such a thread.
final class TextClient: @unchecked Sendable {
    struct Failure: Error { var message: String }

    private static let threads: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 32)
        pool.start()
        return pool
    }()

    private let descriptor: Int32
    private var buffered: [UInt8] = []

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(message: "connect: errno \(errno)") }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw Failure(message: "send: errno \(errno)") }
            rest = rest.dropFirst(count)
        }
    }

    /// Nothing more is sent; answers can still come.
    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Head and body of the next answer, by its Content-Length; without one, the head alone.
    func answer(hasBody: Bool = true) async throws -> (head: String, body: String) {
        try await Self.threads.runIfActive { try self.readAnswer(hasBody) }
    }

    private func readAnswer(_ hasBody: Bool) throws -> (head: String, body: String) {
        let end = Array("\r\n\r\n".utf8)
        while buffered.firstRange(of: end) == nil { try fill() }
        guard let range = buffered.firstRange(of: end) else { throw Failure(message: "no head") }
        let head = String(decoding: buffered[..<range.lowerBound], as: UTF8.self)
        buffered.removeSubrange(..<range.upperBound)
        var length = 0
        for line in head.split(separator: "\r\n") where line.lowercased().hasPrefix("content-length:") {
            length = Int(line.split(separator: ":")[1].drop { $0 == " " }) ?? 0
        }
        guard hasBody else { return (head, "") }
        while buffered.count < length { try fill() }
        let body = String(decoding: buffered[..<length], as: UTF8.self)
        buffered.removeSubrange(..<length)
        return (head, body)
    }

    /// The next bytes.
    func bytes(_ count: Int) async throws -> [UInt8] {
        try await Self.threads.runIfActive {
            while self.buffered.count < count { try self.fill() }
            defer { self.buffered.removeFirst(count) }
            return Array(self.buffered[..<count])
        }
    }

    /// All that comes until the server closes; nil when the connection is reset.
    func rest() async throws -> String? { try await Self.threads.runIfActive { self.readRest() } }

    private func readRest() -> String? {
        while true {
            do { try fill() } catch let failure as Failure {
                return failure.message == "closed" ? String(decoding: buffered, as: UTF8.self) : nil
            } catch { return nil }
        }
    }

    private func fill() throws {
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { throw Failure(message: count == 0 ? "closed" : "recv: errno \(errno)") }
        buffered += bytes[..<count]
    }
}
