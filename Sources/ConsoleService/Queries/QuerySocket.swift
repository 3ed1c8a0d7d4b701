import AsyncHTTPClient
import HTTPKit
import JSONCalls
import JSONFormat
import NIOCore
import NIOHTTP1
import Synchronization

/// `/api/query`: any number of queries of one page over one WebSocket, as browsers open only six connections of HTTP/1.1 to
/// a server. The queries run on the SQL server, ours or a foreign one, by its HTTP API.
///
/// A query's rows are read when the page has taken those before: what lies here is a part of an answer for each query, and
/// rows that have not come whole, within a common limit. A page that takes nothing for a while is cut off.
struct QuerySocket: Sendable {
    /// Queries at a time on one socket.
    static let queryCountMax = 256
    /// Rows that have not come whole, of all queries of a socket.
    static let pendingByteCountMax = 16 << 20
    /// Tells what lies between, and ourselves, that the page is there.
    private static let pingPause = Duration.seconds(20)

    private let sql: UpstreamClient
    private let stallMax: Duration

    init(_ settings: ConsoleSettings) {
        sql = UpstreamClient(upstream: .sql, addresses: settings.sql)
        stallMax = settings.querySocketStall
    }

    /// Returns when the page is gone or breaks the rules.
    func serve(_ socket: WebSocket) async -> WebSocketClosing {
        let outlet = QueryOutlet(socket, stallMax: stallMax)
        return await withTaskGroup(of: WebSocketClosing.self) { group in
            group.addTask { await outlet.watch() }
            group.addTask {
                do {
                    while true {
                        try await Task.sleep(for: Self.pingPause)
                        try await socket.ping()
                    }
                } catch {
                    return WebSocketClosing(1001, "the page is gone")
                }
            }
            group.addTask { await runQueries(socket, outlet) }
            defer { group.cancelAll() }
            return await group.next() ?? WebSocketClosing(1000, "")
        }
    }

    private func runQueries(_ socket: WebSocket, _ outlet: QueryOutlet) async -> WebSocketClosing {
        let running = RunningQueries()
        return await withDiscardingTaskGroup { group in
            defer { group.cancelAll() }
            for await message in socket.messages {
                switch QueryMessage(message) {
                case nil:
                    return WebSocketClosing(
                        1008, "a message is like {\"start\": 1, \"sql\": \"SELECT ...\"} or {\"stop\": 1}")
                case .stop(let id): running.stop(id)
                case .start(let id, let request):
                    guard running.count < Self.queryCountMax else {
                        return WebSocketClosing(1008, "at most \(Self.queryCountMax) queries run on one socket")
                    }
                    guard let stopped = running.begin(id) else {
                        return WebSocketClosing(1008, "query \(id) runs already")
                    }
                    group.addTask {
                        await run(id, request, until: stopped, outlet)
                        running.end(id)
                        try? await outlet.send(QueryMessage.end(id))  // nobody is there to be told
                    }
                }
            }
            return WebSocketClosing(1000, "")
        }
    }

    /// Runs one query until it ends, or is stopped.
    private func run(
        _ id: Int64, _ request: JSONValue, until stopped: AsyncStream<Never>, _ outlet: QueryOutlet
    ) async {
        await withDiscardingTaskGroup { group in
            let query = AsyncStream.makeStream(of: Never.self)
            group.addTask {
                defer { query.continuation.finish() }
                do {
                    try await forward(id, request, to: outlet)
                } catch {
                    if Task.isCancelled { return }  // whoever stopped it knows
                    // When the page is gone nobody is to be told.
                    try? await outlet.send(QueryMessage.failure(id, Self.words(error)))
                }
            }
            group.addTask {
                for await _ in stopped {}
                query.continuation.finish()
            }
            for await _ in query.stream {}
            group.cancelAll()
        }
    }

    private func forward(_ id: Int64, _ request: JSONValue, to outlet: QueryOutlet) async throws {
        let headers = [("accept", "application/vnd.ksqlapi.delimited.v1"), ("content-type", "application/json")]
        let response = try await sql.send(
            .POST, "/query-stream", headers: headers, body: ByteBuffer(bytes: request.bytes), timeout: nil)
        guard 200..<300 ~= response.status.code else {
            let message = JSONValue.parse(try await sql.collect(response))?["message"]?.text
            throw Ended(message: message ?? "the \(sql.upstream.title) answered HTTP \(response.status.code)")
        }
        // A message is text, so it ends where a line does.
        var pending = ByteBuffer()
        defer { outlet.keep(-pending.readableBytes) }
        for try await part in response.body {
            guard let end = part.readableBytesView.lastIndex(of: UInt8(ascii: "\n")) else {
                guard outlet.keep(part.readableBytes) else { throw Ended(message: Self.tooLong) }
                pending.writeImmutableBuffer(part)
                continue
            }
            var part = part
            let whole = part.readSlice(length: end + 1 - part.readerIndex) ?? ByteBuffer()
            outlet.keep(-pending.readableBytes)
            pending.writeImmutableBuffer(whole)
            let lines = pending
            pending = ByteBuffer()
            // Empty lines are signs of life.
            if lines.readableBytesView.contains(where: { $0 != UInt8(ascii: "\n") }) {
                try await outlet.send(QueryMessage.lines(id, lines))
            }
            guard outlet.keep(part.readableBytes) else { throw Ended(message: Self.tooLong) }
            pending = part
        }
        if pending.readableBytes > 0 { try await outlet.send(QueryMessage.lines(id, pending)) }
    }

    private static let tooLong = "the rows are longer than the console keeps for one page: select fewer columns"

    private struct Ended: Error { var message: String }

    private static func words(_ error: any Error) -> String {
        switch error {
        case let error as Ended: error.message
        case let error as UpstreamClient.Failure:
            if case .absent = error { "there is no SQL server here: \(ConsoleUpstream.sql.hint)" } else { error.words }
        default: "the SQL server ended the query: \(JSONCalls.words(error))"
        }
    }
}

/// The queries of a socket, by their numbers, and how to stop each.
private final class RunningQueries: Sendable {
    private let stops = Mutex<[Int64: AsyncStream<Never>.Continuation]>([:])

    var count: Int { stops.withLock { $0.count } }

    /// - Returns: what ends when the query is to end; nil when one of the number runs.
    func begin(_ id: Int64) -> AsyncStream<Never>? {
        stops.withLock { stops in
            guard stops[id] == nil else { return nil }
            let (stream, stop) = AsyncStream.makeStream(of: Never.self)
            stops[id] = stop
            return stream
        }
    }

    func stop(_ id: Int64) { stops.withLock { $0[id] }?.finish() }

    func end(_ id: Int64) { stops.withLock { $0.removeValue(forKey: id) }?.finish() }
}

/// The way to one page: what waits for it, and whether it takes anything.
private final class QueryOutlet: Sendable {
    private let socket: WebSocket
    private let stallMax: Duration
    private let clock = ContinuousClock()
    private let state: Mutex<State>

    private struct State {
        var waitingCount = 0
        /// When the page took something last, or something began to wait for it.
        var movedAt: ContinuousClock.Instant
        var pendingByteCount = 0
    }

    init(_ socket: WebSocket, stallMax: Duration) {
        self.socket = socket
        self.stallMax = stallMax
        state = Mutex(State(movedAt: clock.now))
    }

    /// Returns when the connection takes more. - Throws: when the page is gone.
    func send(_ message: ByteBuffer) async throws {
        state.withLock { state in
            if state.waitingCount == 0 { state.movedAt = clock.now }
            state.waitingCount += 1
        }
        defer {
            state.withLock { state in
                state.waitingCount -= 1
                state.movedAt = clock.now
            }
        }
        try await socket.send(message)
    }

    /// Counts bytes of rows that have not come whole; negative when they have.
    ///
    /// - Returns: false, having counted nothing, when that is more than may lie here.
    @discardableResult
    func keep(_ byteCount: Int) -> Bool {
        state.withLock { state in
            let all = state.pendingByteCount + byteCount
            guard byteCount <= 0 || all <= QuerySocket.pendingByteCountMax else { return false }
            state.pendingByteCount = all
            return true
        }
    }

    /// Returns once the page has taken nothing for too long, though something waits for it.
    func watch() async -> WebSocketClosing {
        while true {
            let (waits, deadline) = state.withLock { ($0.waitingCount > 0, $0.movedAt + stallMax) }
            let now = clock.now
            if waits, deadline <= now {
                return WebSocketClosing(
                    1008, "the page took no rows for \(stallMax.components.seconds) s, so its queries were ended")
            }
            do { try await clock.sleep(until: waits ? deadline : now + stallMax) } catch {
                return WebSocketClosing(1001, "the page is gone")
            }
        }
    }
}
