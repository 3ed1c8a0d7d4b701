import HTTPKit
import JSONFormat
import NIOCore
import SQLFormats
import SQLPlan
import SQLTypes

/// `/ws/query`: the rows of one query, or the lines of PRINT, as text messages.
struct QuerySocket: Sendable {
    let service: QueryService

    func serve(_ call: HTTPCall, _ socket: WebSocket) async -> WebSocketClosing {
        do {
            if let version = call.query("version"), version != "1", !version.isEmpty {
                throw KsqlFailure.badRequest("Received invalid api version: \(version)")
            }
            guard let request = call.query("request") else {
                throw KsqlFailure.badRequest("The request has no parameter 'request'")
            }
            guard let body = JSONValue.parse(Array(request.utf8)), body.members != nil,
                let text = body["ksql"]?.text
            else {
                throw KsqlFailure.badRequest("The parameter 'request' is no JSON object with a statement in 'ksql'")
            }
            let query = try await service.preparation.prepare(text, try RequestContext(body))
            switch query.kind {
            case .pull(let pull):
                if case .table(let table) = pull.source {
                    try await sendTable(pull, table, query, socket)
                } else {
                    try await sendRows(query, socket)
                }
            case .push: try await sendRows(query, socket)
            case .print(let statement):
                let print = try await PrintQuery(statement, query.text, service.engine)
                try await withSigns(socket) {
                    try await print.run { text in
                        for line in text.split(separator: "\n") { try await socket.send(String(line)) }
                    }
                }
            }
            return WebSocketClosing(1000, "done")
        } catch let failure as KsqlFailure {
            // The client's mistakes are told apart from the server's, as the original does.
            return WebSocketClosing(failure.status < 500 ? 1003 : 1011, failure.message)
        } catch {
            return WebSocketClosing(1001, "the client is gone")
        }
    }

    private func sendTable(
        _ pull: PullQuery, _ table: PullTable, _ query: ClientQuery, _ socket: WebSocket
    ) async throws {
        try service.limits.begin()
        defer { service.limits.end(byteCount: 0) }
        let rows = try await service.reader.rows(pull, table, query)
        try await socket.send(Self.schema(pull.columns.map(ColumnText.json)))
        let types = pull.columns.map(\.type)
        for row in rows {
            var output = Array("{\"row\":{\"columns\":".utf8)
            RowText.append(row, types, to: &output)
            output += "}}".utf8
            try await socket.send(ByteBuffer(bytes: output))
        }
    }

    private func sendRows(_ query: ClientQuery, _ socket: WebSocket) async throws {
        let started = try await service.start(query)
        try await socket.send(Self.schema(started.columns.map(ColumnText.json)))
        try await withSigns(socket) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                let pace = service.watch(started, in: &group)
                defer { group.cancelAll() }
                var writer = try ResultWriter(
                    .messages, queryID: started.id, columns: started.columns, isStreamed: true)
                try await service.write(started, &writer, pace) { bytes in
                    for line in bytes.split(separator: UInt8(ascii: "\n")) {
                        try await socket.send(ByteBuffer(bytes: line))
                    }
                }
            }
        }
    }

    private static func schema(_ fields: [JSONValue]) -> ByteBuffer { ByteBuffer(bytes: JSONValue.array(fields).bytes) }

    /// Lets the client know at times that the connection lives.
    private func withSigns(_ socket: WebSocket, _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    try await Task.sleep(for: QueryService.keepAlive)
                    try await socket.ping()
                }
            }
            defer { group.cancelAll() }
            try await body()
        }
    }
}
