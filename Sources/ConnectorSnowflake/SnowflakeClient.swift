import Bytes
import ConnectCore
import HTTPCalls
import JSONFormat

/// A session with Snowflake over the HTTP protocol of its own drivers: login, statements with bound values, answers in JSON.
/// Sources: gosnowflake's `auth.go` and `restful.go`.
///
/// Begins a session when one is needed. After a failure that is `.transient` the session is given up: what was open in it is
/// rolled back.
///
/// `@unchecked Sendable`: one caller at a time, which is the task that owns it.
final class SnowflakeClient: @unchecked Sendable {
    /// What a statement gave: rows of texts, with nil for NULL.
    struct Answer: Sendable {
        var rows: [[String?]]

        /// The first number of the first row, which is how many rows a statement has changed.
        var count: Int? { rows.first?.first.flatMap { $0 }.flatMap { Int($0) } }
    }

    private struct Session {
        var token: String
        var deadline: ContinuousClock.Instant
        var sequence: Int64 = 0
    }

    private let settings: SnowflakeSettings
    private let caller: HTTPCaller
    private let pause: TaskPause
    private let now: @Sendable () -> Int64
    private var session: Session?

    /// - Parameters:
    ///   - now: milliseconds since 1970, for the token with which sessions begin.
    ///   - pause: ends waits for statements that take long.
    init(
        _ settings: SnowflakeSettings, now: @escaping @Sendable () -> Int64,
        pause: TaskPause
    ) throws(ConnectError) {
        self.settings = settings
        self.now = now
        self.pause = pause
        caller = try HTTPCaller(settings.caller)
    }

    /// Ends the session and all connections.
    func close() async {
        await endSession()
        await caller.close()
    }

    /// Begins a session unless there is one with enough time left for a transaction.
    func prepare() async throws(SnowflakeFailure) {
        if let session, session.deadline > .now { return }
        await endSession()
        try await login()
    }

    /// Whether there is a session, and with it perhaps a transaction.
    var hasSession: Bool { session != nil }

    /// Gives the session up; Snowflake rolls back what is open in it. Waits for an answer, but not long: a session that
    /// cannot be ended ends by itself.
    func endSession() async {
        guard let ended = session else { return }
        session = nil
        let goodbye = request(
            "POST", "/session?delete=true&requestId=\(Self.requestID())", token: ended.token, body: [])
        // A task of its own, awaited here: whoever is cancelled leaves no transaction with its locks behind.
        await Task { [caller] in
            await withTaskGroup(of: Void.self) { group in
                group.addTask { _ = try? await caller.send(goodbye) }
                group.addTask { try? await Task.sleep(for: .seconds(3)) }
                await group.next()
                group.cancelAll()
            }
        }.value
    }

    /// Carries out one statement.
    ///
    /// - Parameters:
    ///   - sql: with `?` for the values; holds no value from outside.
    ///   - values: texts, one for each `?`.
    ///   - what: what it does, for messages.
    func execute(
        _ sql: String, _ values: [String] = [], what: String
    ) async throws(SnowflakeFailure) -> Answer {
        if session == nil { try await login() }
        guard var session else { throw SnowflakeFailure(.transient, "\(what): there is no session") }
        session.sequence += 1
        self.session = session
        var members: [(String, JSONValue)] = [
            ("sqlText", .string(sql)), ("asyncExec", .bool(false)), ("sequenceId", .number(session.sequence)),
            ("querySubmissionTime", .number(now())),
        ]
        if !values.isEmpty {
            let bindings = values.enumerated().map { index, value in
                (String(index + 1), JSONValue.object([("type", .string("TEXT")), ("value", .string(value))]))
            }
            members.append(("bindings", .object(bindings)))
        }
        let path = "/queries/v1/query-request?requestId=\(Self.requestID())&request_guid=\(Self.requestID())"
        do throws(SnowflakeFailure) {
            var answer = try await send(
                request("POST", path, token: session.token, body: JSONValue.object(members).bytes), what)
            // A statement that takes longer than the server lets a request wait is asked for again.
            // It waits itself before it answers; the pauses are for one that does not.
            var askedCount = 0
            while let code = answer["code"]?.text, code == "333333" || code == "333334" {
                if askedCount > 0 { await pause.wait(.milliseconds(10 << min(askedCount, 6))) }
                askedCount += 1
                guard !pause.isEnded, !Task.isCancelled else {
                    throw SnowflakeFailure(.transient, "\(what): the task was stopped meanwhile")
                }
                guard let path = answer["data"]?["getResultUrl"]?.text, path.hasPrefix("/"), !path.hasPrefix("//")
                else {
                    throw SnowflakeFailure(.permanent, "\(what): Snowflake does not say where the result will be")
                }
                answer = try await send(request("GET", path, token: session.token, body: nil), what)
            }
            return try Self.result(answer, what)
        } catch {
            if error.kind == .transient { await endSession() }
            throw error
        }
    }

    // MARK: the protocol

    private func login() async throws(SnowflakeFailure) {
        let token: String
        do throws(ConnectError) { token = try settings.key.token(now: now()) } catch {
            throw SnowflakeFailure(.permanent, error.message)
        }
        var query: [(String, String)] = [
            ("requestId", Self.requestID()), ("request_guid", Self.requestID()),
            ("databaseName", settings.names.database.plain), ("schemaName", settings.names.schema.plain),
        ]
        if let warehouse = settings.warehouse { query.append(("warehouse", warehouse.plain)) }
        if let role = settings.role { query.append(("roleName", role.plain)) }
        let path =
            "/session/v1/login-request?"
            + query.map { "\($0)=\(Self.encoded($1))" }.joined(separator: "&")
        let data: [(String, JSONValue)] = [
            ("ACCOUNT_NAME", .string(settings.url.account)), ("LOGIN_NAME", .string(settings.user)),
            ("AUTHENTICATOR", .string("SNOWFLAKE_JWT")), ("TOKEN", .string(token)),
            (
                // Times without an offset mean UTC; nobody waits half a day for a lock.
                "SESSION_PARAMETERS", .object([("TIMEZONE", .string("UTC")), ("LOCK_TIMEOUT", .number(600))])
            ),
            ("CLIENT_ENVIRONMENT", .object([("APPLICATION", .string("Swiftwater"))])),
        ]
        let what = "login of '\(settings.user)' at \(settings.url.host)"
        let answer = try await send(
            request("POST", path, token: nil, body: JSONValue.object([("data", .object(data))]).bytes), what,
            isLogin: true)
        guard answer["success"]?.flag == true, let token = answer["data"]?["token"]?.text else {
            throw SnowflakeFailure(
                code: Self.text(answer["code"]), state: "08001", message: Self.text(answer["message"]), what: what)
        }
        let validity = min(max(answer["data"]?["validityInSeconds"]?.integer ?? 3600, 60), 86_400)
        session = Session(token: token, deadline: .now + .seconds(validity * 3 / 4))
    }

    private func request(_ method: String, _ path: String, token: String?, body: [UInt8]?) -> HTTPCaller.Request {
        var headers = [
            ("accept", "application/snowflake"), ("user-agent", "Swiftwater"), ("content-type", "application/json"),
        ]
        if let token { headers.append(("authorization", "Snowflake Token=\"\(token)\"")) }
        return .init(method, settings.url.address + path, headers: headers, body: body)
    }

    private func send(
        _ request: HTTPCaller.Request, _ what: String, isLogin: Bool = false
    ) async throws(SnowflakeFailure) -> JSONValue {
        let response: HTTPCaller.Response
        do throws(ConnectError) { response = try await caller.send(request) } catch {
            throw SnowflakeFailure(error.isRetriable ? .transient : .permanent, "\(what): \(error.message)")
        }
        // A session that is gone is told by the status, too.
        let isTransient =
            response.status == 408 || response.status == 429 || response.status >= 500
            || (response.status == 401 && !isLogin)
        guard response.isSuccess, let json = JSONValue.parse(response.body), json.members != nil else {
            var message = "\(what): \(settings.url.host) answered HTTP \(response.status)"
            let excerpt = response.excerpt.prefix(300)
            if !excerpt.isEmpty { message += ": \(excerpt)" }
            if isLogin, response.status == 403 || response.status == 404 {
                message += "; check the account in snowflake.url.name"
            }
            throw SnowflakeFailure(isTransient ? .transient : .permanent, message)
        }
        return json
    }

    private static func result(_ answer: JSONValue, _ what: String) throws(SnowflakeFailure) -> Answer {
        guard answer["success"]?.flag == true, let data = answer["data"] else {
            throw SnowflakeFailure(
                code: text(answer["code"] ?? answer["data"]?["errorCode"]), state: text(answer["data"]?["sqlState"]),
                message: text(answer["message"]), what: what)
        }
        guard data["queryResultFormat"]?.text != "arrow" || data["total"]?.integer == 0 else {
            throw SnowflakeFailure(.permanent, "\(what): the result came as Arrow, and only JSON can be read")
        }
        guard data["chunks"]?.elements?.isEmpty != false else {
            throw SnowflakeFailure(
                .permanent,
                "\(what): the result has more rows than one answer holds, and those that Snowflake stores apart are not "
                    + "fetched; a table needs fewer columns, or shorter comments on them")
        }
        var rows: [[String?]] = []
        for row in data["rowset"]?.elements ?? [] { rows.append((row.elements ?? []).map(cell)) }
        return Answer(rows: rows)
    }

    private static func cell(_ value: JSONValue) -> String? {
        switch value {
        case .null: nil
        case .string(let text): text
        default: String(decoding: value.bytes, as: UTF8.self)
        }
    }

    private static func text(_ value: JSONValue?) -> String { value.flatMap(cell) ?? "" }

    /// A random UUID (RFC 9562, version 4).
    private static func requestID() -> String {
        var bytes = (0..<16).map { _ in UInt8.random(in: 0...255) }
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        let text = String(decoding: Hexadecimal.encode(bytes), as: UTF8.self).lowercased()
        var result = ""
        for (index, digit) in text.enumerated() {
            if [8, 12, 16, 20].contains(index) { result.append("-") }
            result.append(digit)
        }
        return result
    }

    private static func encoded(_ text: String) -> String { PercentEncoding.encoded(text) }
}
