import HTTPKit
import HTTPTypes

/// Queries of a page's panels, over one connection.
extension ConsoleAPI {
    static let querySocketPath = "/api/query"

    func addQuerySocket(_ router: inout HTTPRouter) {
        let guardian = console.guardian
        let sockets = QuerySocket(console.settings)
        // What is no WebSocket, or none of ours, is told so.
        on(.get, Self.querySocketPath, &router) { call in
            try guardian.checkSocket(call)
            throw HTTPFailure(
                HTTPResponse.Status(code: 426, reasonPhrase: "Upgrade Required"),
                "\(Self.querySocketPath) is a WebSocket", headers: [.upgrade: "websocket", .connection: "upgrade"])
        }
        router.webSocket(
            Self.querySocketPath, messageCountMax: QuerySocket.queryCountMax,
            accepts: { call in
                do throws(HTTPFailure) { try guardian.checkSocket(call) } catch { return false }
                return true
            }
        ) { _, socket in await sockets.serve(socket) }
    }
}
