import Bytes
import KafkaMessages
import Logging
import NIOCore
import NIOSSL
import Security

/// How a connection comes to know its client. The states are `Authenticator`'s; here are answers, delays and the log.
extension Connection {
    static let isSpeakingTLS = "the client speaks TLS, and this listener does not"

    /// Takes a request of SASL.
    func authenticate(
        _ reader: inout WireReader, _ version: Int16, _ apiKey: ApiKey, _ responder: Responder
    ) throws(WireError) {
        guard var authenticator else { return }
        // The connection's copy is not touched meanwhile: this is all on its event loop.
        if apiKey == .saslHandshake {
            let request = try SaslHandshakeRequest(from: &reader, version: version)
            willAnswer(responder)
            let (response, refusal) = authenticator.handshake(request.mechanism, version: version, now: .now())
            self.authenticator = authenticator
            responder.send(response)
            if let refusal {
                noteAuthentication(isRight: false, refusal)
                isHeldBack = true
                close(because: refusal, behind: responder)
            }
            return
        }
        let request = try SaslAuthenticateRequest(from: &reader, version: version)
        willAnswer(responder)
        let outcome = authenticator.authenticate(Array(request.authBytes.readableBytesView), now: .now())
        self.authenticator = authenticator
        take(outcome, responder)
    }

    private func take(_ outcome: Authenticator.Outcome, _ responder: Responder) {
        switch outcome {
        case .answer(let response):
            if let known = authenticator?.principal, authenticator?.isAuthenticated == true, response.errorCode == 0 {
                principal = known
                isByToken = authenticator?.isByToken ?? false
                takesLongRequests()
                noteAuthentication(isRight: true)
            }
            responder.send(response)
        case .check(let user, let password): check(user, password, responder)
        case .makeCredential(let id, let mechanism):
            let tokens = node.controller.delegationTokens
            aside(responder) {
                tokens?.credential(of: id, mechanism)
            } then: { authenticator, credential in
                authenticator.prepared(credential, now: .now())
            }
        case .refusing(let response, let reason):
            // Told now: many clients leave without another word.
            noteAuthentication(isRight: false, reason)
            isRefusalNoted = true
            responder.send(response)
        case .refused(let response, let reason):
            if !isRefusalNoted { noteAuthentication(isRight: false, reason) }
            isHeldBack = true
            guard let context else { return }
            let me = NIOLoopBound(self, eventLoop: context.eventLoop)
            // Whoever tries passwords shall not do so quickly.
            context.eventLoop.scheduleTask(in: .milliseconds(listener.sasl?.failureDelayMs ?? 0)) {
                guard !me.value.isClosing else { return }
                responder.send(response)
                me.value.close(because: reason, behind: responder)
            }
        }
    }

    private func check(_ user: String, _ password: String, _ responder: Responder) {
        if let known = listener.passwords.quickPrincipal(user: user, password: password) {
            return proceed(responder) { $0.checked(known, now: .now()) }
        }
        aside(responder) { [passwords = listener.passwords] in
            passwords.principal(user: user, password: password)
        } then: { authenticator, principal in
            authenticator.checked(principal, now: .now())
        }
    }

    /// Does what takes a while on the thread of passwords; until it is done the client's next request waits.
    private func aside<T: Sendable>(
        _ responder: Responder, _ work: @escaping @Sendable () -> T?,
        then step: @escaping @Sendable (inout Authenticator, T?) -> Authenticator.Outcome
    ) {
        guard let loop = context?.eventLoop else { return }
        let me = NIOLoopBound(self, eventLoop: loop)
        isHeldBack = true
        let isTaken = node.passwordQueue.perform(from: remoteAddress, work) { result in
            loop.execute {
                let connection = me.value
                guard !connection.isClosing else { return }
                connection.isHeldBack = false
                connection.proceed(responder) { step(&$0, result) }
                connection.resume()
            }
        }
        if !isTaken {
            node.logger.warning(
                "turned a client away: too many passwords are being checked", metadata: ["remote": "\(remoteAddress)"])
            close(because: "too many passwords are being checked")
        }
    }

    private func proceed(_ responder: Responder, _ step: (inout Authenticator) -> Authenticator.Outcome) {
        guard var authenticator else { return }
        let outcome = step(&authenticator)
        self.authenticator = authenticator
        take(outcome, responder)
    }

    // MARK: Telling

    /// - Parameter reason: why the client is refused, without secrets.
    func noteAuthentication(isRight: Bool, _ reason: String = "") {
        let mechanism = listener.sasl == nil ? "TLS" : authenticator?.mechanism?.rawValue ?? "none"
        node.metrics.noteAuthentication(listener: listener.name, mechanism: mechanism, isRight: isRight)
        guard !isRight else { return }
        node.logger.warning(
            "refused a client: authentication failed",
            metadata: [
                "remote": "\(remoteAddress)", "listener": "\(listener.name)", "mechanism": "\(mechanism)",
                "reason": "\(reason)",
            ])
    }

    func noteFailureOfTLS(_ reason: String) {
        node.metrics.noteAuthentication(listener: listener.name, mechanism: "TLS", isRight: false)
        node.logger.warning(
            "refused a client: no TLS",
            metadata: ["remote": "\(remoteAddress)", "listener": "\(listener.name)", "reason": "\(reason)"])
    }

    /// Why TLS with a client failed; nil for what is no failure of TLS, or a client that leaves.
    static func reasonOfTLS(_ error: any Error) -> String? {
        guard let error = error as? NIOSSLError else { return nil }
        switch error {
        case .handshakeFailed(let reason):
            let words = "\(reason)"
            if words.contains("WRONG_VERSION_NUMBER") || words.contains("HTTP_REQUEST") {
                return "the client does not speak TLS, and this listener does"
            }
            if words.contains("PEER_DID_NOT_RETURN_A_CERTIFICATE") { return "the client shows no certificate" }
            if words.contains("CERTIFICATE_VERIFY_FAILED") { return "the certificate of the client is not trusted" }
            if words.contains("ALERT") { return "the client refused: \(words)" }
            if words.contains("EOF during handshake") { return "the client left during the handshake" }
            return words
        case .uncleanShutdown: return nil
        case .unableToValidateCertificate, .noCertificateToValidate:
            return "the certificate of the client is not trusted"
        default: return nil
        }
    }
}
