package import KafkaMessages
package import LogStorage

/// What went wrong with an administrative operation or an append, as the protocol tells it: an error code and words.
package struct ControlError: Error, CustomStringConvertible {
    package var code: ErrorCode
    package var message: String?

    package init(_ code: ErrorCode, _ message: String? = nil) {
        self.code = code
        self.message = message
    }

    package init(_ error: LogError) {
        code = ErrorCode(rawValue: error.kafkaCode)
        message = error.message
    }

    package var description: String { code.name + (message.map { ": \($0)" } ?? "") }
}
