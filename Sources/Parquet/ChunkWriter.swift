import Bytes
import Compression

/// A column's values as pages.
enum ChunkWriter {
    static let plainEncoding: Int32 = 0
    static let runEncoding: Int32 = 3
    static let dictionaryEncoding: Int32 = 8

    /// - Parameter offset: bytes of the file before `output`.
    static func append(
        _ column: ParquetColumn, _ codec: Codec, to output: inout [UInt8], offset: Int
    ) throws(ParquetError) -> ParquetWriter.Chunk {
        let start = output.count
        var plainByteCount = 0
        let leaf = column.leaf
        var placeWidth: Int?
        var chunk = ParquetWriter.Chunk(
            encodings: [plainEncoding, runEncoding], entryCount: column.entryCount,
            nullCount: column.entryCount - column.valueCount, dataAt: 0, byteCount: 0, plainByteCount: 0,
            limits: column.statistics.limits)
        if let places = column.places, column.dictionary.count > 0 {
            let width = HybridRuns.width(UInt32(column.dictionary.count - 1))
            // Runs only make it shorter.
            if column.dictionary.bytes.count + places.count * width / 8 < column.plain.count {
                placeWidth = width
                chunk.dictionaryAt = offset + start
                chunk.encodings.append(dictionaryEncoding)
                plainByteCount += try page(column.dictionary.bytes, codec, to: &output) { header in
                    header.structure(7) {
                        $0.int32(1, Int32(column.dictionary.count))
                        $0.int32(2, plainEncoding)
                    }
                }
            }
        }
        chunk.dataAt = offset + output.count
        for (index, page) in column.pages.enumerated() {
            let next =
                index + 1 < column.pages.count
                ? column.pages[index + 1]
                : .init(entry: column.entryCount, value: column.valueCount, byte: column.plain.count)
            guard next.entry > page.entry else { continue }
            var body: [UInt8] = []
            body.reserveCapacity(next.byte - page.byte + 1024)
            if leaf.repetitionMax > 0 {
                levels(column.repetitions[page.entry..<next.entry], leaf.repetitionMax, to: &body)
            }
            if leaf.definitionMax > 0 {
                levels(column.definitions[page.entry..<next.entry], leaf.definitionMax, to: &body)
            }
            if let placeWidth, let places = column.places {
                body.append(UInt8(placeWidth))
                HybridRuns.append(places[page.value..<next.value], width: placeWidth, to: &body)
            } else if leaf.primitive == .boolean {
                bits(column.plain[page.byte..<next.byte], to: &body)
            } else {
                body += column.plain[page.byte..<next.byte]
            }
            let encoding = placeWidth == nil ? plainEncoding : dictionaryEncoding
            plainByteCount += try self.page(body, codec, to: &output) { header in
                header.structure(5) {
                    $0.int32(1, Int32(next.entry - page.entry))
                    $0.int32(2, encoding)
                    $0.int32(3, runEncoding)
                    $0.int32(4, runEncoding)
                }
            }
        }
        chunk.byteCount = output.count - start
        chunk.plainByteCount = plainByteCount
        return chunk
    }

    private static func levels(_ levels: ArraySlice<UInt8>, _ max: UInt8, to body: inout [UInt8]) {
        let at = body.count
        body += [0, 0, 0, 0]
        HybridRuns.append(levels, width: HybridRuns.width(max), to: &body)
        var count = UInt32(body.count - at - 4)
        for index in 0..<4 {
            body[at + index] = UInt8(truncatingIfNeeded: count)
            count >>= 8
        }
    }

    private static func bits(_ flags: ArraySlice<UInt8>, to body: inout [UInt8]) {
        var byte: UInt8 = 0
        var count: UInt8 = 0
        for flag in flags {
            byte |= flag << count
            count += 1
            if count == 8 {
                body.append(byte)
                (byte, count) = (0, 0)
            }
        }
        if count > 0 { body.append(byte) }
    }

    /// - Returns: bytes of header and body before compression.
    private static func page(
        _ body: [UInt8], _ codec: Codec, to output: inout [UInt8], _ kind: (inout ThriftCompact) -> Void
    ) throws(ParquetError) -> Int {
        let compressed: [UInt8]
        do throws(WireError) {
            // Kafka's framing of snappy is not Parquet's.
            compressed =
                codec == .snappy ? try RawBlocks.snappyCompress(body.span.bytes) : try codec.compress(body.span.bytes)
        } catch {
            throw ParquetError(.compression, "\(error)")
        }
        guard let size = Int32(exactly: body.count), let compressedSize = Int32(exactly: compressed.count) else {
            throw ParquetError(.value, "a row is too large for a page of a Parquet file: \(body.count) bytes")
        }
        var header = ThriftCompact()
        var probe = ThriftCompact()
        kind(&probe)
        // The number of the structure tells the kind of page: 7 is a dictionary's, 5 that of data.
        header.int32(1, probe.bytes.first.map { $0 >> 4 } == 7 ? 2 : 0)
        header.int32(2, size)
        header.int32(3, compressedSize)
        header.int32(4, Int32(bitPattern: RawBlocks.crc32(compressed.span.bytes)))
        kind(&header)
        header.end()
        output += header.bytes
        output += compressed
        return header.bytes.count + body.count
    }
}
