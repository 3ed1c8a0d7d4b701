import Cluster
import ConnectCore

/// Where in a record's way something failed, in the words of dead letters' headers.
enum Stage: String, Sendable {
    case taskPut = "TASK_PUT"
    case taskPoll = "TASK_POLL"
    case transformation = "TRANSFORMATION"
    case keyConverter = "KEY_CONVERTER"
    case valueConverter = "VALUE_CONVERTER"
    case headerConverter = "HEADER_CONVERTER"
    case produce = "KAFKA_PRODUCE"
    case consume = "KAFKA_CONSUME"
}

/// A failure with the stage and the class, in the original's names, that it happened in.
struct StageFailure: Error {
    var stage: Stage
    var className: String
    var error: ConnectError

    /// What ends a task whose errors are not tolerated.
    var fatal: TaskFailure {
        stage == .taskPut
            ? TaskFailure(error)
            : TaskFailure(
                ConnectError(.connect, "Tolerance exceeded in error handler"), at: className, cause: error)
    }

    /// The original's line of the log, and what went wrong behind it.
    ///
    /// - Parameter record: what the line says of it; nil where the log is not to have it.
    /// - SeeAlso: upstream `LogReporter`, `ProcessingContext.toString`.
    func logLine(_ task: TaskIdentity, record: String?) -> String {
        "Error encountered in task \(task). Executing stage '\(stage.rawValue)' with class '\(className)'"
            + (record.map { ", where " + $0 } ?? "") + ". \(error)"
    }
}

/// What ends a task, and its text in statuses.
struct TaskFailure: Error, CustomStringConvertible {
    var error: ConnectError
    /// Class and method, in the original's names, that it happened in.
    var place: String?
    var cause: ConnectError?

    init(_ error: ConnectError, at place: String? = nil, cause: ConnectError? = nil) {
        self.error = error
        self.place = place
        self.cause = cause
    }

    /// As Java prints an exception, with the places that this worker knows of.
    func trace(of task: String) -> String {
        let place = "\n\tat " + (place.map { "\($0) " } ?? "") + "(task \(task))"
        func text(_ error: ConnectError) -> String {
            error.heading + place + error.causes.map { "\nCaused by: \($0)" }.joined()
        }
        return text(error) + (cause.map { "\nCaused by: " + text($0) } ?? "")
    }

    var description: String { error.description + (cause.map { ", caused by \($0)" } ?? "") }
}

extension ConnectError {
    init(_ error: ClusterError) {
        let code: Code =
            switch error.code {
            case .corruptMessage: .kafka
            case let code where code.isRetriable: .retriable
            default: .connect
            }
        self.init(code, error.description)
    }
}

/// How failures of converters and transforms are met: `errors.*`.
struct ErrorPolicy: Sendable {
    /// nil: without end.
    var retryLimit: Duration?
    var pauseMax: Duration
    var toleratesAll: Bool
    var logs: Bool
    var logsRecords: Bool

    private static let firstPause = Duration.milliseconds(300)

    init(_ values: ConfigValues) {
        let limit = values.integer("errors.retry.timeout") ?? 0
        retryLimit = limit < 0 ? nil : .milliseconds(limit)
        pauseMax = .milliseconds(values.integer("errors.retry.delay.max.ms") ?? 60_000)
        toleratesAll = values.string("errors.tolerance") == "all"
        logs = values.flag("errors.log.enable")
        logsRecords = values.flag("errors.log.include.messages")
    }

    /// Waits before another try, twice as long each time, somewhat at random so that tasks do not come together.
    ///
    /// - Returns: false when there is no time for another try.
    func pause(attempt: Int, since start: ContinuousClock.Instant, _ control: TaskControl) async -> Bool {
        if retryLimit == .zero || control.isStopping { return false }
        var pause = Self.firstPause * (1 << min(attempt, 20))
        if pause > pauseMax {
            pause = pauseMax + .milliseconds(Int64.random(in: 0...max(1, pauseMax.wholeMilliseconds / 10)))
        }
        if let retryLimit {
            let left = retryLimit - start.duration(to: .now)
            guard left > .zero else { return false }
            pause = min(pause, left)
        }
        await control.sleep(pause)
        return !control.isStopping
    }
}
