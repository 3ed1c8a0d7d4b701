import JSONCalls
package import JSONFormat

/// A Connect worker that is asked over HTTP.
package struct ConnectClient: ConnectorAdmin {
    private let base: String
    private let timeout: Duration
    private let user: String?
    private let password: String
    private let hint: String?

    private static let calls = JSONCalls(connectSeconds: 5)

    /// - Parameters:
    ///   - url: `http://host:8083`; a slash at the end does not matter.
    ///   - user: for basic authentication; nil for none.
    ///   - hint: what to say where nobody answers.
    package init(
        url: String, timeout: Duration = .seconds(5), user: String? = nil, password: String = "", hint: String? = nil
    ) {
        base = url.hasSuffix("/") ? String(url.dropLast()) : url
        self.timeout = timeout
        self.user = user
        self.password = password
        self.hint = hint
    }

    package func exchange(
        _ method: String, _ path: [String], _ body: JSONValue?
    ) async throws(ConnectorAdminError) -> (status: Int, body: JSONValue) {
        let request = JSONCalls.request(
            method, base + JSONCalls.target(path), body: body, user: user, password: password)
        do {
            let answer = try await Self.calls.exchange(request, timeout: timeout)
            return (answer.status, answer.json ?? .null)
        } catch {
            throw ConnectorAdminError(
                "the Connect worker at \(base) cannot be reached: \(error.words)" + (hint.map { ". " + $0 } ?? ""))
        }
    }
}
