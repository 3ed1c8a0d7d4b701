package import NIOCore

/// Which partition a key belongs to, as the Java producer, Kafka Streams, Connect and ksqlDB decide it, so that topics
/// written by any of them are co-partitioned with ours.
package enum Partitioner {
    /// The partition of `key` among `partitionCount` (1 or more).
    package static func partition(ofKey key: ByteBuffer, partitionCount: Int32) -> Int32 {
        precondition(partitionCount > 0, "a topic has at least one partition")
        return (murmur2(key) & 0x7FFF_FFFF) % partitionCount
    }

    /// MurmurHash2, 32 bit, with Kafka's seed (`org.apache.kafka.common.utils.Utils.murmur2`).
    package static func murmur2(_ key: ByteBuffer) -> Int32 {
        key.withUnsafeReadableBytes { murmur2($0) }
    }

    /// `murmur2` of bytes that are no buffer.
    package static func murmur2(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        let m: UInt32 = 0x5BD1_E995
        var h: UInt32 = 0x9747_B28C ^ UInt32(truncatingIfNeeded: bytes.count)
        var at = 0
        while bytes.count - at >= 4 {
            var k = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            k &*= m
            k ^= k &>> 24
            k &*= m
            h = (h &* m) ^ k
            at += 4
        }
        if at < bytes.count {
            for (shift, byte) in zip([UInt32(0), 8, 16], bytes[at...]) { h ^= UInt32(byte) &<< shift }
            h &*= m
        }
        h ^= h &>> 13
        h &*= m
        h ^= h &>> 15
        return Int32(bitPattern: h)
    }
}
