import Bytes
import Coordinators
import KafkaMessages
import Logging
import NIOCore

/// What a frame asks for, and the right to answer it.
extension Connection {
    func handle(_ frame: ByteBuffer) {
        let byteCount = frame.readableBytes
        do throws(WireError) {
            var reader = WireReader(frame)
            let header = try RequestHeader(frame: &reader)
            let version = header.requestApiVersion
            guard let apiKey = ApiKey(rawValue: header.requestApiKey), let offered = OfferedApis.versions(of: apiKey)
            else {
                return close(because: "request with api key \(header.requestApiKey), which is not offered")
            }
            let served = apiKey == .produce ? OfferedApis.servedProduce : offered
            guard served.contains(version) else {
                if apiKey == .apiVersions { return refuseApiVersions(header) }
                clientId = header.clientId
                return refuse(apiKey, version, served)
            }
            guard apiKey == .produce || byteCount <= Self.controlByteCountMax else {
                return close(because: "\(apiKey.name) request of \(byteCount) bytes")
            }
            if header.clientId != clientId { clientId = header.clientId }
            registry.metrics.noteRequest(apiKey, byteCount: byteCount + 4)
            let responder = makeResponder(header, apiKey)
            if let authenticator {
                switch authenticator.admission(of: apiKey, now: .now()) {
                case .admitted: break
                case .authentication: return try authenticate(&reader, version, apiKey, responder)
                case .refused(let reason):
                    noteAuthentication(isRight: false, reason)
                    return close(because: reason)
                }
            }
            // Nobody is a client yet who has not shown who it is.
            if authenticator.map({ $0.principal != nil }) ?? true {
                refreshQuotas()
                beginTiming(apiKey)
            }
            requestByteCount = byteCount
            try node.handle(&reader, version, apiKey, self, responder)
            endTiming()
        } catch {
            close(because: "request of \(byteCount) bytes cannot be read: \(error)")
        }
    }

    private func makeResponder(_ header: RequestHeader, _ apiKey: ApiKey) -> Responder {
        Responder(
            target: .connection(place(header.correlationId)), apiKey: apiKey, apiVersion: header.requestApiVersion,
            client: ClientIdentity(clientId: clientId ?? "", host: host), principal: principal, listener: listener,
            isByToken: isByToken)
    }

    func place(_ correlationId: Int32) -> Responder.ConnectionPlace {
        let loop = registry.eventLoop
        return .init(
            connection: NIOLoopBound(self, eventLoop: loop), eventLoop: loop, sequence: nextSequence,
            correlationId: correlationId, arrivedAt: lastActivity)
    }

    /// Ends the connection, as Kafka does: an answer in a layout that is not known here could not be read. The client is told
    /// nothing, so the log says what to look for, unasked.
    private func refuse(_ apiKey: ApiKey, _ version: Int16, _ offered: ClosedRange<Int16>) {
        node.logger.warning(
            "refused a client: it speaks versions of the protocol that are not offered",
            metadata: [
                "remote": "\(remoteAddress)", "client": "\(clientId ?? "")", "api": "\(apiKey.name)",
                "version": "\(version)",
                "offered": "\(offered.lowerBound) to \(offered.upperBound)",
                "hint": version < offered.lowerBound
                    ? "it is from before Kafka 2.1 (KIP-896), or set to such a cluster"
                    : "it did not ask which versions there are",
            ])
        close(because: "\(apiKey.name) request of version \(version)")
    }

    /// An unknown version of ApiVersions is answered in layout 0 with the versions of that request alone, so that the
    /// client can ask again (KIP-511).
    private func refuseApiVersions(_ header: RequestHeader) {
        let responder = Responder(
            target: .connection(place(header.correlationId)), apiKey: .apiVersions, apiVersion: 0,
            client: ClientIdentity(clientId: clientId ?? "", host: host), principal: principal, listener: listener)
        registry.metrics.noteRequest(.apiVersions, byteCount: 0)
        willAnswer(responder)
        var response = ApiVersionsResponse()
        response.errorCode = ErrorCode.unsupportedVersion.rawValue
        response.apiKeys = OfferedApis.list.filter { $0.apiKey == ApiKey.apiVersions.rawValue }
        responder.send(response)
    }
}
