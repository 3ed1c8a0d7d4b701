import SQLPlan

/// What the commands so far add up to on this node.
struct EngineState {
    var catalog = Catalog() { didSet { version &+= 1 } }
    /// What each persistent query was started with.
    var queryProperties: [String: [String: String]] = [:]
    /// By ALTER SYSTEM.
    var systemProperties: [String: String] = [:] { didSet { version &+= 1 } }
    /// Another one with every change of what statements are planned by.
    private(set) var version: UInt64 = 1
    var statuses: [String: CommandStatus] = [:]
    /// In the order of the first command of each id; the oldest are forgotten.
    private var statusOrder: [String] = []
    /// The number of the last command that was executed.
    var lastNumber: Int64 = 0
    /// All commands that were executed and changed something, for compaction.
    var history: [Command] = []
    /// Commands before what is kept in `history`: records that are in the topic and mean nothing any more.
    var recordCount = 0
    /// Commands that failed: they are not in `history`.
    var failedCount = 0
    /// Queries that the runner did not take, and why: they are tried again.
    var startFailures: [String: String] = [:]
    var isReady = false
    var isTerminated = false
    var isStopping = false
    /// Why commands are not executed any more.
    var degradation: String?

    private static let statusCountMax = 10_000

    mutating func set(_ status: CommandStatus, of id: CommandID) {
        let name = id.description
        if statuses.updateValue(status, forKey: name) == nil {
            statusOrder.append(name)
            if statusOrder.count > Self.statusCountMax { statuses[statusOrder.removeFirst()] = nil }
        }
    }
}

/// How far a command is.
package struct CommandStatus: Sendable, Hashable {
    package enum Status: String, Sendable {
        case queued = "QUEUED"
        case executing = "EXECUTING"
        case terminated = "TERMINATED"
        case success = "SUCCESS"
        case error = "ERROR"
    }

    package var status: Status
    package var message: String
    package var queryID: String?
}
