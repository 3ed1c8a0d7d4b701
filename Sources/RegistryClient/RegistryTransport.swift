import Bytes
import JSONCalls
import JSONFormat
import OAuthCalls

/// One HTTP exchange with the registry, whichever of its nodes answers.
struct RegistryTransport: Sendable {
    let addresses: [HTTPAddress]
    let timeout: Duration
    /// nil where nobody shows tokens.
    var tokens: RegistryTokens?
    /// A registry with 100 000 schemas of 1 KiB fits in an answer.
    private static let calls = JSONCalls(answerByteCountMax: 256 << 20)

    private static let contentType = "application/vnd.schemaregistry.v1+json"

    /// Nodes are asked in turn: the next one only when a connection fails, since an answer is an answer.
    ///
    /// - Throws: `RegistryFailure`.
    func exchange(
        _ method: String, _ path: [String], _ query: [(String, String)], _ body: JSONValue?
    ) async throws(RegistryFailure) -> JSONValue {
        var failure: RegistryFailure?
        for address in addresses {
            do {
                return try await exchange(address, method, path, query, body)
            } catch {
                guard case .unreachable = error.kind else { throw error }
                failure = failure ?? error
            }
        }
        throw failure ?? RegistryFailure(.unreachable, "there is no address of a schema registry")
    }

    private func exchange(
        _ address: HTTPAddress, _ method: String, _ path: [String], _ query: [(String, String)],
        _ body: JSONValue?
    ) async throws(RegistryFailure) -> JSONValue {
        var headers = [("confluent-accept-unknown-properties", "true")]
        // A user in the address is meant for it.
        if let tokens, address.user == nil {
            do throws(OAuthFailure) {
                headers.append(("authorization", "Bearer " + (try await tokens.source.token())))
            } catch {
                throw RegistryFailure(
                    .unreachable, "there is no token for the schema registry at \(address): \(error.message)")
            }
            headers += tokens.headers
        }
        let request = JSONCalls.request(
            method, address.base + JSONCalls.target(path, query), body: body, type: Self.contentType,
            accept: Self.contentType + ", application/json", headers: headers, user: address.user,
            password: address.password)
        let answer: JSONCalls.Answer
        do { answer = try await Self.calls.exchange(request, timeout: timeout) } catch {
            throw RegistryFailure(
                .unreachable, "the schema registry at \(address) cannot be reached: \(error.words)")
        }
        let value = answer.json
        guard answer.isSuccess else {
            let status = answer.status
            if let value, let message = value["message"]?.text {
                let code = value["error_code"]?.integer.map { Int($0) } ?? status
                throw RegistryFailure(.refused(status: status, code: code), message)
            }
            throw RegistryFailure(
                .refused(status: status, code: status), "the schema registry at \(address) answered HTTP \(status)")
        }
        guard let value else {
            throw RegistryFailure(
                .notUnderstood, "what answers at \(address) is no schema registry: its answer is no JSON")
        }
        return value
    }
}
