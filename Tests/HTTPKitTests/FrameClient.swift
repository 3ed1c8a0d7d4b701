import NIOCore

@testable import HTTPKit

/// A client of HTTP/2 that writes and reads single frames.
struct FrameClient {
    struct Frame {
        var kind: UInt8
        var flags: UInt8
        var stream: UInt32
        var payload: [UInt8]

        var endsStream: Bool { flags & 1 != 0 }
    }

    static let data: UInt8 = 0, headers: UInt8 = 1, reset: UInt8 = 3, settings: UInt8 = 4, goAway: UInt8 = 7
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + bytes(settings, 0, 0, [])

    let client: TextClient

    init(port: Int) throws { client = try TextClient(port: port) }

    static func bytes(_ kind: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = [UInt8(payload.count >> 16), UInt8(payload.count >> 8 & 255), UInt8(payload.count & 255)]
        frame += [kind, flags]
        frame += [UInt8(stream >> 24), UInt8(stream >> 16 & 255), UInt8(stream >> 8 & 255), UInt8(stream & 255)]
        return frame + payload
    }

    /// A request of a stream; without a body it ends there.
    func request(_ stream: UInt32, _ method: String, _ path: String, hasBody: Bool = false) throws {
        var block: [UInt8] = []
        for (name, value) in [(":method", method), (":scheme", "http"), (":path", path), (":authority", "x")] {
            block += [0, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
        }
        try client.send(Self.bytes(Self.headers, hasBody ? 4 : 5, stream, block))
    }

    func body(_ stream: UInt32, _ text: String, isLast: Bool) throws {
        try client.send(Self.bytes(Self.data, isLast ? 1 : 0, stream, Array(text.utf8)))
    }

    func frame() async throws -> Frame {
        let head = try await client.bytes(9)
        let count = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
        let stream = head[5...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return Frame(kind: head[3], flags: head[4], stream: stream, payload: try await client.bytes(count))
    }

    /// The next frame of the kind and stream; others are passed over.
    func frame(_ kind: UInt8, _ stream: UInt32) async throws -> Frame {
        while true {
            let frame = try await frame()
            if frame.kind == kind, frame.stream == stream { return frame }
        }
    }

    /// The text of a stream's body to its end.
    func text(_ stream: UInt32) async throws -> String {
        var bytes: [UInt8] = []
        while true {
            let frame = try await frame()
            guard frame.stream == stream else { continue }
            if frame.kind == Self.data { bytes += frame.payload }
            if frame.endsStream || frame.kind == Self.reset { return String(decoding: bytes, as: UTF8.self) }
        }
    }
}
