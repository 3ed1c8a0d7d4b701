import Cluster
import ConnectCore
import Synchronization

/// What the worker offers to a task of a sink: wishes are noted and met between two calls of the task.
final class SinkContext: SinkTaskContext {
    private struct Wishes {
        var seeks: [SinkPartition: Int64] = [:]
        /// Partitions to stop reading (true) or to go on with.
        var pauses: [SinkPartition: Bool] = [:]
        var commits = false
        var retryPause: Duration?
        /// What the records of the present batch were read as.
        var raw: [ConsumerRecord] = []
    }

    private let environment: TaskEnvironment
    private let letters: DeadLetters
    private let isolation: Isolation
    private let wishes = Mutex(Wishes())

    init(_ environment: TaskEnvironment, _ letters: DeadLetters, _ isolation: Isolation) {
        self.environment = environment
        self.letters = letters
        self.isolation = isolation
    }

    var identity: TaskIdentity { environment.identity }
    var now: Int64 { environment.parts.now() }

    func requestCommit() { note { $0.commits = true } }
    func seek(_ offsets: [SinkPartition: Int64]) { note { $0.seeks.merge(offsets) { $1 } } }
    func pause(_ partitions: [SinkPartition]) { note { for partition in partitions { $0.pauses[partition] = true } } }
    func resume(_ partitions: [SinkPartition]) { note { for partition in partitions { $0.pauses[partition] = false } } }
    func retry(after: Duration) { note { $0.retryPause = after } }
    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) { environment.log(level, message()) }

    private func note(_ change: (inout Wishes) -> Void) {
        wishes.withLock { change(&$0) }
        environment.control.signal.notify()
    }

    func report(_ record: ConnectRecord, _ error: ConnectError) async throws(ConnectError) {
        guard let place = SinkPlace(record) else {
            throw ConnectError(.illegalArgument, "a record that was not read from a topic cannot be reported")
        }
        // As where upstream's task gets no reporter: tolerance by itself loses no record that a sink has accepted.
        guard letters.leavesTrace else { throw error }
        let raw: ConsumerRecord?
        if let known = wishes.withLock({ $0.raw.first { SinkPlace($0) == place } }) {
            raw = known
        } else {
            raw = await readAgain(place)
        }
        do throws(TaskFailure) {
            try await letters.take(
                raw, at: place, StageFailure(stage: .taskPut, className: environment.taskClass, error: error))
        } catch {
            throw error.error
        }
    }

    /// A record that was put some batches ago. nil when the topic does not have it any more.
    private func readAgain(_ place: SinkPlace) async -> ConsumerRecord? {
        do throws(ClusterError) {
            let partition = TopicPartition(place.topic, place.partition)
            let reader = try await environment.parts.cluster.reader(
                partition, from: .offset(place.offset), isolation: isolation)
            defer { reader.close() }
            return try await reader.next(maxBytes: 1, timeout: .seconds(5)).records().first {
                $0.offset == place.offset
            }
        } catch {
            environment.log(.warning, "a record that is to be reported cannot be read again: \(error)")
            return nil
        }
    }

    // MARK: For the worker

    func setRaw(_ records: [ConsumerRecord]) { wishes.withLock { $0.raw = records } }

    func takeSeeks() -> [SinkPartition: Int64] {
        wishes.withLock { wishes in
            defer { wishes.seeks = [:] }
            return wishes.seeks
        }
    }

    func takePauses() -> [SinkPartition: Bool] {
        wishes.withLock { wishes in
            defer { wishes.pauses = [:] }
            return wishes.pauses
        }
    }

    func takeCommitWish() -> Bool {
        wishes.withLock { wishes in
            defer { wishes.commits = false }
            return wishes.commits
        }
    }

    func takeRetryPause() -> Duration? {
        wishes.withLock { wishes in
            defer { wishes.retryPause = nil }
            return wishes.retryPause
        }
    }
}
