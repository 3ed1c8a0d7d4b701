import Bytes
import Cluster
import Environment
import JSONFormat
package import Logging
import NIOCore
import SQLPlan
package import StreamEngine
import Synchronization

/// What went wrong with single records of queries: lines of the program's log, and records of the processing log's topic,
/// in the original's form.
///
/// - SeeAlso: upstream `ProcessingLogMessageSchema`.
package final class ProcessingLog: Sendable {
    private struct Inside {
        var pending: [ProducerRecord] = []
        var dropped = 0
        var task: Task<Void, Never>?
        var isStopped = false
    }

    /// Entries that may wait to be written; more are dropped and counted, so that a topic of broken records cannot fill
    /// the memory.
    private static let pendingCountMax = 10_000

    private let settings: SQLServerSettings
    private let logger: Logger
    private let inside = Mutex(Inside())

    package init(_ settings: SQLServerSettings, logger: Logger) {
        self.settings = settings
        self.logger = logger
    }

    private func flag(_ name: String) -> Bool { settings.properties[name]?.lowercased() == "true" }
    private func number(_ name: String) -> Int? { settings.properties[name].flatMap { Int($0) } }

    var topic: String {
        let name = settings.properties["ksql.logging.processing.topic.name"] ?? ""
        return name.isEmpty ? settings.serviceID + "ksql_processing_log" : name
    }
    var stream: String { settings.properties["ksql.logging.processing.stream.name"] ?? "KSQL_PROCESSING_LOG" }
    private var writesTopic: Bool {
        flag("ksql.logging.processing.topic.auto.create") || flag("ksql.logging.processing.stream.auto.create")
    }

    /// Takes an entry of a query. For any thread; never waits.
    package func note(_ query: String, _ entry: ProcessingLogEntry) {
        let name = "processing.\(query)" + (entry.step.isEmpty ? "" : "." + entry.step)
        var metadata: Logger.Metadata = ["logger": "\(name)", "error": "\(entry.message)"]
        if let topic = entry.topic { metadata["topic"] = "\(topic)" }
        if let partition = entry.partition { metadata["partition"] = "\(partition)" }
        if let offset = entry.offset { metadata["offset"] = "\(offset)" }
        logger.warning("a record could not be processed", metadata: metadata)
        guard writesTopic else { return }
        let line = Self.line(
            logger: name, entry, time: SystemWallClock().now(),
            includesRows: flag("ksql.logging.processing.rows.include"))
        let record = ProducerRecord(value: ByteBuffer(bytes: line.bytes))
        inside.withLock { inside in
            guard inside.pending.count < Self.pendingCountMax else {
                inside.dropped += 1
                return
            }
            inside.pending.append(record)
        }
    }

    /// One message of the processing log.
    static func line(
        logger: String, _ entry: ProcessingLogEntry, time: Int64, includesRows: Bool
    ) -> JSONValue {
        var error: (String, JSONValue)
        let bytes = includesRows ? entry.record.map { JSONValue.string(Base64.encode($0)) } ?? .null : .null
        let topic = JSONValue.string(entry.topic)
        let message = JSONValue.string(entry.message)
        switch entry.kind.rawValue {
        case 0:
            error = (
                "deserializationError",
                .object([
                    ("target", .string("value")), ("errorMessage", message), ("recordB64", bytes),
                    ("cause", .array([])), ("topic", topic),
                ])
            )
        case 1:
            error = (
                "recordProcessingError",
                .object([("errorMessage", message), ("record", bytes), ("cause", .array([]))])
            )
        case 2: error = ("productionError", .object([("errorMessage", message)]))
        case 3:
            error = (
                "serializationError",
                .object([
                    ("target", .string("value")), ("errorMessage", message), ("record", bytes), ("cause", .array([])),
                    ("topic", topic),
                ])
            )
        default:
            error = (
                "kafkaStreamsThreadError",
                .object([("errorMessage", message), ("threadName", .null), ("cause", .array([]))])
            )
        }
        var members: [(String, JSONValue)] = [("type", .number(Int64(entry.kind.rawValue)))]
        for name in [
            "deserializationError", "recordProcessingError", "productionError", "serializationError",
            "kafkaStreamsThreadError",
        ] {
            members.append((name, name == error.0 ? error.1 : .null))
        }
        return .object([
            ("level", .string("ERROR")), ("logger", .string(logger)), ("time", .number(time)),
            ("message", .object(members)),
        ])
    }

    static func statement(stream: String, topic: String, partitions: Int, replicas: Int) -> String {
        let cause = "CAUSE ARRAY<VARCHAR>"
        let fields = [
            "`TYPE` INTEGER",
            "DESERIALIZATIONERROR STRUCT<TARGET VARCHAR, ERRORMESSAGE VARCHAR, RECORDB64 VARCHAR, \(cause), `TOPIC` VARCHAR>",
            "RECORDPROCESSINGERROR STRUCT<ERRORMESSAGE VARCHAR, RECORD VARCHAR, \(cause)>",
            "PRODUCTIONERROR STRUCT<ERRORMESSAGE VARCHAR>",
            "SERIALIZATIONERROR STRUCT<TARGET VARCHAR, ERRORMESSAGE VARCHAR, RECORD VARCHAR, \(cause), `TOPIC` VARCHAR>",
            "KAFKASTREAMSTHREADERROR STRUCT<ERRORMESSAGE VARCHAR, THREADNAME VARCHAR, \(cause)>",
        ]
        return "CREATE STREAM \(stream) (LOGGER VARCHAR, LEVEL VARCHAR, `TIME` BIGINT, MESSAGE STRUCT<"
            + fields.joined(separator: ", ")
            + ">) WITH (KAFKA_TOPIC='\(topic)', VALUE_FORMAT='JSON', PARTITIONS=\(partitions), REPLICAS=\(replicas));"
    }

    /// Makes topic and stream where the settings ask for it, and begins to write.
    func start(_ engine: SQLEngine) {
        guard writesTopic else { return }
        inside.withLock { inside in
            guard inside.task == nil, !inside.isStopped else { return }
            // Owned by the log: `stop` awaits it.
            inside.task = Task { await run(engine) }
        }
    }

    private func run(_ engine: SQLEngine) async {
        let partitions = number("ksql.logging.processing.topic.partitions") ?? 1
        let replicas = number("ksql.logging.processing.topic.replication.factor") ?? 1
        do throws(ClusterError) {
            try await engine.cluster.createTopic(
                NewTopic(
                    topic, partitionCount: Int32(clamping: partitions), replicationFactor: Int16(clamping: replicas)),
                validateOnly: false)
        } catch {
            if error.code != .topicAlreadyExists {
                logger.error("cannot make the topic of the processing log", metadata: ["error": "\(error.message)"])
            }
        }
        if flag("ksql.logging.processing.stream.auto.create"), engine.current[stream] == nil,
            engine.settings.script == nil
        {
            let text = Self.statement(stream: stream, topic: topic, partitions: partitions, replicas: replicas)
            do throws(KsqlFailure) { _ = try await StatementRequest(engine).run(text, RequestContext()) } catch {
                logger.error("cannot make the stream of the processing log", metadata: ["error": "\(error.message)"])
            }
        }
        var writer: (any RecordWriter)?
        while !Task.isCancelled {
            do { try await Task.sleep(for: .milliseconds(250)) } catch { break }
            writer = await write(engine, writer)
        }
        writer = await write(engine, writer)
        await writer?.close()
    }

    private func write(_ engine: SQLEngine, _ writer: (any RecordWriter)?) async -> (any RecordWriter)? {
        let (records, dropped) = inside.withLock { inside in
            defer {
                inside.pending = []
                inside.dropped = 0
            }
            return (inside.pending, inside.dropped)
        }
        if dropped > 0 {
            logger.warning("entries of the processing log were dropped", metadata: ["count": "\(dropped)"])
        }
        guard !records.isEmpty else { return writer }
        do throws(ClusterError) {
            let open: any RecordWriter
            if let writer { open = writer } else { open = try await engine.cluster.writer(.acks(.leader)) }
            _ = try await open.write(records, to: topic)
            return open
        } catch {
            logger.error("cannot write the processing log", metadata: ["error": "\(error.message)"])
            await writer?.close()
            return nil
        }
    }

    func stop() async {
        let task = inside.withLock { inside in
            inside.isStopped = true
            return inside.task
        }
        task?.cancel()
        await task?.value
    }
}
