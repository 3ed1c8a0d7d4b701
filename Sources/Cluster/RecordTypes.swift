package import NIOCore
package import RecordBatches

/// A record to write.
package struct ProducerRecord: Equatable, Sendable {
    /// nil: by the key's murmur2 as in Java, or any partition when there is no key.
    package var partition: Int32?
    package var key: ByteBuffer?
    /// nil: a null value, which in a compacted topic deletes the key.
    package var value: ByteBuffer?
    package var headers: [RecordHeader]
    /// Milliseconds since 1970; nil: the time of writing.
    package var timestamp: Int64?

    package init(
        partition: Int32? = nil, key: ByteBuffer? = nil, value: ByteBuffer?, headers: [RecordHeader] = [],
        timestamp: Int64? = nil
    ) {
        self.partition = partition
        self.key = key
        self.value = value
        self.headers = headers
        self.timestamp = timestamp
    }
}

/// A record as it was read. Its bytes share storage with the batch it came from.
package struct ConsumerRecord: Equatable, Sendable {
    package var topic: String
    package var partition: Int32
    package var offset: Int64
    /// Milliseconds since 1970; negative when the producer gave none.
    package var timestamp: Int64
    package var timestampType: TimestampType
    package var key: ByteBuffer?
    package var value: ByteBuffer?
    package var headers: [RecordHeader]

    package enum TimestampType: String, Sendable {
        case createTime = "CreateTime"
        case logAppendTime = "LogAppendTime"
    }

    package init(
        topic: String, partition: Int32, offset: Int64, timestamp: Int64, timestampType: TimestampType = .createTime,
        key: ByteBuffer?, value: ByteBuffer?, headers: [RecordHeader] = []
    ) {
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp = timestamp
        self.timestampType = timestampType
        self.key = key
        self.value = value
        self.headers = headers
    }
}
