/// A kind of connector that takes data out.
package protocol SinkPlugin: ConnectorPlugin {
    /// Looks at the offsets of topic partitions that somebody wants to set; nil goes back to the beginning.
    ///
    /// - Returns: whether the connector agrees with them by its own knowledge of the target.
    /// - Throws: what is wrong with them; nothing is changed then.
    func alterOffsets(
        _ properties: [String: String], _ offsets: [SinkPartition: Int64?]
    ) async throws(ConnectError) -> Bool

    /// What the connector would meet if the records of a topic became others: fields that its options name, columns of
    /// its target.
    func consequences(of change: RecordChange, _ properties: [String: String]) -> [RecordChange.Consequence]

    /// Makes a task; it does nothing before `start`.
    func makeTask(
        _ properties: [String: String], _ context: any SinkTaskContext
    ) throws(ConnectError) -> any SinkTask
}

extension SinkPlugin {
    package func alterOffsets(
        _ properties: [String: String], _ offsets: [SinkPartition: Int64?]
    ) async throws(ConnectError) -> Bool { false }

    package func consequences(
        of change: RecordChange, _ properties: [String: String]
    ) -> [RecordChange.Consequence] { change.templates(properties) }

    /// Sinks share their topics' partitions: every task has the same configuration.
    package func taskConfigs(
        _ properties: [String: String], countMax: Int
    ) async throws(ConnectError) -> [[String: String]] {
        Array(repeating: properties, count: countMax)
    }
}

/// A partition of a topic that a sink reads.
package struct SinkPartition: Sendable, Hashable {
    package var topic: String
    package var partition: Int32

    package init(topic: String, partition: Int32) {
        self.topic = topic
        self.partition = partition
    }
}

/// Writes to a target. One caller at a time.
///
/// Life: `start`, `open`, then `put` and `preCommit` in turn, with `close` and `open` when partitions move, `stop` at the
/// end, also after a failure of any of them.
package protocol SinkTask: AnyObject, Sendable {
    /// Connects to the target.
    func start() async throws(ConnectError)

    /// Partitions that are this task's from now on; they come in addition to those it has.
    func open(_ partitions: [SinkPartition]) async throws(ConnectError)

    /// Takes records, those of one partition in their order, for the target. It may keep them until `preCommit`. Called
    /// without records now and then, so that tasks that wait for a time can act.
    ///
    /// - Throws: `.retriable`: the same records come again after a while; all others end the task.
    func put(_ records: [ConnectRecord]) async throws(ConnectError)

    /// What of the records that were put may count as done: brings what is kept to the target where it can.
    ///
    /// - Parameter offsets: for each partition the offset after the last record that was put.
    /// - Returns: the offsets to commit. A partition that is left out keeps the one it has.
    func preCommit(_ offsets: [SinkPartition: Int64]) async throws(ConnectError) -> [SinkPartition: Int64]

    /// These offsets, which `preCommit` gave, are committed.
    func committed(_ offsets: [SinkPartition: Int64]) async

    /// Partitions that are somebody else's from now on; what `preCommit` did not count comes again there.
    func close(_ partitions: [SinkPartition]) async

    /// Gives back what the task holds.
    func stop() async

    /// How many records it likes to get at once when there are so many; what a configuration says of
    /// `max.poll.records` comes first.
    var recordCountWanted: Int { get }

    /// Whether the next records may be made ready while it writes: for tasks that neither pause partitions nor seek
    /// but in `open`.
    var readsAhead: Bool { get }
}

extension SinkTask {
    package var recordCountWanted: Int { 500 }
    package var readsAhead: Bool { false }

    package func committed(_ offsets: [SinkPartition: Int64]) async {}
    package func open(_ partitions: [SinkPartition]) async throws(ConnectError) {}
    package func close(_ partitions: [SinkPartition]) async {}
}

/// What the worker offers to a task of a sink.
package protocol SinkTaskContext: Sendable {
    var identity: TaskIdentity { get }
    /// Has offsets committed soon, without waiting for `offset.flush.interval.ms`.
    func requestCommit()
    /// Goes on reading from these offsets: a target that keeps offsets itself calls it in `open`.
    func seek(_ offsets: [SinkPartition: Int64])
    /// Stops reading partitions until `resume`; what was read comes no more either.
    func pause(_ partitions: [SinkPartition])
    func resume(_ partitions: [SinkPartition])
    /// How long to wait before a batch comes again that failed with `.retriable`; the worker's own measure otherwise.
    func retry(after: Duration)
    /// Hands over a record that the target will never take: to the dead letter topic, or past it, as `errors.tolerance`
    /// has it (KIP-610). Returns when that is done.
    ///
    /// - Throws: when errors are not tolerated, or neither a dead letter topic nor the log would tell of them: the task
    ///   must end with it.
    func report(_ record: ConnectRecord, _ error: ConnectError) async throws(ConnectError)
    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String)
    /// Milliseconds since 1970.
    var now: Int64 { get }
}
