import Bytes
import Compression
import RecordBatches
import TestKit

extension FuzzTarget {
    private static let codecs: [Codec] = [.none, .gzip, .snappy, .lz4, .zstd]
    private static let decompressedByteCountMax = 1 << 20

    /// Record batches as clients send them, often with a checksum that fits the damage.
    static let batches = FuzzTarget(name: "batches", stepCount: 500) { random in
        var bytes = try batch(&random)
        let other = random.roll(4) == 0 ? try batch(&random) : []
        if random.roll(3) == 0 {
            bytes = try damagedInside(bytes, &random)
        } else {
            random.damage(&bytes, with: other)
        }
        if random.roll(4) != 0 { repair(&bytes) }
        try read(bytes)
        try admit(bytes, &random)
    }

    /// What is compressed is damaged where it is read: after decompression.
    private static func damagedInside(_ bytes: [UInt8], _ random: inout SeededRandom) throws -> [UInt8] {
        let header = try BatchHeader(bytes.span.bytes)
        let codec = try header.codec
        let payload = [UInt8](bytes[BatchHeader.byteCount...])
        var records = try codec.decompress(payload.span.bytes, limit: decompressedByteCountMax)
        random.damage(&records)
        let compressed = try codec.compress(records.span.bytes)
        return try header.sealed(payload: compressed.span.bytes)
    }

    /// What decompressors make of damaged input.
    static let compression = FuzzTarget(name: "compression", stepCount: 500) { random in
        let codec = codecs[1 + random.roll(4)]
        let plain = random.roll(2) == 0 ? random.noise(3_000) : [UInt8](repeating: 7, count: random.roll(200_000))
        var compressed = random.roll(8) == 0 ? random.bytes(random.roll(100)) : try codec.compress(plain.span.bytes)
        if random.roll(8) != 0 { random.damage(&compressed) }
        let limit = random.roll(100_000)
        try decompress(compressed, codec, limit)
    }

    private static func decompress(_ bytes: [UInt8], _ codec: Codec, _ limit: Int) throws {
        do {
            let output = try codec.decompress(bytes.span.bytes, limit: limit)
            try require(output.count <= limit, "\(codec) gave \(output.count) bytes, \(limit) were allowed")
        } catch is WireError {}
    }

    static func batch(_ random: inout SeededRandom, codec: Codec? = nil) throws -> [UInt8] {
        if random.roll(6) == 0 {
            let marker = ControlMarker(
                kind: random.roll(2) == 0 ? .commit : .abort, coordinatorEpoch: Int32(random.roll(9)))
            return try marker.batch(
                producerId: Int64(random.roll(5)), producerEpoch: Int16(random.roll(5)), timestamp: 5)
        }
        var builder = BatchBuilder(codec: codec ?? codecs[random.roll(codecs.count)])
        if random.roll(2) == 0 {
            builder.producerId = Int64(random.roll(5))
            builder.producerEpoch = Int16(random.roll(3))
            builder.baseSequence = Int32(random.roll(100))
            builder.isTransactional = random.roll(2) == 0
        }
        for _ in 0...random.roll(8) {
            let headers = (0..<random.roll(3)).map {
                RecordHeader(key: "h\($0)", value: $0 == 0 ? nil : random.noise(9))
            }
            try builder.append(
                timestamp: 1_000 + Int64(random.roll(1_000)), key: random.roll(3) == 0 ? nil : random.noise(12),
                value: random.roll(5) == 0 ? nil : random.noise(60), headers: headers)
        }
        return try builder.build()
    }

    /// Makes length and checksum fit, so that what lies behind these checks is reached.
    private static func repair(_ bytes: inout [UInt8]) {
        guard bytes.count >= BatchHeader.byteCount else { return }
        let length = UInt32(bytes.count - 12)
        for index in 0..<4 { bytes[8 + index] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * index)) }
        bytes[16] = 2
        bytes.withUnsafeMutableBytes { BatchPatch.updateChecksum($0) }
    }

    private static func read(_ bytes: [UInt8]) throws {
        do {
            let header = try BatchHeader(bytes.span.bytes)
            _ = try header.checksumMatches(bytes.span.bytes)
            readMarker(bytes, header)
            let records = try BatchRecords.all(in: bytes.span.bytes, header: header, limit: decompressedByteCountMax)
            try require(
                records.count <= decompressedByteCountMax, "\(records.count) records out of \(bytes.count) bytes")
            _ = try BatchRecords.first(
                in: bytes.span.bytes, header: header, from: 1_500, limit: decompressedByteCountMax)
        } catch is WireError {}
    }

    private static func readMarker(_ bytes: [UInt8], _ header: BatchHeader) {
        do { _ = try ControlMarker(batch: bytes.span.bytes, header: header) } catch {}  // most batches are none
    }

    /// What Produce admits, consumers can read.
    private static func admit(_ bytes: [UInt8], _ random: inout SeededRandom) throws {
        let rules = ProduceRules(
            decompressedByteCountMax: decompressedByteCountMax, isCompacted: random.roll(4) == 0,
            usesLogAppendTime: random.roll(4) == 0, timestampBeforeMax: random.roll(4) == 0 ? 1_000 : nil,
            codec: random.roll(2) == 0 ? codecs[random.roll(codecs.count)] : nil)
        let version = Int16(3 + random.roll(10))
        do {
            let admitted = try rules.admit(bytes.span.bytes, version: version, now: 2_000)
            try readAdmitted(admitted.replacement ?? bytes, from: bytes)
        } catch is BatchRejection {}
    }

    private static func readAdmitted(_ stored: [UInt8], from bytes: [UInt8]) throws {
        do {
            let header = try BatchHeader(stored.span.bytes)
            let matches = try header.checksumMatches(stored.span.bytes)
            try require(matches, "checksum of \(bytes)")
            let records = try BatchRecords.all(in: stored.span.bytes, header: header, limit: decompressedByteCountMax)
            try require(records.count == Int(header.recordCount), "records of \(bytes)")
        } catch let error as WireError {
            throw FuzzFailure("admitted but not readable, \(error): \(bytes)")
        }
    }
}
