/// A kind of connector that brings data in.
package protocol SourcePlugin: ConnectorPlugin {
    /// Whether the connector's offsets are such that records committed in one transaction with them come exactly once
    /// (KIP-618).
    func supportsExactlyOnce(_ properties: [String: String]) -> Bool

    /// Whether the connector says where transactions end, which `transaction.boundary=connector` asks for.
    func definesBoundaries(_ properties: [String: String]) -> Bool

    /// Looks at offsets that somebody wants to set, each with its partition; nil drops it.
    ///
    /// - Returns: whether the connector knows such offsets: the answer to the request says so.
    /// - Throws: what is wrong with them; nothing is changed then.
    func alterOffsets(
        _ properties: [String: String], _ offsets: [(partition: ConnectMap, offset: ConnectMap?)]
    ) async throws(ConnectError) -> Bool

    /// Makes a task; it does nothing before `start`.
    func makeTask(
        _ properties: [String: String], _ context: any SourceTaskContext
    ) throws(ConnectError) -> any SourceTask
}

extension SourcePlugin {
    package func supportsExactlyOnce(_ properties: [String: String]) -> Bool { false }

    package func definesBoundaries(_ properties: [String: String]) -> Bool { false }

    package func alterOffsets(
        _ properties: [String: String], _ offsets: [(partition: ConnectMap, offset: ConnectMap?)]
    ) async throws(ConnectError) -> Bool { false }
}

/// Reads a source. One caller at a time, but for `stop`, which may come at any moment from anywhere.
///
/// Life: `start`, then `poll` and `committed` in turn, `stop` at the end, also after a failure of any of them.
package protocol SourceTask: AnyObject, Sendable {
    /// Finds the place to go on from (`SourceTaskContext.offset`) and connects.
    func start() async throws(ConnectError)

    /// The next records, in their order. Waits for some; returns without any after a moment (at most about a second) when
    /// none came, and at once when the task is cancelled or stopped. How many records it gives at once is the
    /// task's affair; a few thousand, or a few megabytes, are a good measure.
    ///
    /// - Throws: `.retriable`: the same call is tried again after a while; all others end the task.
    func poll() async throws(ConnectError) -> SourcePoll

    /// Everything that was polled so far is in its topics, and its offsets are stored: what the source keeps for a second
    /// reading may go.
    func committed() async throws(ConnectError)

    /// Whether a `poll` is cancelled when the task is to pause, and what it had begun is lost. Without, a pause waits until
    /// it returns, and takes what it brings: for what cannot be begun again where it was left. A stop cancels it always.
    var pauseEndsPoll: Bool { get }

    /// Ends a `poll` that waits and gives back what the task holds.
    func stop() async
}

extension SourceTask {
    package func committed() async throws(ConnectError) {}

    package var pauseEndsPoll: Bool { true }
}

/// What a source had.
package struct SourcePoll: Sendable {
    /// What becomes of the transaction after these records, for `transaction.boundary=connector` (KIP-618).
    package enum Boundary: Sendable { case none, commit, abort }

    /// Each with `.source` as its origin: the offset is where to go on after the record.
    package var records: [ConnectRecord]
    /// Records that the task has written itself.
    package var written: [WrittenRecords] = []
    package var boundary: Boundary
    /// The source has nothing more to give, ever: the task rests, still RUNNING, without being polled again.
    package var isFinished: Bool

    package init(_ records: [ConnectRecord] = [], boundary: Boundary = .none, isFinished: Bool = false) {
        self.records = records
        self.boundary = boundary
        self.isFinished = isFinished
    }

    package var recordCount: Int { written.reduce(records.count) { $0 + $1.count } }
}

/// What the worker offers to a task of a source.
package protocol SourceTaskContext: Sendable {
    var identity: TaskIdentity { get }
    /// Where the connector's own offset of a partition is; nil when it has none. Those of records that were polled but
    /// are not committed do not count.
    func offset(of partition: ConnectMap) async throws(ConnectError) -> ConnectMap?
    /// All that the connector has.
    func offsets() async throws(ConnectError) -> [(partition: ConnectMap, offset: ConnectMap)]
    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String)
    /// Milliseconds since 1970.
    var now: Int64 { get }
    /// How keys and values of these schemas become bytes for a topic, for tasks that read much: nil where their records
    /// have to come as values, because a transform or a converter wants to see them. A nil key stays null.
    ///
    /// - Throws: what the converters throw; `.retriable` when asking again may help.
    func writing(
        topic: String, key: ConnectSchema?, value: ConnectSchema
    ) async throws(ConnectError) -> RecordWriting?
    /// Asks for a new round of `taskConfigs`: the source has other parts than before.
    func requestReconfiguration()
}

extension SourceTaskContext {
    package func writing(
        topic: String, key: ConnectSchema?, value: ConnectSchema
    ) async throws(ConnectError) -> RecordWriting? { nil }
}
