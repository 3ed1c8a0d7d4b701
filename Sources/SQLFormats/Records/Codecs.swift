package import Columns
package import SQLTypes

/// What a decoder made of a run of records.
package struct DecodedColumns: Sendable {
    package struct Failure: Sendable {
        package var row: Int
        package var error: FormatError

        package init(row: Int, error: FormatError) {
            self.row = row
            self.error = error
        }
    }

    /// One for each wanted column, as long as the run; null where a record has no value or could not be read.
    package var columns: [FormatColumn]
    /// Records that could not be read, ascending.
    package var failures: [Failure]
    /// Records that are not null but say that there is no row: JSON's `null`, a null of an Avro union. Ascending.
    package var absent: [Int]
}

/// Turns the bytes of records, their keys or their values, into columns. One user at a time.
package protocol ColumnDecoder: AnyObject {
    /// - Parameter records: a row without a value is a null key or a tombstone: its columns are null.
    func decode(_ records: BytesColumn) -> DecodedColumns
}

/// Turns columns into bytes of keys or values. One user at a time.
package protocol ColumnEncoder: AnyObject {
    /// - Parameters:
    ///   - columns: all of the format, in order, `count` rows each.
    ///   - present: rows that are not get null instead of bytes.
    /// - Returns: as many rows as given.
    /// - Throws: `.serialization` when a row cannot be written in the format.
    func encode(_ columns: [FormatColumn], count: Int, present: Validity) throws(FormatError) -> BytesColumn
}

/// Reads one record at a time. One user at a time.
package protocol RowDecoder: AnyObject {
    /// - Returns: a value for each column; nil when the bytes say that there is no row.
    /// - Throws: `.deserialization`.
    func row(_ bytes: UnsafeRawBufferPointer) throws(FormatError) -> [SQLValue]?
}

extension RowDecoder {
    package func row(_ bytes: [UInt8]) throws(FormatError) -> [SQLValue]? {
        let result: Result<[SQLValue]?, FormatError> = bytes.withUnsafeBytes { raw in
            do throws(FormatError) { return .success(try row(raw)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}

/// Writes one record at a time. One user at a time.
package protocol RowEncoder: AnyObject {
    /// Appends the bytes of a row that has a value for each column.
    ///
    /// - Returns: false when the row's bytes are null, as a bare value's that is null.
    /// - Throws: `.serialization`; `output` may have bytes of the row then.
    func append(_ row: [SQLValue], to output: inout [UInt8]) throws(FormatError) -> Bool
}

extension RowEncoder {
    /// The bytes of a row; nil for null.
    package func bytes(_ row: [SQLValue]) throws(FormatError) -> [UInt8]? {
        var output: [UInt8] = []
        return try append(row, to: &output) ? output : nil
    }
}

/// Columns by way of rows, for formats whose speed lies elsewhere.
final class RowwiseColumnDecoder: ColumnDecoder {
    private let rows: any RowDecoder
    private let wanted: [Int]
    private let builders: [FormatColumnBuilder]

    init(_ rows: any RowDecoder, columns: [SQLField], wanted: [Int]) {
        self.rows = rows
        self.wanted = wanted
        builders = wanted.map { FormatColumnBuilder(columns[$0].type) }
    }

    func decode(_ records: BytesColumn) -> DecodedColumns {
        var failures: [DecodedColumns.Failure] = []
        var absent: [Int] = []
        if records.validity.nullCount == records.count {
            for builder in builders { builder.appendNulls(records.count) }
            return DecodedColumns(columns: builders.map { $0.finish() }, failures: [], absent: [])
        }
        for builder in builders { builder.reserve(records.count) }
        for row in 0..<records.count {
            do throws(FormatError) {
                let values = try records.withBytes(row) { (bytes) throws(FormatError) in
                    try rows.row(UnsafeRawBufferPointer(bytes))
                }
                if case .some(.some(let values)) = values {
                    for (place, index) in wanted.enumerated() { builders[place].append(values[index]) }
                    continue
                }
                if case .some(.none) = values { absent.append(row) }
            } catch {
                failures.append(.init(row: row, error: error))
            }
            for builder in builders { builder.appendNull() }
        }
        return DecodedColumns(columns: builders.map { $0.finish() }, failures: failures, absent: absent)
    }
}

/// Bytes by way of rows.
final class RowwiseColumnEncoder: ColumnEncoder {
    private let rows: any RowEncoder
    private let types: [SQLType]

    init(_ rows: any RowEncoder, columns: [SQLField]) {
        self.rows = rows
        types = columns.map(\.type)
    }

    func encode(_ columns: [FormatColumn], count: Int, present: Validity) throws(FormatError) -> BytesColumn {
        let output = BytesOutput(count: count)
        if present.nullCount == count {
            output.appendNulls(count)
            return output.finish()
        }
        var bytes: [UInt8] = []
        var values = [SQLValue](repeating: .null, count: types.count)
        for row in 0..<count {
            guard present.isValid(row) else {
                output.appendNull()
                continue
            }
            for index in types.indices { values[index] = columns[index].value(row, types[index]) }
            bytes.removeAll(keepingCapacity: true)
            if try rows.append(values, to: &bytes) { try output.append(bytes) } else { output.appendNull() }
        }
        return output.finish()
    }
}

/// Collects the bytes of records.
final class BytesOutput {
    private let builder = ColumnBuilder(.bytes)

    init(count: Int) { builder.reserve(rows: count) }

    func appendNull() { builder.appendNull() }
    func appendNulls(_ rows: Int) { builder.appendNulls(rows) }

    func append(_ bytes: [UInt8]) throws(FormatError) {
        guard bytes.withUnsafeBytes({ builder.append(bytes: $0) }) else {
            throw FormatError(.serialization, "a batch of more than 2 GiB")
        }
    }

    func finish() -> BytesColumn {
        guard case .bytes(let column) = builder.finish() else { preconditionFailure("a builder of bytes") }
        return column
    }
}
