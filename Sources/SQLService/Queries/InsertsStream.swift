import Cluster
import Environment
import HTTPKit
import HTTPTypes
import JSONFormat
import NIOCore
import SQLFormats
import SQLPlan
import SQLSyntax
import SQLTypes
import Synchronization

/// `/inserts-stream`: rows come line by line over HTTP/2, and each is acknowledged, once the cluster has it, while further
/// ones come.
///
/// The rows of one read from the connection are written together, so throughput follows load; while they are on their way
/// nothing more is read, and flow control holds the client up.
struct InsertsStream: Sendable {
    private static let lineByteCountMax = 4 << 20

    let engine: SQLEngine

    func answer(_ call: HTTPCall) async throws(KsqlFailure) -> HTTPAnswer {
        guard call.isHTTP2 else {
            throw KsqlFailure(40004, "The /inserts-stream endpoint is only available when using HTTP2")
        }
        guard let type = MediaType.negotiated(call.headers[.accept], among: [.delimited, .plainJSON, .json]) else {
            throw .notAcceptable
        }
        try engine.checkReady()
        let lines = Lines(call, byteCountMax: Self.lineByteCountMax)
        let target = try await open(lines)
        let isArray = type != .delimited
        return .stream(contentType: (isArray ? MediaType.plainJSON : .delimited).rawValue) { body in
            var sequence: Int64 = 0
            if isArray { try await body.write("[") }
            var isFirst = true
            while let rows = try await lines.next() {
                let written = await target.write(rows)
                var output: [UInt8] = []
                func ack(_ members: [(String, JSONValue)]) {
                    if isArray, !isFirst { output.append(UInt8(ascii: ",")) }
                    isFirst = false
                    output += JSONValue.object(members).bytes
                    output.append(UInt8(ascii: "\n"))
                }
                for _ in 0..<written.count {
                    ack([("status", .string("ok")), ("seq", .number(sequence))])
                    sequence += 1
                }
                if let failure = written.failure {
                    ack([
                        ("status", .string("error")), ("seq", .number(sequence)),
                        ("error_code", .number(Int64(failure.code))), ("message", .string(failure.message)),
                    ])
                }
                if !output.isEmpty { try await body.write(ByteBuffer(bytes: output)) }
                if written.failure != nil { break }
            }
            if isArray { try await body.write("]") }
            await target.close()
        }
    }

    /// Reads the first line.
    private func open(_ lines: Lines) async throws(KsqlFailure) -> InsertTarget {
        let first: [[UInt8]]?
        do { first = try await lines.next() } catch { throw .badRequest("The request's body cannot be read") }
        guard var rows = first, !rows.isEmpty else {
            throw .badRequest("The body begins with a line {\"target\": \"<stream>\", \"properties\": {}}")
        }
        let head = rows.removeFirst()
        lines.putBack(rows)
        guard let line = JSONValue.parse(head), line.members != nil, let name = line["target"]?.text else {
            throw .badRequest("Invalid JSON in inserts stream request: the first line names a 'target'")
        }
        let context = try RequestContext(line, propertiesName: "properties")
        let source = try source(name, context)
        let engine = engine
        return try await engine.work { () throws(KsqlFailure) in
            do throws(ClusterError) {
                let cluster = engine.cluster
                let writer = try blockingThread { () async throws(ClusterError) in try await cluster.writer(.idempotent)
                }
                return InsertTarget(source, writer, engine)
            } catch { throw .server("Cannot write to topic '\(source.topic)': \(error.message)") }
        }
    }

    private func source(_ name: String, _ context: RequestContext) throws(KsqlFailure) -> SourceDescription {
        let catalog = engine.current
        guard let found = catalog.sourceNames.first(where: { RowReading.matches(name, $0) }),
            let source = catalog[found]
        else {
            throw Self.badTarget("Cannot insert values into an unknown stream/table: \(Self.shown(name))")
        }
        if engine.isReadOnly(source.topic) {
            throw Self.badTarget("Cannot insert values into read-only topic: \(source.topic)")
        }
        if source.isReadOnly {
            throw Self.badTarget(
                "Cannot insert values into read-only \(source.isTable ? "table" : "stream"): \(source.name)")
        }
        if source.isWindowed { throw Self.badTarget("Cannot insert values into windowed stream/table!") }
        guard engine.configuration(context)["ksql.insert.into.values.enabled"]?.lowercased() != "false" else {
            throw .badRequest(
                "The server has disabled INSERT INTO ... VALUES functionality. To enable it, restart your ksqlDB server with"
                    + " 'ksql.insert.into.values.enabled'=true")
        }
        return source
    }

    /// 40001 without a statement, as the original has it.
    private static func badTarget(_ message: String) -> KsqlFailure { KsqlFailure(40001, message) }

    /// A name as the catalog has it, in back quotes.
    private static func shown(_ name: String) -> String {
        name.hasPrefix("`") ? name : Identifier.quote(name.uppercased())
    }
}

/// The lines of a body as they come.
/// One task at a time asks for them.
private final class Lines: Sendable {
    private let byteCountMax: Int
    private let state = Mutex((rest: [UInt8](), ready: [[UInt8]](), isAtEnd: false))
    private let parts: HTTPBodyParts

    init(_ call: HTTPCall, byteCountMax: Int) {
        self.byteCountMax = byteCountMax
        parts = call.bodyParts()
    }

    func putBack(_ lines: [[UInt8]]) { state.withLock { $0.ready = lines + $0.ready } }

    /// Whole lines, at least one; nil at the end.
    func next() async throws -> [[UInt8]]? {
        while true {
            let ready = state.withLock { state -> [[UInt8]]? in
                guard !state.ready.isEmpty else { return state.isAtEnd ? [] : nil }
                defer { state.ready = [] }
                return state.ready
            }
            if let ready { return ready.isEmpty ? nil : ready }
            let part = try await parts.next()
            try state.withLock { state in
                if let part { state.rest += part.readableBytesView } else { state.isAtEnd = true }
                while let end = state.rest.firstIndex(of: UInt8(ascii: "\n")) {
                    Self.add(state.rest[..<end], &state.ready)
                    state.rest.removeFirst(end + 1)
                }
                if state.isAtEnd {
                    Self.add(state.rest[...], &state.ready)
                    state.rest = []
                }
                guard state.rest.count <= byteCountMax else {
                    throw KsqlFailure.badRequest("a row is longer than \(byteCountMax) bytes")
                }
            }
        }
    }

    private static func add(_ line: ArraySlice<UInt8>, _ lines: inout [[UInt8]]) {
        if line.contains(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\r") }) { lines.append(Array(line)) }
    }
}

/// Where the rows of one request go.
private final class InsertTarget: Sendable {
    private struct Encoders {
        var key: any RowEncoder
        var value: any RowEncoder
    }

    private let source: SourceDescription
    private let writer: any RecordWriter
    private let engine: SQLEngine
    /// Made when the first row comes, as the registry may refuse the schema.
    private let encoders = Mutex<Encoders?>(nil)

    init(_ source: SourceDescription, _ writer: any RecordWriter, _ engine: SQLEngine) {
        self.source = source
        self.writer = writer
        self.engine = engine
    }

    func close() async { await writer.close() }

    /// - Returns: how many of the rows, from the first on, the cluster has, and why not all.
    func write(_ rows: [[UInt8]]) async -> (count: Int, failure: KsqlFailure?) {
        let encoded: (records: [ProducerRecord], failure: KsqlFailure?)
        do throws(KsqlFailure) {
            // The registry may be asked for schemas, which blocks.
            encoded = try await engine.work { () throws(KsqlFailure) in self.encode(rows) }
        } catch { return (0, error) }
        guard !encoded.records.isEmpty else { return (0, encoded.failure) }
        do throws(ClusterError) {
            _ = try await writer.write(encoded.records, to: source.topic)
            return (encoded.records.count, encoded.failure)
        } catch { return (0, .server("Cannot write to topic '\(source.topic)': \(error.message)")) }
    }

    /// The records of the rows before the first that is none.
    private func encode(_ rows: [[UInt8]]) -> (records: [ProducerRecord], failure: KsqlFailure?) {
        encoders.withLock { encoders in
            var records: [ProducerRecord] = []
            do throws(KsqlFailure) {
                let ready: Encoders
                if let made = encoders { ready = made } else { ready = try makeEncoders() }
                encoders = ready
                for row in rows { records.append(try record(row, ready)) }
                return (records, nil)
            } catch { return (records, error) }
        }
    }

    private func makeEncoders() throws(KsqlFailure) -> Encoders {
        do throws(FormatError) {
            let formats = RecordFormats(schemas: engine.schemas)
            return Encoders(
                key: try formats.rowEncoder(
                    source.keyFormat, topic: source.topic, isKey: true,
                    columns: source.keyColumns.map { SQLField($0.name, $0.type) }),
                value: try formats.rowEncoder(
                    source.valueFormat, topic: source.topic, isKey: false,
                    columns: source.valueColumns.map { SQLField($0.name, $0.type) }))
        } catch { throw .badRequest(error.message) }
    }

    private func record(_ line: [UInt8], _ encoders: Encoders) throws(KsqlFailure) -> ProducerRecord {
        // Members that are no columns are passed over, as by the original: rows may hold more than the source wants.
        guard let row = JSONValue.parse(line), row.members != nil else {
            throw .badRequest("Invalid JSON in inserts stream")
        }
        // Headers are none of the value, so that the row would lose them.
        let headers = source.headerColumns.map(\.name).filter { RowReading.member(row, $0) != nil }
        guard headers.isEmpty else {
            throw .badRequest("Cannot insert into HEADER columns: \(headers.joined(separator: ", "))")
        }
        func values(_ columns: [SQLColumn], isKey: Bool) throws(KsqlFailure) -> [SQLValue] {
            var values: [SQLValue] = []
            for column in columns {
                guard let member = RowReading.member(row, column.name) else {
                    if isKey, source.isTable { throw .badRequest("Key field must be specified: \(column.name)") }
                    values.append(.null)
                    continue
                }
                do throws(RowReading.Failure) { values.append(try RowReading.value(member, column.type)) } catch {
                    throw .badRequest("Column \(column.name): \(error.message)")
                }
            }
            return values
        }
        let keyValues = try values(source.keyColumns, isKey: true)
        let valueValues = try values(source.valueColumns, isKey: false)
        do throws(FormatError) {
            let key = try encoders.key.bytes(keyValues)
            let value = try encoders.value.bytes(valueValues)
            return ProducerRecord(
                key: key.map { ByteBuffer(bytes: $0) }, value: value.map { ByteBuffer(bytes: $0) },
                timestamp: SystemWallClock().now())
        } catch { throw .badRequest(error.message) }
    }
}
