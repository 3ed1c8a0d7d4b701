internal import ConnectCore

/// Why records could not be written.
struct WriteFailure: Error, Sendable {
    enum Reaction: Sendable {
        /// A record or its table is at fault: the others may do without it.
        case refused
        case again
        /// Nothing will go on without somebody's help.
        case final
    }

    var reaction: Reaction
    var error: ConnectError

    init(_ reaction: Reaction, _ error: ConnectError) {
        self.reaction = reaction
        self.error = error
    }

    init(_ failure: SQLFailure, trimmed: Bool) {
        reaction =
            switch failure.reaction {
            case .refused, .split: .refused
            case .again: .again
            case .denied: .final
            }
        error = ConnectError(.connect, failure.text(withDetail: !trimmed))
    }
}
