import DequeModule
import Logging
import NIOCore

/// How a connection ends.
extension Connection {
    /// Ends the connection when an answer has reached the client: behind those to earlier requests, some of which may wait for
    /// records or for others. Nothing more is to be read meanwhile, which is the caller's to see to.
    func close(because reason: String, behind responder: Responder) {
        guard !isClosing, lastWords == nil, case .connection(let place) = responder.target, let context else { return }
        lastWords = (place.sequence, reason)
        closeBehindLastWords()
        guard !isClosing else { return }
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        lastWordsEnd = context.eventLoop.scheduleTask(in: Self.lastWordsTimeout) { me.value.close(because: reason) }
    }

    func closeBehindLastWords() {
        guard !isClosing, let lastWords, nextToSend > lastWords.sequence else { return }
        flushOutput()
        guard !isClosing, outgoing.isEmpty, let context else { return }
        node.logger.info(
            "closing connection",
            metadata: [
                "remote": "\(remoteAddress)", "client": "\(clientId ?? "")", "reason": "\(lastWords.reason)",
            ])
        isClosing = true
        // A client that does not read is not waited for.
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        let end = context.eventLoop.scheduleTask(in: Self.lastReadTimeout) { me.value.context?.close(promise: nil) }
        // Completes after all that was written before it.
        let written = context.writeAndFlush(wrapOutboundOut(.byteBuffer(ByteBuffer())))
        written.assumeIsolated().whenComplete { _ in
            end.cancel()
            self.context?.close(promise: nil)
        }
    }

    func close(because reason: String) {
        guard !isClosing else {
            isRestOver = true
            return
        }
        node.logger.info(
            "closing connection",
            metadata: ["remote": "\(remoteAddress)", "client": "\(clientId ?? "")", "reason": "\(reason)"])
        flushOutput()
        isClosing = true
        context?.close(promise: nil)
    }

    /// Called now and then: ends connections without traffic and those that hold memory for a frame that does not come.
    func closeIfStale(now: NIODeadline, idleMax: TimeAmount?) {
        let silence = now - lastActivity
        let stallMax = TimeAmount.seconds(Self.stallSecondsMax)
        // Who is held up for long may not keep others from memory meanwhile; whole requests there are none then.
        if reservedByteCount > 0, silence > stallMax, throttledUntil.map({ $0 - now > stallMax }) ?? true {
            close(because: "a request of \(reservedByteCount) bytes stopped arriving")
        } else if let idleMax, silence > idleMax, pendingCount == 0, throttledUntil == nil {
            close(because: "idle for more than connections.max.idle.ms")
        }
    }

    /// For shutdown, called every few milliseconds: ends the connection once all that the client sent is answered.
    ///
    /// Requests that had arrived when the broker began to stop may still be in the socket, so the first look only lets
    /// the event loop read them. Then our direction is closed and the client's is read to its end: closing the socket
    /// over unread bytes would reset the connection, and the client could lose answers that have already left.
    func drain() {
        drainLooks += 1
        if throttledUntil != nil {
            // What has arrived is answered all the same.
            endThrottling()
            resume()
        }
        if isOutputClosed {
            if drainLooks > 2 * Self.drainLooksMax { context?.close(promise: nil) }
            return
        }
        let isRefusing = drainLooks > Self.drainLooksMax
        guard drainLooks > 1, !isClosing, let context, pendingCount == 0, outgoing.isEmpty || isRefusing,
            isRefusing || (splitter.partialByteCount == 0 && !splitter.hasUnreadBytes)
        else { return }
        isOutputClosed = true
        flushOutput()
        // Completes after all that was written before it.
        let written = context.writeAndFlush(wrapOutboundOut(.byteBuffer(ByteBuffer())))
        written.assumeIsolated().whenComplete { _ in self.context?.close(mode: .output, promise: nil) }
        isReadWanted = true
        readIfPossible()
    }
}
