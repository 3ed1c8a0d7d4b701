package import Columns
package import SQLPlan
import SQLTypes

/// What a decoder made of a run of records.
package struct DecodedRecords {
    /// One for each wanted column, as long as the run; null where a record has no value or could not be read.
    package var columns: [Vector]
    /// Records that could not be read, ascending.
    package var failures: [Failure]
    /// Records that are not null but say that there is no row, as JSON's `null` does. Ascending.
    package var absent: [Int]

    package struct Failure {
        package var row: Int
        package var message: String
        /// It is not for the record: what it takes to read it cannot be had now.
        package var mayPass: Bool

        package init(row: Int, message: String, mayPass: Bool = false) {
            self.row = row
            self.message = message
            self.mayPass = mayPass
        }
    }

    package init(columns: [Vector], failures: [Failure] = [], absent: [Int] = []) {
        self.columns = columns
        self.failures = failures
        self.absent = absent
    }
}

/// Turns the bytes of records, their keys or their values, into columns. One user at a time.
package protocol RecordDecoder: AnyObject {
    /// - Parameter records: a row without a value is a null key or a tombstone: its columns are null.
    func decode(_ records: BytesColumn) -> DecodedRecords
}

/// Turns columns into bytes of keys or values. One user at a time.
package protocol RecordEncoder: AnyObject {
    /// - Parameters:
    ///   - columns: those of the format, in order, `count` rows each.
    ///   - present: rows that are not gets null instead of bytes.
    /// - Returns: as many rows as given.
    /// - Throws: `.fatalRecord` when a row cannot be written in the format; `.unavailable` when it cannot be now.
    func encode(_ columns: [Vector], count: Int, present: Validity) throws(EngineError) -> BytesColumn
}

/// Gives the codecs of a plan's formats.
package protocol FormatLibrary {
    /// - Parameters:
    ///   - columns: all columns of the bytes, in order.
    ///   - wanted: indexes of those that are read: the columns of what `decode` gives.
    func decoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [RowSchema.Column], wanted: [Int]
    ) throws(EngineError) -> any RecordDecoder

    func encoder(
        _ format: SerdeFormat, topic: String, isKey: Bool, columns: [RowSchema.Column]
    ) throws(EngineError) -> any RecordEncoder

    /// The pattern of a TIMESTAMP_FORMAT.
    func timestampText(_ pattern: String) throws(EngineError) -> TimestampText
}

/// Reads and writes timestamps as texts of one pattern.
package struct TimestampText {
    /// Milliseconds since 1970.
    package var parse: (String) throws(EvaluationFailure) -> Int64

    package init(parse: @escaping (String) throws(EvaluationFailure) -> Int64) { self.parse = parse }
}
