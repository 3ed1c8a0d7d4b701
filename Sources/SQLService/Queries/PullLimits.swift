import NIOCore
import SQLPlan
import Synchronization

/// How much pull queries may ask of this server: `ksql.query.pull.max.qps`, `...max.concurrent.requests` and
/// `...max.hourly.bandwidth.megabytes`. What is not set is not limited.
final class PullLimits: Sendable {
    private struct State {
        /// Queries that may begin now; grows with time up to a second's worth.
        var tokens = 0.0
        var filled: NIODeadline?
        var running = 0
        /// Bytes of answers, by the minute of the last hour.
        var minutes: [(minute: UInt64, bytes: Int)] = []
    }

    private let perSecondMax: Double?
    private let runningMax: Int?
    private let hourlyByteCountMax: Int?
    private let state = Mutex(State())

    init(_ properties: [String: String]) {
        func limit(_ name: String) -> Int? {
            // The original's word for no limit is the largest INT.
            properties["ksql.query.pull." + name].flatMap { Int($0) }.flatMap { 0..<Int(Int32.max) ~= $0 ? $0 : nil }
        }
        perSecondMax = limit("max.qps").map(Double.init)
        runningMax = limit("max.concurrent.requests")
        hourlyByteCountMax = limit("max.hourly.bandwidth.megabytes").map { $0 << 20 }
        isUnlimited = perSecondMax == nil && runningMax == nil && hourlyByteCountMax == nil
    }

    private let isUnlimited: Bool

    /// - Throws: 42900; else `end` has to follow.
    func begin(at now: NIODeadline = .now()) throws(KsqlFailure) {
        guard !isUnlimited else { return }
        let refusal = state.withLock { state -> String? in
            if let perSecondMax {
                let elapsed = state.filled.map { Double((now - $0).nanoseconds) / 1e9 } ?? 1
                state.tokens = min(perSecondMax, state.tokens + max(0, elapsed) * perSecondMax)
                state.filled = now
                guard state.tokens >= 1 else {
                    return
                        "Host is at rate limit for pull queries. Currently set to \(perSecondMax) queries per second."
                }
            }
            if let runningMax, state.running >= runningMax {
                return
                    "Host is at concurrency limit for pull queries. Currently set to maximum \(runningMax) concurrent"
                    + " requests."
            }
            if let hourlyByteCountMax {
                let minute = now.uptimeNanoseconds / 60_000_000_000
                state.minutes.removeAll { $0.minute + 60 <= minute }
                guard state.minutes.reduce(0, { $0 + $1.bytes }) < hourlyByteCountMax else {
                    return "Host is at bandwidth rate limit for pull queries."
                }
            }
            if perSecondMax != nil { state.tokens -= 1 }
            state.running += 1
            return nil
        }
        if let refusal { throw .tooManyRequests(refusal) }
    }

    /// - Parameter byteCount: of the answer.
    func end(byteCount: Int, at now: NIODeadline = .now()) {
        guard !isUnlimited else { return }
        state.withLock { state in
            state.running -= 1
            guard hourlyByteCountMax != nil else { return }
            let minute = now.uptimeNanoseconds / 60_000_000_000
            if let last = state.minutes.indices.last, state.minutes[last].minute == minute {
                state.minutes[last].bytes += byteCount
            } else {
                state.minutes.append((minute, byteCount))
            }
        }
    }
}
