import Bytes
import Compression
import JSONFormat
import RecordBatches

/// Prints the batches of a segment, one in a line.
struct BatchPrinter {
    let records: Bool
    let format: ByteFormat
    let output: OutputFormat
    let file: String
    /// nil: records are shown by `format`.
    let decoder: InternalRecords?

    /// Of the bytes that records are decompressed to: more than any broker's limit lets through.
    private static let byteCountMax = 1 << 30

    /// - Returns: what is wrong with the file; nil when it is whole.
    func show(_ file: LogFile) throws -> String? {
        var position = 0
        var damaged = 0
        var broken: [(position: Int, reason: WireError)] = []
        var brokenCount = 0
        func found(_ end: String? = nil) -> String? {
            var found = broken.map { "the records of the batch at byte \($0.position) are broken: \($0.reason)" }
            if brokenCount > broken.count { found.append("so are those of \(brokenCount - broken.count) more") }
            if damaged > 0 { found.append("the checksum of \(counted(damaged, "batch")) is wrong") }
            if let end { found.append(end) }
            return found.isEmpty ? nil : found.map { "'\(self.file)': \($0)" }.joined(separator: "\n")
        }
        while position < file.byteCount {
            let header: BatchHeader
            let batch: [UInt8]
            do throws(WireError) {
                header = try BatchHeader(Self.head(file, position).span.bytes)
                guard header.byteCount <= file.byteCount - position else { throw .truncated }
            } catch {
                return found("no batch at byte \(position) of \(file.byteCount): \(error)")
            }
            batch = try file.read(at: position, count: header.byteCount)
            let isWhole = (try? header.checksumMatches(batch.span.bytes)) ?? false
            if !isWhole { damaged += 1 }
            // Where the next batch begins is known whatever is inside of this one.
            if let reason = try show(header, batch, at: position, isWhole) {
                brokenCount += 1
                if brokenCount <= Self.brokenCountMax { broken.append((position, reason)) }
            }
            position += header.byteCount
        }
        return found()
    }

    /// So many batches are told one by one.
    private static let brokenCountMax = 10

    private static func head(_ file: LogFile, _ position: Int) -> [UInt8] {
        (try? file.read(at: position, count: BatchHeader.byteCount)) ?? []  // too few bytes are told as such
    }

    /// - Returns: what is wrong with the records, after those before it were shown.
    private func show(
        _ header: BatchHeader, _ batch: [UInt8], at position: Int, _ isWhole: Bool
    ) throws -> WireError? {
        let codec = Codec(rawValue: header.attributes.codecID)?.name ?? "codec \(header.attributes.codecID)"
        let marker = header.attributes.isControl ? (try? ControlMarker(batch: batch.span.bytes, header: header)) : nil
        switch output {
        case .table:
            var words = [
                "offsets \(header.baseOffset)-\(header.lastOffset)", "at \(position)", "bytes \(header.byteCount)",
                "records \(header.recordCount)", "time \(Timestamps.text(milliseconds: header.maxTimestamp))",
                "epoch \(header.partitionLeaderEpoch)", codec,
            ]
            if header.attributes.isLogAppendTime { words.append("append time") }
            if header.producerId >= 0 {
                words.append("producer \(header.producerId):\(header.producerEpoch)")
                words.append("sequence \(header.baseSequence)-\(header.lastSequence)")
            }
            if header.attributes.isTransactional { words.append("transactional") }
            if header.attributes.isControl { words.append(marker.map { "marker \($0.kind)" } ?? "control") }
            words.append(isWhole ? "crc ok" : "crc WRONG")
            try Output.standard.line(words.joined(separator: "  "))
            guard records, isWhole, !header.attributes.isControl else { return nil }
            return try forEach(header, batch) { record in
                try Output.standard.write(Array("  \(record.offset)  ".utf8))
                try Output.standard.write(Array("\(Timestamps.text(milliseconds: record.timestamp))  ".utf8))
                if let (key, value) = decoder?.decoded(key: record.key, value: record.value) {
                    try Output.standard.write(key.bytes + Array("  ".utf8) + value.bytes)
                } else {
                    try Output.standard.write(text(record.key) + Array("  ".utf8) + text(record.value))
                }
                for header in record.headers {
                    try Output.standard.write(
                        Array("  \(RecordPrinter.visible(header.key))=".utf8) + text(header.value))
                }
                try Output.standard.write([UInt8(ascii: "\n")])
            }
        case .json:
            var members: [(String, JSONValue)] = [
                ("file", .string(file)), ("position", .number(Int64(position))),
                ("bytes", .number(Int64(header.byteCount))), ("baseOffset", .number(header.baseOffset)),
                ("lastOffset", .number(header.lastOffset)), ("records", .number(Int64(header.recordCount))),
                ("baseTimestamp", .number(header.baseTimestamp)), ("maxTimestamp", .number(header.maxTimestamp)),
                ("isLogAppendTime", .bool(header.attributes.isLogAppendTime)), ("compression", .string(codec)),
                ("leaderEpoch", .number(Int64(header.partitionLeaderEpoch))),
                ("producerId", .number(header.producerId)), ("producerEpoch", .number(Int64(header.producerEpoch))),
                ("baseSequence", .number(Int64(header.baseSequence))),
                ("isTransactional", .bool(header.attributes.isTransactional)),
                ("isControl", .bool(header.attributes.isControl)), ("isValid", .bool(isWhole)),
            ]
            if let marker { members.append(("marker", .string("\(marker.kind)"))) }
            var broken: WireError?
            if records, isWhole, !header.attributes.isControl {
                var values: [JSONValue] = []
                broken = try forEach(header, batch) { values.append(json($0)) }
                members.append(("content", .array(values)))
                if let broken { members.append(("broken", .string("\(broken)"))) }
            }
            try Output.standard.write(JSONValue.object(members).bytes + [UInt8(ascii: "\n")])
            return broken
        }
    }

    /// - Returns: what ended the records early.
    private func forEach(
        _ header: BatchHeader, _ batch: [UInt8], _ body: (Record) throws -> Void
    ) throws -> WireError? {
        do {
            try BatchRecords.forEach(in: batch.span.bytes, header: header, limit: Self.byteCountMax) { bytes, view in
                try body(try Record(view, of: bytes, header: header))
                return .next
            }
            return nil
        } catch let error as WireError { return error }
    }

    private func text(_ bytes: [UInt8]?) -> [UInt8] {
        guard let bytes else { return Array("null".utf8) }
        return RecordPrinter.visible(format.encode(bytes))
    }

    private func json(_ record: Record) -> JSONValue {
        if let (key, value) = decoder?.decoded(key: record.key, value: record.value) {
            return .object([
                ("offset", .number(record.offset)), ("timestamp", .number(record.timestamp)), ("key", key),
                ("value", value),
            ])
        }
        return .object([
            ("offset", .number(record.offset)), ("timestamp", .number(record.timestamp)),
            RecordPrinter.member("key", record.key, format), RecordPrinter.member("value", record.value, format),
            (
                "headers",
                .array(
                    record.headers.map {
                        .object([("key", .string($0.key)), RecordPrinter.member("value", $0.value, .string)])
                    })
            ),
        ])
    }
}
