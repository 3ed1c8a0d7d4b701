package import Environment
package import StreamEngine

/// How a `QueryRuntime` runs queries.
package struct RuntimeSettings: Sendable {
    /// `ksql.service.id`
    package var serviceID = "default_"
    /// Threads that queries share; nil: as many as there are cores.
    package var workerCount: Int?
    /// Where snapshots of state are kept, a folder for each query; nil: none are, and state is read from changelogs.
    package var snapshotFolder: String?
    /// Where state lies that does not fit into memory, in files without a name; nil: as `EngineSettings` has it.
    package var stateFolder: String?
    /// Where `snapshotFolder` is.
    package var disk: any Disk = RealDisk()
    /// Functions and formats for one task, which is their only user, under the properties of its query.
    package var libraries: @Sendable (_ properties: [String: String]) -> EngineLibraries
    /// Bytes of state that one query may have; nil: no bound.
    package var queryStateByteCountMax: Int?
    /// Bytes of state that all queries may have together; nil: no bound. Beyond it the query with the most fails.
    package var stateByteCountMax: Int?
    /// Changes of state after which a snapshot is written, at least; queries with more rows than that wait for twice as many
    /// changes as they have rows.
    package var snapshotChangeCountMin = 1_000_000
    /// How often topics are looked at for new partitions and for records that nobody needs any more.
    package var upkeepInterval = Duration.seconds(5)
    /// Gets what queries note about single records; called on the threads that process them, and should return soon.
    package var processingLog: (@Sendable (_ queryID: String, _ entry: ProcessingLogEntry) -> Void)?
    /// Deletes subjects of the registry, those of topics that a query that was dropped had for itself; some may not be there.
    package var deleteSubjects: (@Sendable (_ subjects: [String]) async -> Void)?
    /// Of topics that queries make for themselves; nil: the cluster's default.
    package var replicationFactor: Int16?
    /// nil: this process runs all tasks of its queries.
    package var sharing: Sharing?

    package init(libraries: @escaping @Sendable (_ properties: [String: String]) -> EngineLibraries) {
        self.libraries = libraries
    }

    /// - Parameter properties: of the query.
    func engineSettings(_ properties: [String: String]) -> EngineSettings {
        var settings = EngineSettings(properties: properties)
        if let stateFolder { settings.stateFolder = stateFolder }
        return settings
    }

    /// The name of a persistent query towards the cluster: of its group, and the beginning of its topics' names.
    package func applicationID(of query: String) -> String { "_confluent-ksql-\(serviceID)query_\(query)" }
}

/// What a task needs besides its plan.
package struct EngineLibraries {
    package var functions: any FunctionLibrary
    package var formats: any FormatLibrary

    package init(functions: any FunctionLibrary, formats: any FormatLibrary) {
        self.functions = functions
        self.formats = formats
    }
}

/// Properties of one query, by their names with and without `ksql.streams.`.
struct QueryProperties: Sendable {
    enum Guarantee: Sendable { case exactlyOnce, atLeastOnce }

    private let values: [String: String]

    init(_ values: [String: String]) { self.values = values }

    subscript(name: String) -> String? { values[name] ?? values["ksql.streams." + name] }

    var guarantee: Guarantee { self["processing.guarantee"] == "at_least_once" ? .atLeastOnce : .exactlyOnce }
    var commitInterval: Duration { milliseconds("commit.interval.ms") ?? .milliseconds(100) }
    /// `ksql.fail.on.production.error`: when false, a record that its topic does not take is passed over.
    var passesOverUnwritable: Bool { self["ksql.fail.on.production.error"]?.lowercased() == "false" }
    /// nil: nobody says.
    var startsAtEarliest: Bool? {
        switch self["auto.offset.reset"]?.lowercased() {
        case "earliest": true
        case "latest": false
        default: nil
        }
    }
    /// How long a node may be silent before others take its tasks.
    var sessionTimeout: Duration? { milliseconds("consumer.session.timeout.ms") ?? milliseconds("session.timeout.ms") }
    var heartbeatInterval: Duration? {
        milliseconds("consumer.heartbeat.interval.ms") ?? milliseconds("heartbeat.interval.ms")
    }
    var backoffInitial: Duration { milliseconds("ksql.query.retry.backoff.initial.ms") ?? .seconds(15) }
    var backoffMax: Duration { milliseconds("ksql.query.retry.backoff.max.ms") ?? .seconds(900) }
    var errorCountMax: Int { max(1, self["ksql.query.error.max.queue.size"].flatMap { Int($0) } ?? 10) }

    private func milliseconds(_ name: String) -> Duration? {
        self[name].flatMap { Int64($0) }.map { .milliseconds(max(0, $0)) }
    }
}
