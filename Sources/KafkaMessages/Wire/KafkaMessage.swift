package import Bytes

/// A message of the protocol, or a key or value of an internal topic: a struct with the fields of all its versions.
///
/// A field that a version lacks keeps its default when read. When written, it is dropped if its definition calls it
/// ignorable or it has its default, else the write throws `WireError.unsupported`. Tagged fields with default values are
/// never written: librdkafka up to 2.0.2 stumbles over them.
package protocol KafkaMessage: Sendable, Equatable {
    /// The versions the definition has; what a broker offers is its own choice among them.
    static var versions: ClosedRange<Int16> { get }
    /// Whether `version` uses compact types and tag sections (KIP-482).
    static func isFlexible(_ version: Int16) -> Bool

    /// All fields at their defaults.
    init()

    /// Reads the message and leaves the reader behind it; bytes may remain (`WireReader.readableByteCount`).
    ///
    /// - Throws: `.truncated`, `.corrupt`, or `.unsupported` for a version outside `versions`.
    init(from reader: inout WireReader, version: Int16) throws(WireError)

    /// - Throws: `.unsupported` for a version outside `versions` or a value that `version` cannot carry. The writer then
    ///   holds a part of the message.
    func encode(to writer: inout WireWriter, version: Int16) throws(WireError)

    /// Visits all error codes of a response, also those that say that all is well; what has none visits nothing.
    func forEachErrorCode(_ visit: (Int16) -> Void)
}

extension KafkaMessage {
    package func forEachErrorCode(_ visit: (Int16) -> Void) {}
}

/// A request, which knows the type of its response.
package protocol KafkaRequest: KafkaMessage {
    associatedtype Response: KafkaMessage
    static var apiKey: ApiKey { get }
}
