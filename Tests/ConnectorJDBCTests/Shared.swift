import CSQLite
import ConnectCore
import Foundation
import SQLTypes
import Synchronization
import Testing

@testable import ConnectorJDBC

/// What a worker offers, without a worker: notes what it is asked for.
final class SinkContext: SinkTaskContext {
    let identity = TaskIdentity(connector: "c", task: 0)
    private let isTolerant: Bool
    let reported = Mutex<[(offset: Int64?, error: ConnectError)]>([])
    let sought = Mutex<[SinkPartition: Int64]>([:])
    let lines = Mutex<[String]>([])

    init(isTolerant: Bool = false) { self.isTolerant = isTolerant }

    func requestCommit() {}
    func seek(_ offsets: [SinkPartition: Int64]) { sought.withLock { $0.merge(offsets) { $1 } } }
    func pause(_ partitions: [SinkPartition]) {}
    func resume(_ partitions: [SinkPartition]) {}
    func retry(after: Duration) {}

    func report(_ record: ConnectRecord, _ error: ConnectError) async throws(ConnectError) {
        reported.withLock { $0.append((record.kafkaOffset, error)) }
        if !isTolerant { throw error }
    }

    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {
        let text = message()
        lines.withLock { $0.append(text) }
    }

    var now: Int64 { 0 }
}

func structure(_ fields: [(String, ConnectSchema)]) -> ConnectSchema {
    .structure(fields.map { ConnectSchema.Field($0.0, $0.1) })
}

func row(_ schema: ConnectSchema, _ values: [ConnectValue]) -> SchemaAndValue {
    SchemaAndValue(schema, .structure(ConnectStruct(schema, values: values)))
}

func record(
    _ value: SchemaAndValue, key: SchemaAndValue = .null, offset: Int64 = 0, topic: String = "t",
    partition: Int32 = 0
) -> ConnectRecord {
    ConnectRecord(
        topic: topic, partition: partition, key: key, value: value, timestamp: 5,
        origin: .sink(topic: topic, partition: partition, offset: offset, timestampKind: .create))
}

/// A database of SQLite in a folder of its own, seen by a connection beside the sink's.
final class TestFile {
    let path: String

    init() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "jdbc-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        path = folder.appending(path: "test.db").path
    }

    deinit { try? FileManager.default.removeItem(atPath: URL(filePath: path).deletingLastPathComponent().path) }

    struct Failure: Error, CustomStringConvertible { var description: String }

    /// Runs statements; rows come as texts, their columns with `|` between them, nulls as `NULL`.
    @discardableResult
    func sql(_ text: String) throws -> [String] {
        var handle: OpaquePointer?
        guard sqlite3_open(path, &handle) == SQLITE_OK else { throw Failure(description: "cannot open") }
        defer { sqlite3_close(handle) }
        sqlite3_busy_timeout(handle, 5000)
        var rows: [String] = []
        let code = withUnsafeMutablePointer(to: &rows) { rows in
            sqlite3_exec(
                handle, text,
                { rows, count, values, _ in
                    let columns = (0..<Int(count)).map { values?[$0].map { String(cString: $0) } ?? "NULL" }
                    rows?.assumingMemoryBound(to: [String].self).pointee.append(columns.joined(separator: "|"))
                    return 0
                }, rows, nil)
        }
        guard code == SQLITE_OK else { throw Failure(description: String(cString: sqlite3_errmsg(handle))) }
        return rows
    }

    func task(_ properties: [String: String], _ context: SinkContext = SinkContext()) throws -> any SinkTask {
        try JDBCSinkPlugin(.confluent, version: "1").makeTask(
            [
                "name": "c", "connection.url": "jdbc:sqlite:" + path, "retry.backoff.ms": "0",
                "connection.backoff.ms": "0",
            ]
            .merging(properties) { $1 }, context)
    }

    /// Puts batches through a task of its own.
    func put(
        _ properties: [String: String], _ batches: [ConnectRecord]..., context: SinkContext = SinkContext()
    ) async throws {
        let task = try task(properties, context)
        do {
            try await task.start()
            try await task.open([SinkPartition(topic: "t", partition: 0)])
            for batch in batches { try await task.put(batch) }
        } catch {
            await task.stop()
            throw error
        }
        await task.stop()
    }
}

/// The message of what `body` fails with.
func failure(_ body: () async throws -> Void) async -> String {
    do {
        try await body()
        return "it did not fail"
    } catch let error as ConnectError {
        return error.message
    } catch {
        return "\(error)"
    }
}
