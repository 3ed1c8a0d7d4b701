import Bytes
import KafkaMessages
import NIOCore
import RandomMessages
import TestKit
import Testing

/// The primitive types by hand, from the protocol guide and KIP-482.
@Suite struct WireTests {
    @Test(
        arguments: [
            ([0x00], 0), ([0x7F], 127), ([0x80, 0x01], 128), ([0xFF, 0xFF, 0xFF, 0xFF, 0x0F], UInt32.max),
            ([0x80, 0x00], 0),  // longer than need be, which Kafka reads as well
        ] as [([UInt8], UInt32)])
    func `reads unsigned varints`(bytes: [UInt8], value: UInt32) throws {
        var reader = WireReader(ByteBuffer(bytes: bytes))
        #expect(try reader.readUnsignedVarint() == value)
        #expect(reader.readableByteCount == 0)
    }

    @Test(arguments: [0, 1, 127, 128, 16383, 16384, 2_097_151, 2_097_152, 268_435_455, 268_435_456, UInt32.max])
    func `writes unsigned varints`(value: UInt32) throws {
        var writer = WireWriter()
        writer.writeUnsignedVarint(value)
        #expect(writer.buffer.readableBytes == Varint.byteCount(unsigned: UInt64(value)))
        var reader = WireReader(writer.buffer)
        #expect(try reader.readUnsignedVarint() == value)
    }

    /// A value that must not be accepted, and the error it is.
    struct Malformed: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var bytes: [UInt8]
        var refusal: Refusal
        var read: @Sendable (inout WireReader) throws -> Void

        init(
            _ what: String, _ bytes: [UInt8], _ refusal: Refusal,
            _ read: @escaping @Sendable (inout WireReader) throws -> Void
        ) {
            testDescription = what
            self.bytes = bytes
            self.refusal = refusal
            self.read = read
        }
    }

    static let malformed: [Malformed] = [
        Malformed("varint of 6 bytes", [0x80, 0x80, 0x80, 0x80, 0x80, 0x00], .corrupt) {
            _ = try $0.readUnsignedVarint()
        },
        Malformed("varint of 33 bits", [0xFF, 0xFF, 0xFF, 0xFF, 0x10], .corrupt) { _ = try $0.readUnsignedVarint() },
        Malformed("cut varint", [0x80], .truncated) { _ = try $0.readUnsignedVarint() },
        Malformed("cut integer", [0, 0, 0], .truncated) { _ = try $0.readInt32() },
        Malformed("cut uuid", [UInt8](repeating: 1, count: 15), .truncated) { _ = try $0.readUUID() },
        Malformed("null string", [0xFF, 0xFF], .corrupt) { _ = try $0.readString(compact: false) },
        Malformed("null compact string", [0], .corrupt) { _ = try $0.readString(compact: true) },
        Malformed("null string in an old version", [0], .corrupt) {
            _ = try $0.readNullableString(compact: true, nullable: false)
        },
        Malformed("string of -2 bytes", [0xFF, 0xFE], .corrupt) { _ = try $0.readNullableString(compact: false) },
        Malformed("cut string", [0, 2, 65], .truncated) { _ = try $0.readString(compact: false) },
        Malformed("cut compact string", [3, 65], .truncated) { _ = try $0.readString(compact: true) },
        Malformed("compact string of 32768 bytes", [0x81, 0x80, 0x02], .corrupt) {
            _ = try $0.readString(compact: true)
        },
        Malformed("lone continuation byte", [2, 0x80], .corrupt) { _ = try $0.readString(compact: true) },
        Malformed("overlong slash", [3, 0xC0, 0xAF], .corrupt) { _ = try $0.readString(compact: true) },
        Malformed("surrogate", [4, 0xED, 0xA0, 0x80], .corrupt) { _ = try $0.readString(compact: true) },
        Malformed("null bytes", [0xFF, 0xFF, 0xFF, 0xFF], .corrupt) { _ = try $0.readBytes(compact: false) },
        Malformed("bytes of -2", [0xFF, 0xFF, 0xFF, 0xFE], .corrupt) { _ = try $0.readNullableBytes(compact: false) },
        Malformed("2 GiB of bytes", [0x7F, 0xFF, 0xFF, 0xFF, 1], .truncated) { _ = try $0.readBytes(compact: false) },
        Malformed("4 GiB of bytes", [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], .truncated) { _ = try $0.readBytes(compact: true) },
        Malformed("null array", [0], .corrupt) { _ = try $0.readCount(compact: true, elementByteCountMin: 1) },
        Malformed("null struct", [0xFF], .corrupt) { _ = try $0.readPresence(nullable: false) },
        Malformed("array beyond its bytes", [4, 0, 0], .corrupt) {
            _ = try $0.readCount(compact: true, elementByteCountMin: 1)
        },
        Malformed("array of wide elements", [3, 0, 0, 0], .corrupt) {
            _ = try $0.readCount(compact: true, elementByteCountMin: 2)
        },
        Malformed("array of 2 billion", [0x7F, 0xFF, 0xFF, 0xFF, 1, 2], .corrupt) {
            _ = try $0.readCount(compact: false, elementByteCountMin: 1)
        },
        Malformed("tags beyond their bytes", [2, 0, 0], .corrupt) { try $0.skipTaggedFields() },
        Malformed("tag twice", [2, 5, 0, 5, 0], .corrupt) { try $0.skipTaggedFields() },
        Malformed("tag longer than the rest", [1, 5, 2, 0], .truncated) { try $0.skipTaggedFields() },
    ]

    @Test(arguments: malformed)
    func `refuses malformed values`(value: Malformed) throws {
        var reader = WireReader(ByteBuffer(bytes: value.bytes))
        let error = try #require(throws: WireError.self) { try value.read(&reader) }
        #expect(Refusal(error) == value.refusal)
    }

    enum Refusal: Sendable {
        case truncated, corrupt, unsupported

        init(_ error: WireError) {
            self =
                switch error {
                case .truncated: .truncated
                case .corrupt: .corrupt
                case .unsupported: .unsupported
                }
        }
    }

    @Test func `byte fields share the storage of the frame`() throws {
        let frame = ByteBuffer(bytes: [0, 0, 0, 2, 7, 8, 9])
        var reader = WireReader(frame)
        let bytes = try reader.readBytes(compact: false)
        #expect(Array(bytes.readableBytesView) == [7, 8])
        #expect(reader.rest == ByteBuffer(bytes: [9]))
        let same = frame.withUnsafeReadableBytes { frame in
            bytes.withUnsafeReadableBytes { $0.baseAddress == frame.baseAddress.map { $0 + 4 } }
        }
        #expect(same)
    }

    @Test(arguments: [true, false])
    func `a string longer than the protocol's 32767 bytes is not written`(compact: Bool) throws {
        var writer = WireWriter()
        try writer.writeString(String(repeating: "a", count: 32767), compact: compact)
        #expect(throws: WireError.self) {
            try writer.writeString(String(repeating: "a", count: 32768), compact: compact)
        }
    }

    /// The writer collects small values before they reach its buffer: every place where a value may meet that edge.
    @Test(arguments: 0...70)
    func `values of every size are written at every position`(position: Int) throws {
        for byteCount in 0...70 {
            var writer = WireWriter()
            for _ in 0..<position { writer.writeInt8(7) }
            let text = String(repeating: "x", count: byteCount)
            try writer.writeString(text, compact: false)
            writer.writeInt64(-2)
            try writer.writeBytes(ByteBuffer(string: text), compact: true)
            var expected = [UInt8](repeating: 7, count: position) + [0, UInt8(byteCount)] + Array(text.utf8)
            expected += [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, UInt8(byteCount + 1)] + Array(text.utf8)
            #expect(Array(writer.buffer.readableBytesView) == expected)
        }
    }

    @Test func `the buffer may be read, patched and appended to between writes`() throws {
        var writer = WireWriter(ByteBuffer(bytes: [9]))
        writer.writeInt32(0)
        let start = writer.buffer.writerIndex
        #expect(start == 5)
        writer.writeInt8(5)
        writer.buffer.writeInteger(6 as UInt8)
        writer.writeInt8(7)
        writer.buffer.setInteger(Int32(writer.buffer.writerIndex - start), at: 1)
        #expect(Array(writer.buffer.readableBytesView) == [9, 0, 0, 0, 3, 5, 6, 7])
    }

    @Test func `a reader starts where its buffer's reader stands, and outlives it`() throws {
        var buffer = ByteBuffer(bytes: [1, 2, 3, 4, 5])
        buffer.moveReaderIndex(forwardBy: 2)
        var reader = WireReader(buffer)
        buffer.clear()
        buffer.writeBytes([UInt8](repeating: 0xFF, count: 5))  // not seen: the reader shares the old bytes
        #expect(try reader.readInt8() == 3)
        #expect(reader.rest == ByteBuffer(bytes: [4, 5]))
        #expect(reader.readableByteCount == 2)
    }

    // MARK: Fields and versions

    @Test func `a field the version lacks is refused, dropped if ignorable, and fine with its default`() throws {
        var request = FetchRequest()
        request.rackId = "r1"  // since version 11, ignorable
        #expect(try FetchRequest.decoded(request.encoded(4), 4).message == FetchRequest())
        request.forgottenTopicsData = [.init(topic: "t", partitions: [0])]  // since version 7, not ignorable
        #expect(throws: WireError.unsupported("field forgottenTopicsData of FetchRequest is not in version 4")) {
            try request.encoded(4)
        }
        #expect(try FetchRequest.decoded(request.encoded(11), 11).message == request)
    }

    @Test func `null is refused in versions that do not allow it`() throws {
        let everything = MetadataRequest(topics: nil)
        #expect(throws: WireError.unsupported("field topics of MetadataRequest cannot be null in version 0")) {
            try everything.encoded(0)
        }
        #expect(try everything.encoded(1) == [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(try MetadataRequest.decoded([0xFF, 0xFF, 0xFF, 0xFF], 1).message.topics == nil)
        #expect(throws: WireError.corrupt("null where an array must be")) {
            try MetadataRequest.decoded([0xFF, 0xFF, 0xFF, 0xFF], 0)
        }
    }

    /// librdkafka up to 2.0.2 reads one byte too few of each tagged field: harmless for what Kafka writes, fatal for
    /// eight 0xFF bytes of a default epoch.
    @Test func `an ApiVersions response with nothing finalized has no tagged fields`() throws {
        let response = ApiVersionsResponse(apiKeys: [.init(apiKey: 18, minVersion: 0, maxVersion: 4)])
        #expect(try response.encoded(3) == [0, 0, 2, 0, 18, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0])
    }

    @Test(
        arguments: [
            ([1, 1, 7, 0, 0, 0, 0, 0, 0, 0], "tagged field 1 does not have the size it announces"),
            ([1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0], "tagged field 1 does not have the size it announces"),
            (
                [2, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0], "tag 1 appears twice"
            ),
        ] as [([UInt8], String)])
    func `a known tagged field must fill its size, once`(tags: [UInt8], message: String) throws {
        let body: [UInt8] = [0, 0, 1, 0, 0, 0, 0] + tags + [0, 0, 0, 0]
        #expect(throws: WireError.corrupt(message)) { try ApiVersionsResponse.decoded(body, 3) }
    }

    @Test func `tagged fields may come in any order`() throws {
        let body: [UInt8] = [0, 0, 1, 0, 0, 0, 0, 2, 3, 1, 1, 1, 8, 0, 0, 0, 0, 0, 0, 0, 9]
        let (message, left) = try ApiVersionsResponse.decoded(body, 3)
        #expect(message == ApiVersionsResponse(finalizedFeaturesEpoch: 9, zkMigrationReady: true))
        #expect(left == 0)
    }

    @Test func `bytes behind a message are left to the caller`() throws {
        let (_, left) = try HeartbeatRequest.decoded(HeartbeatRequest().encoded(0) + [1, 2, 3], 0)
        #expect(left == 3)
    }

    // MARK: Records outside the buffer

    @Test(arguments: [4, 12, 17] as [Int16])
    func `external records leave a split where they belong`(version: Int16) throws {
        func response(_ first: Records, _ second: Records) -> FetchResponse {
            var topic = FetchResponse.FetchableTopicResponse()
            topic.partitions = [
                .init(partitionIndex: 0, records: first),
                .init(partitionIndex: 1, records: .bytes(ByteBuffer(bytes: [9]))),
                .init(partitionIndex: 2, records: second),
            ]
            return FetchResponse(responses: [topic])
        }
        let regions = [7: [UInt8](repeating: 0xAB, count: 1000), 8: [UInt8](repeating: 0xCD, count: 3)]
        let expected = try response(
            .bytes(ByteBuffer(bytes: regions[7] ?? [])), .bytes(ByteBuffer(bytes: regions[8] ?? []))
        ).encoded(version)

        var before = ByteBuffer(bytes: [1, 2, 3, 4])  // what a reply buffer holds already
        before.moveReaderIndex(forwardBy: 1)
        var writer = WireWriter(before)
        try response(.external(byteCount: 1000, token: 7), .external(byteCount: 3, token: 8))
            .encode(to: &writer, version: version)
        #expect(writer.splits.map(\.token) == [7, 8])
        #expect(writer.externalByteCount == 1003)

        var sent: [UInt8] = []
        var position = 4
        for split in writer.splits {
            sent += writer.buffer.getBytes(at: position, length: split.position - position) ?? []
            sent += regions[split.token] ?? []
            position = split.position
        }
        sent += writer.buffer.getBytes(at: position, length: writer.buffer.writerIndex - position) ?? []
        #expect(sent == expected)
    }

    // MARK: Request headers

    /// Headers by hand: key, version, correlation id, client id, then a byte of the body.
    @Test(
        arguments: [
            ([0, 0, 0, 3, 0, 0, 0, 7, 0, 1, 0x61, 0xEE], RequestHeader(0, 3, 7, "a")),  // Produce 3: header 1
            ([0, 0, 0, 9, 0, 0, 0, 7, 0, 1, 0x61, 0, 0xEE], RequestHeader(0, 9, 7, "a")),  // Produce 9: header 2
            ([0, 0, 0, 9, 0, 0, 0, 7, 0xFF, 0xFF, 1, 9, 1, 0, 0xEE], RequestHeader(0, 9, 7, nil)),  // with a tag
            ([0, 18, 0, 99, 0, 0, 0, 7, 0, 0, 0, 0xEE], RequestHeader(18, 99, 7, "")),  // ApiVersions of the future
            ([0, 18, 0xFF, 0xFF, 0, 0, 0, 7, 0, 0, 0xEE], RequestHeader(18, -1, 7, "")),
        ] as [([UInt8], RequestHeader)])
    func `reads the header in front of a request`(frame: [UInt8], header: RequestHeader) throws {
        var reader = WireReader(ByteBuffer(bytes: frame))
        #expect(try RequestHeader(frame: &reader) == header)
        #expect(reader.rest == ByteBuffer(bytes: [0xEE]))
    }

    @Test func `of an unknown request only the first eight bytes are read`() throws {
        var reader = WireReader(ByteBuffer(bytes: [0x7F, 0, 0, 3, 0, 0, 0, 7, 0xFF]))
        #expect(try RequestHeader(frame: &reader) == RequestHeader(0x7F00, 3, 7, nil))
        #expect(reader.readableByteCount == 1)
    }

    @Test(arguments: 0..<13)
    func `a cut header is an error`(length: Int) throws {
        let frame: [UInt8] = [0, 0, 0, 9, 0, 0, 0, 7, 0, 2, 0x61, 0x62, 0]
        var reader = WireReader(ByteBuffer(bytes: frame[..<length]))
        #expect(throws: WireError.truncated) { try RequestHeader(frame: &reader) }
    }
}

extension RequestHeader {
    fileprivate init(_ key: Int16, _ version: Int16, _ correlationId: Int32, _ clientId: String?) {
        self.init(
            requestApiKey: key, requestApiVersion: version, correlationId: correlationId, clientId: clientId)
    }
}
