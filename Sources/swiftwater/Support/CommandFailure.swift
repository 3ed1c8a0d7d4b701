import Cluster

/// Why a command did not do what it was asked: one line for people, a hint where one helps, and the exit code.
struct CommandFailure: Error {
    /// 1: the operation failed. 64 (`EX_USAGE`): the command line makes no sense, as for the argument parser's errors.
    enum Kind: Int32 {
        case failed = 1
        case usage = 64
        /// Ctrl-C before the work was done, as shells number it.
        case interrupted = 130
    }

    var kind: Kind
    var message: String
    var hint: String?

    init(_ message: String, hint: String? = nil, kind: Kind = .failed) {
        self.kind = kind
        self.message = message
        self.hint = hint
    }

    static func usage(_ message: String, hint: String? = nil) -> CommandFailure {
        CommandFailure(message, hint: hint, kind: .usage)
    }

    /// An error of the cluster, with what can be done about it where that is always the same.
    init(_ error: ClusterError) {
        kind = .failed
        message = error.message
        hint = error.hint
        guard hint == nil else { return }
        switch error.code {
        case .topicAuthorizationFailed, .groupAuthorizationFailed, .clusterAuthorizationFailed:
            hint = "the user of this connection is not permitted to do that"
        case .saslAuthenticationFailed: hint = "check user and password (--command-config or -X sasl.username=...)"
        case .messageTooLarge: hint = "the topic's limit is its configuration max.message.bytes"
        case .recordListTooLarge: hint = "a batch has to fit into a segment: the topic's configuration segment.bytes"
        case .invalidRecord where !message.contains("key"): hint = "every record of a compacted topic needs a key"
        case .producerFenced: hint = TransactionHint.fenced
        case .unsupportedVersion where !message.contains("does not offer"):
            hint = "this cluster does not offer the operation"
        default: break
        }
    }

    var exitCode: Int32 { kind.rawValue }

    var text: String {
        "swiftwater: \(message)" + (hint.map { "\n  hint: \($0)" } ?? "")
    }
}
