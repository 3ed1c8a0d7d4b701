import Bytes
import Coordinators
package import KafkaMessages
import NIOCore

extension BrokerNode {
    /// Answers a request of this process as if it had come over a connection: the same checks, the same owners, no
    /// socket. For everything but Produce, Fetch and ApiVersions, which the services of this process do by other calls.
    ///
    /// - Parameters:
    ///   - version: the request's version; nil takes the newest that is offered.
    ///   - clientId: how the caller is shown, as the member of a group for instance.
    /// - Throws: `.unsupportedVersion` for a request that is not offered, `.invalidRequest` for one that its version
    ///   cannot carry, `.brokerNotAvailable` when the broker stops before it has answered.
    package func call<Request: KafkaRequest>(
        _ request: Request, version: Int16? = nil, clientId: String
    ) async throws(ControlError) -> Request.Response {
        guard let offered = OfferedApis.versions(of: Request.apiKey) else {
            throw ControlError(.unsupportedVersion, "\(Request.apiKey.name) is not offered")
        }
        let version = version ?? offered.upperBound
        var body: WireReader
        do throws(WireError) {
            var writer = WireWriter(ByteBuffer())
            try request.encode(to: &writer, version: version)
            body = WireReader(writer.buffer)
        } catch {
            throw ControlError(.invalidRequest, "\(Request.apiKey.name) of version \(version): \(error)")
        }
        let answer = await withCheckedContinuation { continuation in
            let responder = Responder(
                target: .local { continuation.resume(returning: $0) }, apiKey: Request.apiKey, apiVersion: version,
                client: ClientIdentity(clientId: clientId, host: "/127.0.0.1"), principal: nil)
            do throws(WireError) {
                try handle(&body, version, Request.apiKey, responder)
            } catch {
                continuation.resume(returning: nil)
            }
        }
        guard let response = answer as? Request.Response else {
            throw ControlError(.brokerNotAvailable, "the broker stopped before it answered \(Request.apiKey.name)")
        }
        return response
    }
}
