/// A value and what it is; without a schema for data that has none.
package struct SchemaAndValue: Sendable, Hashable {
    package var schema: ConnectSchema?
    package var value: ConnectValue

    package init(_ schema: ConnectSchema?, _ value: ConnectValue) {
        self.schema = schema
        self.value = value
    }

    package static let null = SchemaAndValue(nil, .null)
}

/// A header of a record. A name may stand several times; their order is kept.
package struct ConnectHeader: Sendable, Hashable {
    package var name: String
    package var schema: ConnectSchema?
    package var value: ConnectValue

    package init(_ name: String, _ schema: ConnectSchema?, _ value: ConnectValue) {
        self.name = name
        self.schema = schema
        self.value = value
    }
}

/// A record on its way between a connector and a topic. Transforms see both kinds alike.
package struct ConnectRecord: Sendable, Hashable {
    /// Kafka's `TimestampType`.
    package enum TimestampKind: String, Sendable, Hashable {
        case none = "NoTimestampType"
        case create = "CreateTime"
        case append = "LogAppendTime"
    }

    /// Where the record comes from.
    package enum Origin: Sendable, Hashable {
        /// Partition and offset in the source's own words; maps without schema.
        case source(partition: ConnectMap, offset: ConnectMap)
        /// Its place in the topic that it was read from, which transforms do not change.
        case sink(topic: String, partition: Int32, offset: Int64, timestampKind: TimestampKind)
    }

    package var topic: String
    /// nil leaves it to the partitioner.
    package var partition: Int32?
    package var key: SchemaAndValue
    package var value: SchemaAndValue
    /// Milliseconds since 1970; nil leaves it to the producer.
    package var timestamp: Int64?
    package var headers: [ConnectHeader]
    package var origin: Origin

    package init(
        topic: String, partition: Int32? = nil, key: SchemaAndValue = .null, value: SchemaAndValue = .null,
        timestamp: Int64? = nil, headers: [ConnectHeader] = [], origin: Origin
    ) {
        self.topic = topic
        self.partition = partition
        self.key = key
        self.value = value
        self.timestamp = timestamp
        self.headers = headers
        self.origin = origin
    }

    /// The offset in the topic of a record that a sink gets; nil for a source's.
    package var kafkaOffset: Int64? {
        if case .sink(_, _, let offset, _) = origin { offset } else { nil }
    }

    package var javaClass: String {
        if case .sink = origin {
            "org.apache.kafka.connect.sink.SinkRecord"
        } else {
            "org.apache.kafka.connect.source.SourceRecord"
        }
    }
}

extension ConnectRecord {
    /// Java's `toString` of it, which stands in messages.
    package var javaText: String {
        let shown: String
        switch origin {
        case .sink(let topic, let partition, let offset, let kind):
            let type = timestamp == nil ? TimestampKind.none.rawValue : kind.rawValue
            shown =
                "SinkRecord{kafkaOffset=\(offset), timestampType=\(type), originalTopic=\(topic), "
                + "originalKafkaPartition=\(partition), originalKafkaOffset=\(offset)}"
        case .source(let partition, let offset):
            shown =
                "SourceRecord{sourcePartition=\(JavaText.string(.map(partition))), "
                + "sourceOffset=\(JavaText.string(.map(offset)))}"
        }
        func text<Value>(_ value: Value?) -> String { value.map { "\($0)" } ?? "null" }
        let headers = headers.map { header in
            "ConnectHeader(key=\(header.name), value=\(ValueText.text(header.value)), schema=\(text(header.schema)))"
        }
        let list = headers.isEmpty ? "" : "[" + headers.joined(separator: ", ") + "]"
        return shown + " ConnectRecord{topic='\(topic)', kafkaPartition=\(text(partition)), "
            + "key=\(JavaText.string(key.value)), keySchema=\(text(key.schema)), "
            + "value=\(JavaText.string(value.value)), valueSchema=\(text(value.schema)), "
            + "timestamp=\(text(timestamp)), headers=ConnectHeaders(headers=\(list))}"
    }
}
