import ConnectCore
import NIOCore

/// What workers tell each other through the group of protocol type `connect`.
///
/// | version | name         | metadata                    | assignment                                       |
/// |--------:|--------------|-----------------------------|--------------------------------------------------|
/// |       0 | `default`    | version, url, config offset | version, error, leader, leader url, offset, work |
/// |       1 | `compatible` | as 0, then the member's work | as 0, then work to give up, and a delay in ms    |
/// |       2 | `sessioned`  | as 1                        | as 1                                             |
///
/// Work is an array of connectors with task numbers, -1 for the connector itself.
///
/// - SeeAlso: upstream `ConnectProtocol`, `IncrementalCooperativeConnectProtocol`; KIP-415.
enum ConnectProtocol: Int16, CaseIterable {
    case eager = 0
    case compatible = 1
    case sessioned = 2

    static let type = "connect"

    init?(name: String) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }

    var name: String {
        switch self {
        case .eager: "default"
        case .compatible: "compatible"
        case .sessioned: "sessioned"
        }
    }

    /// What a member offers for the worker's option `connect.protocol`, the preferred one first.
    static func offered(_ option: String) -> [ConnectProtocol] {
        switch option.lowercased() {
        case "eager": [.eager]
        case "compatible": [.compatible, .eager]
        default: [.sessioned, .compatible, .eager]
        }
    }

    /// Bytes that are not what they should be.
    struct Malformed: Error {}

    static let noError: Int16 = 0
    /// The leader's configuration is behind a member's.
    static let mismatch: Int16 = 1
}

/// Connectors and tasks that a worker runs.
struct Work: Sendable, Hashable {
    var connectors: Set<String> = []
    var tasks: Set<TaskIdentity> = []

    var isEmpty: Bool { connectors.isEmpty && tasks.isEmpty }
    var count: Int { connectors.count + tasks.count }

    func union(_ other: Work) -> Work {
        Work(connectors: connectors.union(other.connectors), tasks: tasks.union(other.tasks))
    }

    func subtracting(_ other: Work) -> Work {
        Work(connectors: connectors.subtracting(other.connectors), tasks: tasks.subtracting(other.tasks))
    }

    func intersection(_ other: Work) -> Work {
        Work(connectors: connectors.intersection(other.connectors), tasks: tasks.intersection(other.tasks))
    }
}

/// What a member brings along.
struct WorkerMetadata: Sendable, Hashable {
    var url: String
    /// Of the config topic, as far as the member has read; -1 before it has read anything.
    var offset: Int64
    /// What the member runs; nothing in version 0.
    var work = Work()

    func encoded(_ version: ConnectProtocol) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(version.rawValue)
        bytes.writeText(url)
        bytes.writeInteger(offset)
        guard version != .eager else { return bytes }
        guard !work.isEmpty else {
            bytes.writeInteger(Int32(-1))
            return bytes
        }
        var assignment = GroupDecision(leader: "", leaderURL: "", offset: offset)
        assignment.work = work
        let inner = assignment.encoded(version)
        bytes.writeInteger(Int32(clamping: inner.readableBytes))
        bytes.writeImmutableBuffer(inner)
        return bytes
    }

    init(url: String, offset: Int64, work: Work = Work()) {
        self.url = url
        self.offset = offset
        self.work = work
    }

    init(_ bytes: ByteBuffer) throws(ConnectProtocol.Malformed) {
        var bytes = bytes
        let version: Int16 = try bytes.take()
        url = try bytes.takeText() ?? ""
        offset = try bytes.take()
        guard version > 0 else { return }
        let count: Int32 = try bytes.take()
        guard count > 0 else { return }
        guard let inner = bytes.readSlice(length: Int(count)) else { throw ConnectProtocol.Malformed() }
        work = try GroupDecision(inner).work
    }
}

/// What the leader decides for one member.
struct GroupDecision: Sendable, Hashable {
    var error: Int16 = ConnectProtocol.noError
    /// Member id.
    var leader: String
    var leaderURL: String
    var offset: Int64
    var work = Work()
    /// What the member has to give up and then join again.
    var revoked = Work()
    /// After which lost work is shared out, in milliseconds; 0 for none.
    var delay: Int32 = 0

    init(leader: String, leaderURL: String, offset: Int64) {
        self.leader = leader
        self.leaderURL = leaderURL
        self.offset = offset
    }

    func encoded(_ version: ConnectProtocol) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(version.rawValue)
        bytes.writeInteger(error)
        bytes.writeText(leader)
        bytes.writeText(leaderURL)
        bytes.writeInteger(offset)
        bytes.writeWork(work)
        if version != .eager {
            bytes.writeWork(revoked)
            bytes.writeInteger(delay)
        }
        return bytes
    }

    init(_ bytes: ByteBuffer) throws(ConnectProtocol.Malformed) {
        var bytes = bytes
        let version: Int16 = try bytes.take()
        error = try bytes.take()
        leader = try bytes.takeText() ?? ""
        leaderURL = try bytes.takeText() ?? ""
        offset = try bytes.take()
        work = try bytes.takeWork()
        if version > 0 {
            revoked = try bytes.takeWork()
            delay = try bytes.take()
        }
    }
}

extension ByteBuffer {
    fileprivate mutating func writeText(_ text: String) {
        writeInteger(Int16(clamping: text.utf8.count))
        writeString(text)
    }

    fileprivate mutating func writeWork(_ work: Work) {
        let names = work.connectors.union(work.tasks.map(\.connector)).sorted()
        writeInteger(Int32(clamping: names.count))
        for name in names {
            writeText(name)
            let numbers =
                (work.connectors.contains(name) ? [Int32(-1)] : [])
                + work.tasks.filter { $0.connector == name }.map { Int32(clamping: $0.task) }.sorted()
            writeInteger(Int32(clamping: numbers.count))
            for number in numbers { writeInteger(number) }
        }
    }

    fileprivate mutating func take<Number: FixedWidthInteger>() throws(ConnectProtocol.Malformed) -> Number {
        guard let number = readInteger(as: Number.self) else { throw ConnectProtocol.Malformed() }
        return number
    }

    fileprivate mutating func takeText() throws(ConnectProtocol.Malformed) -> String? {
        let count: Int16 = try take()
        guard count >= 0 else { return nil }
        guard let text = readString(length: Int(count)) else { throw ConnectProtocol.Malformed() }
        return text
    }

    fileprivate mutating func takeWork() throws(ConnectProtocol.Malformed) -> Work {
        var work = Work()
        let count: Int32 = try take()
        // -1 is null: nothing. Each element takes bytes, so a count beyond them fails below.
        for _ in 0..<max(0, count) {
            let name = try takeText() ?? ""
            let numberCount: Int32 = try take()
            for _ in 0..<max(0, numberCount) {
                let number: Int32 = try take()
                if number < 0 {
                    work.connectors.insert(name)
                } else {
                    work.tasks.insert(TaskIdentity(connector: name, task: Int(number)))
                }
            }
        }
        return work
    }
}
