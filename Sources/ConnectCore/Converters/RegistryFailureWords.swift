import SchemaRules
import SchemaSerdes

/// What the original's converters say when the registry refuses or bytes are damaged: what they were at, with the
/// reasons behind it.
struct RegistryFailureWords: Sendable {
    let type: SchemaType
    let isKey: Bool

    private static let serialization = "org.apache.kafka.common.errors.SerializationException: "
    private static let refusal = "io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException: "

    private var format: String {
        switch type {
        case .avro: "Avro"
        case .json: "JSON"
        case .protobuf: "Protobuf"
        }
    }

    private func reading(_ topic: String) -> String {
        type == .json
            ? "Converting byte[] to Kafka Connect data failed due to serialization error of topic \(topic): "
            : "Failed to deserialize data for topic \(topic) to \(format): "
    }

    private func writing(_ topic: String) -> String {
        type == .json
            ? "Converting Kafka Connect data to byte[] failed due to serialization error of topic \(topic): "
            : "Failed to serialize \(format) data from topic \(topic) :"
    }

    /// Bytes that do not hold what they should.
    func damaged(_ topic: String, _ reason: String, in frame: SchemaFrame? = nil) -> ConnectError {
        guard let frame else { return failure(reading(topic), [Self.serialization + reason]) }
        return failure(
            reading(topic),
            [Self.serialization + "Error deserializing \(format) message for \(Self.text(frame))", reason])
    }

    /// A schema that the registry did not answer.
    func unread(_ topic: String, _ frame: SchemaFrame, _ error: ConnectError) -> ConnectError {
        let side = type == .avro ? (isKey ? "key " : "value ") : ""
        return refused(
            error, topic, "deserializing", reading(topic),
            "Error retrieving \(format) \(side)schema for \(Self.text(frame))")
    }

    /// What was asked of the registry for a value that is to be written.
    enum Step { case register, lookUp, latest, byID }

    func unwritten(_ topic: String, _ step: Step, _ text: String, _ error: ConnectError) -> ConnectError {
        let (schema, end) = ("\(format) schema", type == .avro ? "" : ": ")
        let what =
            switch step {
            case .register: "Error registering \(schema)\(end)"
            case .lookUp: "Error retrieving \(schema)\(end)"
            case .latest: "Error retrieving latest version" + (type == .avro ? " of Avro schema" : ": ")
            case .byID: "Error retrieving schema ID"
            }
        return refused(error, topic, "serializing", writing(topic), what + text)
    }

    /// A schema of the subject's own that cannot read what a value's schema writes.
    func incompatible(
        _ topic: String, _ own: String, _ given: String, option: String, _ reasons: [String]
    ) -> ConnectError {
        failure(
            writing(topic),
            [
                Self.serialization + "Error serializing \(format) message",
                "java.io.IOException: Incompatible schema \(own) for schema \(given): "
                    + reasons.joined(separator: ", ") + ". Set \(option)=false to disable this check",
            ])
    }

    private func refused(
        _ error: ConnectError, _ topic: String, _ activity: String, _ what: String, _ asked: String
    ) -> ConnectError {
        let data = type == .json ? "JSON Schema" : format
        switch error.code {
        case .retriable:
            var failure = ConnectError(
                .retriable,
                "Network connection error while \(activity) \(data) data for topic \(topic): \(error.message)")
            failure.causes = [Self.serialization + asked]
            return failure
        case .config:
            return ConnectError(.config, "Failed to access \(data) data from topic \(topic) : \(error.message)")
        default: return failure(what, [Self.serialization + asked, Self.refusal + error.message])
        }
    }

    private func failure(_ message: String, _ causes: [String]) -> ConnectError {
        var error = ConnectError.data(message)
        error.causes = causes
        return error
    }

    private static func text(_ frame: SchemaFrame) -> String {
        switch frame {
        case .id(let id): "id \(id)"
        case .guid(let guid): "guid \(guid)"
        }
    }
}
