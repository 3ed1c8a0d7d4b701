import Columns
import SQLPlan
import SQLTypes

/// Times of rows: those of the records, or of the timestamp column.
extension SourceOperator {
    /// What the timestamp column has for a row.
    private enum ColumnTime {
        case valid(Int64)
        case invalid(reason: String)
    }

    private func time(_ value: SQLValue) -> ColumnTime {
        switch value {
        case .bigint(let time), .timestamp(let time):
            return time < 0 ? .invalid(reason: "the timestamp \(time) is negative") : .valid(time)
        case .string(let text):
            do throws(EvaluationFailure) {
                if let time = try timestampPattern?.parse(text), time >= 0 { return .valid(time) }
                return .invalid(reason: "the timestamp '\(text)' is negative")
            } catch { return .invalid(reason: error.message) }
        default: return .invalid(reason: "the timestamp column is null")
        }
    }

    /// Of a record without a value, which has no column to read.
    private func ownTime(_ time: Int64) -> ColumnTime {
        time < 0 ? .invalid(reason: "the record's timestamp \(time) is negative") : .valid(time)
    }

    private func time(
        _ row: Int, _ vector: Vector, _ records: SourceBatch, _ present: Validity,
        _ index: (isKey: Bool, place: Int, type: SQLType)
    ) -> ColumnTime {
        if !index.isKey, !present.isValid(row) { return ownTime(records.timestamps[row]) }
        return time(vector.value(row, index.type))
    }

    /// Negative, missing and unreadable times drop the row.
    func timestamps(
        _ records: SourceBatch, _ present: Validity, _ key: DecodedRecords, _ value: DecodedRecords,
        _ drop: (Int) -> Void
    ) -> ColumnBuffer<Int64> {
        guard let timestampIndex else {
            for row in 0..<records.count where records.timestamps[row] < 0 {
                invalidTimestamp(row, "the record's timestamp \(records.timestamps[row]) is negative", records)
                drop(row)
            }
            return records.timestamps
        }
        let vector = (timestampIndex.isKey ? key : value).columns[timestampIndex.place]
        if let times = Self.plainTimes(vector) { return times }
        return ColumnBuffer(count: records.count) { target in
            for row in 0..<target.count {
                switch time(row, vector, records, present, timestampIndex) {
                case .valid(let time): target.initializeElement(at: row, to: time)
                case .invalid(let reason):
                    target.initializeElement(at: row, to: records.timestamps[row])
                    invalidTimestamp(row, reason, records)
                    drop(row)
                }
            }
        }
    }

    /// The times by which records take their turn among those of other topics; nil: those of the records. Rows that will be
    /// dropped hold nobody up.
    ///
    /// - Throws: `.invalidPlan`; `.unavailable`, so that the records themselves need not be asked for again.
    func turns(_ records: SourceBatch) throws(EngineError) -> ColumnBuffer<Int64>? {
        guard var timestampIndex else { return nil }
        if timestampDecoder == nil { timestampDecoder = try makeTimestampDecoder() }
        guard let decoded = timestampDecoder?.decode(timestampIndex.isKey ? keysOf(records) : records.values) else {
            return nil
        }
        if let first = decoded.failures.first(where: \.mayPass) { throw EngineError(.unavailable, first.message) }
        timestampIndex.place = 0
        let vector = decoded.columns[0]
        if decoded.failures.isEmpty, let times = Self.plainTimes(vector) { return times }
        let present = records.values.validity.without(decoded.absent, count: records.count)
        var failed: Set<Int> = []
        for failure in decoded.failures { failed.insert(failure.row) }
        return ColumnBuffer(count: records.count) { target in
            for row in 0..<target.count {
                let found = failed.contains(row) ? nil : time(row, vector, records, present, timestampIndex)
                if case .valid(let time) = found {
                    target.initializeElement(at: row, to: time)
                } else {
                    target.initializeElement(at: row, to: .min)
                }
            }
        }
    }

    private func keysOf(_ records: SourceBatch) -> BytesColumn {
        guard let window = source.window else { return records.keys }
        var failures: [DecodedRecords.Failure] = []  // told when the records are read
        return WindowedKeys.split(records.keys, window, failures: &failures).keys
    }

    private func makeTimestampDecoder() throws(EngineError) -> (any RecordDecoder)? {
        guard let timestamp = source.timestamp, let timestampIndex else { return nil }
        let isKey = timestampIndex.isKey
        let columns = isKey ? source.keyColumns : source.valueColumns
        guard let index = columns.firstIndex(where: { $0.name == timestamp.column }) else { return nil }
        return try context.formats.decoder(
            isKey ? source.keyFormat : source.valueFormat, topic: source.topic, isKey: isKey, columns: columns,
            wanted: [index])
    }

    /// A column of numbers that all are times.
    private static func plainTimes(_ vector: Vector) -> ColumnBuffer<Int64>? {
        guard case .int64(let column) = vector, column.validity.nullCount == 0 else { return nil }
        return hasTimes(column.values) ? column.values : nil
    }

    private static func hasTimes(_ values: ColumnBuffer<Int64>) -> Bool {
        values.withUnsafeBufferPointer { values in
            var seen: Int64 = 0
            for value in values { seen |= value }
            return seen >= 0
        }
    }

    private func invalidTimestamp(_ row: Int, _ reason: String, _ records: SourceBatch) {
        // A record that cannot be read has no time to read, either. Others are told of when they are processed.
        if isRestoring || isDropped(row) || isBehindEnd(row) { return }
        let place = source.timestamp.map { "column \($0.column): " } ?? ""
        let message = "Failed to extract timestamp from row: \(place)\(reason)"
        note(
            row,
            ProcessingLogEntry(
                kind: .recordProcessing, step: step.name, message: message, topic: records.topic,
                partition: records.partition, offset: records.offsets[row], timestamp: records.timestamps[row]))
        if context.settings.failsOnInvalidTimestamp {
            end(
                row,
                EngineError(
                    .fatalRecord,
                    "Fatal user code error in TimestampExtractor callback for record \(records.topic)-"
                        + "\(records.partition) at offset \(records.offsets[row]): \(message)"))
        }
    }
}
