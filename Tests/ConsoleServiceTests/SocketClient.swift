import JSONFormat
import NIOPosix
import TestKit

/// A WebSocket as a browser would have it, which reads only when it is asked to.
///
/// It blocks on threads of its own: the server under test answers on those of Swift's tasks. One task uses it at a time,
/// which makes it safe to hand to such a thread.
final class SocketClient: @unchecked Sendable {
    /// What a server sends.
    enum Frame: Equatable {
        case text(String)
        case close(code: Int, reason: String)
    }

    private static let threads: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 8)
        pool.start()
        return pool
    }()

    private let socket: BlockingSocket
    private var buffered: [UInt8] = []
    private var start = 0

    init(port: Int) throws { socket = try BlockingSocket(port: port, patience: 30) }

    /// Asks for a WebSocket. - Returns: the status line.
    func open(_ path: String, _ headers: [(String, String)]) async throws -> String {
        var head = "GET \(path) HTTP/1.1\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        try send(Array((head + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").utf8))
        return try await Self.threads.runIfActive {
            let end = Array("\r\n\r\n".utf8)
            while true {
                if let range = self.buffered.firstRange(of: end) {
                    let text = String(decoding: self.buffered[..<range.lowerBound], as: UTF8.self)
                    self.start = range.upperBound
                    return String(text.prefix { $0 != "\r\n" })
                }
                try self.fill()
            }
        }
    }

    /// Sends a text message, with a mask that changes nothing (RFC 6455, 5.3).
    func send(_ value: JSONValue) throws { try send(text: value.bytes) }

    func send(text: [UInt8]) throws {
        let length: [UInt8] =
            text.count < 126
            ? [0x80 | UInt8(text.count)] : [0x80 | 126, UInt8(text.count >> 8), UInt8(text.count & 0xFF)]
        try send([0x81] + length + [0, 0, 0, 0] + text)
    }

    /// The next text or closing frame.
    func next() async throws -> Frame { try await Self.threads.runIfActive { try self.frame() } }

    private func frame() throws -> Frame {
        while true {
            let kind = try take(1)[0] & 0x0F
            var length = Int(try take(1)[0])
            if length >= 126 { length = try take(length == 126 ? 2 : 8).reduce(0) { $0 << 8 | Int($1) } }
            let payload = try take(length)
            switch kind {
            case 1: return .text(String(decoding: payload, as: UTF8.self))
            case 8:
                return .close(
                    code: payload.prefix(2).reduce(0) { $0 << 8 | Int($1) },
                    reason: String(decoding: payload.dropFirst(2), as: UTF8.self))
            default: continue
            }
        }
    }

    private func take(_ count: Int) throws -> [UInt8] {
        while buffered.count - start < count { try fill() }
        defer { start += count }
        return Array(buffered[start..<start + count])
    }

    private func send(_ bytes: [UInt8]) throws { try socket.send(bytes) }

    private func fill() throws {
        buffered.removeFirst(start)
        start = 0
        buffered += try socket.receive()
    }
}
