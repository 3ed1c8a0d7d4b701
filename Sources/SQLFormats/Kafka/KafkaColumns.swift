import Columns
import SQLTypes

/// KAFKA for whole runs: strings and bytes are the records themselves, numbers a loop.
final class KafkaColumnDecoder: ColumnDecoder {
    private let type: SQLType
    private let topic: String

    init(type: SQLType, topic: String) {
        self.type = type
        self.topic = topic
    }

    func decode(_ records: BytesColumn) -> DecodedColumns {
        let builder = FormatColumnBuilder(type)
        builder.reserve(records.count)
        let cells = builder.cells
        var failures: [DecodedColumns.Failure] = []
        let size = type == .int ? 4 : 8
        let name = type == .int ? "IntegerDeserializer" : type == .bigint ? "LongDeserializer" : "Deserializer"
        switch type {
        case .bytes: return DecodedColumns(columns: [.bytes(records)], failures: [], absent: [])
        case .string:
            records.bytes.withUnsafeBufferPointer { all in
                let base = UnsafeRawPointer(all.baseAddress) ?? UnsafeRawPointer(bitPattern: 16)
                for row in 0..<records.count {
                    guard records.validity.isValid(row), let base else {
                        builder.appendNull()
                        continue
                    }
                    let run = records.runs[row]
                    if !cells.pointee.appendString(
                        base + run.lowerBound, count: run.count, readable: all.count - run.lowerBound)
                    {
                        builder.appendNull()
                    }
                }
            }
        default:
            for row in 0..<records.count {
                let done: Bool? = records.withBytes(row) { bytes in
                    guard bytes.count == size else { return false }
                    let raw = UnsafeRawBufferPointer(bytes)
                    if size == 4 {
                        cells.pointee.append(Int32(bigEndian: raw.loadUnaligned(as: Int32.self)))
                    } else {
                        cells.pointee.append(Int64(bigEndian: raw.loadUnaligned(as: Int64.self)))
                    }
                    return true
                }
                guard done != true else { continue }
                builder.appendNull()
                guard done == false else { continue }
                failures.append(
                    .init(
                        row: row,
                        error: FormatError(
                            .deserialization, "Error deserializing KAFKA message from topic: \(topic)",
                            causes: ["Size of data received by \(name) is not \(size)"])))
            }
        }
        return DecodedColumns(columns: [builder.finish()], failures: failures, absent: [])
    }
}
