import Bytes
import DequeModule
import NIOCore

/// How frames are read: what the peer may send before it has its answers, and the memory for large ones.
extension Connection {
    func handleFrames() {
        guard !isHandlingBurst else { return }
        isHandlingBurst = true
        defer { isHandlingBurst = false }
        do throws(WireError) {
            while !isClosing, canHandleMore, let frame = try splitter.next() {
                giveBackMemory()
                handle(frame)
            }
        } catch {
            close(because: splitter.beginsTLS ? Self.isSpeakingTLS : "\(error)")
        }
    }

    /// False when the peer should read its answers before it may ask for more.
    private var canHandleMore: Bool {
        if drainLooks > Self.drainLooksMax || isHeldBack || throttledUntil != nil || !outgoing.isEmpty { return false }
        if pendingCount >= Self.pendingCountMax || waitingByteCount >= Self.waitingByteCountMax { return false }
        if output.readableBytes >= Self.outputByteCountMax { flushOutput() }
        return context?.channel.isWritable ?? false
    }

    /// Goes on after an answer left or the socket took bytes.
    func resume() {
        guard !isClosing else { return }
        if splitter.hasUnreadBytes { handleFrames() }
        if !isHandlingBurst {
            flushOutput()
            readIfPossible()
        }
    }

    func readIfPossible() {
        guard isReadWanted, !isClosing, !isAwaitingMemory, canHandleMore || isOutputClosed, !splitter.hasUnreadBytes
        else { return }
        guard hasMemoryForPartialFrame() else { return }
        isReadWanted = false
        context?.read()
    }

    /// Reserves the memory of a large frame before its bytes are read.
    private func hasMemoryForPartialFrame() -> Bool {
        // Who is unknown takes nothing of what all share: the largest request then is `sasl.server.max.receive.size`.
        guard authenticator.map({ $0.principal != nil }) ?? true else { return true }
        guard reservedByteCount == 0, let frameByteCount = splitter.partialFrameByteCount,
            frameByteCount > RequestMemory.uncountedByteCountMax, let context
        else { return true }
        let loop = context.eventLoop
        let me = NIOLoopBound(self, eventLoop: loop)
        let isReserved = node.requestMemory.reserve(frameByteCount) { [requestMemory = node.requestMemory] in
            loop.execute { me.value.memoryArrived(frameByteCount, from: requestMemory) }
        }
        if isReserved {
            reservedByteCount = frameByteCount
        } else {
            isAwaitingMemory = true
        }
        return isReserved
    }

    private func memoryArrived(_ byteCount: Int, from requestMemory: RequestMemory) {
        isAwaitingMemory = false
        if isClosing {
            requestMemory.release(byteCount)
        } else {
            reservedByteCount = byteCount
            lastActivity = .now()
            readIfPossible()
        }
    }

    func giveBackMemory() {
        guard reservedByteCount > 0 else { return }
        let byteCount = reservedByteCount
        reservedByteCount = 0
        node.requestMemory.release(byteCount)
    }
}
