import Bytes
import ConnectCore
import HTTPCalls
import JSONFormat

/// BigQuery's REST API, version 2, as far as it is needed.
///
/// - SeeAlso: `tables` and `tabledata` in Google's reference of the API.
final class BigQueryClient: Sendable {
    private let settings: BigQuerySettings
    private let caller: HTTPCaller
    private let tokens: GoogleTokens?
    private let attempts: Attempts
    private let now: @Sendable () -> Int64
    private let log: @Sendable (TaskLogLevel, String) -> Void

    /// - Parameter now: milliseconds since 1970.
    init(
        _ settings: BigQuerySettings, _ attempts: Attempts, now: @escaping @Sendable () -> Int64,
        _ log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) throws(ConnectError) {
        self.settings = settings
        self.attempts = attempts
        self.now = now
        self.log = log
        let caller = try HTTPCaller(settings.caller)
        self.caller = caller
        tokens = settings.credentials.map {
            GoogleTokens($0, caller, scope: "https://www.googleapis.com/auth/bigquery", hint: "keyfile and keySource")
        }
    }

    func close() async { await caller.close() }

    /// What a table is; nil when there is none.
    func table(_ name: TableName) async throws(ConnectError) -> JSONValue? {
        let response = try await send("GET", path(name))
        if response.isSuccess, let json = JSONValue.parse(response.body) { return json }
        let failure = APIFailure(response)
        if failure.isMissingTable { return nil }
        throw ConnectError(.connect, "\(name) cannot be looked at: \(explained(failure, name))")
    }

    /// - Returns: false when there is one of the name already.
    func create(_ name: TableName, _ table: JSONValue) async throws(ConnectError) -> Bool {
        let response = try await send("POST", datasetPath(name) + "/tables", table.bytes)
        if response.isSuccess { return true }
        // Another task was faster, or our first request was heard and its answer was not.
        if response.status == 409 { return false }
        throw ConnectError(.connect, "Failed to create \(name): \(explained(APIFailure(response), name))")
    }

    /// - Parameter version: the table's etag as it was read; nil for any.
    /// - Returns: false when somebody changed the table in between.
    func change(_ name: TableName, _ table: JSONValue, version: String?) async throws(ConnectError) -> Bool {
        let response = try await send(
            "PATCH", path(name), table.bytes, headers: version.map { [("if-match", $0)] } ?? [])
        if response.isSuccess { return true }
        if response.status == 412 { return false }
        throw ConnectError(
            .connect, "Failed to update table schema for \(name): \(explained(APIFailure(response), name))")
    }

    /// `tabledata.insertAll`.
    ///
    /// - Parameter decorator: the partition's, as `20200131`; nil for none.
    func insert(
        _ name: TableName, decorator: String?, _ body: [UInt8]
    ) async throws(ConnectError) -> HTTPCaller.Response {
        try await send("POST", path(name, decorator: decorator) + "/insertAll", body)
    }

    /// Takes a table away; one that is not there is none.
    func delete(_ name: TableName) async throws(ConnectError) {
        let response = try await send("DELETE", path(name))
        guard !response.isSuccess, response.status != 404 else { return }
        throw ConnectError(.connect, "\(name) cannot be deleted: \(explained(APIFailure(response), name))")
    }

    /// A query that runs.
    struct Job: Sendable, Hashable {
        var id: String
        /// Where, for jobs are found by both.
        var location: String?
    }

    enum QueryResult: Sendable {
        case done
        case running(Job)
        case failed(APIFailure)
    }

    /// Runs a statement, and waits for it for a short time.
    ///
    /// - Parameter requestID: the same for a request that comes again because nobody knows what became of it.
    /// - Returns: `.failed` also for a query that has ended in a way that may pass: only another one may succeed.
    func query(_ statement: String, requestID: String) async throws(ConnectError) -> QueryResult {
        try Self.result(
            try await send("POST", queriesPath, Self.query(statement, requestID, Self.queryMillis), .unlessOfJob))
    }

    /// Begins a statement of which it does not matter whether it succeeds.
    func begin(_ statement: String) async throws(ConnectError) -> QueryResult {
        try Self.result(try await send("POST", queriesPath, Self.query(statement, nil, 0), .never))
    }

    private static func query(_ statement: String, _ requestID: String?, _ millis: Int64) -> [UInt8] {
        var members: [(String, JSONValue)] = [
            ("query", .string(statement)), ("useLegacySql", .bool(false)), ("timeoutMs", .number(millis)),
        ]
        if let requestID { members.append(("requestId", .string(requestID))) }
        return JSONValue.object(members).bytes
    }

    /// What has become of a query.
    ///
    /// - Returns: `.failed` as of `query`.
    func result(_ job: Job) async throws(ConnectError) -> QueryResult {
        let location = job.location.map { "&location=" + PercentEncoding.encoded($0) } ?? ""
        let id = PercentEncoding.encoded(job.id)
        do throws(ConnectError) {
            return try Self.result(
                try await send(
                    "GET", queriesPath + "/\(id)?maxResults=0&timeoutMs=\(Self.queryMillis)\(location)", nil,
                    .unlessOfJob))
        } catch {
            // It may be the query's own error, which it then has for ever.
            guard error.isRetriable,
                let answer = try? await send("GET", jobsPath + "/\(id)?fields=status\(location)", nil, .never),
                answer.isSuccess, let status = JSONValue.parse(answer.body)?["status"], status["state"]?.text == "DONE",
                let result = status["errorResult"], result.members != nil
            else { throw error }
            var failure = APIFailure(answer)
            failure.reason = result["reason"]?.text ?? ""
            failure.message = result["message"]?.text ?? ""
            return .failed(failure)
        }
    }

    /// Notes that something failed in a way that may pass, and when to try again.
    ///
    /// - Parameter attempt: how often it has failed before.
    /// - Returns: `.retriable`; `.connect` when it has failed too often.
    func failure(_ name: String, attempt: Int, _ reason: String) -> ConnectError {
        let count = settings.usualRetryCount + settings.retryCount
        guard attempt < count else {
            return ConnectError(.connect, "Exceeded \(count + 1) attempts: \(reason)")
        }
        log(.warning, "Attempt \(attempt + 1) of \(count + 1) failed: \(reason)")
        attempts.fail(name, pause: pause(attempt))
        return ConnectError(.retriable, reason)
    }

    private func pause(_ attempt: Int) -> Duration {
        attempt < settings.usualRetryCount
            ? settings.usualPauses.pause(attempt)
            : settings.retryWait + settings.retryJitter * Double.random(in: 0...1)
    }

    /// So long the answer waits for the query's end: a task that is to stop waits for it.
    private static let queryMillis: Int64 = 2000

    private var queriesPath: String { "/bigquery/v2/projects/\(PercentEncoding.encoded(settings.project))/queries" }
    private var jobsPath: String { "/bigquery/v2/projects/\(PercentEncoding.encoded(settings.project))/jobs" }

    private static func result(_ response: HTTPCaller.Response) throws(ConnectError) -> QueryResult {
        guard response.isSuccess else { return .failed(APIFailure(response)) }
        guard let json = JSONValue.parse(response.body), let isComplete = json["jobComplete"]?.flag else {
            throw ConnectError(
                .connect, "the answer to a query is none of BigQuery's: is bigQueryEndpoint the address of its API?")
        }
        if isComplete {
            // A statement that succeeded says how many rows it changed; others are errors 400, but not everywhere.
            if json["numDmlAffectedRows"] == nil, let error = json["errors"]?.elements?.first {
                var failure = APIFailure(response)
                failure.reason = error["reason"]?.text ?? ""
                failure.message = error["message"]?.text ?? ""
                return .failed(failure)
            }
            return .done
        }
        guard let id = json["jobReference"]?["jobId"]?.text else {
            throw ConnectError(.connect, "a query that runs has no jobId")
        }
        return .running(Job(id: id, location: json["jobReference"]?["location"]?.text))
    }

    func explained(_ failure: APIFailure, _ name: TableName) -> String {
        var text = failure.description
        if failure.status == 404, !failure.isMissingTable {
            text += " (the dataset '\(name.dataset)' of project '\(settings.project)' has to be there)"
        } else if failure.status == 401 || failure.status == 403 {
            text +=
                settings.credentials == nil ? " (no keyfile is given)" : " (check the roles of the account of keyfile)"
        } else if failure.status == 400, failure.message.contains("Invalid table ID") {
            text += " (sanitizeTopics=true makes a table's name of any topic)"
        }
        return text
    }

    // MARK: requests

    private func datasetPath(_ name: TableName) -> String {
        "/bigquery/v2/projects/\(PercentEncoding.encoded(settings.project))"
            + "/datasets/\(PercentEncoding.encoded(name.dataset))"
    }

    private func path(_ name: TableName, decorator: String? = nil) -> String {
        let table = name.table + (decorator.map { "$" + $0 } ?? "")
        return datasetPath(name) + "/tables/" + PercentEncoding.encoded(table)
    }

    /// Which failures that may pass are tried again.
    private enum Again { case always, unlessOfJob, never }

    /// Sends a request.
    ///
    /// - Returns: an answer that trying again would not change.
    /// - Throws: `.retriable` for all others, and notes when to try again; `.connect` for credentials that are refused.
    private func send(
        _ method: String, _ path: String, _ body: [UInt8]? = nil, _ again: Again = .always,
        headers: [(name: String, value: String)] = []
    ) async throws(ConnectError) -> HTTPCaller.Response {
        let url = settings.endpoint + path
        let request = method + " " + path
        var hasRenewed = false
        while true {
            var reason: String
            var wait = Duration.zero
            do throws(ConnectError) {
                var headers = headers
                headers.append(("accept", "application/json"))
                if body != nil { headers.append(("content-type", "application/json")) }
                let token = try await tokens?.current(now: now() / 1000)
                if let token { headers.append(("authorization", "Bearer " + token)) }
                let response = try await caller.send(.init(method, url, headers: headers, body: body))
                if response.status == 401, let token, !hasRenewed {
                    // It ended earlier than was said.
                    hasRenewed = true
                    await tokens?.forget(token)
                    continue
                }
                let failure = APIFailure(response)
                guard !response.isSuccess, failure.isPassing,
                    again == .always || again == .unlessOfJob && !failure.isOfJob
                else {
                    attempts.succeed(request)
                    return response
                }
                reason = "\(settings.endpoint) answered \(failure.description)"
                wait = response.retryAfter ?? .zero
            } catch {
                guard error.isRetriable, again != .never else { throw error }
                reason = error.message
            }
            let count = settings.usualRetryCount + settings.retryCount
            let attempt = attempts.failureCount(request)
            guard attempt < count else {
                attempts.giveUp()
                throw ConnectError(.retriable, "Exceeded \(count + 1) attempts of a request: \(reason)")
            }
            log(.warning, "Attempt \(attempt + 1) of \(count + 1) failed: \(reason)")
            attempts.fail(request, pause: max(wait, pause(attempt)))
            throw ConnectError(.retriable, reason)
        }
    }
}
