package import Cluster
package import JSONFormat
import NIOCore

/// Dashboards, kept in a compacted topic: its key is the dashboard's id, its value the dashboard.
///
/// The topic is read when somebody asks, from where the last look ended, so several consoles see each other's changes and
/// none of them costs anything while nobody looks.
package actor DashboardStore {
    /// Why a dashboard is not taken.
    package struct Refusal: Error {
        package var message: String
        /// Whether it is another version than the one that was changed.
        package var isConflict = false
    }

    private let cluster: any Cluster
    private let topic: String
    private var known: [String: JSONValue] = [:]
    /// Where the next look begins, by partition.
    private var positions: [Int32: Int64] = [:]
    /// One look at a time: while one waits, others must not read the same records.
    private var looking: Task<Result<Void, ClusterError>, Never>?
    /// One change at a time: between the look at the version and the write nobody else may write.
    private var changing: Task<JSONValue, any Error>?

    static let panelCountMax = 60
    static let byteCountMax = 512 << 10

    package init(_ cluster: any Cluster, topic: String) {
        self.cluster = cluster
        self.topic = topic
    }

    /// All dashboards, by title.
    package func all() async throws(ClusterError) -> [JSONValue] {
        try await look()
        return known.values.sorted {
            ($0["title"]?.text ?? "", $0["id"]?.text ?? "") < ($1["title"]?.text ?? "", $1["id"]?.text ?? "")
        }
    }

    /// nil when there is none.
    package func find(_ id: String) async throws(ClusterError) -> JSONValue? {
        try await look()
        return known[id]
    }

    /// Keeps a dashboard in place of the one with its id. A body with `version` is a change of that version, with 0 a new
    /// dashboard; one without is kept whatever is there.
    ///
    /// - Throws: `Refusal`, `ClusterError`.
    package func put(_ id: String, _ body: JSONValue, at time: Int64) async throws -> JSONValue {
        while let changing { _ = await changing.result }
        let task = Task {
            defer { self.changing = nil }  // here, so that those who wait find it gone
            return try await self.replace(id, body, at: time)
        }
        changing = task
        return try await task.value
    }

    private func replace(_ id: String, _ body: JSONValue, at time: Int64) async throws -> JSONValue {
        try await look()
        let present = known[id]?["version"]?.integer ?? 0
        let dashboard = try Self.checked(id, body, at: time, after: present)
        if let given = body["version"]?.integer, given != present {
            throw Refusal(
                message: present == 0
                    ? "the dashboard '\(id)' was deleted meanwhile: make a new one"
                    : given == 0
                        ? "there is a dashboard '\(id)' already: choose another id"
                        : "the dashboard '\(id)' was changed meanwhile, in another tab or by somebody else: "
                            + "read it again, and change what is there now", isConflict: true)
        }
        try await write(id, dashboard.bytes)
        try await look()
        return dashboard
    }

    /// - Returns: whether it was there.
    package func remove(_ id: String) async throws(ClusterError) -> Bool {
        try await look()
        guard known[id] != nil else { return false }
        try await write(id, nil)
        try await look()
        return true
    }

    /// What is kept of a body: its title and panels, whatever else it has.
    ///
    /// - Parameter present: the version that it takes the place of. Versions are times, so that one that was deleted and
    ///   made anew has none of those before.
    static func checked(
        _ id: String, _ body: JSONValue, at time: Int64, after present: Int64 = 0
    ) throws(Refusal) -> JSONValue {
        guard 1...120 ~= id.utf8.count, id.utf8.allSatisfy({ isIdentifier($0) }) else {
            throw Refusal(
                message: "an id of a dashboard has letters, digits, dots, dashes and underscores, at most 120")
        }
        guard let title = body["title"]?.text, !title.isEmpty, title.utf8.count <= 400 else {
            throw Refusal(message: "a dashboard has a title")
        }
        switch body["version"] {
        case nil, .some(.null), .some(.number): break
        default: throw Refusal(message: "the version of a dashboard is the number that came with it")
        }
        guard let panels = body["panels"]?.elements, panels.count <= panelCountMax else {
            throw Refusal(message: "a dashboard has panels, at most \(panelCountMax)")
        }
        for (index, panel) in panels.enumerated() {
            guard panel["sql"]?.text != nil, panel["title"]?.text != nil,
                ["line", "bar", "area", "table", "number"].contains(panel["kind"]?.text ?? "")
            else {
                throw Refusal(
                    message: "panel \(index + 1) needs title, sql, and a kind: line, bar, area, table or number")
            }
            guard hasWidth(panel) else {
                throw Refusal(message: "the width of panel \(index + 1) is 1, 2 or 3: thirds of the page")
            }
        }
        guard body.bytes.count <= byteCountMax else {
            throw Refusal(message: "a dashboard has at most \(byteCountMax) bytes")
        }
        let own = ["id", "title", "updated", "version", "panels"]
        let others = (body.members ?? []).filter { !own.contains($0.0) }
        return .object(
            [
                ("id", .string(id)), ("title", .string(title)), ("updated", .number(time)),
                ("version", .number(max(time, present + 1))), ("panels", .array(panels)),
            ] + others)
    }

    private static func hasWidth(_ panel: JSONValue) -> Bool {
        panel["width"].map { 1...3 ~= $0.integer ?? 0 } ?? true
    }

    /// A dashboard as it is stored. Those of earlier programs may have no version, then it is when they were changed, and
    /// panels whose width is none, which have that of a panel without one.
    static func read(_ bytes: [UInt8]) -> JSONValue? {
        guard let board = JSONValue.parse(bytes), let members = board.members,
            let panels = board["panels"]?.elements
        else {
            return nil  // what others wrote there and is no dashboard is nobody's
        }
        let version = board["version"]?.integer ?? max(1, board["updated"]?.integer ?? 1)
        let drawn = panels.map { panel -> JSONValue in
            hasWidth(panel) ? panel : .object((panel.members ?? []).filter { $0.0 != "width" })
        }
        return .object(
            members.filter { !["version", "panels"].contains($0.0) }
                + [("version", .number(version)), ("panels", .array(drawn))])
    }

    private static func isIdentifier(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    // MARK: The topic

    private func write(_ id: String, _ value: [UInt8]?) async throws(ClusterError) {
        do throws(ClusterError) {
            _ = try await cluster.topic(topic)
        } catch {
            guard error.code == .unknownTopicOrPartition else { throw error }
            do throws(ClusterError) {
                try await cluster.createTopic(
                    NewTopic(topic, partitionCount: 1, configs: ["cleanup.policy": "compact"]), validateOnly: false)
            } catch {
                guard error.code == .topicAlreadyExists else { throw error }  // another console was first
            }
        }
        let writer = try await cluster.writer(.idempotent)
        let record = ProducerRecord(
            partition: 0, key: ByteBuffer(string: id), value: value.map { ByteBuffer(bytes: $0) })
        do throws(ClusterError) { _ = try await writer.write([record], to: topic) } catch {
            await writer.close()
            throw error
        }
        await writer.close()
    }

    private func look() async throws(ClusterError) {
        // What was written before this call may have come after the look that is under way.
        while let looking { _ = await looking.value }
        let task = Task { () -> Result<Void, ClusterError> in
            do throws(ClusterError) { return .success(try await self.read()) } catch { return .failure(error) }
        }
        looking = task
        let result = await task.value
        looking = nil
        try result.get()
    }

    private func read() async throws(ClusterError) {
        let partitions: [TopicPartition]
        do throws(ClusterError) {
            partitions = try await cluster.topic(topic).partitions.map { TopicPartition(topic, $0.partition) }
        } catch {
            guard error.code == .unknownTopicOrPartition else { throw error }
            (known, positions) = ([:], [:])
            return
        }
        let ends = try await cluster.offsets(
            Dictionary(partitions.map { ($0, .end) }) { first, _ in first }, isolation: .readCommitted)
        // Behind the end: it is another topic of that name.
        if partitions.contains(where: { (positions[$0.partition] ?? 0) > (ends[$0] ?? 0) }) {
            (known, positions) = ([:], [:])
        }
        for partition in partitions {
            let end = ends[partition] ?? 0
            let start = positions[partition.partition].map { LogPosition.offset($0) } ?? .beginning
            guard positions[partition.partition] ?? 0 < end else { continue }
            let reader = try await cluster.reader(partition, from: start, isolation: .readCommitted)
            defer { reader.close() }
            while reader.position < end {
                let batches = try await reader.next(maxBytes: 1 << 20, timeout: .seconds(2))
                for record in try batches.records() { take(record) }
                if batches.isEmpty { break }  // not visible yet: the next look goes on here
            }
            positions[partition.partition] = reader.position
        }
    }

    private func take(_ record: ConsumerRecord) {
        guard let key = record.key else { return }
        known[String(buffer: key)] = record.value.flatMap { Self.read(Array($0.readableBytesView)) }
    }
}
