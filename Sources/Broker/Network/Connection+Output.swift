import DequeModule
import Environment
import LogStorage
import NIOCore

/// The way of answers to the socket: bytes as they are, parts of files without passing through memory where that can be.
extension Connection {
    /// Hands a reply with file regions to the channel, in the order of its parts.
    func write(_ reply: EncodedReply) {
        guard let context else { return }
        // An answer that was late may be waiting to be sent, and goes first.
        if output.readableBytes > 0 { write(take(&output), context) }
        var rest = reply.buffer
        for split in reply.splits {
            let headByteCount = split.position - rest.readerIndex
            if headByteCount > 0, let head = rest.readSlice(length: headByteCount) { write(head, context) }
            write(reply.regions[split.token], context)
        }
        if rest.readableBytes > 0 { write(rest, context) }
        needsFlush = true
        sendOutgoing()
    }

    func write(_ buffer: ByteBuffer, _ context: ChannelHandlerContext) {
        if outgoing.isEmpty {
            context.write(wrapOutboundOut(.byteBuffer(buffer)), promise: nil)
        } else {
            outgoing.append(.buffer(buffer))
        }
    }

    func write(_ slice: LogSlice, _ context: ChannelHandlerContext) {
        guard slice.byteCount > 0, let descriptor = slice.file?.descriptor else { return }
        guard tls == nil else { return outgoing.append(.slice(slice)) }
        let handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: descriptor)
        let region = FileRegion(
            fileHandle: handle, readerIndex: Int(slice.position), endIndex: Int(slice.position) + slice.byteCount)
        let written = context.eventLoop.makePromise(of: Void.self)
        let unowned = NIOLoopBound(handle, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in
            // The descriptor belongs to the slice's file, which must stay open until here.
            withExtendedLifetime(slice) { _ = try? unowned.value.takeDescriptorOwnership() }
        }
        context.write(wrapOutboundOut(.fileRegion(region)), promise: written)
    }

    func flushOutput() {
        guard let context else { return }
        if output.readableBytes > 0 {
            write(output, context)
            context.flush()
            // The channel has usually let go of the storage by now; then it is used again.
            if output.capacity > Self.outputByteCountMax { output = ByteBuffer() } else { output.clear() }
        } else if needsFlush {
            context.flush()
        }
        needsFlush = false
    }

    /// With TLS: a part of a file passes through memory, in pieces, each when the socket has taken those before. So a client
    /// that reads slowly holds a piece, however much it has asked for.
    func sendOutgoing() {
        guard !outgoing.isEmpty, let context else { return }
        while !isClosing, context.channel.isWritable, let first = outgoing.popFirst() {
            switch first {
            case .buffer(let buffer): context.write(wrapOutboundOut(.byteBuffer(buffer)), promise: nil)
            case .slice(var slice):
                var piece = slice
                piece.byteCount = min(slice.byteCount, Self.pieceByteCount)
                slice.byteCount -= piece.byteCount
                slice.position += Int64(piece.byteCount)
                if slice.byteCount > 0 { outgoing.prepend(.slice(slice)) }
                do throws(LogError) {
                    context.write(wrapOutboundOut(.byteBuffer(try piece.buffer())), promise: nil)
                } catch {
                    // The answer's length has been promised already.
                    node.alarm.note(error, reading: slice.file?.path ?? "a log")
                    return close(because: "a log cannot be read: \(error)")
                }
            }
            context.flush()
        }
        if lastWords != nil { closeBehindLastWords() }
    }
}

/// What waits for a socket with TLS.
enum Outgoing {
    case buffer(ByteBuffer)
    case slice(LogSlice)
}

/// Moves a buffer out of its variable, so that writing to it does not copy.
func take(_ buffer: inout ByteBuffer) -> ByteBuffer {
    let taken = buffer
    buffer = ByteBuffer()
    return taken
}
