import Bytes
import DequeModule
import KafkaMessages
import LogStorage
import Logging
import NIOCore

/// Answers in the order of their requests, encoded as soon as they are ready.
extension Connection {
    /// Takes the request's place in the order of answers. Every handler calls it before it sends, except for a produce
    /// with acks=0, which has no answer.
    func willAnswer(_ responder: Responder) {
        if case .connection(let place) = responder.target {
            precondition(place.sequence == nextSequence, "answers must be announced in the order of their requests")
        }
        nextSequence += 1
    }

    /// Calls `cancel` if the connection ends before `responder` has answered.
    func onClose(of responder: Responder, _ cancel: @escaping () -> Void) {
        if case .connection(let place) = responder.target { cancellations[place.sequence] = cancel }
    }

    /// Encodes an answer and sends it, or keeps it until the ones before it are sent.
    func complete(
        _ responder: Responder, _ place: Responder.ConnectionPlace, _ message: some KafkaMessage, _ regions: [LogSlice]
    ) {
        guard !isClosing else { return }
        if let sensor = quotas.requestTime, let throttled = throttled(message, responder, sensor) {
            return finish(responder, place, throttled, regions)
        }
        finish(responder, place, message, regions)
    }

    private func finish(
        _ responder: Responder, _ place: Responder.ConnectionPlace, _ message: some KafkaMessage, _ regions: [LogSlice]
    ) {
        if !cancellations.isEmpty { cancellations[place.sequence] = nil }
        if place.sequence == nextToSend {
            nextToSend += 1
            if !waiting.isEmpty { waiting.removeFirst() }
            var writer = WireWriter(take(&output))
            let reply = encode(responder, place, message, regions, into: &writer)
            output = writer.buffer
            if let reply { write(reply) }
            sendWaiting()
        } else {
            var writer = WireWriter(ByteBuffer())
            let index = Int(place.sequence - nextToSend)
            while waiting.count <= index { waiting.append(nil) }
            let reply =
                encode(responder, place, message, regions, into: &writer)
                ?? EncodedReply(buffer: writer.buffer, splits: [], regions: [])
            waitingByteCount += reply.buffer.readableBytes
            waiting[index] = reply
        }
        if lastWords != nil { closeBehindLastWords() }
        if isHandlingBurst {
            needsFlush = true
        } else if registry.isCorked {
            if !isUnsent { registry.addUnsent(self) }
            isUnsent = true
        } else {
            flushOutput()
            resume()
        }
    }

    /// Sends what was completed while the event loop's connections were corked.
    func sendUnsent() {
        isUnsent = false
        flushOutput()
        resume()
    }

    private func sendWaiting() {
        while let first = waiting.first, let reply = first {
            waiting.removeFirst()
            waitingByteCount -= reply.buffer.readableBytes
            nextToSend += 1
            if reply.regions.isEmpty {
                output.writeImmutableBuffer(reply.buffer)
            } else {
                write(reply)
            }
        }
    }

    /// Appends length, header and body.
    ///
    /// - Returns: nil when all of the answer is in the writer; else its parts, the writer then being empty, so that file
    ///   regions can go between them.
    private func encode(
        _ responder: Responder, _ place: Responder.ConnectionPlace, _ message: some KafkaMessage, _ regions: [LogSlice],
        into writer: inout WireWriter
    ) -> EncodedReply? {
        let start = writer.buffer.writerIndex
        writer.buffer.writeInteger(0 as Int32)
        writer.buffer.writeInteger(place.correlationId)
        if responder.apiKey.responseHeaderVersion(responder.apiVersion) >= 1 { writer.buffer.writeInteger(0 as UInt8) }
        do {
            try message.encode(to: &writer, version: responder.apiVersion)
        } catch {
            // A field that this version cannot carry: our own mistake, which must not reach the client as garbage.
            node.logger.error(
                "answer cannot be encoded",
                metadata: [
                    "api": "\(responder.apiKey.name)", "version": "\(responder.apiVersion)", "error": "\(error)",
                ])
            writer.buffer.moveWriterIndex(to: start)
            close(because: "answer cannot be encoded")
            return nil
        }
        let external = regions.reduce(0) { $0 + $1.byteCount }
        let byteCount = writer.buffer.writerIndex - start - 4 + external
        writer.buffer.setInteger(Int32(clamping: byteCount), at: start)
        registry.metrics.noteAnswer(
            responder.apiKey, byteCount: byteCount + 4, nanoseconds: (.now() - place.arrivedAt).nanoseconds)
        message.forEachErrorCode { code in
            if code != 0 { node.metrics.noteError(responder.apiKey, code) }
        }
        guard !writer.splits.isEmpty else { return nil }
        defer {
            writer = WireWriter(ByteBuffer())
        }
        return EncodedReply(buffer: writer.buffer, splits: writer.splits, regions: regions)
    }
}

/// An answer that is encoded but not yet sent. Region `splits[i].token` belongs at byte `splits[i].position`.
struct EncodedReply {
    var buffer: ByteBuffer
    var splits: [(position: Int, token: Int)]
    var regions: [LogSlice]
}
