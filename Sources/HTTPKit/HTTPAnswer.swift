package import HTTPTypes
import HummingbirdCore
package import JSONFormat
package import NIOCore

/// What a handler answers with.
package struct HTTPAnswer: Sendable {
    package enum Body: Sendable {
        case bytes(ByteBuffer)
        /// Written piece by piece while the client reads; the connection's pace is the writer's.
        case stream(@Sendable (inout HTTPBodyWriter) async throws -> Void)
    }
    package var status: HTTPResponse.Status
    package var headers: HTTPFields
    package var body: Body

    package init(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], body: Body = .bytes(ByteBuffer())
    ) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    package static func bytes(
        _ bytes: some Sequence<UInt8>, contentType: String, status: HTTPResponse.Status = .ok
    ) -> HTTPAnswer {
        HTTPAnswer(status: status, headers: [.contentType: contentType], body: .bytes(ByteBuffer(bytes: bytes)))
    }

    package static func text(_ text: String, status: HTTPResponse.Status = .ok) -> HTTPAnswer {
        HTTPAnswer(
            status: status, headers: [.contentType: "text/plain; charset=utf-8"],
            body: .bytes(ByteBuffer(string: text)))
    }

    package static func json(
        _ value: JSONValue, status: HTTPResponse.Status = .ok, contentType: String = "application/json"
    ) -> HTTPAnswer {
        .bytes(value.bytes, contentType: contentType, status: status)
    }

    /// Without a body.
    package static func empty(_ status: HTTPResponse.Status = .noContent) -> HTTPAnswer { HTTPAnswer(status: status) }

    /// The task of `write` is cancelled when the client is gone.
    ///
    /// - Parameter write: returns when the body is complete, throws when it cannot be; the connection then ends, so that
    ///   the client does not take what it got for the whole.
    package static func stream(
        contentType: String, _ write: @escaping @Sendable (inout HTTPBodyWriter) async throws -> Void
    ) -> HTTPAnswer {
        HTTPAnswer(headers: [.contentType: contentType], body: .stream(write))
    }
}

/// Where a streamed body is written to.
///
/// Unchecked: the framework's writer is a reference to the connection's outbound side, which may be used from any task; only
/// its protocol does not say so.
package struct HTTPBodyWriter: @unchecked Sendable {
    private var writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) { self.writer = writer }

    /// Returns when the connection takes more. - Throws: when the client is gone.
    package mutating func write(_ bytes: ByteBuffer) async throws {
        do { try await writer.write(bytes) } catch { throw ConnectionFailure(cause: error) }
    }
    package mutating func write(_ text: String) async throws { try await write(ByteBuffer(string: text)) }

    func finish() async throws { try await writer.finish(nil) }
}
