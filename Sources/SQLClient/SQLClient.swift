import AsyncHTTPClient
package import Bytes
import JSONCalls
package import JSONFormat
import NIOCore
import NIOHTTP1

/// A client of a streaming SQL server, ours or a ksqlDB, by ksqlDB's REST API over HTTP/1.1.
package struct SQLClient: Sendable {
    package let address: HTTPAddress
    /// For `Authorization: Bearer`; nil for none, or for the user and password of the address.
    private let token: String?
    private let timeout: Duration

    /// What goes with a request: the session of whoever asks.
    package struct Session: Sendable {
        /// Properties by name, as SET gives them.
        package var properties: [(name: String, value: String)] = []
        /// Variables by name, as DEFINE gives them.
        package var variables: [(name: String, value: String)] = []
        /// The last command that the session gave: the server waits until it has run it.
        package var commandSequenceNumber: Int64?

        package init() {}
    }

    /// - Parameter seconds: for an exchange that is no query.
    package init(_ address: HTTPAddress, token: String? = nil, timeout seconds: Double = 60) {
        self.address = address
        self.token = token
        timeout = .seconds(seconds)
    }

    private static let calls = JSONCalls(answerByteCountMax: 256 << 20)
    private static let contentType = "application/vnd.ksql.v1+json"

    // MARK: Exchanges

    /// What a server says it is, by what `info` returned: "Swiftwater 0.1.0", or the original's version alone.
    package static func version(in info: JSONValue) -> String {
        info["swiftwaterVersion"]?.text.map { "Swiftwater \($0)" } ?? info["version"]?.text ?? "?"
    }

    /// `KsqlServerInfo` of `/info`: `version`, `kafkaClusterId`, `ksqlServiceId`, `serverStatus`.
    package func info() async throws(SQLFailure) -> JSONValue {
        let answer = try await exchange("GET", "/info", nil)
        guard let info = answer["KsqlServerInfo"] else { throw notUnderstood }
        return info
    }

    /// Runs statements that are no queries.
    ///
    /// - Parameter count: how many there are; each has the time of an exchange.
    /// - Returns: what each answered.
    /// - Throws: `.refused` with what the statements before the first bad one answered.
    package func execute(
        _ statements: String, _ session: Session = Session(), count: Int = 1
    ) async throws(SQLFailure) -> [JSONValue] {
        let answer = try await exchange("POST", "/ksql", Self.body(statements, session), timeout: timeout * count)
        guard let entities = answer.elements else { throw notUnderstood }
        return entities
    }

    /// Makes sure that a client may set a property.
    ///
    /// - Throws: `.refused` when it may not, or there is none.
    package func check(property name: String) async throws(SQLFailure) {
        _ = try await exchange("GET", "/is_valid_property/" + PercentEncoding.encoded(name), nil)
    }

    /// Ends a push query of any client.
    package func close(queryID: String) async throws(SQLFailure) {
        _ = try await exchange("POST", "/close-query", .object([("queryId", .string(queryID))]))
    }

    /// Starts a query, or PRINT.
    ///
    /// - Returns: its rows as they come.
    package func query(_ statement: String, _ session: Session = Session()) async throws(SQLFailure) -> RowStream {
        let request = self.request("POST", "/query", Self.body(statement, session))
        do {
            // A query has no end of its own: only its first sign of life has a time limit, that of connecting.
            let response = try await Self.calls.client.execute(request, deadline: .distantFuture)
            guard response.status == .ok else {
                let answer = try await Self.calls.answer(response)
                throw SQLFailure(status: answer.status, answer.json, address.description)
            }
            return RowStream(response.body, address.description)
        } catch let failure as SQLFailure {
            throw failure
        } catch {
            throw unreachable(error)
        }
    }

    // MARK: Requests

    private static func body(_ statements: String, _ session: Session) -> JSONValue {
        var members: [(String, JSONValue)] = [
            ("ksql", .string(statements)),
            ("streamsProperties", .object(session.properties.map { ($0.name, .string($0.value)) })),
            ("sessionVariables", .object(session.variables.map { ($0.name, .string($0.value)) })),
        ]
        if let number = session.commandSequenceNumber { members.append(("commandSequenceNumber", .number(number))) }
        return .object(members)
    }

    private func request(_ method: String, _ path: String, _ body: JSONValue?) -> HTTPClientRequest {
        JSONCalls.request(
            method, address.base + path, body: body, type: Self.contentType,
            headers: token.map { [("authorization", "Bearer " + $0)] } ?? [],
            user: token == nil ? address.user : nil, password: address.password)
    }

    private func exchange(
        _ method: String, _ path: String, _ body: JSONValue?, timeout: Duration? = nil
    ) async throws(SQLFailure) -> JSONValue {
        let answer: JSONCalls.Answer
        do {
            answer = try await Self.calls.exchange(request(method, path, body), timeout: timeout ?? self.timeout)
        } catch {
            throw unreachable(error)
        }
        let value = answer.json
        guard answer.isSuccess else { throw SQLFailure(status: answer.status, value, address.description) }
        if answer.bytes.isEmpty { return .null }
        guard let value else { throw notUnderstood }
        return value
    }

    private var notUnderstood: SQLFailure {
        SQLFailure(.notUnderstood, "what answers at \(address) is no SQL server: its answer is none of one")
    }

    private func unreachable(_ error: any Error) -> SQLFailure {
        SQLFailure(.unreachable, "the SQL server at \(address) cannot be reached: \(JSONCalls.words(error))")
    }
}
