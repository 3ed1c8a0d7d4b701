package import SQLPlan
package import SQLTypes
package import StreamEngine

/// Runs queries on a cluster: what the SQL server asks of the machinery below it.
///
/// Every method may be called from any task at any time. A query that fails disturbs no other.
package protocol QueryRunner: Sendable {
    /// Starts a persistent query. Its topics are made; its state is read back when it ran before.
    ///
    /// - Parameter properties: of the statement's session, merged with the server's: `processing.guarantee`,
    ///   `auto.offset.reset`, `ksql.*` as the reference's section 21 has them.
    /// - Throws: `.invalidPlan`, `.duplicate` for an id that runs, `.cluster` when topics cannot be made.
    func start(_ plan: PhysicalPlan, properties: [String: String], isPaused: Bool) async throws(RunError)

    /// Goes on with another plan under the same id, keeping place and state as far as both plans have the same stores.
    func replace(_ plan: PhysicalPlan, properties: [String: String]) async throws(RunError)

    /// Ends a query. With `forgets`, its internal topics, committed offsets and snapshots go too: it was dropped, not stopped.
    func stop(_ id: String, forgets: Bool) async

    /// - Throws: `.unknown`.
    func pause(_ id: String) async throws(RunError)
    func resume(_ id: String) async throws(RunError)

    /// What is running; also queries that failed, until they are stopped.
    func statuses() async -> [QueryStatus]
    func status(of id: String) async -> QueryStatus?

    /// Starts the query of a client: in memory, at its own pace, gone with the client.
    func subscribe(_ plan: PhysicalPlan, _ options: SubscriptionOptions) async throws(RunError) -> any RowSubscription

    /// Joins the rows that a running persistent query puts out from now on (scalable push queries).
    ///
    /// - Throws: `.unknown`.
    func tap(_ id: String, _ options: SubscriptionOptions) async throws(RunError) -> any RowSubscription

    /// Rows of the table that a persistent query keeps: its sink's columns, as of the last commit. For the internal query of
    /// a source table the columns of the source.
    ///
    /// - Throws: `.unknown`; `.notMaterialized` when the query keeps no table; `.notReady` while its state is being read back;
    ///   `.failed` when the query has ended.
    func read(_ read: TableRead, of id: String) async throws(RunError) -> [TableRow]

    /// The same for keys, on the thread that asks and without waiting for anything; nil when `read` has to be asked: rows of
    /// this node's memory that are committed as they are, and not more than `rowCountMax` of them, are at hand.
    func readAtHand(_ read: TableRead, of id: String, rowCountMax: Int) -> [TableRow]?

    /// Ends everything in good order: what was begun is committed, snapshots are written.
    func shutdown() async

    // MARK: Several nodes

    /// Which nodes have the rows of a read; nil: this one has them all.
    ///
    /// - Throws: `.unknown`; `.notReady` while some are on their way from one node to another.
    func placement(of id: String, for read: TableRead) async throws(RunError) -> [NodePart]?

    /// `read` of some partitions of a table, by partition.
    ///
    /// - Throws: as `read`; `.notReady` also when this node does not have one of them.
    func read(
        _ read: TableRead, of id: String, partitions: [Int32]
    ) async throws(RunError) -> [(partition: Int32, rows: [TableRow])]

    /// Addresses of all nodes that have to do with the queries of this one.
    func nodes() async -> Set<String>

    /// How far the state of queries is that this node has.
    func progress() async -> [StoreProgress]

    /// What each node is to have of the queries of this one, by query and the node's address; only of those that are shared.
    func shares() async -> [String: [String: NodeShare]]

    /// "host:port" by which other nodes reach this one; called before the first query starts.
    func announce(_ address: String)
}

/// A runner that shares nothing and has nothing at hand.
extension QueryRunner {
    package func placement(of id: String, for read: TableRead) async throws(RunError) -> [NodePart]? { nil }
    package func read(
        _ read: TableRead, of id: String, partitions: [Int32]
    ) async throws(RunError) -> [(partition: Int32, rows: [TableRow])] {
        throw RunError(.notReady, "this node shares no queries")
    }
    package func readAtHand(_ read: TableRead, of id: String, rowCountMax: Int) -> [TableRow]? { nil }
    package func nodes() async -> Set<String> { [] }
    package func progress() async -> [StoreProgress] { [] }
    package func shares() async -> [String: [String: NodeShare]] { [:] }
    package func announce(_ address: String) {}
}

/// Why queries cannot be run, or were not.
package struct RunError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        case invalidPlan, duplicate, unknown, notMaterialized, notReady, cluster
        /// The query has ended with an error, which the message tells.
        case failed
        /// The memory of the query or of all queries is used up.
        case memory
        /// A record or an expression ended the query.
        case processing
        case stopping
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}

/// How a persistent query is.
package struct QueryStatus: Sendable {
    package enum State: String, Sendable {
        /// State is read back, or partitions are on their way from another node.
        case rebalancing = "REBALANCING"
        case running = "RUNNING"
        case paused = "PAUSED"
        case error = "ERROR"
    }

    /// One operator of the query over all its tasks, from the sources up.
    package struct Step: Sendable {
        package var name: String
        package var operation: String
        package var counters: OperatorCounters

        package init(name: String, operation: String, counters: OperatorCounters) {
            self.name = name
            self.operation = operation
            self.counters = counters
        }
    }

    /// How far a source partition is.
    package struct Position: Sendable {
        package var topic: String
        package var partition: Int32
        /// The next record to be read, as of the last commit; -1 before the first.
        package var committed: Int64
        package var start: Int64
        package var end: Int64

        package var lag: Int64 { max(0, end - max(committed, start)) }

        package init(topic: String, partition: Int32, committed: Int64, start: Int64, end: Int64) {
            self.topic = topic
            self.partition = partition
            self.committed = committed
            self.start = start
            self.end = end
        }
    }

    package var id: String
    package var state: State
    /// The latest failures, newest last: what happened, and when in milliseconds since 1970.
    package var errors: [(timestamp: Int64, message: String)]
    package var steps: [Step]
    package var positions: [Position]
    /// Names of the tasks that this node runs, part and partition, as in `0_3`.
    package var tasks: [String]
    /// The largest timestamp of a record that was processed; nil before the first.
    package var streamTime: Int64?
    package var stateBytes: Int
    /// Records read, written, and dropped with an entry in the processing log, since the start.
    package var consumed: Int
    package var produced: Int
    package var failed: Int
    /// When the last record went in and out, in milliseconds since 1970; nil before the first.
    package var lastMessage: Int64?

    package init(id: String, state: State) {
        self.id = id
        self.state = state
        errors = []
        steps = []
        positions = []
        tasks = []
        streamTime = nil
        stateBytes = 0
        consumed = 0
        produced = 0
        failed = 0
        lastMessage = nil
    }
}

package struct SubscriptionOptions: Sendable {
    package enum Start: Sendable, Hashable { case earliest, latest, timestamp(Int64) }

    package var properties: [String: String] = [:]
    package var start = Start.latest
    /// The subscription completes when everything that was in the topics at its beginning has been read: what a pull query
    /// over a stream needs.
    package var isBounded = false
    /// With `isBounded`: only records before this time, in milliseconds since 1970.
    package var endTimestamp: Int64?
    /// A client that leaves more than this unread holds its query up (a tap is cut off).
    package var bufferByteCountMax = 4 << 20

    package init() {}
}

/// Rows on their way to one client.
package protocol RowSubscription: AnyObject, Sendable {
    /// Waits for the next rows or the end; nil after the end was given. One caller at a time. Cancellation ends the wait with
    /// nil.
    func next() async -> SubscriptionEvent?
    /// Ends the query. Repeated calls do nothing.
    func cancel() async
}

package enum SubscriptionEvent: Sendable {
    case rows([SubscribedRow])
    case end(SubscriptionEnd)
}

package enum SubscriptionEnd: Sendable {
    case limitReached
    /// All of a bounded read was given, or the query that was tapped has ended.
    case completed
    case failed(RunError)
}

package struct SubscribedRow: Sendable {
    /// The columns of the plan's root, in order; of a tombstone of a table only key columns are not null.
    package var values: [SQLValue]
    package var isTombstone: Bool
    /// Of a tombstone of a windowed table: start and end in milliseconds since 1970.
    package var window: (start: Int64, end: Int64)?

    package init(values: [SQLValue], isTombstone: Bool = false, window: (start: Int64, end: Int64)? = nil) {
        self.values = values
        self.isTombstone = isTombstone
        self.window = window
    }
}
