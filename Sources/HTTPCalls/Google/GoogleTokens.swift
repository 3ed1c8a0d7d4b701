import Bytes
package import ConnectCore
import JSONFormat

/// Access tokens of Google's OAuth 2.0, kept until shortly before they end.
package actor GoogleTokens {
    private struct Token: Sendable {
        var text: String
        var renewAt: ContinuousClock.Instant
    }

    /// So long before its end a token counts no more.
    private static let margin = Duration.seconds(300)

    private let credentials: GoogleCredentials
    private let caller: HTTPCaller
    private let scope: String
    private let hint: String
    private var token: Token?
    /// Requests that need a token at once wait for one answer.
    private var renewal: Task<Result<Token, ConnectError>, Never>?

    /// - Parameter scope: what the tokens may be used for, as `https://www.googleapis.com/auth/bigquery`.
    /// - Parameter hint: what to look at when the credentials are refused, such as names of options.
    package init(_ credentials: GoogleCredentials, _ caller: HTTPCaller, scope: String, hint: String) {
        self.credentials = credentials
        self.caller = caller
        self.scope = scope
        self.hint = hint
    }

    /// - Parameter now: seconds since 1970.
    /// - Throws: `.retriable` when nobody answers, `.connect` when the credentials are refused.
    package func current(now: Int64) async throws(ConnectError) -> String {
        if let token, token.renewAt > .now { return token.text }
        let task: Task<Result<Token, ConnectError>, Never>
        if let renewal {
            task = renewal
        } else {
            // Our only task of its own: all that wait for the token await it.
            task = Task { [credentials, caller, scope, hint] in
                do throws(ConnectError) {
                    return .success(try await Self.ask(credentials, caller, scope, hint, now))
                } catch {
                    return .failure(error)
                }
            }
            renewal = task
        }
        let result = await task.value
        renewal = nil
        let token = try result.get()
        self.token = token
        return token.text
    }

    /// A token was refused: the next request gets another.
    package func forget(_ text: String) {
        if token?.text == text { token = nil }
    }

    private static func ask(
        _ credentials: GoogleCredentials, _ caller: HTTPCaller, _ scope: String, _ hint: String,
        _ now: Int64
    ) async throws(ConnectError) -> Token {
        let asked = ContinuousClock.now
        let request = try request(credentials, scope, now)
        let response = try await caller.send(request)
        let json = JSONValue.parse(response.body)
        guard response.isSuccess, let text = json?["access_token"]?.text, !text.isEmpty else {
            // A client error names itself; other answers may hold anything and are not shown.
            let words = [json?["error"]?.text, json?["error_description"]?.text].compactMap { $0 }
                .joined(separator: ": ")
            let isPassing = response.status == 429 || response.status >= 500
            throw ConnectError(
                isPassing ? .retriable : .connect,
                "\(HTTPCaller.shown(request.url)) gave no access token: HTTP \(response.status)"
                    + (words.isEmpty ? "" : ": \(words.prefix(500))")
                    + (isPassing ? "" : " (check \(hint))"))
        }
        let seconds = min(max(json?["expires_in"]?.integer ?? 3600, 0), 86_400)
        let length = Duration.seconds(seconds)
        // Short-lived ones are used for half of their time.
        return Token(text: text, renewAt: asked + (length > margin * 2 ? length - margin : length / 2))
    }

    private static func request(
        _ credentials: GoogleCredentials, _ scope: String, _ now: Int64
    ) throws(ConnectError) -> HTTPCaller.Request {
        let fields: [(String, String)]
        let url: String
        switch credentials {
        case .machine(let host):
            return HTTPCaller.Request(
                "GET",
                "http://\(host)/computeMetadata/v1/instance/service-accounts/default/token?scopes="
                    + PercentEncoding.encoded(scope), headers: [("metadata-flavor", "Google")])
        case .user(let id, let secret, let refreshToken, let tokenURL):
            url = tokenURL
            fields = [
                ("grant_type", "refresh_token"), ("client_id", id), ("client_secret", secret),
                ("refresh_token", refreshToken),
            ]
        case .serviceAccount(let email, let key, let keyID, let tokenURL):
            url = tokenURL
            let claims: [(String, JSONValue)] = [
                ("iss", .string(email)), ("scope", .string(scope)), ("aud", .string(tokenURL)), ("iat", .number(now)),
                ("exp", .number(now + 3600)),
            ]
            fields = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", try SignedToken.rs256(claims, keyID: keyID, key: key)),
            ]
        }
        let body = fields.map { $0.0 + "=" + PercentEncoding.encoded($0.1) }.joined(separator: "&")
        return HTTPCaller.Request(
            "POST", url, headers: [("content-type", "application/x-www-form-urlencoded")], body: Array(body.utf8))
    }
}
