internal import ConnectCore

/// `connection.attempts` and `connection.backoff.ms`.
struct ConnectionAttempts: Sendable {
    var countMax: Int
    var rest: Duration

    /// - Parameters:
    ///   - connect: nil once there is a connection, else what it failed with and whether another attempt may do better.
    /// - Returns: what the last attempt failed with; nil once there is a connection.
    func run<Failure>(
        _ pause: TaskPause, warn: (String) -> Void,
        _ connect: () async -> (failure: Failure, message: String, isPassing: Bool)?
    ) async -> Failure? {
        for attempt in 1... {
            guard let found = await connect() else { return nil }
            // Once it is cancelled no pause lasts: what attempts are left would run one after the other.
            guard found.isPassing, attempt < countMax, !pause.isEnded, !Task.isCancelled else { return found.failure }
            warn("Attempt \(attempt) of \(countMax) failed: \(found.message)")
            await pause.wait(rest)
        }
        return nil
    }
}
