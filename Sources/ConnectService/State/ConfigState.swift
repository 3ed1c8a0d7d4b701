import Bytes
import Cluster
import ConnectCore
import JSONFormat

/// What is to become of a connector.
package enum TargetState: String, Sendable {
    case started = "STARTED"
    case paused = "PAUSED"
    case stopped = "STOPPED"
}

/// A wish to restart a connector, as the config topic has it (KIP-745).
struct RestartRequest: Sendable, Hashable {
    var connector: String
    var includesTasks: Bool
    var onlyFailed: Bool
}

/// The key with which workers sign what they tell each other (KIP-507).
struct SessionKey: Sendable, Hashable {
    var key: [UInt8]
    var algorithm: String
    var created: Int64
}

/// What the records of the config topic add up to. Pure.
///
/// | key                      | value                                                         |
/// |--------------------------|---------------------------------------------------------------|
/// | `connector-NAME`         | `{"properties":{...}}`; null deletes                          |
/// | `task-NAME-N`            | `{"properties":{...}}`; counts with the next commit           |
/// | `commit-NAME`            | `{"tasks":n}`: the records of n tasks stand before it         |
/// | `target-state-NAME`      | `{"state":"STARTED","state.v2":"STOPPED"}`; null deletes      |
/// | `restart-connector-NAME` | `{"include-tasks":true,"only-failed":false}`                  |
/// | `tasks-count-NAME`       | `{"tasks":n}`: earlier tasks' writers were fenced             |
/// | `session-key`            | `{"key":base 64,"algorithm":...,"creation-timestamp":ms}`     |
/// | `logger-cluster-NAME`    | `{"level":"WARN"}`                                            |
///
/// - SeeAlso: upstream `KafkaConfigBackingStore`.
struct ConfigState: Sendable {
    struct Connector: Sendable {
        var properties: [String: String]
        /// Offset of the record that it has its properties from.
        var revision: Int64
    }

    /// The tasks of a connector by the last commit.
    struct TaskSet: Sendable {
        var count: Int
        /// Offset of the commit.
        var revision: Int64
        /// By their numbers, complete unless the set is inconsistent.
        var configs: [Int: [String: String]] = [:]
        /// Whether the commit came without all its tasks: the connector has to write them again.
        var isInconsistent = false
        /// The connector's properties when the commit was seen; nil where compaction had taken them.
        var connector: [String: String]?
    }

    enum Event: Sendable, Hashable {
        case connector(String)
        case deleted(String)
        case tasks(String)
        case target(String)
        case restart(RestartRequest)
        case sessionKey
        case logger(String, String)
    }

    private(set) var connectors: [String: Connector] = [:]
    private(set) var targets: [String: TargetState] = [:]
    /// Of connectors that there are, and where compaction left more than it should, of others.
    private var taskSets: [String: TaskSet] = [:]
    private var deferred: [String: [Int: [String: String]]] = [:]
    /// Tasks of the last round of fencing, by connector.
    private(set) var fencedCounts: [String: Int] = [:]
    /// Connectors with tasks committed after that round.
    private var unfenced: Set<String> = []
    private(set) var sessionKey: SessionKey?
    private(set) var loggerLevels: [String: String] = [:]

    /// Sorted.
    var names: [String] { connectors.keys.sorted() }

    func target(_ name: String) -> TargetState { targets[name] ?? .started }

    /// nil before the first commit, and for connectors that are not there.
    func tasks(_ name: String) -> TaskSet? { connectors[name] == nil ? nil : taskSets[name] }

    /// All tasks that are to run, sorted.
    var tasks: [TaskIdentity] {
        names.flatMap { name in
            guard let set = taskSets[name], !set.isInconsistent else { return [TaskIdentity]() }
            return (0..<set.count).map { TaskIdentity(connector: name, task: $0) }
        }
    }

    /// How many tasks may still write with exactly-once delivery and have to be fenced first; nil when none.
    func unfencedCount(_ name: String) -> Int? {
        guard unfenced.contains(name) else { return nil }
        return fencedCounts[name] ?? 0
    }

    // MARK: Records

    mutating func apply(_ record: ConsumerRecord) -> Event? {
        guard let key = record.keyText else { return nil }
        let json = record.valueBytes.flatMap { JSONValue.parse($0) }
        func rest(_ prefix: String) -> String? { key.hasPrefix(prefix) ? String(key.dropFirst(prefix.count)) : nil }
        if let name = rest("connector-") { return takeConnector(name, json, record) }
        if let name = rest("task-") { return takeTask(name, json) }
        if let name = rest("commit-") { return takeCommit(name, json, record.offset) }
        if let name = rest("target-state-") {
            targets[name] = json.flatMap {
                ($0["state.v2"]?.text).flatMap(TargetState.init) ?? ($0["state"]?.text).flatMap(TargetState.init)
            }
            return .target(name)
        }
        if let name = rest("restart-connector-") {
            guard let json else { return nil }
            return .restart(
                RestartRequest(
                    connector: name, includesTasks: json["include-tasks"]?.flag ?? false,
                    onlyFailed: json["only-failed"]?.flag ?? false))
        }
        if let name = rest("tasks-count-") {
            fencedCounts[name] = json?["tasks"]?.integer.map { Int(clamping: $0) }
            unfenced.remove(name)
            return nil
        }
        if let name = rest("logger-cluster-") {
            loggerLevels[name] = json?["level"]?.text
            return json?["level"]?.text.map { .logger(name, $0) }
        }
        if key == "session-key" {
            guard let json, let text = json["key"]?.text, let bytes = Base64.decode(text) else { return nil }
            sessionKey = SessionKey(
                key: bytes, algorithm: json["algorithm"]?.text ?? "HmacSHA256",
                created: json["creation-timestamp"]?.integer ?? 0)
            return .sessionKey
        }
        return nil
    }

    private mutating func takeConnector(_ name: String, _ json: JSONValue?, _ record: ConsumerRecord) -> Event? {
        guard record.value != nil else {
            deferred[name] = nil
            targets[name] = nil
            taskSets[name] = nil
            return connectors.removeValue(forKey: name) == nil ? nil : .deleted(name)
        }
        guard let properties = json.flatMap(Self.properties) else { return nil }
        connectors[name] = Connector(properties: properties, revision: record.offset)
        return .connector(name)
    }

    private mutating func takeTask(_ text: String, _ json: JSONValue?) -> Event? {
        guard let dash = text.lastIndex(of: "-"), let number = Int(text[text.index(after: dash)...]), number >= 0 else {
            return nil
        }
        let name = String(text[..<dash])
        deferred[name, default: [:]][number] = json.flatMap(Self.properties)
        return nil
    }

    private mutating func takeCommit(_ name: String, _ json: JSONValue?, _ offset: Int64) -> Event? {
        guard let count = json?["tasks"]?.integer, 0...100_000 ~= count else { return nil }
        let given = deferred.removeValue(forKey: name) ?? [:]
        var set = TaskSet(count: Int(count), revision: offset, connector: connectors[name]?.properties)
        let earlier = taskSets[name]?.configs ?? [:]
        for number in 0..<set.count {
            // Compaction takes task records away that a later commit replaced, so an earlier one may find too few.
            set.configs[number] = given[number] ?? earlier[number]
            if set.configs[number] == nil { set.isInconsistent = true }
        }
        taskSets[name] = set
        unfenced.insert(name)
        return .tasks(name)
    }

    private static func properties(_ json: JSONValue) -> [String: String]? {
        guard let members = json["properties"]?.members else { return nil }
        var properties: [String: String] = [:]
        for (name, value) in members { if let text = value.text { properties[name] = text } }
        return properties
    }
}

/// The records that change the config topic.
enum ConfigRecords {
    typealias Record = (key: [UInt8], value: [UInt8]?)

    static func connector(_ name: String, _ properties: [String: String]?) -> Record {
        record("connector-\(name)", properties.map(object))
    }

    static func tasks(_ name: String, _ configs: [[String: String]]) -> [Record] {
        configs.enumerated().map { record("task-\(name)-\($0)", object($1)) }
            + [record("commit-\(name)", .object([("tasks", .number(Int64(configs.count)))]))]
    }

    static func target(_ name: String, _ state: TargetState?) -> Record {
        record(
            "target-state-\(name)",
            state.map {
                // Workers before STOPPED came know no more than PAUSED.
                .object([
                    ("state", .string($0 == .stopped ? "PAUSED" : $0.rawValue)), ("state.v2", .string($0.rawValue)),
                ])
            })
    }

    static func restart(_ request: RestartRequest) -> Record {
        record(
            "restart-connector-\(request.connector)",
            .object([("include-tasks", .bool(request.includesTasks)), ("only-failed", .bool(request.onlyFailed))]))
    }

    static func fenced(_ name: String, _ count: Int) -> Record {
        record("tasks-count-\(name)", .object([("tasks", .number(Int64(count)))]))
    }

    static func sessionKey(_ key: SessionKey) -> Record {
        record(
            "session-key",
            .object([
                ("key", .string(Base64.encode(key.key))), ("algorithm", .string(key.algorithm)),
                ("creation-timestamp", .number(key.created)),
            ]))
    }

    static func logger(_ name: String, _ level: String) -> Record {
        record("logger-cluster-\(name)", .object([("level", .string(level))]))
    }

    private static func object(_ properties: [String: String]) -> JSONValue {
        .object([("properties", .object(properties.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))])
    }

    private static func record(_ key: String, _ value: JSONValue?) -> Record { (Array(key.utf8), value?.bytes) }
}
