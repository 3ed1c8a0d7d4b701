import AsyncHTTPClient
import JSONCalls
package import JSONFormat
import NIOCore

/// What a query gives, piece by piece.
package enum QueryPiece: Sendable {
    /// Comes first: the query's id and its columns, as in `` `ID` BIGINT KEY, `NAME` STRING ``.
    case header(queryID: String?, schema: String)
    case row([JSONValue], isTombstone: Bool)
    /// A line of PRINT.
    case line(String)
    /// What the server says at the end: `Limit Reached`, `Query Completed`.
    case message(String)
}

/// The answer to a query as it comes. One reader at a time.
package struct RowStream {
    private var body: HTTPClientResponse.Body.AsyncIterator
    private var splitter = PieceSplitter()
    private let address: String

    init(_ body: HTTPClientResponse.Body, _ address: String) {
        self.body = body.makeAsyncIterator()
        self.address = address
    }

    /// Waits for the next piece; nil when the server has ended the answer, or the task is cancelled.
    ///
    /// - Throws: `.refused` for an error that ends the query; `.unreachable` when the connection breaks.
    package mutating func next() async throws(SQLFailure) -> QueryPiece? {
        while true {
            if let piece = try splitter.next() { return piece }
            if splitter.isEnded { return nil }
            do {
                if let buffer = try await body.next() {
                    splitter.append(buffer.readableBytesView)
                } else {
                    splitter.end()
                }
            } catch {
                if Task.isCancelled { return nil }
                throw SQLFailure(
                    .unreachable, "the SQL server at \(address) broke the query off: \(JSONCalls.words(error))")
            }
        }
    }
}
