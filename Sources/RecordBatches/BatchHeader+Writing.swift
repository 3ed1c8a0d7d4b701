package import Bytes

extension BatchHeader {
    /// A header to be written. `magic` is 2; `crc` is filled in when the batch is sealed.
    package init(
        baseOffset: Int64 = 0, batchLength: Int32, partitionLeaderEpoch: Int32 = -1, attributes: Attributes,
        lastOffsetDelta: Int32, baseTimestamp: Int64, maxTimestamp: Int64, producerId: Int64 = -1,
        producerEpoch: Int16 = -1, baseSequence: Int32 = -1, recordCount: Int32
    ) {
        self.baseOffset = baseOffset
        self.batchLength = batchLength
        self.partitionLeaderEpoch = partitionLeaderEpoch
        magic = 2
        crc = 0
        self.attributes = attributes
        self.lastOffsetDelta = lastOffsetDelta
        self.baseTimestamp = baseTimestamp
        self.maxTimestamp = maxTimestamp
        self.producerId = producerId
        self.producerEpoch = producerEpoch
        self.baseSequence = baseSequence
        self.recordCount = recordCount
    }

    /// Writes the header over the first 61 bytes.
    package func store(to bytes: UnsafeMutableRawBufferPointer) {
        bytes.storeBigEndian(baseOffset, at: 0)
        bytes.storeBigEndian(batchLength, at: 8)
        bytes.storeBigEndian(partitionLeaderEpoch, at: 12)
        bytes.storeBigEndian(magic, at: 16)
        bytes.storeBigEndian(crc, at: 17)
        bytes.storeBigEndian(attributes.rawValue, at: 21)
        bytes.storeBigEndian(lastOffsetDelta, at: 23)
        bytes.storeBigEndian(baseTimestamp, at: 27)
        bytes.storeBigEndian(maxTimestamp, at: 35)
        bytes.storeBigEndian(producerId, at: 43)
        bytes.storeBigEndian(producerEpoch, at: 51)
        bytes.storeBigEndian(baseSequence, at: 53)
        bytes.storeBigEndian(recordCount, at: 57)
    }

    /// The batch of this header with `payload` behind it, `batchLength` and `crc` made to fit.
    package func sealed(payload: borrowing RawSpan) throws(WireError) -> [UInt8] {
        let byteCount = Self.byteCount + payload.byteCount
        guard let length = Int32(exactly: byteCount - Self.prefixByteCount) else {
            throw .corrupt("record batch of \(byteCount) bytes, longer than its length field can say")
        }
        var header = self
        header.batchLength = length
        return payload.withUnsafeBytes { payload in
            [UInt8](unsafeUninitializedCapacity: byteCount) { free, count in
                let bytes = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(free)[..<byteCount])
                header.store(to: bytes)
                UnsafeMutableRawBufferPointer(rebasing: bytes[Self.byteCount...]).copyMemory(from: payload)
                BatchPatch.updateChecksum(bytes)
                count = byteCount
            }
        }
    }
}

/// Changes of fields inside one whole batch, in place.
///
/// - Precondition: the bytes are exactly one batch, whose header was read before.
package enum BatchPatch {
    /// Sets what the broker assigns. The checksum does not cover these fields, so it stays valid.
    package static func assign(baseOffset: Int64, leaderEpoch: Int32, to batch: UnsafeMutableRawBufferPointer) {
        batch.storeBigEndian(baseOffset, at: 0)
        batch.storeBigEndian(leaderEpoch, at: 12)
    }

    /// Makes `timestamp` the time of all records (LogAppendTime), and the checksum fit.
    ///
    /// - Parameter timestamp: milliseconds since 1970.
    package static func setLogAppendTime(_ timestamp: Int64, of batch: UnsafeMutableRawBufferPointer) {
        batch[22] |= 0x08
        batch.storeBigEndian(timestamp, at: 35)
        updateChecksum(batch)
    }

    /// Corrects `maxTimestamp`, and makes the checksum fit.
    package static func setMaxTimestamp(_ timestamp: Int64, of batch: UnsafeMutableRawBufferPointer) {
        batch.storeBigEndian(timestamp, at: 35)
        updateChecksum(batch)
    }

    /// Makes the checksum fit the bytes that it covers.
    package static func updateChecksum(_ batch: UnsafeMutableRawBufferPointer) {
        let covered = UnsafeRawBufferPointer(rebasing: batch[BatchHeader.checksummedFrom...])
        batch.storeBigEndian(crc32c(covered), at: 17)
    }
}
