import Cluster
import ConnectCore
import JSONFormat

/// How a connector or task is, in the original's words.
package enum RunState: String, Sendable {
    case unassigned = "UNASSIGNED"
    case running = "RUNNING"
    case paused = "PAUSED"
    case failed = "FAILED"
    case restarting = "RESTARTING"
    case stopped = "STOPPED"
    case destroyed = "DESTROYED"
}

/// What the status topic has of a connector or task.
struct RunStatus: Sendable, Hashable {
    var state: RunState
    var trace: String?
    var workerId: String
    var generation: Int64
    var version: String?

    var json: JSONValue {
        .object([
            ("state", .string(state.rawValue)), ("trace", .string(trace)), ("worker_id", .string(workerId)),
            ("generation", .number(generation)), ("version", .string(version)),
        ])
    }

    init(_ state: RunState, trace: String? = nil, workerId: String, generation: Int64, version: String?) {
        self.state = state
        self.trace = trace
        self.workerId = workerId
        self.generation = generation
        self.version = version
    }

    init?(_ json: JSONValue) {
        guard let state = (json["state"]?.text).flatMap(RunState.init) else { return nil }
        self.init(
            state, trace: json["trace"]?.text, workerId: json["worker_id"]?.text ?? "",
            generation: json["generation"]?.integer ?? 0, version: json["version"]?.text)
    }
}

/// What the records of the status topic add up to. Pure.
///
/// - SeeAlso: upstream `KafkaStatusBackingStore`.
struct StatusState: Sendable {
    private(set) var connectors: [String: RunStatus] = [:]
    private(set) var tasks: [String: [Int: RunStatus]] = [:]
    /// Topics that each connector has used.
    private(set) var topics: [String: Set<String>] = [:]

    mutating func apply(_ record: ConsumerRecord) {
        let json = record.valueBytes.flatMap { JSONValue.parse($0) }
        switch record.keyText.flatMap(StatusRecords.subject) {
        case .connector(let name): connectors[name] = json.flatMap(RunStatus.init)
        case .task(let task):
            tasks[task.connector, default: [:]][task.task] = json.flatMap(RunStatus.init)
            if tasks[task.connector]?.isEmpty ?? false { tasks[task.connector] = nil }
        case .topic(let topic, let name):
            if record.value == nil {
                topics[name]?.remove(topic)
                if topics[name]?.isEmpty ?? false { topics[name] = nil }
            } else {
                topics[name, default: []].insert(topic)
            }
        case nil: break
        }
    }
}

/// The records that change the status topic.
enum StatusRecords {
    typealias Record = (key: [UInt8], value: [UInt8]?)

    enum Subject {
        case connector(String)
        case task(TaskIdentity)
        case topic(String, connector: String)
    }

    /// What a record is about by its key; nil for what is none of ours.
    static func subject(_ key: String) -> Subject? {
        if key.hasPrefix("status-connector-") { return .connector(String(key.dropFirst("status-connector-".count))) }
        if key.hasPrefix("status-task-") {
            let rest = key.dropFirst("status-task-".count)
            guard let dash = rest.lastIndex(of: "-"), let number = Int(rest[rest.index(after: dash)...]) else {
                return nil
            }
            return .task(TaskIdentity(connector: String(rest[..<dash]), task: number))
        }
        if key.hasPrefix("status-topic-") {
            // A topic's name has no colon.
            let rest = key.dropFirst("status-topic-".count)
            guard let colon = rest.firstIndex(of: ":"), rest[colon...].hasPrefix(":connector-") else { return nil }
            return .topic(String(rest[..<colon]), connector: String(rest[colon...].dropFirst(":connector-".count)))
        }
        return nil
    }

    static func connector(_ name: String, _ status: RunStatus?) -> Record {
        (Array("status-connector-\(name)".utf8), status?.json.bytes)
    }

    static func task(_ task: TaskIdentity, _ status: RunStatus?) -> Record {
        (Array("status-task-\(task.connector)-\(task.task)".utf8), status?.json.bytes)
    }

    static func topic(_ topic: String, _ task: TaskIdentity, at time: Int64) -> Record {
        (
            Array("status-topic-\(topic):connector-\(task.connector)".utf8),
            JSONValue.object([
                (
                    "topic",
                    .object([
                        ("name", .string(topic)), ("connector", .string(task.connector)),
                        ("task", .number(Int64(task.task))), ("discoverTimestamp", .number(time)),
                    ])
                )
            ]).bytes
        )
    }

    static func forget(_ topic: String, of connector: String) -> Record {
        (Array("status-topic-\(topic):connector-\(connector)".utf8), nil)
    }
}
