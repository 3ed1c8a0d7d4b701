internal import ConnectCore

/// A failure of a server or of the way to it.
protocol SourceFailure: Error, CustomStringConvertible {
    /// Whether a new connection may do better.
    var isConnectionLost: Bool { get }
}

extension MySQLError: SourceFailure {}
extension PostgresError: SourceFailure {}

/// Tries again while the way to a server is broken, as `errors.max.retries` and `retriable.restart.connector.wait.ms` say.
struct Retries: Sendable {
    let options: EventOptions
    /// Whether a connection that is lost is made anew.
    let reconnects: Bool
    let queue: RecordQueue
    let log: @Sendable (TaskLogLevel, String) -> Void

    /// - Throws: what `body` throws besides failures that are tried again; `ConnectError` when that is over; `StopError`.
    func insisting<Result>(_ what: String, _ body: () throws -> Result) throws -> Result {
        var count = 0
        while true {
            do { return try body() } catch let error as any SourceFailure {
                if queue.isStopped { throw StopError() }
                count += 1
                try pause(what, error, count)
            }
        }
    }

    /// Waits before the next try, or gives up.
    ///
    /// - Parameter count: of tries that failed.
    func pause(_ what: String, _ error: any SourceFailure, _ count: Int) throws {
        let isOver = options.retryCountMax >= 0 && count > options.retryCountMax
        guard error.isConnectionLost, reconnects, !isOver else {
            throw ConnectError(
                .connect,
                "\(what) failed: \(error)"
                    + (error.isConnectionLost ? ". Check database.hostname and database.port" : ""))
        }
        log(.warning, "\(what) failed and is tried again: \(error)")
        // A server that restarts is soon back.
        let wait = min(options.retryWait, .milliseconds(250 * (1 << min(count - 1, 8))))
        if !queue.sleep(wait) { throw StopError() }
    }
}
