import Bytes
import KafkaMessages
import LogStorage
import NIOCore
import RecordBatches

/// Why a batch was not appended.
struct AppendFailure: Error {
    var code: ErrorCode
    var message: String
    /// The records at fault where single ones are (`RecordErrors` of Produce).
    var faults: [BatchRejection.RecordFault] = []
}

extension BrokerNode {
    /// Checks one batch by the topic's rules, appends it and wakes those who wait for records. Synchronous: what it
    /// waits for at most is the page cache.
    ///
    /// - Parameters:
    ///   - version: of the Produce request that brought it.
    ///   - now: milliseconds since 1970.
    func append(
        _ batch: ByteBuffer, to partition: Partition, of topic: Topic, version: Int16, now: Int64
    ) -> Result<AppendResult, AppendFailure> {
        let bytes = batch.readableBytesSpan
        do throws(BatchRejection) {
            let admitted = try topic.config.rules.admit(bytes, version: version, now: now)
            if admitted.header.attributes.isTransactional {
                return .failure(
                    AppendFailure(code: .invalidTxnState, message: "transactions are not supported by this broker"))
            }
            let appended: AppendResult
            do throws(LogError) {
                if let replacement = admitted.replacement {
                    appended = try partition.log.append(replacement.span.bytes, header: admitted.header, now: now)
                } else {
                    appended = try partition.log.append(bytes, header: admitted.header, now: now)
                }
            } catch {
                alarm.note(error)
                return .failure(AppendFailure(code: ErrorCode(rawValue: error.kafkaCode), message: error.message))
            }
            if !appended.isDuplicate {
                metrics.noteProduced(
                    recordCount: appended.lastOffset - appended.baseOffset + 1, byteCount: bytes.byteCount)
                partition.wakeWaiters()
            }
            return .success(appended)
        } catch {
            return .failure(
                AppendFailure(
                    code: ErrorCode(rawValue: error.code.rawValue), message: error.message, faults: error.faults))
        }
    }
}
