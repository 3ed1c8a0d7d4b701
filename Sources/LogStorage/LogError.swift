package import Environment

/// What a caller of the log can act on.
package struct LogError: Error, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The offset is below the log start or above the log end.
        case offsetOutOfRange
        /// A batch handed to `append` is not what its header says.
        case corruptBatch
        /// Bytes on disk are not what was written: nothing is served from there.
        case corruptSegment
        /// The disk refused a write; the log is as it was before and takes writes again when there is space.
        case diskFull
        /// A sync failed, now or before: this log directory takes no more writes.
        case failed
        /// Any other refusal of the disk.
        case io
        /// The log was closed or deleted.
        case closed
        /// The folder belongs to a topic of the same name with another id.
        case inconsistentTopicId
        /// Another process uses the data folder.
        case locked
        /// The data folder has a layout this program does not know.
        case unsupportedVersion
        case outOfOrderSequence
        case duplicateSequence
        case invalidProducerEpoch
        /// A batch outside of a transaction came while the producer's transaction is open.
        case invalidTxnState
        /// A transaction marker came from a coordinator that was replaced.
        case transactionCoordinatorFenced
        /// A batch's size or offsets do not fit into a segment.
        case batchTooLarge
    }

    package var code: Code
    /// "segment '.../00042.log': CRC mismatch in batch at byte 8192"
    package var message: String
    /// Process id of the other user of a locked folder.
    package var holder: Int32?
    package var cause: DiskError?

    package init(_ code: Code, _ message: String, holder: Int32? = nil, cause: DiskError? = nil) {
        self.code = code
        self.message = message
        self.holder = holder
        self.cause = cause
    }

    /// A refusal of the disk while the log did `what`.
    package init(_ cause: DiskError, _ what: String) {
        let code: Code =
            switch cause.code {
            case .full: .diskFull
            case .locked: .locked
            case .notFound, .alreadyExists, .denied, .tooManyFiles, .io: .io
            }
        self.init(code, what, holder: cause.holder, cause: cause)
    }

    package var description: String {
        "\(code.rawValue): \(message)" + (cause.map { " <- \($0)" } ?? "")
    }

    /// Whether a sync failed only because too many files are open: nothing is lost, and it may be tried again.
    package var isPassing: Bool { code == .io && cause?.code == .tooManyFiles }

    /// The only place where storage errors become Kafka's codes.
    package var kafkaCode: Int16 {
        switch code {
        case .offsetOutOfRange: 1  // OFFSET_OUT_OF_RANGE
        case .corruptBatch, .corruptSegment: 2  // CORRUPT_MESSAGE
        case .closed: 6  // NOT_LEADER_OR_FOLLOWER
        case .batchTooLarge: 18  // RECORD_LIST_TOO_LARGE
        case .outOfOrderSequence: 45  // OUT_OF_ORDER_SEQUENCE_NUMBER
        case .duplicateSequence: 46  // DUPLICATE_SEQUENCE_NUMBER
        case .invalidProducerEpoch: 47  // INVALID_PRODUCER_EPOCH
        case .invalidTxnState: 48  // INVALID_TXN_STATE
        case .transactionCoordinatorFenced: 52  // TRANSACTION_COORDINATOR_FENCED
        case .inconsistentTopicId: 103  // INCONSISTENT_TOPIC_ID
        case .diskFull, .failed, .io, .locked, .unsupportedVersion: 56  // KAFKA_STORAGE_ERROR
        }
    }
}

/// Runs a disk operation and says what the log was doing when it fails.
func attempt<Result>(
    _ what: @autoclosure () -> String, _ body: () throws(DiskError) -> Result
) throws(LogError) -> Result {
    do throws(DiskError) { return try body() } catch { throw LogError(error, what()) }
}
