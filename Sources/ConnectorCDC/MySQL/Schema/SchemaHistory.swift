internal import Cluster
internal import ConnectCore
internal import Glibc
internal import JSONFormat
internal import NIOCore

/// Where definitions are kept, by the class names of configurations.
enum SchemaHistoryKind: String {
    case kafka = "io.debezium.storage.kafka.history.KafkaSchemaHistory"
    case file = "io.debezium.storage.file.history.FileSchemaHistory"
    case memory = "io.debezium.relational.history.MemorySchemaHistory"

    init?(_ name: String) {
        switch name.split(separator: ".").last {
        case "KafkaSchemaHistory", "KafkaDatabaseHistory": self = .kafka
        case "FileSchemaHistory", "FileDatabaseHistory": self = .file
        case "MemorySchemaHistory", "MemoryDatabaseHistory": self = .memory
        default: return nil
        }
    }
}

/// One record: a statement, where it stands in the log, and what it made of tables.
struct SchemaHistoryRecord: Sendable {
    var source: String
    var position: ConnectMap
    var milliseconds: Int64
    var database: String
    var ddl: String
    var changes: JSONValue

    var json: JSONValue {
        .object([
            ("source", .object([("server", .string(source))])),
            ("position", .object(position.entries.map { ($0.key.string ?? "", Self.json($0.value)) })),
            ("ts_ms", .number(milliseconds)), ("databaseName", .string(database)), ("ddl", .string(ddl)),
            ("tableChanges", changes),
        ])
    }

    private static func json(_ value: ConnectValue) -> JSONValue {
        switch value {
        case .string(let text): .string(text)
        case .boolean(let flag): .bool(flag)
        default: value.integer.map { .number($0) } ?? .null
        }
    }

    init(
        source: String, position: ConnectMap, milliseconds: Int64, database: String, ddl: String, changes: JSONValue
    ) {
        self.source = source
        self.position = position
        self.milliseconds = milliseconds
        self.database = database
        self.ddl = ddl
        self.changes = changes
    }

    /// nil for what is no record.
    init?(_ bytes: [UInt8]) {
        guard let json = JSONValue.parse(bytes), let members = json["position"]?.members else { return nil }
        source = json["source"]?["server"]?.text ?? ""
        position = ConnectMap()
        for (name, value) in members {
            if let number = value.integer {
                position[name] = .int64(number)
            } else if let text = value.text {
                position[name] = .string(text)
            } else if let flag = value.flag {
                position[name] = .boolean(flag)
            }
        }
        milliseconds = json["ts_ms"]?.integer ?? 0
        database = json["databaseName"]?.text ?? ""
        ddl = json["ddl"]?.text ?? ""
        changes = json["tableChanges"] ?? .array([])
    }
}

/// Keeps all statements that defined tables, so that a restart knows the tables as they were at its place in the log. Used
/// by the thread that reads the source, which may block.
protocol SchemaHistory: AnyObject {
    /// Whether there is a record.
    func exists() throws(ConnectError) -> Bool
    func forEach(_ body: (SchemaHistoryRecord) -> Void) throws(ConnectError)
    /// Returns when the records are durable.
    func append(_ records: [SchemaHistoryRecord]) throws(ConnectError)
}

/// For tests and trials: a restart takes the definitions of today.
final class MemorySchemaHistory: SchemaHistory {
    private var records: [SchemaHistoryRecord] = []
    func exists() throws(ConnectError) -> Bool { !records.isEmpty }
    func forEach(_ body: (SchemaHistoryRecord) -> Void) throws(ConnectError) { records.forEach(body) }
    func append(_ records: [SchemaHistoryRecord]) throws(ConnectError) { self.records += records }
}

/// One record per line of a file.
final class FileSchemaHistory: SchemaHistory {
    private let path: String

    init(_ path: String) { self.path = path }

    private func failure(_ what: String) -> ConnectError {
        ConnectError(.connect, "\(what) the schema history '\(path)': \(String(cString: strerror(errno)))")
    }

    func exists() throws(ConnectError) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_size > 0
    }

    func forEach(_ body: (SchemaHistoryRecord) -> Void) throws(ConnectError) {
        guard let file = fopen(path, "r") else {
            if errno == ENOENT { return }
            throw failure("cannot read")
        }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while true {
            let count = getline(&line, &capacity, file)
            guard count > 0, let line else { break }
            let bytes = UnsafeRawBufferPointer(start: line, count: count)
            if let record = SchemaHistoryRecord(bytes.last == 0x0A ? Array(bytes.dropLast()) : Array(bytes)) {
                body(record)
            }
        }
    }

    func append(_ records: [SchemaHistoryRecord]) throws(ConnectError) {
        guard let file = fopen(path, "a") else { throw failure("cannot write to") }
        defer { fclose(file) }
        for record in records {
            let bytes = record.json.bytes + [0x0A]
            guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw failure("cannot write to") }
        }
        guard fflush(file) == 0, fdatasync(fileno(file)) == 0 else { throw failure("cannot write to") }
    }
}

/// The records of a topic with one partition, which is never cleaned.
final class TopicSchemaHistory: SchemaHistory {
    private let cluster: any Cluster
    private let topic: String
    private var writer: (any RecordWriter)?

    init(_ cluster: any Cluster, topic: String) {
        self.cluster = cluster
        self.topic = topic
    }

    private func error(_ error: ClusterError) -> ConnectError {
        ConnectError(.retriable, "The schema history topic '\(topic)' cannot be used: \(error)")
    }

    /// Runs something on the cluster and blocks this thread until it is done.
    private func run<Value: Sendable>(
        _ body: @escaping @Sendable (any Cluster) async throws(ClusterError) -> Value
    ) throws(ConnectError) -> Value {
        let cluster = cluster
        do throws(ClusterError) {
            return try blockingThread { () async throws(ClusterError) -> Value in try await body(cluster) }
        } catch { throw self.error(error) }
    }

    private func isThere() throws(ConnectError) -> Bool {
        let topic = topic
        return try run { (cluster) async throws(ClusterError) -> Bool in
            do throws(ClusterError) {
                _ = try await cluster.topic(topic)
                return true
            } catch {
                if error.code == .unknownTopicOrPartition { return false }
                throw error
            }
        }
    }

    func exists() throws(ConnectError) -> Bool {
        guard try isThere() else { return false }
        var found = false
        try forEach { _ in found = true }
        return found
    }

    func forEach(_ body: (SchemaHistoryRecord) -> Void) throws(ConnectError) {
        guard try isThere() else { return }
        let partition = TopicPartition(topic, 0)
        let (reader, end) = try run {
            (cluster) async throws(ClusterError) -> (any PartitionReader, Int64) in
            let reader = try await cluster.reader(partition, from: .beginning, isolation: .readCommitted)
            let ends = try await cluster.offsets([partition: .end], isolation: .readCommitted)
            return (reader, ends[partition] ?? 0)
        }
        defer { reader.close() }
        do throws(ClusterError) {
            while reader.position < end {
                let batches = try reader.nextBlocking(maxBytes: 4 << 20, timeout: .seconds(5))
                for record in try batches.records() {
                    guard let value = record.value else { continue }
                    if let record = SchemaHistoryRecord(Array(value.readableBytesView)) { body(record) }
                }
            }
        } catch { throw self.error(error) }
    }

    func append(_ records: [SchemaHistoryRecord]) throws(ConnectError) {
        if writer == nil {
            if !(try isThere()) {
                let topic = topic
                try run { (cluster) async throws(ClusterError) in
                    do throws(ClusterError) {
                        try await cluster.createTopic(
                            NewTopic(
                                topic, partitionCount: 1,
                                configs: [
                                    "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1",
                                ]), validateOnly: false)
                    } catch {
                        guard error.code == .topicAlreadyExists else { throw error }
                    }
                }
            }
            writer = try run { (cluster) async throws(ClusterError) -> any RecordWriter in
                try await cluster.writer(.idempotent)
            }
        }
        guard let writer else { return }
        let produced = records.map {
            ProducerRecord(partition: 0, value: ByteBuffer(bytes: $0.json.bytes), timestamp: $0.milliseconds)
        }
        do throws(ClusterError) { _ = try writer.writeBlocking(produced, to: topic) } catch { throw self.error(error) }
    }

    deinit {
        guard let writer else { return }
        // Nothing is under way: every append has waited. Closing gives back what the writer holds.
        Task { await writer.close() }
    }
}
