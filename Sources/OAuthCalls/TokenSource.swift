import Bytes
import Environment
import JSONCalls
import JSONFormat
import Security
import Synchronization

/// The tokens of one client: kept, and renewed when most of their time is over. Those who need one at the same time wait for the
/// same answer.
///
/// - SeeAlso: upstream `ExpiringCredentialRefreshingLogin`, `HttpJwtRetriever`; RFC 6749, section 4.4.
package actor TokenSource {
    private struct Held {
        var text: String
        /// In milliseconds since 1970.
        var renewAt: Int64
        var end: Int64
    }

    private let origin: TokenOrigin
    private let now: @Sendable () -> Int64
    private var held: Held?
    private var fetching: Task<Held, any Error>?
    /// When a token that cannot be renewed is tried again, as long as it goes on.
    private var nextTry = Int64.min

    private static let timeout = Duration.seconds(10)
    private static let answerByteCountMax = 1 << 20
    private static let tokenByteCountMax = 256 << 10
    /// Where nothing says how long a token goes on.
    private static let usualLifetimeMs: Int64 = 300_000
    private static let retryMs: Int64 = 10_000
    private static let attemptCountMax = 3
    private static let calls = JSONCalls(
        connectSeconds: 5, answerByteCountMax: answerByteCountMax, connectionCountMax: 4, idleSeconds: 5)

    package init(_ origin: TokenOrigin, now: @escaping @Sendable () -> Int64 = { SystemWallClock().now() }) {
        self.origin = origin
        self.now = now
    }

    private static let known = Mutex<[(origin: TokenOrigin, source: TokenSource)]>([])
    private static let knownCountMax = 64

    /// The one for the origin: clients of one process share their tokens.
    package static func shared(_ origin: TokenOrigin) -> TokenSource {
        known.withLock { known in
            if let found = known.first(where: { $0.origin == origin }) { return found.source }
            let made = TokenSource(origin)
            known.append((origin, made))
            // Those who have an older one keep it.
            if known.count > knownCountMax { known.removeFirst() }
            return made
        }
    }

    /// - Throws: `OAuthFailure` when there is none, and none from before that goes on.
    package func token() async throws(OAuthFailure) -> String {
        let moment = now()
        if let held, moment < held.renewAt || moment < held.end && moment < nextTry { return held.text }
        let task = fetching ?? begin()
        do {
            let fresh = try await task.value
            return fresh.text
        } catch {
            if let held, now() < held.end { return held.text }
            throw error as? OAuthFailure ?? OAuthFailure(.unreachable, "\(error)")
        }
    }

    /// One free task, which this actor owns and those who wait for it await.
    private func begin() -> Task<Held, any Error> {
        let task = Task { [origin, now] in
            do {
                let fresh = try await Self.fetch(origin, now)
                end(fresh)
                return fresh
            } catch {
                end(nil)
                throw error
            }
        }
        fetching = task
        return task
    }

    private func end(_ fresh: Held?) {
        fetching = nil
        if let fresh { held = fresh }
        nextTry = fresh == nil ? now() + Self.retryMs : .min
    }

    // MARK: Where they come from

    private static func fetch(_ origin: TokenOrigin, _ now: @Sendable () -> Int64) async throws(OAuthFailure) -> Held {
        switch origin {
        case .fixed(let text): return Held(text: text, renewAt: .max, end: .max)
        case .file(let path):
            // Read each time: whoever renews it need tell nobody.
            return Held(text: try read(path), renewAt: .min, end: .min)
        case .unsecured(let claim, let principal, let scopes, let lifetimeMs):
            return made(claim, principal, scopes, lifetimeMs, now())
        case .endpoint(let endpoint):
            var attempt = 1
            while true {
                do throws(OAuthFailure) { return try await ask(endpoint, now()) } catch {
                    guard error.kind == .unreachable, attempt < attemptCountMax else { throw error }
                }
                try? await Task.sleep(for: .milliseconds(100 << attempt))  // nobody ends this task early
                attempt += 1
            }
        }
    }

    private static func read(_ path: String) throws(OAuthFailure) -> String {
        let bytes: [UInt8]
        do throws(DiskError) { bytes = try StreamFile.contents(path, byteCountMax: tokenByteCountMax) } catch {
            throw OAuthFailure(.unreachable, "the token in '\(path)' cannot be read: \(error.reason)")
        }
        let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        guard BearerToken.isWellFormed(text) else {
            throw OAuthFailure(.notUnderstood, "'\(path)' holds no token")
        }
        return text
    }

    private static func made(
        _ claim: String, _ principal: String, _ scopes: [String], _ lifetimeMs: Int64, _ now: Int64
    ) -> Held {
        let claims: [(String, JSONValue)] = [
            (claim, .string(principal)), ("iat", .number(now / 1000)), ("exp", .number((now + lifetimeMs) / 1000)),
            ("scope", .array(scopes.map { .string($0) })),
        ]
        let text =
            base64URL(JSONValue.object([("alg", .string("none"))]).bytes) + "."
            + base64URL(JSONValue.object(claims).bytes)
            + "."
        return Held(text: text, renewAt: now + lifetimeMs * 8 / 10, end: now + lifetimeMs)
    }

    private static func base64URL(_ bytes: [UInt8]) -> String {
        Base64.encode(bytes).replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    private static func ask(_ endpoint: TokenEndpoint, _ now: Int64) async throws(OAuthFailure) -> Held {
        let place = "the token endpoint \(endpoint.url)"
        func side(_ text: String) -> String { endpoint.encodesHeader ? PercentEncoding.encoded(text) : text }
        let user = Base64.encode(Array("\(side(endpoint.clientID)):\(side(endpoint.clientSecret))".utf8))
        var fields = [("grant_type", "client_credentials")]
        if let scope = endpoint.scope { fields.append(("scope", scope)) }
        let request = JSONCalls.form(endpoint.url, fields, headers: [("authorization", "Basic " + user)])
        let answer: JSONCalls.Answer
        do throws(JSONCalls.NoAnswer) {
            if let file = endpoint.trustFile {
                let calls = JSONCalls(
                    connectSeconds: 5, answerByteCountMax: answerByteCountMax, connectionCountMax: 1, trustFile: file)
                let result: Result<JSONCalls.Answer, JSONCalls.NoAnswer>
                do throws(JSONCalls.NoAnswer) {
                    result = .success(try await calls.exchange(request, timeout: timeout))
                } catch {
                    result = .failure(error)
                }
                await calls.shutdown()
                answer = try result.get()
            } else {
                answer = try await calls.exchange(request, timeout: timeout)
            }
        } catch {
            throw OAuthFailure(.unreachable, "\(place) cannot be reached: \(error.words)")
        }
        let value = answer.json
        guard answer.isSuccess else {
            // RFC 6749, section 5.2: a code, and perhaps a sentence.
            let code = value?["error"]?.text.map { ": " + shown($0) } ?? ""
            let words = value?["error_description"]?.text.map { " (\(shown($0)))" } ?? ""
            let isLater = answer.status >= 500 || answer.status == 429 || answer.status == 408
            throw OAuthFailure(
                isLater ? .unreachable : .refused,
                "\(place) gives client '\(endpoint.clientID)' no token: HTTP \(answer.status)\(code)\(words)")
        }
        guard let token = value?["access_token"]?.text, BearerToken.isWellFormed(token),
            token.utf8.count <= tokenByteCountMax
        else { throw OAuthFailure(.notUnderstood, "\(place) answered without an access_token") }
        if let type = value?["token_type"]?.text, type.lowercased() != "bearer" {
            throw OAuthFailure(.notUnderstood, "\(place) gives tokens of type '\(shown(type))', and not Bearer")
        }
        return held(token, value?["expires_in"]?.double, now)
    }

    /// Eight tenths of its time it is used, as upstream's `sasl.login.refresh.window.factor` has it.
    private static func held(_ token: String, _ expiresIn: Double?, _ now: Int64) -> Held {
        var lifetime = usualLifetimeMs
        if let expiresIn, expiresIn.isFinite, expiresIn > 0 {
            lifetime = Int64(min(expiresIn, 31_536_000) * 1000)
        } else if let end = TokenText.end(of: token) {
            lifetime = max(0, end - now)
        }
        return Held(text: token, renewAt: now + lifetime * 8 / 10, end: now + lifetime)
    }

    private static func shown(_ text: String) -> String {
        String(text.unicodeScalars.filter { 0x20...0x7E ~= $0.value }.prefix(200).map { Character($0) })
    }
}
