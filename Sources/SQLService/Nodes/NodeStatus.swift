import JSONFormat
import SQLRuntime
import StreamEngine

/// What a node tells the others of its queries, so that any of them can speak for all: `{"queries":[...],"clients":[...]}`.
struct NodeStatus: Sendable {
    static let path = "/node/queries"

    /// A query of a client.
    struct Client: Sendable, Hashable {
        var id: String
        var statement: String
    }

    /// Persistent queries.
    var queries: [QueryStatus]
    var clients: [Client]

    init(queries: [QueryStatus], clients: [Client]) {
        self.queries = queries
        self.clients = clients
    }

    /// nil for what is no such message.
    init?(_ json: JSONValue) {
        guard let queries = json["queries"]?.elements, let clients = json["clients"]?.elements else { return nil }
        self.queries = queries.compactMap { QueryStatus($0) }
        self.clients = clients.compactMap { client in
            guard let id = client["id"]?.text, let statement = client["statement"]?.text else { return nil }
            return Client(id: id, statement: statement)
        }
        guard self.queries.count == queries.count, self.clients.count == clients.count else { return nil }
    }

    var json: JSONValue {
        .object([
            ("queries", .array(queries.map(\.json))),
            (
                "clients",
                .array(clients.map { .object([("id", .string($0.id)), ("statement", .string($0.statement))]) })
            ),
        ])
    }
}

extension QueryStatus {
    init?(_ json: JSONValue) {
        guard let id = json["id"]?.text, let state = (json["state"]?.text).flatMap(State.init(rawValue:)) else {
            return nil
        }
        func number(_ name: String) -> Int { json[name]?.integer.map { Int($0) } ?? 0 }
        self.init(id: id, state: state)
        errors = (json["errors"]?.elements ?? []).map { ($0["timestamp"]?.integer ?? 0, $0["message"]?.text ?? "") }
        steps = (json["steps"]?.elements ?? []).map { step in
            var counters = OperatorCounters()
            for (name, path) in Self.counters {
                counters[keyPath: path] = step[name]?.integer.map { Int($0) } ?? 0
            }
            return Step(
                name: step["name"]?.text ?? "", operation: step["operation"]?.text ?? "", counters: counters)
        }
        positions = (json["positions"]?.elements ?? []).map { position in
            Position(
                topic: position["topic"]?.text ?? "",
                partition: Int32(truncatingIfNeeded: position["partition"]?.integer ?? 0),
                committed: position["committed"]?.integer ?? -1, start: position["start"]?.integer ?? 0,
                end: position["end"]?.integer ?? 0)
        }
        tasks = (json["tasks"]?.elements ?? []).compactMap(\.text)
        streamTime = json["streamTime"]?.integer
        lastMessage = json["lastMessage"]?.integer
        stateBytes = number("stateBytes")
        consumed = number("consumed")
        produced = number("produced")
        failed = number("failed")
    }

    private static var counters: [(String, WritableKeyPath<OperatorCounters, Int>)] {
        [
            ("in", \.input), ("out", \.output), ("filtered", \.filtered), ("late", \.late), ("failed", \.failed),
            ("unmatched", \.unmatched), ("stateRows", \.stateRows), ("stateBytes", \.stateBytes),
        ]
    }

    var json: JSONValue {
        func number(_ value: Int) -> JSONValue { .number(Int64(value)) }
        return .object([
            ("id", .string(id)), ("state", .string(state.rawValue)),
            (
                "errors",
                .array(
                    errors.map { .object([("timestamp", .number($0.timestamp)), ("message", .string($0.message))]) })
            ),
            (
                "steps",
                .array(
                    steps.map { step in
                        .object(
                            [("name", .string(step.name)), ("operation", .string(step.operation))]
                                + Self.counters.map { ($0.0, number(step.counters[keyPath: $0.1])) })
                    })
            ),
            (
                "positions",
                .array(
                    positions.map {
                        .object([
                            ("topic", .string($0.topic)), ("partition", .number(Int64($0.partition))),
                            ("committed", .number($0.committed)), ("start", .number($0.start)),
                            ("end", .number($0.end)),
                        ])
                    })
            ),
            ("tasks", .array(tasks.map { .string($0) })), ("streamTime", streamTime.map { .number($0) } ?? .null),
            ("lastMessage", lastMessage.map { .number($0) } ?? .null), ("stateBytes", number(stateBytes)),
            ("consumed", number(consumed)), ("produced", number(produced)), ("failed", number(failed)),
        ])
    }

    /// Takes in what another node has of the same query.
    mutating func add(_ other: QueryStatus) {
        errors = (errors + other.errors).sorted { $0.timestamp < $1.timestamp }
        for step in other.steps {
            guard let index = steps.firstIndex(where: { $0.name == step.name }) else {
                steps.append(step)
                continue
            }
            for (_, path) in Self.counters { steps[index].counters[keyPath: path] += step.counters[keyPath: path] }
        }
        for position in other.positions {
            let index = positions.firstIndex { $0.topic == position.topic && $0.partition == position.partition }
            guard let index else {
                positions.append(position)
                continue
            }
            // A partition that is on its way may be told by both: who is further has it.
            if position.committed > positions[index].committed { positions[index] = position }
        }
        positions.sort { ($0.topic, $0.partition) < ($1.topic, $1.partition) }
        tasks = Set(tasks + other.tasks).sorted()
        streamTime = [streamTime, other.streamTime].compactMap { $0 }.max()
        lastMessage = [lastMessage, other.lastMessage].compactMap { $0 }.max()
        stateBytes += other.stateBytes
        consumed += other.consumed
        produced += other.produced
        failed += other.failed
    }
}
