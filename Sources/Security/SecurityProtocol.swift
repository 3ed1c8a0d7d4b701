/// What a listener speaks, by the names of Kafka's `security.protocol`.
package enum SecurityProtocol: String, CaseIterable, Sendable {
    case plaintext = "PLAINTEXT"
    case ssl = "SSL"
    case saslPlaintext = "SASL_PLAINTEXT"
    case saslSSL = "SASL_SSL"

    /// Whether bytes are encrypted on the way.
    package var usesTLS: Bool { self == .ssl || self == .saslSSL }
    /// Whether clients say who they are by SASL.
    package var usesSASL: Bool { self == .saslPlaintext || self == .saslSSL }
}
