internal import Synchronization

/// Tells once what would otherwise be told with every row.
final class PostgresWarning: Sendable {
    private let isTold = Mutex(false)
    private let log: @Sendable (String) -> Void

    init(_ log: @escaping @Sendable (String) -> Void) { self.log = log }

    func tell(_ message: String) {
        let isFirst = isTold.withLock { isTold in
            defer { isTold = true }
            return !isTold
        }
        if isFirst { log(message) }
    }
}
