package import Cluster
package import JSONFormat
import NIOCore
import RecordBatches

/// A record as the console shows it.
package struct Message: Sendable {
    package var record: ConsumerRecord
    package var key: Field
    package var value: Field

    package init(_ record: ConsumerRecord, key: Field, value: Field) {
        self.record = record
        self.key = key
        self.value = value
        // What the workers of Connect store of connectors has their passwords.
        if let text = key.text, text.hasPrefix("connector-") || text.hasPrefix("task-"), let json = value.json,
            json["properties"]?.members != nil
        {
            let masked = SecretMask.masked(answer: json)
            self.value.json = masked
            self.value.text = String(decoding: masked.bytes, as: UTF8.self)
        }
    }

    /// With the beginnings of what is long.
    package var shortened: Message {
        var message = self
        message.key = key.shortened
        message.value = value.shortened
        return message
    }

    package var size: Int {
        record.headers.reduce((record.key?.readableBytes ?? 0) + (record.value?.readableBytes ?? 0)) {
            $0 + $1.key.utf8.count + ($1.value?.count ?? 0)
        }
    }

    package var members: [(String, JSONValue)] {
        [
            ("partition", .number(Int64(record.partition))), ("offset", .number(record.offset)),
            ("timestamp", .number(record.timestamp)), ("timestamp_type", .string(record.timestampType.rawValue)),
            ("size", .number(Int64(size))), ("key", key.value), ("value", value.value),
            (
                "headers",
                .array(
                    record.headers.map { header in
                        .object([
                            ("key", .string(header.key)),
                            ("value", (header.value.map { MessageDecoder.plain($0) } ?? Field(.null)).shortened.value),
                        ])
                    })
            ),
        ]
    }

    package var json: JSONValue { .object(members) }
}
