import Bytes
package import Compression

/// What a topic asks of the batches that clients send, and what it makes of them.
///
/// The records are always walked, those of a compressed batch after decompressing it: a batch that its readers cannot
/// read would stop them for good, so it must not get into the log (`docs/decisions/0002` has what that costs).
///
/// - SeeAlso: `LogValidator` and `ProduceRequest.validateRecords` of Kafka.
package struct ProduceRules: Equatable, Sendable {
    /// `max.message.bytes`: bytes of a whole batch as it is stored.
    package var byteCountMax: Int
    /// Bytes that may come out of a compressed batch.
    package var decompressedByteCountMax: Int
    /// `cleanup.policy` contains `compact`: every record has a key.
    package var isCompacted: Bool
    /// `message.timestamp.type` is LogAppendTime: the broker's clock replaces the records' times.
    package var usesLogAppendTime: Bool
    /// `message.timestamp.before.max.ms`: how far back records may lie, nil without limit.
    package var timestampBeforeMax: Int64?
    /// `message.timestamp.after.max.ms`: how far ahead records may lie, nil without limit.
    package var timestampAfterMax: Int64?
    /// `compression.type`: nil for `producer`, which keeps what comes.
    package var codec: Codec?
    /// `compression.<codec>.level`, nil for the codec's default.
    package var level: Int?

    /// The defaults of Kafka 4.
    package init(
        byteCountMax: Int = 1_048_588, decompressedByteCountMax: Int = 256 << 20, isCompacted: Bool = false,
        usesLogAppendTime: Bool = false, timestampBeforeMax: Int64? = nil, timestampAfterMax: Int64? = 3_600_000,
        codec: Codec? = nil, level: Int? = nil
    ) {
        self.byteCountMax = byteCountMax
        self.decompressedByteCountMax = decompressedByteCountMax
        self.isCompacted = isCompacted
        self.usesLogAppendTime = usesLogAppendTime
        self.timestampBeforeMax = timestampBeforeMax
        self.timestampAfterMax = timestampAfterMax
        self.codec = codec
        self.level = level
    }
}

/// A batch that passed.
package struct AdmittedBatch: Sendable {
    /// The header of what is to be stored.
    package var header: BatchHeader
    /// What is to be stored when it differs from what came; nil to store the bytes as they are.
    package var replacement: [UInt8]?
}

extension ProduceRules {
    /// The most that a batch of any topic may decompress to: what its readers take.
    package static let decompressedByteCountLimit = 256 << 20

    /// Checks the records of one partition in a Produce request, and makes of them what the topic stores.
    ///
    /// - Parameters:
    ///   - bytes: all that the request holds for the partition.
    ///   - version: of the Produce request; zstd is allowed from 7 on.
    ///   - now: milliseconds since 1970.
    package func admit(
        _ bytes: borrowing RawSpan, version: Int16, now: Int64
    ) throws(BatchRejection) -> AdmittedBatch {
        var header = try readHeader(bytes, version: version)
        let codec = try checkCodec(header, version: version)
        try checkHeader(header)

        let target = self.codec ?? codec
        let mustChangeCodec = target != codec
        // As it was sent, before any work is put into it; and again as it is stored (`UnifiedLog.analyzeAndValidateRecords`).
        try checkByteCount(header)
        let payload = BatchHeader.byteCount..<header.byteCount
        var decompressed: [UInt8]?
        if codec == .none {
            header.maxTimestamp = try checkRecords(bytes.extracting(payload), header, now: now)
        } else {
            let records: [UInt8]
            do throws(WireError) {
                records = try codec.decompress(bytes.extracting(payload), limit: decompressedByteCountMax)
            } catch {
                // Split into smaller ones, as producers do then, the records may fit.
                let isTooLarge = error == codec.exceeded(decompressedByteCountMax)
                throw BatchRejection(isTooLarge ? .messageTooLarge : .corruptMessage, "\(error)")
            }
            header.maxTimestamp = try checkRecords(records.span.bytes, header, now: now)
            decompressed = records
        }

        var replacement: [UInt8]?
        if usesLogAppendTime {
            header.maxTimestamp = now
            header.attributes.rawValue |= 0x08
        }
        if mustChangeCodec {
            header.attributes.rawValue = header.attributes.rawValue & ~7 | Int16(target.rawValue)
            do {
                let compressed =
                    if let decompressed {
                        try target.compress(decompressed.span.bytes, level: level)
                    } else {
                        try target.compress(bytes.extracting(payload), level: level)
                    }
                replacement = try header.sealed(payload: compressed.span.bytes)
            } catch {
                throw BatchRejection(.corruptMessage, "\(error)")
            }
        } else if usesLogAppendTime || header.maxTimestamp != bytes.bigEndian(at: 35, as: Int64.self) {
            var changed = bytes.copy(0..<header.byteCount)
            changed.withUnsafeMutableBytes {
                header.store(to: $0); BatchPatch.updateChecksum($0)
            }
            replacement = changed
        }
        if let replacement { header = try readHeader(replacement.span.bytes, version: version) }
        try checkByteCount(header)
        return AdmittedBatch(header: header, replacement: replacement)
    }

    /// Exactly one undamaged batch of magic 2.
    ///
    /// - SeeAlso: `ByteBufferLogInputStream.nextBatch` of Kafka: bytes that are no whole batch are none.
    private func readHeader(_ bytes: borrowing RawSpan, version: Int16) throws(BatchRejection) -> BatchHeader {
        func none() -> BatchRejection {
            BatchRejection(
                .invalidRecord,
                "Produce requests with version \(version) must have at least one record batch per partition")
        }
        guard bytes.byteCount >= BatchHeader.prefixByteCount else { throw none() }
        let length = bytes.bigEndian(at: 8, as: Int32.self)
        guard length >= Self.lengthMin else {
            throw BatchRejection(
                .corruptMessage,
                "Record size \(length) is less than the minimum record overhead (\(Self.lengthMin))")
        }
        guard bytes.byteCount > Self.magicAt else { throw none() }
        let magic = bytes.bigEndian(at: Self.magicAt, as: Int8.self)
        guard 0...2 ~= magic else {
            throw BatchRejection(.corruptMessage, "Invalid magic found in record: \(magic)")
        }
        guard BatchHeader.prefixByteCount + Int(length) <= bytes.byteCount else { throw none() }
        guard magic == 2 else {
            throw BatchRejection(
                .invalidRecord,
                "Produce requests with version \(version) are only allowed to contain record batches with magic version 2"
            )
        }
        let header: BatchHeader
        do {
            header = try BatchHeader(bytes)
        } catch {
            throw BatchRejection(.corruptMessage, "record batch header: \(error)")
        }
        guard header.byteCount == bytes.byteCount else {
            throw BatchRejection(
                .invalidRecord,
                "Produce requests with version \(version) are only allowed to contain exactly one record batch per "
                    + "partition")
        }
        do {
            if try header.checksumMatches(bytes) { return header }
        } catch {
            throw BatchRejection(.corruptMessage, "record batch: \(error)")
        }
        throw BatchRejection(.corruptMessage, "record batch does not match its CRC")
    }

    /// What the oldest format needs after the length, and where all formats have their number.
    private static let lengthMin: Int32 = 14
    private static let magicAt = 16

    private func checkByteCount(_ header: BatchHeader) throws(BatchRejection) {
        guard header.byteCount <= byteCountMax else {
            throw BatchRejection(
                .messageTooLarge,
                "record batch of \(header.byteCount) bytes exceeds max.message.bytes of \(byteCountMax)")
        }
    }

    private func checkCodec(_ header: BatchHeader, version: Int16) throws(BatchRejection) -> Codec {
        guard let codec = Codec(rawValue: header.attributes.codecID) else {
            throw BatchRejection(.unsupportedCompressionType, "compression codec \(header.attributes.codecID)")
        }
        guard codec != .zstd || version >= 7 else {
            throw BatchRejection(
                .unsupportedCompressionType, "zstd needs Produce version 7 or later, this is \(version)")
        }
        return codec
    }

    /// What the header alone tells.
    private func checkHeader(_ header: BatchHeader) throws(BatchRejection) {
        guard !header.attributes.isControl else {
            throw BatchRejection(.invalidRecord, "clients may not write control batches")
        }
        guard header.baseOffset == 0 else {
            throw BatchRejection(
                .invalidRecord, "The baseOffset of the record batch should be 0, but it is \(header.baseOffset)")
        }
        guard header.recordCount > 0, header.lastOffsetDelta == header.recordCount - 1 else {
            throw BatchRejection(
                .invalidRecord,
                "record batch of \(header.recordCount) records with last offset delta \(header.lastOffsetDelta)")
        }
        guard header.producerId < 0 || header.baseSequence >= 0 && header.producerEpoch >= 0 else {
            throw BatchRejection(
                .invalidRecord,
                "sequence \(header.baseSequence), epoch \(header.producerEpoch) of producer id \(header.producerId)")
        }
        guard header.producerId >= 0 || !header.attributes.isTransactional else {
            throw BatchRejection(.invalidRecord, "transactional record batch without producer id")
        }
        if usesLogAppendTime { return }
        guard !header.attributes.isLogAppendTime else {
            throw BatchRejection(.invalidTimestamp, "producers may not set the timestamp type to LogAppendTime")
        }
    }

    /// Checks each record.
    ///
    /// - Returns: the latest timestamp, in milliseconds since 1970.
    private func checkRecords(
        _ records: borrowing RawSpan, _ header: BatchHeader, now: Int64
    ) throws(BatchRejection) -> Int64 {
        let allowed = timestamps(around: now)
        var reader = RecordReader(count: header.recordCount)
        var index: Int32 = 0
        var maxTimestamp = Int64.min
        var faults = Faults()
        do {
            while let record = try reader.next(in: records) {
                if record.headerCount > 0 {
                    var headers = RecordHeaderReader(record)
                    while try headers.next(in: records) != nil {}
                }
                if record.offsetDelta != index {
                    faults.add(index, .invalidRecord) { "record \(index) has offset delta \(record.offsetDelta)" }
                }
                if isCompacted && record.key == nil {
                    faults.add(index, .invalidRecord) { BatchRejection.keyless }
                }
                let timestamp = header.baseTimestamp &+ record.timestampDelta
                maxTimestamp = max(maxTimestamp, timestamp)
                // -1 is a record without a time, which has no age.
                if !allowed.contains(timestamp), timestamp != -1 {
                    faults.add(index, .invalidTimestamp) {
                        "Timestamp \(timestamp) of message with offset \(index) is out of range. The timestamp should be "
                            + "within [\(allowed.lowerBound), \(allowed.upperBound)]"
                    }
                }
                index += 1
            }
        } catch {
            throw BatchRejection(.invalidRecord, "record \(index): \(error)")
        }
        guard reader.at == records.byteCount else {
            throw BatchRejection(.invalidRecord, "\(records.byteCount - reader.at) bytes behind the last record")
        }
        if let rejection = faults.rejection { throw rejection }
        return maxTimestamp
    }

    /// The times that records may have.
    private func timestamps(around now: Int64) -> ClosedRange<Int64> {
        if usesLogAppendTime { return .min ... .max }
        let earliest = now.subtractingReportingOverflow(max(0, timestampBeforeMax ?? .max))
        let latest = now.addingReportingOverflow(max(0, timestampAfterMax ?? .max))
        let isUnboundedBelow = timestampBeforeMax == nil || earliest.overflow
        let isUnboundedAbove = timestampAfterMax == nil || latest.overflow
        return (isUnboundedBelow ? .min : earliest.partialValue)...(isUnboundedAbove ? .max : latest.partialValue)
    }

    /// Collects the records at fault; a wrong time decides the code, as in Kafka.
    private struct Faults {
        private var listed: [BatchRejection.RecordFault] = []
        private var count = 0
        private var code = BatchRejection.Code.invalidRecord

        mutating func add(_ index: Int32, _ code: BatchRejection.Code, _ message: () -> String) {
            count += 1
            if code == .invalidTimestamp { self.code = code }
            if listed.count < BatchRejection.faultCountMax { listed.append(.init(index: index, message: message())) }
        }

        var rejection: BatchRejection? {
            guard !listed.isEmpty else { return nil }
            let first = listed.prefix(3).map { "RecordError(batchIndex=\($0.index), message='\($0.message)')" }
                .joined(separator: ", ")
            return BatchRejection(
                code,
                code == .invalidTimestamp
                    ? "One or more records have been rejected due to invalid timestamp"
                    : "One or more records have been rejected due to \(count) record errors in total, and only showing "
                        + "the first three errors at most: [\(first)]",
                faults: listed)
        }
    }
}
