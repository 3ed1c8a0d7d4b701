import CRdKafka
import KafkaMessages

extension ClusterError {
    /// An error of librdkafka: a broker's code stays as it is, a code of the library itself becomes the Kafka code that
    /// asks for the same reaction.
    ///
    /// - Parameters:
    ///   - attempt: what was attempted, such as `create topic 'ratings'`.
    ///   - detail: the broker's or the library's own words, if there are better ones than the code's.
    init(rdkafka error: rd_kafka_resp_err_t, _ attempt: String, detail: String? = nil) {
        let words = detail.flatMap { $0.isEmpty ? nil : $0 } ?? Self.words(error)
        self.init(Self.code(error), attempt + ": " + words)
    }

    /// Takes over `error`, an object of librdkafka, and frees it.
    init(consuming error: OpaquePointer, _ attempt: String) {
        defer { rd_kafka_error_destroy(error) }
        self.init(
            rdkafka: rd_kafka_error_code(error), attempt,
            detail: rd_kafka_error_string(error).map { String(cString: $0) })
    }

    static func code(_ error: rd_kafka_resp_err_t) -> Code {
        if error.rawValue > RD_KAFKA_RESP_ERR__END.rawValue {
            return Code(rawValue: Int16(truncatingIfNeeded: error.rawValue))
        }
        switch error {
        case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__SSL: return .networkException
        case RD_KAFKA_RESP_ERR__RESOLVE, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN: return .brokerNotAvailable
        case RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
            return .requestTimedOut
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return .unknownTopicOrPartition
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET: return .offsetOutOfRange
        case RD_KAFKA_RESP_ERR__AUTHENTICATION: return .saslAuthenticationFailed
        case RD_KAFKA_RESP_ERR__BAD_MSG, RD_KAFKA_RESP_ERR__BAD_COMPRESSION, RD_KAFKA_RESP_ERR__UNDERFLOW:
            return .corruptMessage
        case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED: return .unsupportedVersion
        case RD_KAFKA_RESP_ERR__INVALID_ARG: return .invalidRequest
        case RD_KAFKA_RESP_ERR__FENCED: return .producerFenced
        case RD_KAFKA_RESP_ERR__STATE: return .invalidTxnState
        case RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, RD_KAFKA_RESP_ERR__INCONSISTENT: return .outOfOrderSequence
        default: return .unknownServerError
        }
    }

    /// librdkafka's words for a code, in our style: `Broker: Unknown topic or partition` -> `unknown topic or partition`.
    static func words(_ error: rd_kafka_resp_err_t) -> String {
        guard let text = rd_kafka_err2str(error) else { return "error \(error.rawValue)" }
        var words = Substring(String(cString: text))
        // A code that is younger than the library: `Err-110?`.
        if words.hasPrefix("Err-"), let code = Int16(exactly: error.rawValue) {
            return ErrorCode(rawValue: code).name.lowercased().replacing("_", with: " ")
        }
        for prefix in ["Broker: ", "Local: "] where words.hasPrefix(prefix) { words = words.dropFirst(prefix.count) }
        return words.prefix(1).lowercased() + words.dropFirst()
    }
}
