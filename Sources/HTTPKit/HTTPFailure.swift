package import HTTPTypes
import JSONFormat

/// Why a request is not answered as its sender wished; thrown by handlers, turned into a body by the router's
/// `ErrorBody`, as every surface has its own form for errors.
package struct HTTPFailure: Error, CustomStringConvertible {
    package var status: HTTPResponse.Status
    /// The surface's own number, such as the registry's 40401; nil where the status says all.
    package var code: Int?
    /// For people, in the words of the original where there is one.
    package var message: String
    package var headers: HTTPFields
    /// Whether the connection ends with the answer, because the rest of the request is not worth reading.
    package var closesConnection: Bool

    package init(
        _ status: HTTPResponse.Status, _ message: String, code: Int? = nil, headers: HTTPFields = [:],
        closesConnection: Bool = false
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
        self.closesConnection = closesConnection
    }

    package var description: String { "\(status.code): \(message)" }
}

/// How a surface writes its errors.
package struct ErrorBody: Sendable {
    package var write: @Sendable (HTTPFailure) -> HTTPAnswer

    package init(_ write: @escaping @Sendable (HTTPFailure) -> HTTPAnswer) { self.write = write }

    /// One line of text.
    package static let plain = ErrorBody { .text($0.message + "\n", status: $0.status) }

    /// `{"error_code": 404, "message": "..."}`, as Schema Registry and Kafka Connect write errors.
    package static let errorCode = ErrorBody { failure in
        .json(
            .object([
                ("error_code", .number(Int64(failure.code ?? failure.status.code))),
                ("message", .string(failure.message)),
            ]), status: failure.status)
    }
}
