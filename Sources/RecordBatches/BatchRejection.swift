/// Why a batch of a Produce request is not taken: the answer for its partition.
package struct BatchRejection: Error, Equatable, Sendable, CustomStringConvertible {
    /// Kafka's error code for each different reaction of a producer.
    package enum Code: Int16, Sendable {
        /// CORRUPT_MESSAGE: damaged on the way, send it again.
        case corruptMessage = 2
        /// MESSAGE_TOO_LARGE: split it.
        case messageTooLarge = 10
        /// INVALID_TIMESTAMP.
        case invalidTimestamp = 32
        /// UNSUPPORTED_COMPRESSION_TYPE.
        case unsupportedCompressionType = 76
        /// INVALID_RECORD: breaks a rule, sending it again does not help.
        case invalidRecord = 87
    }

    /// One record at fault; `index` counts from the first record of the batch.
    package struct RecordFault: Equatable, Sendable {
        package var index: Int32
        package var message: String
    }

    /// The fault of a record without a key in a compacted topic; who knows the partition names it behind.
    package static let keyless = "Compacted topic cannot accept message without key"

    /// Faults listed of one batch: the answer stays small whatever the request holds.
    package static let faultCountMax = 100

    package var code: Code
    package var message: String
    /// The records at fault where single ones are, at most `faultCountMax`; `RecordErrors` of Produce v8 and later.
    package var faults: [RecordFault]

    package init(_ code: Code, _ message: String, faults: [RecordFault] = []) {
        self.code = code
        self.message = message
        self.faults = faults
    }

    package var description: String { message }
}
