import HTTPKit
import HTTPTypes
import JSONFormat
import NIOCore

/// Webhooks that the console takes and shows, in place of the service that they would be sent to.
extension ConsoleAPI {
    func addInbox(_ router: inout HTTPRouter) {
        let console = console
        guard console.settings.hasInbox else { return }
        on(.post, "/hooks/{name}", bodyByteCountMax: 256 << 10, isHook: true, &router) { call in
            let bytes = Array(try await call.bytes().readableBytesView)
            await console.inbox.take(call.parameter("name"), bytes, at: console.now())
            return .text("ok")
        }
        on(.get, "/api/inbox/messages", &router) { _ in
            .json(.array(await console.inbox.messages.map(\.json)))
        }
        on(.get, "/api/inbox", &router) { _ in
            ServerEvents.answer { writer in
                let (id, stream) = await console.inbox.watch()
                do {
                    try await writer.write(": inbox\n\n")
                    for await message in stream {
                        try await writer.write(ServerEvents.event("message", message.json))
                    }
                } catch {
                    await console.inbox.unwatch(id)
                    throw error
                }
                await console.inbox.unwatch(id)
            }
        }
    }
}
