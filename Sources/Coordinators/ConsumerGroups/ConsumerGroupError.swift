package import KafkaMessages

/// Why a request to a consumer group is refused: the code and message of its response.
package struct ConsumerGroupError: Error, Equatable, CustomStringConvertible {
    package var code: ErrorCode
    package var message: String

    package init(_ code: ErrorCode, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { "\(code.name): \(message)" }
}
