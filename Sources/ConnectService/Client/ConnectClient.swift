package import Bytes
import JSONCalls
package import JSONFormat

/// Why a Connect worker did not do what it was asked.
package struct ConnectClientFailure: Error, Sendable, CustomStringConvertible {
    /// HTTP status of the answer; nil when there was none.
    package var status: Int?
    package var message: String
    package var description: String { message }
}

/// A client of Kafka Connect's REST API, ours or another.
package struct ConnectClient: Sendable {
    /// Scheme, host, port and perhaps a path, without a slash at the end.
    package var url: String { address.base }
    private let address: HTTPAddress
    private let token: String?

    private static let calls = JSONCalls()

    /// - Parameters:
    ///   - address: with the user, if the worker asks for one.
    ///   - token: shown to an address without a user; nil for none.
    package init(_ address: HTTPAddress, token: String? = nil) {
        self.address = address
        self.token = token
    }

    /// - Returns: nil for what is no address such as `http://127.0.0.1:8083`.
    package init?(_ text: String) {
        guard let address = HTTPAddress(text) else { return nil }
        self.address = address
        token = nil
    }

    /// - Parameters:
    ///   - path: its parts, not yet encoded.
    ///   - timeoutSeconds: for the whole exchange.
    /// - Returns: null for an answer without a body.
    /// - Throws: also for an answer of another status than 2xx, with its message.
    package func exchange(
        _ method: String, _ path: [String], _ query: [(String, String)] = [], _ body: JSONValue? = nil,
        timeoutSeconds: Int64 = 90
    ) async throws(ConnectClientFailure) -> JSONValue {
        let request = JSONCalls.request(
            method, url + JSONCalls.target(path, query), body: body,
            headers: address.user == nil ? token.map { [("authorization", "Bearer " + $0)] } ?? [] : [],
            user: address.user, password: address.password)
        let answer: JSONCalls.Answer
        do { answer = try await Self.calls.exchange(request, timeout: .seconds(timeoutSeconds)) } catch {
            throw ConnectClientFailure(message: "the Connect worker at \(url) cannot be reached: \(error.words)")
        }
        let json = answer.bytes.isEmpty ? JSONValue.null : answer.json
        guard answer.isSuccess else {
            throw ConnectClientFailure(
                status: answer.status,
                message: json?["message"]?.text ?? "the Connect worker at \(url) answered HTTP \(answer.status)")
        }
        guard let json else {
            throw ConnectClientFailure(
                status: answer.status, message: "what answers at \(url) is no Connect worker: its answer is no JSON")
        }
        return json
    }
}
