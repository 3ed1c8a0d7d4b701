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
