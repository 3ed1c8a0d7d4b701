import HTTPTypes
import Logging
package import NIOCore

/// A request whose answer may be at hand.
package struct QuickRequest: Sendable {
    /// The value of the header; nil without one.
    package let accept: String?
    /// Whole.
    package let body: ByteBuffer

    package init(accept: String?, body: ByteBuffer) {
        self.accept = accept
        self.body = body
    }
}

/// The second, shorter way to the answer of a POST: within the event that brought the request, on the event loop of its
/// connection, without a task. It computes for a few microseconds and waits for nothing.
///
/// It appends the body of an answer with status 200 to what it is given, and returns the body's media type. nil when the
/// answer is not at hand, or is any other than 200: the route's handler then gets the request, and nothing must have been
/// done that it does again; what was appended is thrown away.
package typealias QuickHandler = @Sendable (QuickRequest, inout [UInt8]) -> String?

/// The quick routes of a server, and what their answers look like.
struct QuickRoutes: Sendable {
    final class Route: Sendable {
        let path: String
        let target: [UInt8]
        let bodyByteCountMax: Int
        let handler: QuickHandler

        init(_ path: String, bodyByteCountMax: Int, _ handler: @escaping QuickHandler) {
            self.path = path
            target = Array(path.utf8)
            self.bodyByteCountMax = bodyByteCountMax
            self.handler = handler
        }
    }

    let routes: [Route]
    private let date: HTTPDate
    private let authentication: HTTPAuthentication?
    private let observe: (@Sendable (HTTPExchange) -> Void)?
    private let logger: Logger

    init(
        _ routes: [Route], _ date: HTTPDate, _ authentication: HTTPAuthentication? = nil,
        observe: (@Sendable (HTTPExchange) -> Void)?, _ logger: Logger
    ) {
        self.routes = routes
        self.date = date
        self.authentication = authentication
        self.observe = observe
        self.logger = logger
    }

    func route(of target: UnsafeRawBufferPointer) -> Route? {
        routes.first { $0.target.count == target.count && $0.target.elementsEqual(target) }
    }

    /// Whether the sender of a request with such an `Authorization` is known, and may. Others go the long way, where they are
    /// looked at and told.
    func allows(_ authorization: String?, on channel: any Channel) -> Bool {
        authentication.map { $0.allowsAtHand(authorization, isNear: ClientAddress.isNear(channel)) != nil } ?? true
    }

    /// Whether what has come so far may be the beginning of a request for one of them.
    func mayBegin(with bytes: UnsafeRawBufferPointer) -> Bool {
        routes.contains { route in
            let line = "POST \(route.path) HTTP/1.1\r\n".utf8
            return zip(line, bytes).allSatisfy { $0 == $1 }
        }
    }

    /// Appends the whole answer as HTTP/1.1 has it: head and body in one piece.
    func write(_ body: [UInt8], _ contentType: String, to bytes: inout ByteBuffer) {
        bytes.reserveCapacity(minimumWritableBytes: 160 + body.count)
        bytes.writeStaticString("HTTP/1.1 200 OK\r\nContent-Type: ")
        bytes.writeString(contentType)
        bytes.writeStaticString("\r\nDate: ")
        bytes.writeString(date.now())
        bytes.writeStaticString("\r\nContent-Length: ")
        bytes.writeString(String(body.count))
        bytes.writeStaticString("\r\n\r\n")
        bytes.writeBytes(body)
    }

    /// The head of the answer as HTTP/2 has it.
    func head(bodyByteCount: Int, _ contentType: String) -> HTTPResponse {
        HTTPResponse(
            status: .ok,
            headerFields: [.contentType: contentType, .date: date.now(), .contentLength: String(bodyByteCount)])
    }

    /// To be called when the answer is on its way.
    func note(_ route: Route, began: NIODeadline, on channel: any Channel) {
        let nanoseconds = (NIODeadline.now() - began).nanoseconds
        observe?(HTTPExchange(method: .post, route: route.path, status: .ok, nanoseconds: nanoseconds))
        logger.debug(
            "http request",
            metadata: [
                "method": "POST", "path": "\(route.path)", "status": "200", "us": "\(nanoseconds / 1000)",
                "remote": "\(channel.remoteAddress?.ipAddress ?? "unknown")",
            ])
    }
}
