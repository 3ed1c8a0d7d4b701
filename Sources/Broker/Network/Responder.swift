import KafkaMessages
import LogStorage
import NIOCore

/// The right to answer one request, once, from any thread. Answers leave the connection in the order of the requests.
struct Responder: Sendable {
    let connection: NIOLoopBound<Connection>
    let eventLoop: any EventLoop
    /// Position of the request among those of its connection that get an answer.
    let sequence: UInt64
    let correlationId: Int32
    let apiKey: ApiKey
    let apiVersion: Int16
    /// When the request's last byte had arrived.
    let arrivedAt: NIODeadline

    /// Sends `message`.
    ///
    /// - Parameter regions: the file regions that the message's `Records.external` tokens index.
    func send(_ message: some KafkaMessage, regions: [LogSlice] = []) {
        if eventLoop.inEventLoop {
            connection.value.complete(self, message, regions)
        } else {
            eventLoop.execute { connection.value.complete(self, message, regions) }
        }
    }

    /// Closes the connection instead of answering, with the reason in the log.
    func close(because reason: String) {
        if eventLoop.inEventLoop {
            connection.value.close(because: reason)
        } else {
            eventLoop.execute { connection.value.close(because: reason) }
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
            let loop = first.responder.eventLoop
            let same = rest.filter { $0.responder.eventLoop === loop }
            rest = same.count == rest.count ? [] : rest.filter { $0.responder.eventLoop !== loop }
            loop.execute {
                first.responder.connection.value.registry.corked {
                    for answer in same { answer.send() }
                }
            }
        }
    }
}
