import NIOPosix
import TestKit

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

    private let socket: BlockingSocket
    private var buffered: [UInt8] = []

    init(port: Int) throws { socket = try BlockingSocket(port: port) }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws { try socket.send(bytes) }

    /// Nothing more is sent; answers can still come.
    func endSending() { socket.endSending() }

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
            do { try fill() } catch {
                return error.isClosedByPeer ? String(decoding: buffered, as: UTF8.self) : nil
            }
        }
    }

    private func fill() throws(BlockingSocket.Failure) { buffered += try socket.receive() }
}
