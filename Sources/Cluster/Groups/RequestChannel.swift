import CRdKafka
package import KafkaMessages

/// Who has to answer a request.
package enum RequestTarget: Hashable, Sendable {
    case anyBroker
    case broker(Int32)
    case groupCoordinator(String)
    case transactionCoordinator(String)
}

/// Kafka's own requests, for what lies beyond topics and records: groups of every protocol type, and transactions.
///
/// Everything about groups is written once on top of it. `EmbeddedCluster` answers by function calls; `RemoteCluster`
/// has connections of its own for it, because librdkafka offers neither other protocol types than `consumer` nor, in the
/// versions around, KIP-848.
package protocol RequestChannel: AnyObject, Sendable {
    /// How long a request may take when its caller has no opinion.
    var timeout: Duration { get }

    /// Sends one request and waits for its answer. Error codes inside the answer are the caller's to read.
    ///
    /// - Parameters:
    ///   - versions: what the caller can fill in and read; the newest of them that the broker offers is used.
    ///   - timeout: connecting included.
    ///   - make: the request in the version that was chosen.
    /// - Throws: `.unsupportedVersion` when the broker offers none of the versions, `.requestTimedOut`,
    ///   `.networkException`, `.brokerNotAvailable`, `.coordinatorNotAvailable`. Cancellation of the task ends the wait
    ///   with `.requestTimedOut`; whether the broker has done it is unknown then.
    func call<Request: KafkaRequest>(
        to target: RequestTarget, versions: ClosedRange<Int16>, timeout: Duration,
        _ make: @Sendable (Int16) -> Request
    ) async throws(ClusterError) -> Request.Response

    /// Looks for a coordinator anew before the next request to it: it said that it is none.
    func forget(_ target: RequestTarget)

    /// The broker behind a target.
    func broker(_ target: RequestTarget) async throws(ClusterError) -> BrokerDescription

    /// A channel for requests that wait at the broker, such as JoinGroup: the answers of one connection come in order, so
    /// others must not stand behind them. Close it when done.
    func separate() -> any RequestChannel

    /// Gives back the connections. Requests under way fail.
    func close()
}

extension RequestChannel {
    /// `call` to a coordinator, again and again while it moves, starts or cannot be reached, until `timeout`, the
    /// channel's own by default.
    ///
    /// - Parameters:
    ///   - attempt: what is attempted, for the message of an error.
    ///   - code: the error code of an answer.
    ///   - retried: codes that are worth another attempt besides those that a moving coordinator gives.
    /// - Returns: the answer, whatever other code it carries.
    package func coordinated<Request: KafkaRequest>(
        by target: RequestTarget, _ attempt: String, versions: ClosedRange<Int16> = Request.versions,
        timeout: Duration? = nil, retried: Set<ErrorCode> = [], _ make: @Sendable (Int16) -> Request,
        code: (Request.Response) -> Int16
    ) async throws(ClusterError) -> Request.Response {
        let clock = ContinuousClock()
        let deadline = clock.now + (timeout ?? self.timeout)
        var pause = Duration.milliseconds(20)
        while true {
            let failure: ClusterError
            do throws(ClusterError) {
                let response = try await call(
                    to: target, versions: versions, timeout: max(.milliseconds(1), deadline - clock.now), make)
                let code = ErrorCode(rawValue: code(response))
                guard Self.moving.contains(code) || retried.contains(code) else { return response }
                if Self.moving.contains(code) { forget(target) }
                failure = ClusterError(code: code, attempt)
            } catch {
                guard Self.unreachable.contains(ErrorCode(rawValue: error.code.rawValue)) else {
                    throw error.during(attempt)
                }
                forget(target)
                failure = error.during(attempt)
            }
            guard clock.now + pause < deadline, !Task.isCancelled else { throw failure }
            try? await Task.sleep(for: pause)  // a cancelled wait ends at the next look above
            pause = min(pause * 2, .milliseconds(500))
        }
    }

    private static var moving: Set<ErrorCode> {
        [.coordinatorLoadInProgress, .coordinatorNotAvailable, .notCoordinator]
    }

    private static var unreachable: Set<ErrorCode> {
        [.networkException, .brokerNotAvailable, .coordinatorNotAvailable, .coordinatorLoadInProgress]
    }
}

extension ClusterError {
    /// A code that came in an answer.
    ///
    /// - Parameters:
    ///   - attempt: what was attempted, such as `join group 'g'`.
    ///   - detail: the broker's own words, if it has any.
    package init(code: ErrorCode, _ attempt: String, detail: String? = nil) {
        let words = detail.flatMap { $0.isEmpty ? nil : $0 } ?? Self.words(rd_kafka_resp_err_t(Int32(code.rawValue)))
        self.init(Code(rawValue: code.rawValue), "\(attempt): \(words)")
    }

    /// The same error with what was attempted in front.
    package func during(_ attempt: String) -> ClusterError {
        ClusterError(code, message.hasPrefix(attempt) ? message : "\(attempt): \(message)", hint: hint)
    }
}

/// Throws the error of a code that is not 0.
package func check(_ code: Int16, _ attempt: String, detail: String? = nil) throws(ClusterError) {
    guard code == 0 else { throw ClusterError(code: ErrorCode(rawValue: code), attempt, detail: detail) }
}
