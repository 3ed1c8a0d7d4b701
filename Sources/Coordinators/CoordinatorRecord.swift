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

    /// A record of the groups of newer protocols, whose values have one version.
    ///
    /// - Parameter value: nil for a tombstone.
    static func with(
        _ key: some KafkaMessage, _ type: Int16, _ value: (some KafkaMessage)?
    ) throws(WireError) -> CoordinatorRecord {
        try CoordinatorRecord(
            key: key, keyVersion: type, value: value.map { (message: $0 as any KafkaMessage, version: 0 as Int16) })
    }

    /// The value of a record; nil for a tombstone.
    static func decoded<Value: KafkaMessage>(_ value: ByteBuffer?) throws(WireError) -> Value? {
        guard let value else { return nil }
        var reader = WireReader(value)
        let version = try reader.readInt16()
        return try Value(from: &reader, version: version)
    }

    private static func encoded(_ message: some KafkaMessage, _ version: Int16) throws(WireError) -> ByteBuffer {
        var writer = WireWriter(ByteBuffer())
        writer.buffer.writeInteger(version)
        try message.encode(to: &writer, version: version)
        return writer.buffer
    }
}
