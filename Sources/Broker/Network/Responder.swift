import Coordinators
import KafkaMessages
import LogStorage
import NIOCore
import Security

/// The right to answer one request, once, from any thread: over its connection, where answers leave in the order of the
/// requests, or to a caller in this process.
struct Responder: Sendable {
    enum Target: Sendable {
        case connection(ConnectionPlace)
        /// Takes the answer, nil when there will be none; called once, on any thread.
        case local(@Sendable ((any KafkaMessage)?) -> Void)
    }

    /// A request's place among the answers of its connection.
    struct ConnectionPlace: Sendable {
        let connection: NIOLoopBound<Connection>
        let eventLoop: any EventLoop
        /// Position of the request among those of its connection that get an answer.
        let sequence: UInt64
        let correlationId: Int32
        /// When the request's last byte had arrived.
        let arrivedAt: NIODeadline
    }

    let target: Target
    let apiKey: ApiKey
    let apiVersion: Int16
    /// Who asks, as groups show their members.
    let client: ClientIdentity
    /// Who asks, as permissions name them; nil for a call of this process, which may do everything.
    let principal: Principal?
    /// The listener that the request came by; nil for a call of this process.
    var listener: Listener? = nil
    /// Whether who asks has shown who it is by a delegation token.
    var isByToken = false

    /// Sends `message`.
    ///
    /// - Parameter regions: the file regions that the message's `Records.external` tokens index; only over connections.
    func send(_ message: some KafkaMessage, regions: [LogSlice] = []) {
        switch target {
        case .connection(let place):
            if place.eventLoop.inEventLoop {
                place.connection.value.complete(self, place, message, regions)
            } else {
                place.eventLoop.execute { place.connection.value.complete(self, place, message, regions) }
            }
        case .local(let take): take(message)
        }
    }

    fileprivate func isServed(by eventLoop: any EventLoop) -> Bool {
        if case .connection(let place) = target { place.eventLoop === eventLoop } else { false }
    }

    /// Closes the connection instead of answering, with the reason in the log.
    func close(because reason: String) {
        switch target {
        case .connection(let place):
            if place.eventLoop.inEventLoop {
                place.connection.value.close(because: reason)
            } else {
                place.eventLoop.execute { place.connection.value.close(because: reason) }
            }
        case .local(let take): take(nil)
        }
    }
}

/// An answer that became ready off the event loop.
struct PendingSend: Sendable {
    let responder: Responder
    let send: @Sendable () -> Void

    init(_ responder: Responder, _ send: @escaping @Sendable () -> Void) {
        self.responder = responder
        self.send = send
    }

    /// Sends answers with one wake-up per event loop and one write per connection.
    static func send(_ answers: [PendingSend]) {
        var rest = answers[...]
        while let first = rest.first {
            guard case .connection(let place) = first.responder.target else {
                first.send()
                rest = rest.dropFirst()
                continue
            }
            let same = rest.filter { $0.responder.isServed(by: place.eventLoop) }
            rest =
                same.count == rest.count ? [] : rest.filter { !$0.responder.isServed(by: place.eventLoop) }
            place.eventLoop.execute {
                place.connection.value.registry.corked {
                    for answer in same { answer.send() }
                }
            }
        }
    }
}
