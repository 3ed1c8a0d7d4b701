import HTTPTypes

/// Which pages of other origins may use a server by way of a browser (CORS).
///
/// As Jetty's filter, which the original's servers put in front: a preflight request is answered here, with 200 and
/// without a word of leave when its method or one of its headers is not allowed; to any other request of an origin that
/// is allowed the answer gets the headers that let the page see it. Requests of other origins are answered as if they
/// had none, and the browser keeps the answer from the page.
///
/// - SeeAlso: Fetch standard, section 3.2 (HTTP CORS protocol).
package struct CrossOriginRules: Sendable, Equatable {
    private let allowsAll: Bool
    private let origins: [String]
    private let methods: [String]
    private let headers: [String]
    private let allowsAllHeaders: Bool

    private static let defaultMethods = "GET,POST,HEAD"
    private static let defaultHeaders = "X-Requested-With,Content-Type,Accept,Origin"
    /// Seconds that a browser may remember a preflight.
    private static let ageMax = 1800

    /// - Parameters:
    ///   - origins: as `https://a.example, https://*.b.example`, or `*` for all; a star stands for any text.
    ///   - methods: as `GET,PUT`; GET, POST and HEAD when empty.
    ///   - headers: those that a request may have, or `*` for all; `X-Requested-With`, `Content-Type`, `Accept` and
    ///     `Origin` when empty.
    /// - Returns: nil when no origin is given.
    package init?(origins: String, methods: String = "", headers: String = "") {
        self.origins = Self.list(origins)
        guard !self.origins.isEmpty else { return nil }
        allowsAll = self.origins.contains("*")
        let methods = Self.list(methods)
        self.methods = methods.isEmpty ? Self.list(Self.defaultMethods) : methods
        let headers = Self.list(headers)
        allowsAllHeaders = headers.contains("*")
        self.headers = headers.isEmpty ? Self.list(Self.defaultHeaders) : headers
    }

    private static func list(_ text: String) -> [String] {
        text.split(separator: ",").map { part in
            String(part.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
        }.filter { !$0.isEmpty }
    }

    /// The answer to a preflight request of an origin that is allowed; nil for all others.
    func preflight(_ request: HTTPRequest) -> HTTPAnswer? {
        guard request.method == .options, let origin = allowedOrigin(request),
            let method = request.headerFields[.accessControlRequestMethod]
        else { return nil }
        var answer = HTTPAnswer()
        let asked = Self.list(request.headerFields[.accessControlRequestHeaders] ?? "")
        guard methods.contains(method), allowsAllHeaders || asked.allSatisfy(isAllowed) else { return answer }
        grant(origin, &answer.headers)
        answer.headers[.accessControlMaxAge] = String(Self.ageMax)
        answer.headers[.accessControlAllowMethods] = methods.joined(separator: ",")
        let allowed = allowsAllHeaders ? asked : headers
        if !allowed.isEmpty { answer.headers[.accessControlAllowHeaders] = allowed.joined(separator: ",") }
        return answer
    }

    /// Lets the page of the request see the answer, if its origin is allowed.
    func apply(to answer: inout HTTPAnswer, of request: HTTPRequest) {
        guard let origin = allowedOrigin(request) else { return }
        grant(origin, &answer.headers)
    }

    private func grant(_ origin: String, _ headers: inout HTTPFields) {
        headers[.accessControlAllowOrigin] = origin
        if !allowsAll { headers.append(HTTPField(name: .vary, value: "Origin")) }
        headers[.accessControlAllowCredentials] = "true"
    }

    private func isAllowed(_ header: String) -> Bool {
        headers.contains { $0.lowercased() == header.lowercased() }
    }

    /// Whether an origin that may use the server has the host and port: it is then a name of the server as well.
    func names(_ authority: String) -> Bool {
        ["http://", "https://"].contains { scheme in
            let origin = scheme + authority.lowercased()
            return allowsAll || origins.contains { Self.matches(origin[...], $0) }
        }
    }

    /// The origin of the request's page, if it is one of those that may use the server; nil for all others.
    func allowedOrigin(_ request: HTTPRequest) -> String? {
        guard let origin = request.headerFields[.origin] else { return nil }
        if allowsAll { return origin }
        let parts = origin.split(separator: " ")
        return parts.contains { part in origins.contains { Self.matches(part, $0) } } ? origin : nil
    }

    /// Whether a text is as a pattern whose stars stand for any text.
    private static func matches(_ text: Substring, _ pattern: String) -> Bool {
        let text = Array(text.utf8)
        let pattern = Array(pattern.utf8)
        var at = 0
        var place = 0
        var star: (pattern: Int, text: Int)?
        while at < text.count {
            if place < pattern.count, pattern[place] == UInt8(ascii: "*") {
                star = (place, at)
                place += 1
            } else if place < pattern.count, pattern[place] == text[at] {
                place += 1
                at += 1
            } else if let last = star {
                // The star takes one byte more.
                star = (last.pattern, last.text + 1)
                place = last.pattern + 1
                at = last.text + 1
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
