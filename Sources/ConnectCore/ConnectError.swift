/// A failure in Connect's words. `javaClass` is the exception that the original throws: it stands in status traces and in
/// the headers of dead letters, and tools look for it.
package struct ConnectError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// A value does not fit its schema, or bytes do not hold what they should.
        case data
        /// A configuration cannot be used.
        case config
        /// Trying again may help: a registry that does not answer.
        case retriable
        /// Any other failure of a connector, converter or transform.
        case connect
        /// What Kafka's own clients end with: records that are damaged, whichever time they are asked for.
        case kafka
        case schemaBuilder
        case schemaProjection
        /// What the original fails with by accident; kept where its words are recorded.
        case illegalArgument
        case nullPointer
        case indexOutOfBounds
        case illegalState
    }

    package var code: Code
    package var message: String
    /// What the failure came of, as Java prints causes: the nearest first.
    package var causes: [String] = []

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package static func data(_ message: String) -> Self { Self(.data, message) }
    package static func config(_ message: String) -> Self { Self(.config, message) }

    /// Connect's words for a value of an option that cannot be used.
    package static func config(_ name: String, _ value: String?, _ reason: String?) -> Self {
        Self(
            .config,
            "Invalid value \(value ?? "null") for configuration \(name)" + (reason.map { ": " + $0 } ?? ""))
    }

    package var isRetriable: Bool { code == .retriable }

    package var javaClass: String {
        switch code {
        case .data: "org.apache.kafka.connect.errors.DataException"
        case .config: "org.apache.kafka.common.config.ConfigException"
        case .retriable: "org.apache.kafka.connect.errors.RetriableException"
        case .connect: "org.apache.kafka.connect.errors.ConnectException"
        case .kafka: "org.apache.kafka.common.KafkaException"
        case .schemaBuilder: "org.apache.kafka.connect.errors.SchemaBuilderException"
        case .schemaProjection: "org.apache.kafka.connect.errors.SchemaProjectorException"
        case .illegalArgument: "java.lang.IllegalArgumentException"
        case .nullPointer: "java.lang.NullPointerException"
        case .indexOutOfBounds: "java.lang.IndexOutOfBoundsException"
        case .illegalState: "java.lang.IllegalStateException"
        }
    }

    /// As Java prints an exception, without causes.
    package var heading: String { "\(javaClass): \(message)" }

    package var description: String { heading + causes.map { ", caused by \($0)" }.joined() }
}
