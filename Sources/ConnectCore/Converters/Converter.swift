/// Turns values into the bytes of a record's key or value and back. Does not keep what depends on a call, so one may serve
/// several tasks; `topic` names subjects, `headers` are those of the record.
///
/// Calls of the registry make some converters wait: hence `async`.
package protocol Converter: Sendable {
    /// - Returns: nil for no bytes at all, Kafka's null.
    /// - Throws: `.data` when the value cannot be written, `.retriable` when trying again may help.
    func bytes(_ value: SchemaAndValue, topic: String) async throws(ConnectError) -> [UInt8]?

    /// - Throws: `.data` when the bytes are not what the converter reads, `.retriable` when trying again may help.
    func value(_ bytes: [UInt8]?, topic: String) async throws(ConnectError) -> SchemaAndValue

    /// How values of a schema that are not null become what `bytes` makes of them, as long as the converter lives; nil
    /// where only `bytes` knows.
    ///
    /// - Throws: as `bytes`.
    func writing(_ schema: ConnectSchema, topic: String) async throws(ConnectError) -> PayloadWriting?
}

extension Converter {
    package func writing(_ schema: ConnectSchema, topic: String) async throws(ConnectError) -> PayloadWriting? { nil }
}

/// Turns values of headers into bytes and back.
package protocol HeaderConverter: Sendable {
    func bytes(_ header: ConnectHeader, topic: String) async throws(ConnectError) -> [UInt8]?
    func header(_ name: String, _ bytes: [UInt8]?, topic: String) async throws(ConnectError) -> ConnectHeader
}

/// A converter of values in the place of one for headers, as `StringConverter` and others may stand.
package struct ConverterForHeaders: HeaderConverter {
    package let converter: any Converter

    package init(_ converter: any Converter) { self.converter = converter }

    package func bytes(_ header: ConnectHeader, topic: String) async throws(ConnectError) -> [UInt8]? {
        try await converter.bytes(SchemaAndValue(header.schema, header.value), topic: topic)
    }

    package func header(_ name: String, _ bytes: [UInt8]?, topic: String) async throws(ConnectError) -> ConnectHeader {
        let value = try await converter.value(bytes, topic: topic)
        return ConnectHeader(name, value.schema, value.value)
    }
}
