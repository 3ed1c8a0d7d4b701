import NIOCore

/// What members of a query's group tell each other besides what Kafka's consumers do: as the user data of subscriptions and
/// assignments, lines of a name, `=`, and a value.
///
/// | line                            | in           | means                                                        |
/// |---------------------------------|--------------|--------------------------------------------------------------|
/// | `swiftwater 1`                  | both, first  | the version                                                  |
/// | `address=HOST:PORT`             | subscription | where the node answers others                                |
/// | `plan=HEX`                      | subscription | a checksum of the plan that the node runs                    |
/// | `claimed=0_0 0_3`               | subscription | `TaskAssignor.Member.claimed`                                |
/// | `warm=0_1`                      | subscription | `TaskAssignor.Member.warm`                                   |
/// | `source=TOPIC N`                | assignment   | partitions of a source topic, as the leader saw them         |
/// | `own=0_0 0_3`                   | assignment   | what the member is to run                                    |
/// | `node=HOST:PORT 0_0 0_3`        | assignment   | what a node of the group is to run; one line for each        |
///
/// Lines with other names are passed over.
enum GroupMessage {
    static let version = "swiftwater 1"

    static func encode(_ lines: [(name: String, value: String)]) -> ByteBuffer {
        var text = version
        for (name, value) in lines { text += "\n\(name)=\(value.filter { !$0.isNewline })" }
        return ByteBuffer(string: text)
    }

    /// - Throws: for bytes that are no such message.
    static func decode(_ bytes: ByteBuffer?) throws(Malformed) -> [(name: Substring, value: Substring)] {
        guard let bytes else { throw Malformed() }
        let lines = String(buffer: bytes).split(separator: "\n", omittingEmptySubsequences: false)
        guard let first = lines.first, first == version else { throw Malformed() }
        var values: [(name: Substring, value: Substring)] = []
        for line in lines.dropFirst() {
            guard let equals = line.firstIndex(of: "=") else { continue }
            values.append((line[..<equals], line[line.index(after: equals)...]))
        }
        return values
    }

    static func text(_ tasks: Set<TaskName>) -> String { tasks.sorted().map(\.description).joined(separator: " ") }

    static func tasks(_ text: Substring) -> Set<TaskName> {
        Set(text.split(separator: " ").compactMap { TaskName($0) })
    }

    struct Malformed: Error {}
}

extension TaskAssignor.Member {
    var encoded: ByteBuffer {
        GroupMessage.encode([
            ("address", address), ("plan", plan), ("claimed", GroupMessage.text(claimed)),
            ("warm", GroupMessage.text(warm)),
        ])
    }

    init(id: String, _ bytes: ByteBuffer?) throws(GroupMessage.Malformed) {
        self.init(id: id, address: "")
        for (name, value) in try GroupMessage.decode(bytes) {
            switch name {
            case "address": address = String(value)
            case "plan": plan = String(value)
            case "claimed": claimed = GroupMessage.tasks(value)
            case "warm": warm = GroupMessage.tasks(value)
            default: break
            }
        }
    }
}

/// What the leader of a query's group has decided, as one member sees it.
struct TaskDecision: Sendable, Hashable {
    /// What this member is to run.
    var own: Set<TaskName> = []
    /// Partitions of the source topics.
    var sources: [String: Int] = [:]
    /// What each node is to run, by its address.
    var nodes: [String: Set<TaskName>] = [:]

    init(own: Set<TaskName> = [], sources: [String: Int] = [:], nodes: [String: Set<TaskName>] = [:]) {
        self.own = own
        self.sources = sources
        self.nodes = nodes
    }

    var encoded: ByteBuffer {
        var lines = sources.sorted { $0.key < $1.key }.map { (name: "source", value: "\($0.key) \($0.value)") }
        lines.append((name: "own", value: GroupMessage.text(own)))
        for (address, tasks) in nodes.sorted(by: { $0.key < $1.key }) {
            lines.append((name: "node", value: "\(address) \(GroupMessage.text(tasks))"))
        }
        return GroupMessage.encode(lines)
    }

    init(_ bytes: ByteBuffer?) throws(GroupMessage.Malformed) {
        for (name, value) in try GroupMessage.decode(bytes) {
            switch name {
            case "own": own = GroupMessage.tasks(value)
            case "source":
                let words = value.split(separator: " ")
                guard words.count == 2, let count = Int(words[1]) else { throw GroupMessage.Malformed() }
                sources[String(words[0])] = count
            case "node":
                guard let address = value.split(separator: " ").first else { throw GroupMessage.Malformed() }
                nodes[String(address), default: []].formUnion(GroupMessage.tasks(value.dropFirst(address.count)))
            default: break
            }
        }
    }
}
