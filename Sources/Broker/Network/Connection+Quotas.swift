import Bytes
import KafkaMessages
import Logging
import NIOCore
import Observability
import Security

/// What a connection does about the quotas of its client: counts, and handles nothing for a while (KIP-124, KIP-219).
///
/// An answer always leaves at once and tells the time. What the client sends meanwhile stays in the socket, so that one which
/// does not keep to the time is slowed down by TCP.
extension Connection {
    /// Looks up again what the client is bound by, where that may have changed.
    func refreshQuotas() {
        let revision = node.quotas.revision
        guard quotas.revision != revision else { return }
        quotas = revision == 0 ? BoundQuotas() : node.quotas.bind(user: principal.name, clientId: clientId ?? "")
    }

    // MARK: Counting

    /// Requests whose time does not count: without them nobody is a client yet, or brokers send them.
    private static func isExempt(_ apiKey: ApiKey) -> Bool {
        switch apiKey {
        case .saslHandshake, .saslAuthenticate, .writeTxnMarkers: true
        default: false
        }
    }

    /// A request is taken up.
    func beginTiming(_ apiKey: ApiKey) {
        guard quotas.requestTime != nil else { return }
        handlingBegan = Self.isExempt(apiKey) ? nil : .now()
    }

    /// The event loop has done what it can do for the request by now; what it spends on the answer later is not counted.
    func endTiming() {
        guard let began = handlingBegan else { return }
        handlingBegan = nil
        let now = NIODeadline.now()
        quotas.requestTime?.note(Self.percent(now - began), at: QuotaTime.milliseconds(now))
    }

    /// - Returns: for how long the client is to be held up, in milliseconds.
    func recordTime(_ sensor: RateSensor) -> Int64 {
        let now = NIODeadline.now()
        let spent = handlingBegan.map { now - $0 } ?? .zero
        if handlingBegan != nil { handlingBegan = now }
        return sensor.record(Self.percent(spent), at: QuotaTime.milliseconds(now))
    }

    /// Of one thread; the rate of these in a second is what the quota bounds.
    private static func percent(_ time: TimeAmount) -> Double { Double(time.nanoseconds) * 100 / 1e9 }

    /// Counts the request in hand, a Produce, and holds up the client where that is due.
    ///
    /// - Parameter isAnswered: false for acks=0, whose time does not count as there is no answer to tell of it.
    /// - Returns: for how long, in milliseconds.
    func recordProduced(isAnswered: Bool) -> Int64 {
        if !isAnswered { handlingBegan = nil }
        guard let sensor = quotas.produce else { return 0 }
        let milliseconds = sensor.record(Double(requestByteCount))
        throttle(for: milliseconds, because: .producerByteRate)
        return milliseconds
    }

    /// The answer with the time for which its client is held up; nil when it is not, or the answer cannot tell.
    func throttled(
        _ message: some KafkaMessage, _ responder: Responder, _ sensor: RateSensor
    ) -> (any ThrottledResponse)? {
        guard !Self.isExempt(responder.apiKey), var answer = message as? any ThrottledResponse else { return nil }
        let milliseconds = recordTime(sensor)
        // Another quota may ask for more, and has been seen to.
        guard milliseconds > Int64(answer.throttleTimeMs) else { return nil }
        throttle(for: milliseconds, because: .requestPercentage)
        answer.throttleTimeMs = Int32(clamping: milliseconds)
        return answer
    }

    // MARK: Holding up

    /// Handles nothing more for so long.
    func throttle(for milliseconds: Int64, because kind: QuotaKind) {
        guard milliseconds > 0, !isClosing, drainLooks == 0, context != nil else { return }
        node.quotas.noteThrottle(kind, milliseconds: milliseconds)
        let end = NIODeadline.now() + .milliseconds(milliseconds)
        if let present = throttledUntil {
            throttledUntil = max(present, end)
        } else {
            throttledUntil = end
            node.quotas.throttledConnections.add(1)
            scheduleEnd(end)
        }
    }

    private func scheduleEnd(_ end: NIODeadline) {
        throttleTimer = context?.eventLoop.assumeIsolated().scheduleTask(deadline: end) {
            guard let end = self.throttledUntil else { return }
            // It may have become later meanwhile.
            guard end <= .now() else { return self.scheduleEnd(end) }
            self.endThrottling()
            self.lastActivity = .now()
            self.resume()
        }
    }

    /// The client has left while it was held up: what it had sent before counts, as in Kafka, above all records for which it
    /// wanted no answer.
    func handleRest() {
        do throws(WireError) {
            while !isRestOver, !isHeldBack, let frame = try splitter.next() { handle(frame) }
        } catch {
            node.logger.debug("rest cannot be read", metadata: ["remote": "\(remoteAddress)", "error": "\(error)"])
        }
    }

    /// The client is held up no more, or is gone.
    func endThrottling() {
        guard throttledUntil != nil else { return }
        throttledUntil = nil
        throttleTimer?.cancel()
        throttleTimer = nil
        node.quotas.throttledConnections.add(-1)
    }
}

extension Responder {
    /// Holds up the client; from any thread.
    func throttle(for milliseconds: Int64, because kind: QuotaKind) {
        guard milliseconds > 0, case .connection(let place) = target else { return }
        if place.eventLoop.inEventLoop {
            place.connection.value.throttle(for: milliseconds, because: kind)
        } else {
            place.eventLoop.execute { place.connection.value.throttle(for: milliseconds, because: kind) }
        }
    }

    /// What the request may take of its client's quota of changes; on the event loop. Calls of this process have none.
    ///
    /// - Parameter version: the first that can tell THROTTLING_QUOTA_EXCEEDED.
    func mutationCharge(strictFrom version: Int16) -> MutationCharge {
        guard case .connection(let place) = target else { return MutationCharge(nil, isStrict: true) }
        return MutationCharge(place.connection.value.quotas.mutation, isStrict: apiVersion >= version)
    }

    /// Holds up the client for what a request has taken.
    ///
    /// - Returns: for how long, in milliseconds.
    func throttle(for charge: MutationCharge) -> Int32 {
        let milliseconds = charge.throttle()
        throttle(for: milliseconds, because: .controllerMutationRate)
        return Int32(clamping: milliseconds)
    }
}
