import HTTPKit
import JSONFormat
import Logging
import NIOCore
import Synchronization

/// A webhook that keeps what is posted to it: where the demonstration's Slack messages go.
final class DemoInbox: Sendable {
    private static let messageCountMax = 1000

    private let loops: HTTPLoops
    private let messages: Messages
    private let server: HTTPServer

    private final class Messages: Sendable {
        private let texts = Mutex<[String]>([])

        func add(_ text: String) {
            texts.withLock {
                $0.append(text)
                if $0.count > DemoInbox.messageCountMax { $0.removeFirst() }
            }
        }

        var all: [String] { texts.withLock { $0 } }
    }

    /// Listens on any free port.
    ///
    /// - Throws: `HTTPServerError`.
    init(_ logger: Logger) async throws {
        let loops = HTTPLoops()
        let messages = Messages()
        var router = HTTPRouter(errors: .plain)
        router.post("/hooks/{name}") { call in
            let bytes = Array(try await call.bytes().readableBytesView)
            messages.add(JSONValue.parse(bytes)?["text"]?.text ?? String(decoding: bytes, as: UTF8.self))
            return .text("ok")
        }
        router.get("/") { _ in .text(messages.all.map { $0 + "\n" }.joined()) }
        self.loops = loops
        self.messages = messages
        do {
            server = try await HTTPServer.start(
                HTTPServerConfiguration(host: "127.0.0.1", port: 0), router: router, on: loops.group, logger: logger)
        } catch {
            await loops.shutdown()
            throw error
        }
    }

    var url: String { "http://127.0.0.1:\(server.port)" }

    /// The last of them, oldest first.
    var texts: [String] { messages.all }

    func stop() async {
        await server.stop(within: .milliseconds(200))
        await loops.shutdown()
    }
}
