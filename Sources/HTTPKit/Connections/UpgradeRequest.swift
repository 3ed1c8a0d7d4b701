import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// The head of a request that asks for another protocol on its connection.
struct UpgradeRequest {
    /// What stands after `Upgrade`, in lower case.
    var protocolName: String
    var method: String
    var target: String
    /// With `Host` among them; names as they were sent.
    var fields: [(name: String, value: String)]

    /// nil when the head asks for nothing or is not well formed: HTTP/1.1 then deals with it.
    init?(head: ByteBufferView) {
        guard let text = String(validating: head, as: UTF8.self) else { return nil }
        var lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)[...]
        guard let request = lines.popFirst()?.split(separator: " ", omittingEmptySubsequences: false),
            request.count == 3, request[2] == "HTTP/1.1"
        else { return nil }
        method = String(request[0])
        target = String(request[1])
        fields = []
        for line in lines {
            guard let colon = line.firstIndex(of: ":"), let name = HTTPField.Name(String(line[..<colon])) else {
                return nil
            }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            guard HTTPField.isValidValue(value.utf8) else { return nil }
            fields.append((name.rawName, String(value)))
        }
        protocolName = ""
        guard let wanted = value("upgrade")?.lowercased(), tokens("connection").contains("upgrade") else { return nil }
        protocolName = wanted
    }

    /// The request without its wish, for HTTP/1.1, whose decoder would read nothing behind a request for an upgrade.
    var bytes: ByteBuffer {
        var head = ByteBuffer(string: "\(method) \(target) HTTP/1.1\r\n")
        for (name, value) in fields {
            switch name.lowercased() {
            case "upgrade", "http2-settings": continue
            case "connection":
                let others = value.split(separator: ",").map { $0.filter { $0 != " " && $0 != "\t" } }
                    .filter { !["upgrade", "http2-settings"].contains($0.lowercased()) }
                if !others.isEmpty { head.writeString("\(name): \(others.joined(separator: ", "))\r\n") }
            default: head.writeString("\(name): \(value)\r\n")
            }
        }
        head.writeString("\r\n")
        return head
    }

    func value(_ name: String) -> String? { fields.first { $0.name.lowercased() == name }?.value }

    var headerFields: HTTPFields {
        var all = HTTPFields()
        for (name, value) in fields {
            if let name = HTTPField.Name(name) { all.append(HTTPField(name: name, value: value)) }
        }
        return all
    }

    private func tokens(_ name: String) -> [String] {
        (value(name) ?? "").lowercased().split(separator: ",").map { part in
            String(part.drop { $0 == " " }.prefix { $0 != " " })
        }
    }

    /// The length of the body; nil where its end is to be found in another way, or it is told in several.
    var bodyByteCount: Int? {
        let lengths = fields.filter { $0.name.lowercased() == "content-length" }
        guard value("transfer-encoding") == nil, lengths.count <= 1 else { return nil }
        guard let text = lengths.first?.value else { return 0 }
        return text.utf8.allSatisfy { 0x30...0x39 ~= $0 } ? Int(text) : nil
    }

    /// Whether no other server on the way can see another host or another end in it, by these fields (RFC 9112, 3.2, 6.3).
    var isOfOneEnd: Bool {
        value("transfer-encoding") == nil && fields.count { $0.name.lowercased() == "host" } <= 1
    }

    /// Whether the request can be answered on the first stream of an HTTP/2 connection: it has the client's settings, and
    /// a body that can be waited for.
    var canBeFirstStream: Bool {
        guard let bodyByteCount, bodyByteCount <= ConnectionOpening.bodyByteCountMax else { return false }
        return value("http2-settings") != nil && value("expect") == nil
            && headerBlock.readableBytes <= FirstStream.headerBlockByteCountMax
    }

    private static let connectionFields: Set<String> = [
        "connection", "upgrade", "http2-settings", "host", "keep-alive", "proxy-connection", "transfer-encoding", "te",
        // The frames that the stream begins with have no body, see `FirstBody`.
        "content-length",
    ]

    /// The request as a header block of HPACK: literals that enter no table (RFC 7541, 6.2.2), so that the client's and the
    /// server's tables stay as they are.
    var headerBlock: ByteBuffer {
        var block = ByteBuffer()
        func write(_ name: String, _ value: String) {
            block.writeInteger(UInt8(0))
            for text in [name, value] {
                Self.writeLength(text.utf8.count, &block)
                block.writeString(text)
            }
        }
        write(":method", method)
        write(":scheme", "http")
        write(":path", target)
        if let host = value("host") { write(":authority", host) }
        for (name, value) in fields where !Self.connectionFields.contains(name.lowercased()) {
            write(name.lowercased(), value)
        }
        return block
    }

    /// An integer with a prefix of seven bits (RFC 7541, 5.1).
    private static func writeLength(_ count: Int, _ block: inout ByteBuffer) {
        guard count >= 127 else { return _ = block.writeInteger(UInt8(count)) }
        block.writeInteger(UInt8(127))
        var rest = count - 127
        while rest >= 128 {
            block.writeInteger(UInt8(rest & 127 | 128))
            rest >>= 7
        }
        block.writeInteger(UInt8(rest))
    }
}

/// Gives an HTTP/2 connection that came by upgrade its first stream: behind the client's preface and settings it puts a
/// HEADERS frame for the request that asked for the upgrade, as if the client had sent it.
final class FirstStream: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// What fits into one frame of the initial size with room to spare.
    static let headerBlockByteCountMax = 16_000
    private static let prefaceByteCount = 24
    private static let frameHeaderByteCount = 9
    /// A client's first settings are a few entries of six bytes.
    private static let settingsByteCountMax = 16_384

    private let headerBlock: ByteBuffer
    private var pending = ByteBuffer()
    private var isDone = false

    init(headerBlock: ByteBuffer) { self.headerBlock = headerBlock }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone else { return context.fireChannelRead(data) }
        pending.writeImmutableBuffer(unwrapInboundIn(data))
        let settings = pending.readerIndex + Self.prefaceByteCount
        guard let high = pending.getInteger(at: settings, as: UInt16.self),
            let low = pending.getInteger(at: settings + 2, as: UInt8.self)
        else { return }
        let byteCount = Int(high) << 8 | Int(low)
        guard byteCount <= Self.settingsByteCountMax else { return context.close(promise: nil) }
        guard let opening = pending.readSlice(length: Self.prefaceByteCount + Self.frameHeaderByteCount + byteCount)
        else { return }
        isDone = true
        context.fireChannelRead(wrapInboundOut(opening))
        context.fireChannelRead(wrapInboundOut(frame()))
        if pending.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(pending)) }
        pending = ByteBuffer()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    /// HEADERS (RFC 9113, 6.2) of stream 1 with END_STREAM and END_HEADERS.
    private func frame() -> ByteBuffer {
        var frame = ByteBuffer()
        frame.writeInteger(UInt8(headerBlock.readableBytes >> 16))
        frame.writeInteger(UInt16(headerBlock.readableBytes & 0xFFFF))
        frame.writeInteger(UInt8(1))
        frame.writeInteger(UInt8(0x1 | 0x4))
        frame.writeInteger(UInt32(1))
        frame.writeImmutableBuffer(headerBlock)
        return frame
    }
}

/// Gives the first stream of an HTTP/2 connection that came by upgrade the body of its request. As it did not come in
/// frames, flow control must not count it, and the client's window for the connection stays what both sides know.
final class FirstBody: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private let body: ByteBuffer

    init(_ body: ByteBuffer) { self.body = body }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        head.headerFields[.contentLength] = String(body.readableBytes)
        context.fireChannelRead(wrapInboundOut(.head(head)))
        context.fireChannelRead(wrapInboundOut(.body(body)))
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}
