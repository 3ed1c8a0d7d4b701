/// A kind of connector. Plugins are values that hold what all connectors of the kind share: an HTTP client, the way to the
/// cluster. Whoever puts the program together lists them; the worker knows nothing else of them.
package protocol ConnectorPlugin: Sendable {
    /// The class names that configurations may give, the one that is shown first: the original's, so that
    /// configurations written for it run unchanged.
    var classNames: [String] { get }
    /// Of the plugin, as lists and statuses show it.
    var version: String { get }
    /// The options of its own; those of every connector come from `ConnectorConfig`.
    var definition: ConfigDef { get }

    /// Beginnings of names of options that are not in `definition` and may count all the same.
    var openPrefixes: [String] { get }

    /// Whether there are connectors of it; where there are none, it is known so that a configuration is refused with what
    /// there is.
    var isAvailable: Bool { get }

    /// A configuration with today's names for options that had others in earlier versions; what was given stays in it.
    func modernized(_ properties: [String: String]) -> [String: String]

    /// What is wrong with a configuration whose options are right one by one: options that do not go together, servers
    /// that do not answer. Called by `validate` and before a connector is created, with placeholders resolved.
    func problems(with properties: [String: String]) async -> [ConfigProblem]

    /// The configurations of the connector's tasks: how its work is split.
    ///
    /// - Parameter properties: the connector's, with placeholders resolved.
    /// - Parameter countMax: `tasks.max`.
    /// - Throws: what keeps the connector from starting; it is `FAILED` then.
    func taskConfigs(
        _ properties: [String: String], countMax: Int
    ) async throws(ConnectError) -> [[String: String]]
}

extension ConnectorPlugin {
    package var openPrefixes: [String] { [] }
    package var isAvailable: Bool { true }
    package func modernized(_ properties: [String: String]) -> [String: String] { properties }

    package func problems(with properties: [String: String]) async -> [ConfigProblem] { [] }
}

/// Something that is wrong with one option of a configuration.
package struct ConfigProblem: Sendable, Hashable {
    package var option: String
    package var message: String

    package init(_ option: String, _ message: String) {
        self.option = option
        self.message = message
    }
}

/// What is known of a task when it is made.
package struct TaskIdentity: Sendable, Hashable, CustomStringConvertible {
    package var connector: String
    /// From 0.
    package var task: Int

    package init(connector: String, task: Int) {
        self.connector = connector
        self.task = task
    }

    /// As the original names tasks in its log.
    package var description: String { "\(connector)-\(task)" }
}

/// How bad a line of a task's log is.
package enum TaskLogLevel: Sendable { case debug, info, warning, error }
