package import Bytes
package import KafkaMessages
package import NIOCore

/// A record of an internal topic (`__consumer_offsets`, `__transaction_state`) in Kafka's own format: key and value
/// begin with two bytes, the type of the key and the version of the value.
package struct CoordinatorRecord: Sendable, Equatable {
    package var key: ByteBuffer
    /// nil deletes what the key names.
    package var value: ByteBuffer?

    package init(key: ByteBuffer, value: ByteBuffer?) {
        self.key = key
        self.value = value
    }

    /// - Parameters:
    ///   - keyVersion: the type of the record, which is the version of its key's definition.
    ///   - value: the value and its version; nil for a tombstone.
    /// - Throws: `.unsupported` when a version cannot carry a field's value.
    package init(
        key: some KafkaMessage, keyVersion: Int16, value: (message: any KafkaMessage, version: Int16)?
    ) throws(WireError) {
        self.key = try Self.encoded(key, keyVersion)
        guard let value else {
            self.value = nil
            return
        }
        self.value = try Self.encoded(value.message, value.version)
    }

    private static func encoded(_ message: some KafkaMessage, _ version: Int16) throws(WireError) -> ByteBuffer {
        var writer = WireWriter(ByteBuffer())
        writer.buffer.writeInteger(version)
        try message.encode(to: &writer, version: version)
        return writer.buffer
    }
}
