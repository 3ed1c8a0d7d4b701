import Bytes
import Compression

/// Avro's object container files: a schema, and blocks of values of it.
///
/// | part | bytes | field |
/// |---|---:|---|
/// | header | 4 | `Obj` 0x01 |
/// | | | metadata: a map of bytes, `avro.schema` and `avro.codec` among them |
/// | | 16 | sync marker, any bytes |
/// | block | | count of values, long |
/// | | | byte count of what follows, long |
/// | | | the values one after the other, compressed |
/// | | 16 | the sync marker |
///
/// - SeeAlso: Apache Avro specification, "Object Container Files".
package enum AvroContainer {
    static let magic: [UInt8] = [0x4F, 0x62, 0x6A, 0x01]
    static let syncByteCount = 16
    /// What one block may decompress to.
    package static let blockByteCountMax = 256 << 20

    /// How blocks are compressed; the raw value is the name in `avro.codec`.
    package enum Codec: String, Sendable, CaseIterable {
        case null, deflate, snappy, zstandard

        func compress(_ bytes: [UInt8]) throws(AvroError) -> [UInt8] {
            do throws(WireError) {
                switch self {
                case .null: return bytes
                case .deflate: return try RawBlocks.deflate(bytes.span.bytes)
                case .zstandard: return try Compression.Codec.zstd.compress(bytes.span.bytes)
                case .snappy:
                    // Followed by the checksum of what was compressed, big-endian.
                    var block = try RawBlocks.snappyCompress(bytes.span.bytes)
                    block.append(bigEndian: RawBlocks.crc32(bytes.span.bytes))
                    return block
                }
            } catch {
                throw AvroError(.tooLarge, "block of \(bytes.count) bytes: \(error)")
            }
        }

        func decompress(_ bytes: borrowing RawSpan) throws(AvroError) -> [UInt8] {
            let limit = AvroContainer.blockByteCountMax
            do throws(WireError) {
                switch self {
                case .null: return bytes.withUnsafeBytes { [UInt8]($0) }
                case .deflate: return try RawBlocks.inflate(bytes, limit: limit, ignoresRest: true)
                case .zstandard: return try Compression.Codec.zstd.decompress(bytes, limit: limit)
                case .snappy:
                    let end = bytes.byteCount - 4
                    guard end >= 0 else { throw .corrupt("snappy block without checksum") }
                    let block = try RawBlocks.snappyDecompress(bytes.extracting(0..<end), limit: limit)
                    guard RawBlocks.crc32(block.span.bytes) == bytes.bigEndian(at: end, as: UInt32.self) else {
                        throw .corrupt("the checksum of a snappy block does not match")
                    }
                    return block
                }
            } catch {
                throw AvroError(.malformed, "\(error)")
            }
        }
    }

    /// The metadata in the header: a map of bytes.
    static let metadata = AvroSchema(
        types: [AvroType(kind: .map(values: 1)), AvroType(kind: .primitive(.bytes))], root: 0, external: [])
}

/// Writes a container file into memory, block by block.
package struct AvroContainerWriter: Sendable {
    package let schema: AvroSchema
    package let codec: AvroContainer.Codec
    private let encoder: AvroEncoder
    private let sync: [UInt8]
    /// Bytes of values after which a block is closed.
    private let blockByteCount: Int
    private var block: [UInt8] = []
    private var count = 0
    private var output: [UInt8] = []

    /// - Parameters:
    ///   - sync: 16 bytes that should occur nowhere else: random ones, but the same input and sync give the same file.
    ///   - metadata: what else the header should hold; names that begin with `avro.` are Avro's own.
    /// - Throws: `.unfit` for another number of bytes or a name of Avro's.
    package init(
        schema: AvroSchema, codec: AvroContainer.Codec = .null, sync: [UInt8],
        metadata: [(name: String, value: [UInt8])] = [], blockByteCount: Int = 64_000
    ) throws(AvroError) {
        guard sync.count == AvroContainer.syncByteCount else {
            throw AvroError(.unfit, "a sync marker of \(sync.count) bytes, it has \(AvroContainer.syncByteCount)")
        }
        if let name = metadata.first(where: { $0.name.hasPrefix("avro.") })?.name {
            throw AvroError(.unfit, "the metadata name \"\(name)\" is one of Avro's own")
        }
        self.schema = schema
        self.codec = codec
        self.sync = sync
        self.blockByteCount = blockByteCount
        encoder = AvroEncoder(schema: schema)
        var entries = metadata.map { AvroValue.Entry($0.name, .bytes($0.value)) }
        entries.append(.init("avro.schema", .bytes(Array(schema.text(.resolved).utf8))))
        entries.append(.init("avro.codec", .bytes(Array(codec.rawValue.utf8))))
        output = AvroContainer.magic
        try AvroEncoder(schema: AvroContainer.metadata).encode(.map(entries), to: &output)
        output += sync
    }

    /// Adds a value.
    package mutating func append(_ value: AvroValue) throws(AvroError) {
        try encoder.encode(value, to: &block)
        try added()
    }

    /// Adds a value that is already encoded.
    package mutating func append(encoded value: some Collection<UInt8>) throws(AvroError) {
        block.append(contentsOf: value)
        try added()
    }

    private mutating func added() throws(AvroError) {
        count += 1
        if block.count >= blockByteCount { try closeBlock() }
    }

    /// Ends the current block, if it holds any value: a reader may start behind it.
    package mutating func closeBlock() throws(AvroError) {
        guard count > 0 else { return }
        let data = try codec.compress(block)
        Varint.append(Int64(count), to: &output)
        Varint.append(Int64(data.count), to: &output)
        output += data
        output += sync
        block.removeAll(keepingCapacity: true)
        count = 0
    }

    /// Takes what was written so far, without the block that is still open; what is taken, in order, is the file.
    package mutating func take() -> [UInt8] {
        defer { output.removeAll() }
        return output
    }

    /// Ends the file and takes the rest of it.
    package mutating func finish() throws(AvroError) -> [UInt8] {
        try closeBlock()
        return take()
    }
}

/// Reads a container file that is in memory, block by block.
package struct AvroContainerReader: Sendable {
    /// The schema the values were written with.
    package let schema: AvroSchema
    package let codec: AvroContainer.Codec
    package let metadata: [(name: String, value: [UInt8])]
    private let bytes: [UInt8]
    private let sync: [UInt8]
    private let decoder: AvroDecoder
    private var at: Int

    /// Reads the header.
    ///
    /// - Parameter reader: the schema that the values are wanted in; the file's when it is nil.
    /// - Throws: `.malformed` when this is no container file, and for codecs that are not known.
    package init(_ bytes: [UInt8], reader: AvroSchema? = nil) throws(AvroError) {
        guard bytes.starts(with: AvroContainer.magic) else {
            throw AvroError(.malformed, "no Avro container file: it does not begin with \"Obj\" and 1")
        }
        var at = AvroContainer.magic.count
        let map = try AvroDecoder(writer: AvroContainer.metadata).decode(bytes.span.bytes, at: &at)
        var metadata: [(name: String, value: [UInt8])] = []
        if case .map(let entries) = map {
            for entry in entries {
                if case .bytes(let value) = entry.value { metadata.append((entry.key, value)) }
            }
        }
        func value(_ name: String) -> String? {
            metadata.last { $0.name == name }.flatMap { String(validating: $0.value, as: UTF8.self) }
        }
        guard let text = value("avro.schema") else { throw AvroError(.malformed, "the file's header has no schema") }
        let name = value("avro.codec") ?? "null"
        guard let codec = AvroContainer.Codec(rawValue: name) else {
            let known = AvroContainer.Codec.allCases.map(\.rawValue).joined(separator: ", ")
            throw AvroError(.malformed, "the codec \"\(name)\" is not known; known are \(known)")
        }
        guard bytes.count - at >= AvroContainer.syncByteCount else {
            throw AvroError(.malformed, "the file ends inside its header")
        }
        schema = try AvroSchema(text)
        self.codec = codec
        self.metadata = metadata
        self.bytes = bytes
        sync = Array(bytes[at..<(at + AvroContainer.syncByteCount)])
        self.at = at + AvroContainer.syncByteCount
        decoder = try AvroDecoder(writer: schema, reader: reader)
    }

    /// The next block: how many values it has, and their encodings one after the other; nil at the end of the file.
    package mutating func nextBlock() throws(AvroError) -> (count: Int, bytes: [UInt8])? {
        guard at < bytes.count else { return nil }
        let start = at
        let count = try number()
        let byteCount = try number()
        let rest = bytes.count - at - AvroContainer.syncByteCount
        guard count >= 0, byteCount >= 0, byteCount <= rest else {
            throw AvroError(.malformed, "the block at byte \(start) has \(count) values in \(byteCount) bytes")
        }
        let end = at + Int(byteCount)
        let block = try codec.decompress(bytes.span.bytes.extracting(at..<end))
        at = end + AvroContainer.syncByteCount
        guard bytes[end..<at].elementsEqual(sync) else {
            throw AvroError(.malformed, "the block at byte \(start) does not end with the sync marker")
        }
        return (Int(count), block)
    }

    /// The values of the next block; nil at the end of the file.
    package mutating func next() throws(AvroError) -> [AvroValue]? {
        guard let (count, block) = try nextBlock() else { return nil }
        guard count <= block.count || count <= AvroFault.emptyElementsMax else {
            throw AvroError(.malformed, "a block of \(block.count) bytes announces \(count) values")
        }
        var values: [AvroValue] = []
        var at = 0
        for _ in 0..<count { values.append(try decoder.decode(block.span.bytes, at: &at)) }
        guard at == block.count else {
            throw AvroError(.malformed, "a block has \(block.count - at) bytes behind its last value")
        }
        return values
    }

    private mutating func number() throws(AvroError) -> Int64 {
        var end = at
        do throws(WireError) {
            let number = try Varint.readLong(bytes.span.bytes, at: &end)
            at = end
            return number
        } catch {
            throw AvroError(.malformed, "\(error) at byte \(at)")
        }
    }
}
